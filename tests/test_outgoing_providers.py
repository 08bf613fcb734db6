"""Each kind of provider in ``banneton.yaml`` becomes the backend that speaks its protocol."""

import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from app.catalog.read import read_deployment
from app.domain.catalog import Feature
from app.domain.conversation import Effort, Reasoning, Sampling
from app.domain.errors import ContentError
from app.domain.protocols import Backend
from app.guardrails.kinds import KINDS
from app.main import load_project
from app.outgoing import start_backends, used_backends
from app.settings import settings_from
from tests.backends.contract import collect, conversation, text_of
from tests.e2e.project import write_project
from tests.servers.anthropic_server import anthropic_server
from tests.servers.azure_server import KEY as AZURE_KEY
from tests.servers.azure_server import azure_server
from tests.servers.bedrock_server import (
    ACCESS_KEY,
    API_KEY,
    REGION,
    SECRET_KEY,
    bedrock_server,
)
from tests.servers.gemini_server import gemini_server
from tests.servers.responses_server import responses_server

ENVIRON = {
    "KEY": "sk-very-secret",
    "ID": ACCESS_KEY,
    "SECRET": SECRET_KEY,
    "API_KEY": API_KEY,
    "AZURE_KEY": AZURE_KEY,
}
VERTEX = {"type": "vertex", "project": "bread", "location": "europe-west4"}
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
        yield (await start_backends(settings, root, used_backends(loaded, KINDS), str, stack))[
            "model"
        ]


ROUTES = ("balanced", "hurried", "nowhere", "vectors", "pictures")


async def test_responses(tmp_path: Path) -> None:
    """A setting would be read and then not be used."""
    async with responses_server() as server:
        wanted = {
            "type": "responses",
            "base_url": server.base_url,
            "api_key": "${KEY}",
            "encrypted_reasoning": False,
            "summary": "auto",
            "leave_out": ["seed"],
            "headers": {"x-team": "bread"},
        }
        asked = replace(conversation("Hi"), sampling=Sampling(seed=1))
        async with started(tmp_path / "project", wanted) as backend:
            assert text_of(await collect(backend, asked)) == "Hi"
    seen = server.requests[0]
    assert seen.headers["Authorization"] == "Bearer sk-very-secret"
    assert seen.headers["x-team"] == "bread"
    assert seen.body["reasoning"] == {"summary": "auto"}
    assert "include" not in seen.body


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
        "from app import providers\n"
        "from app.domain.errors import ContentError\n"
        "from app.settings.backends import BedrockBackend\n"
        "try:\n"
        "    settings = BedrockBackend(type='bedrock', region='eu-west-1')\n"
        "    providers.backend_of(settings, None, None, None)\n"
        "except ContentError as exc:\n"
        "    print(exc)\n"
    )
    ended = subprocess.run(  # noqa: S603  # our own interpreter
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert "banneton.yaml: backends: type 'bedrock' needs" in ended.stdout
    assert "pip install 'banneton[bedrock]'" in ended.stdout


async def test_gemini(tmp_path: Path) -> None:
    """A setting would be read and then not be used."""
    async with gemini_server() as server:
        wanted = {
            "type": "gemini",
            "base_url": server.base_url,
            "api_key": "${KEY}",
            "thinking": "budget",
            "leave_out": ["seed"],
            "headers": {"x-team": "bread"},
        }
        sampling = Sampling(seed=1, reasoning=Reasoning(Effort.NONE))
        asked = replace(conversation("Hi"), sampling=sampling)
        async with started(tmp_path / "project", wanted) as backend:
            assert text_of(await collect(backend, asked)) == "Hi"
            assert backend.gives == {Feature.EMBEDDINGS, Feature.PICTURES}
    seen = server.requests[0]
    assert seen.headers["x-goog-api-key"] == "sk-very-secret"
    assert seen.headers["x-team"] == "bread"
    assert seen.body["generationConfig"] == {"thinkingConfig": {"thinkingBudget": 0}}


async def test_vertex(tmp_path: Path) -> None:
    """The same, with a token that something else keeps in a file."""
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "token").write_text("fresh\n")
    async with gemini_server() as server:
        wanted = {**VERTEX, "base_url": server.base_url, "token_file": "token"}
        async with started(tmp_path / "project", wanted) as backend:
            assert text_of(await collect(backend, conversation("Hi"))) == "Hi"
            assert backend.gives == {Feature.PICTURES}
    assert server.requests[0].headers["Authorization"] == "Bearer fresh"


