"""What an image is made of, and what it may do; `deploy/rehearse.py` runs it."""

import json
import shlex
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from app.catalog.yaml_source import parse_document
from deploy.rehearse import instructions

ROOT = Path(__file__).parent.parent
STEPS = list(instructions((ROOT / "Dockerfile").read_text("utf-8")))
SAID = dict(STEPS)
SERVICE: Any = parse_document(
    (ROOT / "deploy" / "compose.yaml").read_bytes(), "compose.yaml"
).plain()


def test_the_image_has_what_it_copies_and_installs_what_was_reviewed() -> None:
    """The build would fail, or take packages that nobody has looked at."""
    left_out = (ROOT / ".dockerignore").read_text("utf-8").split()
    for rest in (rest for word, rest in STEPS if word == "COPY" and "--from" not in rest):
        for name in shlex.split(rest)[:-1]:
            assert (ROOT / name).exists()
            assert not any(fnmatchcase(name, each) for each in left_out), name
    runs = [rest for word, rest in STEPS if word == "RUN"]
    installs = [part for rest in runs for part in rest.split("&&") if "pip install" in part]
    assert all("--require-hashes" in part or "--no-deps ." in part for part in installs)
    files = [word for part in installs for word in shlex.split(part) if word.endswith(".txt")]
    assert files
    assert all((ROOT / file).is_file() for file in files)


def test_the_image_runs_without_rights() -> None:
    """Whoever breaks into the gateway would own the machine, or change what it serves."""
    assert [word for word, _ in STEPS].count("FROM") == 2
    after = [word for word, _ in STEPS]
    assert int(SAID["USER"]) > 0
    assert after.index("USER") < after.index("ENTRYPOINT")
    gateway = SERVICE["services"]["gateway"]
    assert gateway["read_only"] is True
    assert gateway["cap_drop"] == ["ALL"]
    assert gateway["security_opt"] == ["no-new-privileges:true"]
    assert all(place.startswith("/tmp:") and "noexec" in place for place in gateway["tmpfs"])  # noqa: S108  # the image's
    assert gateway["volumes"] == [f"var:{SAID['VOLUME']}"]
    assert all(port.startswith("127.0.0.1:") for port in gateway["ports"])
    assert all("file" in SERVICE["secrets"][name] for name in gateway["secrets"])
    assert "environment" not in gateway


@contextmanager
def _server(status: int) -> Iterator[int]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/healthz" else 404)
            self.end_headers()

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


@pytest.mark.parametrize(("status", "is_well"), [(200, True), (503, False)])
def test_the_health_check_tells_a_gateway_that_answers(status: int, *, is_well: bool) -> None:
    """A gateway that is dead would be kept, or one that is well be started again and again."""
    python, *words = json.loads(SAID["HEALTHCHECK"].partition(" CMD ")[2])
    assert python == "python"
    with _server(status) as port:
        command = [sys.executable, *(word.replace("8000", str(port)) for word in words)]
        ended = subprocess.run(command, check=False, capture_output=True, timeout=60)  # noqa: S603  # our own
    assert (ended.returncode == 0) is is_well
    gone = subprocess.run(command, check=False, capture_output=True, timeout=60)  # noqa: S603  # our own
    assert gone.returncode != 0
