"""One gateway for all tests of a worker: starting one costs seconds."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from openai import OpenAI

from app.access.keys import KeyWish
from app.main import load_project, make_key
from tests.e2e.gateway import Gateway, gateway, make_keys
from tests.e2e.project import PII, write_project
from tests.e2e.provider import Provider
from tests.servers.openai_server import OpenAIServer, openai_server_in_thread


@pytest.fixture(scope="session")
def _server() -> Iterator[OpenAIServer]:
    with openai_server_in_thread() as server:
        yield server


@pytest.fixture(scope="session")
def _shared(_server: OpenAIServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    root = write_project(
        tmp_path_factory.mktemp("e2e") / "shared", _server.base_url, personal_data=PII
    )
    keys = make_keys(root, {"t": ("--records",)})
    wishes = {
        "lexi-only": KeyWish("default", "lexi-only", personas=frozenset({"lexi"})),
        "professional": KeyWish("default", "professional", loosest_audience="professional"),
        "neighbour": KeyWish("neighbour", "neighbour", may_read_records=True),
        "elsewhere": KeyWish("elsewhere", "elsewhere"),
    }
    project = load_project(root, reads_secrets=False)
    for name, wish in wishes.items():
        keys[name] = asyncio.run(make_key(project, wish)).secret
    with gateway(root, keys=keys) as running:
        yield running


@pytest.fixture
def provider(_server: OpenAIServer) -> Provider:
    """The provider, as new."""
    made = Provider(_server)
    made.begin()
    return made


@pytest.fixture
def served(_shared: Gateway, provider: Provider) -> Gateway:
    """The gateway that most tests share, before a provider that is as new."""
    assert provider.requests == []
    return _shared


@pytest.fixture
def client(served: Gateway) -> Iterator[OpenAI]:
    """The official client with an ordinary key."""
    with served.client() as made:
        yield made


@pytest.fixture
def project(provider: Provider, tmp_path: Path) -> Path:
    """A project of the test's own, quick to load."""
    return write_project(tmp_path / "project", provider.server.base_url)
