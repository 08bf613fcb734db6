"""The gateway as a process of its own, started and asked as its users do."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import orjson
from anthropic import Anthropic
from openai import OpenAI

Json = Any

REPOSITORY = Path(__file__).parent.parent.parent
_LISTENS = re.compile(rb"Listening on (http://[0-9.]+:[0-9]+)")
_PATIENCE_S = 120
"""How long a process may take; only a broken one ever takes so long."""


def banneton(
    *arguments: str | Path, given: str = "", cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, without a terminal."""
    return subprocess.run(  # noqa: S603  # our own command
        [sys.executable, "-m", "app", *map(str, arguments)],
        input=given,
        capture_output=True,
        text=True,
        timeout=_PATIENCE_S,
        check=False,
        cwd=cwd or REPOSITORY,
        env=environment(),
    )


def environment() -> dict[str, str]:
    """What the tests' own process has, without what would change how commands behave."""
    kept = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}  # noqa: TID251  # passed on, not read
    return {**kept, "PYTHONPATH": str(REPOSITORY), "NO_PROXY": "127.0.0.1", "MODEL_KEY": MODEL_KEY}


MODEL_KEY = "planted-key-of-the-provider"
"""What the gateway authenticates with at the provider; it must turn up nowhere else."""


@dataclass
class Gateway:
    """A running gateway."""

    root: Path
    process: subprocess.Popen[bytes]
    log: Path
    """Everything that it wrote to standard output and error."""
    url: str = ""
    keys: dict[str, str] = field(default_factory=dict)
    """Secrets by the names that the tests gave them."""

    def client(self, key: str = "t", **options: Json) -> OpenAI:
        """The official client, unmodified: only address and key are ours."""
        options = {"max_retries": 0, "timeout": 60, **options}
        return OpenAI(base_url=f"{self.url}/v1", api_key=self.keys.get(key, key), **options)

    def anthropic(self, key: str = "t", **options: Json) -> Anthropic:
        """Anthropic's official client, unmodified."""
        options = {"max_retries": 0, "timeout": 60, **options}
        return Anthropic(base_url=self.url, api_key=self.keys.get(key, key), **options)

    def http(self, key: str | None = "t") -> httpx2.Client:
        """For what the official client has no call for."""
        headers = {"authorization": f"Bearer {self.keys[key]}"} if key is not None else {}
        return httpx2.Client(base_url=self.url, headers=headers, timeout=60, trust_env=False)

    def get(self, path: str, key: str | None = "t") -> httpx2.Response:
        """One GET."""
        with self.http(key) as http:
            return http.get(path)

    def post(self, path: str, body: Json, key: str | None = "t") -> httpx2.Response:
        """One POST of JSON."""
        with self.http(key) as http:
            return http.post(path, json=body)

    def record(self, request_id: str) -> Json:
        """A record, as the gateway itself serves it."""
        answer = self.get(f"/v1/records/{request_id}")
        assert answer.status_code == 200
        return answer.json()

    def wait_for_record(self, request_id: str) -> Json:
        """A record, when its exchange has been closed."""
        return until(lambda: (made := self.record(request_id))["status"] and made)

    def newest(self) -> Json:
        """The newest record."""
        return self.get("/v1/records?limit=1").json()["records"][0]

    def output(self) -> bytes:
        """What it wrote so far."""
        return self.log.read_bytes()

    def stop(self) -> int:
        """End it as an operator does; gives its status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(_PATIENCE_S)

    def kill(self) -> None:
        """End it as a power cut does."""
        self.process.kill()
        self.process.wait(_PATIENCE_S)


def until(found: Callable[[], Json]) -> Json:
    """The first true thing that comes."""
    end = time.monotonic() + _PATIENCE_S
    while time.monotonic() < end:
        if made := found():
            return made
        time.sleep(0.01)
    raise TimeoutError("what was waited for did not come")


@contextmanager
def gateway(
    root: Path,
    *options: str,
    keys: Mapping[str, Json] | None = None,
    python: str | Path = sys.executable,
) -> Iterator[Gateway]:
    """Serve a project until the end of the block.

    Args:
        root: The project.
        options: More for the command.
        keys: By name, the secrets of keys that were made before.
        python: The interpreter, with what is installed for it.
    """
    log = root.parent / f"{root.name}.log"
    with log.open("ab") as out:
        process = subprocess.Popen(  # noqa: S603  # our own command
            [python, "-m", "app", "serve", "--root", root, "--port", "0", *options],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            cwd=REPOSITORY,
            env=environment(),
        )
    running = Gateway(root, process, log, keys=dict(keys or {}))
    before = len(log.read_bytes())

    def address() -> str:
        said = log.read_bytes()[before:]
        if process.poll() is not None:
            raise RuntimeError(f"the gateway ended with {process.returncode}: {said.decode()}")
        found = _LISTENS.search(said)
        return found[1].decode() if found else ""

    try:
        running.url = until(address)
        yield running
    finally:
        if process.poll() is None:
            running.stop()


def make_keys(root: Path, wishes: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    """Create keys as an operator does: by name, with the options of each."""
    made = {}
    for name, options in wishes.items():
        ended = banneton(
            "keys", "create", "--name", name, "--root", root, "--format", "json", *options
        )
        assert ended.returncode == 0, ended.stderr
        made[name] = orjson.loads(ended.stdout)["key"]
    return made
