"""Each kind of provider in ``banneton.yaml`` becomes the backend that speaks its protocol."""

import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest

from app.catalog.read import read_deployment
from app.domain.errors import ContentError
from app.domain.protocols import Backend
from app.guardrails.kinds import KINDS
from app.main import load_project
from app.outgoing import start_backends
from app.settings import settings_from
from tests.backends.contract import collect, conversation, text_of
from tests.e2e.project import write_project
from tests.servers.anthropic_server import anthropic_server
from tests.servers.bedrock_server import (
    ACCESS_KEY,
    API_KEY,
    REGION,
    SECRET_KEY,
    bedrock_server,
)

ENVIRON = {"KEY": "sk-very-secret", "ID": ACCESS_KEY, "SECRET": SECRET_KEY, "API_KEY": API_KEY}
AWS = {"type": "bedrock", "region": REGION}


@asynccontextmanager
async def started(root: Path, backend: Mapping[str, Any]) -> AsyncIterator[Backend]:
    """A backend of these settings, as the gateway starts it."""
    write_project(root, "http://127.0.0.1:9/v1")
    document = {
        "backends": {"model": backend},
        "routes": {name: {"backend": "model", "model": "m"} for name in ROUTES},
    }
    (root / "banneton.yaml").write_bytes(orjson.dumps(document))
    loaded = load_project(root, reads_secrets=False).load()
    settings = settings_from(read_deployment(root), ENVIRON, root)
    async with AsyncExitStack() as stack:
        yield (await start_backends(settings, root, loaded, KINDS, stack))["model"]


ROUTES = ("balanced", "hurried", "nowhere")


async def test_anthropic(tmp_path: Path) -> None:
    """A setting would be read and then not be used."""
    async with anthropic_server() as server:
        wanted = {
            "type": "anthropic",
            "base_url": server.base_url,
            "api_key": "${KEY}",
            "version": "2023-06-01",
            "max_tokens": 77,
            "headers": {"anthropic-beta": "x"},
        }
        async with started(tmp_path / "project", wanted) as backend:
            assert text_of(await collect(backend, conversation("Hi"))) == "Hi"
    seen = server.requests[0]
    assert seen.headers["x-api-key"] == "sk-very-secret"
    assert seen.headers["anthropic-version"] == "2023-06-01"
    assert seen.headers["anthropic-beta"] == "x"
    assert seen.body["max_tokens"] == 77


@pytest.mark.parametrize(
    "credentials",
    [
        pytest.param(
            {"access_key_id": "${ID}", "secret_access_key": "${SECRET}", "session_token": "${KEY}"},
            id="temporary keys",
        ),
        pytest.param({"access_key_id": "${ID}", "secret_access_key": "${SECRET}"}, id="keys"),
        pytest.param({"api_key": "${API_KEY}"}, id="an API key"),
    ],
)
async def test_bedrock(tmp_path: Path, credentials: dict[str, str]) -> None:
    """The same, and the fake server takes no request whose signature is wrong."""
    async with bedrock_server() as server:
        wanted = {**AWS, "base_url": server.base_url, **credentials}
        async with started(tmp_path / "project", wanted) as backend:
            assert text_of(await collect(backend, conversation("Hi"))) == "Hi"
    assert server.requests[0].path == "/model/some-model/converse-stream"


async def test_bedrock_without_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first client would learn that the gateway has no keys, and not the operator."""
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    with pytest.raises(ContentError, match="no AWS credentials were found"):
        async with started(tmp_path / "project", {**AWS, "profile": "missing"}):
            pass


def test_bedrock_where_its_extra_is_missing() -> None:
    """The gateway would not start at all, or not say what to install."""
    code = (
        "import sys; sys.modules['botocore'] = None\n"
        "from app import outgoing\n"
        "from app.domain.errors import ContentError\n"
        "from app.settings.backends import BedrockBackend\n"
        "try:\n"
        "    outgoing._backend(BedrockBackend(type='bedrock', region='eu-west-1'), None, None)\n"
        "except ContentError as exc:\n"
        "    print(exc)\n"
    )
    ended = subprocess.run(  # noqa: S603  # our own interpreter
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert "banneton.yaml: backends: type 'bedrock' needs" in ended.stdout
    assert "pip install 'banneton[bedrock]'" in ended.stdout


def test_others_do_without_the_extra() -> None:
    """Who uses no models of AWS would wait for its package at each start, or miss it."""
    code = "import sys; import app.main; print('botocore' in sys.modules)"
    ended = subprocess.run(  # noqa: S603  # our own interpreter
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert ended.stdout.strip() == "False"
