"""One server for all tests of a module; each test begins with a fresh script."""

from collections.abc import Iterator
from dataclasses import fields

import pytest
from anthropic import Anthropic
from openai import OpenAI

from tests.api.scripted import ScriptedGateway, Served, serve


@pytest.fixture(scope="session")
def _server() -> Iterator[Served]:
    with serve(ScriptedGateway()) as served:
        yield served


@pytest.fixture
def served(_server: Served) -> Served:
    """The server, with its gateway as new."""
    fresh = ScriptedGateway()
    for one in fields(fresh):
        setattr(_server.gateway, one.name, getattr(fresh, one.name))
    return _server


@pytest.fixture
def client(served: Served) -> Iterator[OpenAI]:
    """The official client, without retries."""
    with OpenAI(base_url=f"{served.url}/v1", api_key="key", max_retries=0, timeout=10) as made:
        yield made


@pytest.fixture
def anthropic(served: Served) -> Iterator[Anthropic]:
    """Anthropic's official client, without retries."""
    with Anthropic(base_url=served.url, api_key="key", max_retries=0, timeout=10) as made:
        yield made