async def test_vertex_without_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first client would learn that the gateway has no credentials, and not the operator."""
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "missing.json"))
    with pytest.raises(ContentError, match="no Google credentials were found"):
        async with started(tmp_path / "project", VERTEX):
            pass


@pytest.mark.parametrize("version", [None, "2024-10-21"])
async def test_azure(tmp_path: Path, version: str | None) -> None:
    """A resource would be asked by the wrong address, or with the wrong header."""
    async with azure_server() as server:
        wanted = {
            "type": "azure",
            "base_url": server.base_url,
            "api_key": "${AZURE_KEY}",
            "api_version": version,
        }
        asked = replace(conversation("Hi"), sampling=Sampling(max_tokens=9))
        async with started(tmp_path / "project", wanted) as backend:
            assert text_of(await collect(backend, asked)) == "Hi"
    assert server.requests[0].body["max_completion_tokens"] == 9


def test_vertex_where_its_extra_is_missing() -> None:
    """The gateway would not start at all, or not say what to install."""
    code = (
        "import sys; sys.modules['google.auth'] = None\n"
        "from app import providers\n"
        "from app.domain.errors import ContentError\n"
        "from app.settings.backends import VertexBackend\n"
        "settings = VertexBackend.model_construct(\n"
        "    type='vertex', project='bread', location='eu', base_url=None, token_file=None,\n"
        "    headers={}\n"
        ")\n"
        "try:\n"
        "    providers.backend_of(settings, None, None, None)\n"
        "except ContentError as exc:\n"
        "    print(exc)\n"
    )
    ended = subprocess.run(  # noqa: S603  # our own interpreter
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert "pip install 'banneton[vertex]'" in ended.stdout


async def test_azure_by_a_token(tmp_path: Path) -> None:
    """The token of a file would not be sent, or the key of a resource with it."""
    async with azure_server() as server:
        (tmp_path / "project" / "run").mkdir(parents=True)
        (tmp_path / "project" / "run" / "token").write_text("fresh", "ascii")
        wanted = {"type": "azure", "base_url": server.base_url, "token_file": "run/token"}
        server.token = "fresh"  # noqa: S105  # of this test
        async with started(tmp_path / "project", wanted) as backend:
            assert text_of(await collect(backend, conversation("Hi"))) == "Hi"
    assert server.requests[0].headers["Authorization"] == "Bearer fresh"
    assert "api-key" not in server.requests[0].headers


def test_azure_where_its_extra_is_missing() -> None:
    """The gateway would not start at all, or not say what to install."""
    code = (
        "import sys; sys.modules['azure.identity'] = None\n"
        "from app import providers\n"
        "from app.domain.errors import ContentError\n"
        "from app.settings.backends import AzureBackend\n"
        "settings = AzureBackend.model_construct(\n"
        "    base_url='https://a.example', auth='entra', token_file=None\n"
        ")\n"
        "try:\n"
        "    providers._azure_tokens(settings)\n"
        "except ContentError as exc:\n"
        "    print(exc)\n"
    )
    ended = subprocess.run(  # noqa: S603  # our own interpreter
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert "pip install 'banneton[azure]'" in ended.stdout


def test_others_do_without_the_extras() -> None:
    """Who uses no models of AWS or Google would wait for their packages at each start."""
    code = (
        "import sys; import app.main\n"
        "extras = {'botocore', 'google.auth', 'azure.identity'}\n"
        "print(extras & {*sys.modules} != set())\n"
    )
    ended = subprocess.run(  # noqa: S603  # our own interpreter
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert ended.stdout.strip() == "False"
