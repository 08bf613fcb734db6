"""An OpenAI backend that is connected to the fake provider."""

import traceback
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from app.backends.http import Connection
from app.backends.openai import OpenAIBackend, bearer
from app.backends.timeouts import Timeouts
from app.domain.conversation import Conversation
from app.domain.errors import BackendError
from app.domain.protocols import Backend
from tests.backends.contract import collect
from tests.servers.openai_server import (
    SECRET_IN_ERRORS,
    OpenAIServer,
    openai_server,
)

KEY = "sk-very-secret"


@asynccontextmanager
async def connected(**options: Any) -> AsyncIterator[tuple[OpenAIServer, OpenAIBackend]]:  # noqa: ANN401  # the backend's own
    """A server, and a backend that talks to it."""
    jar = aiohttp.DummyCookieJar()
    async with openai_server() as server, aiohttp.ClientSession(cookie_jar=jar) as session:
        yield server, openai_backend(session, **{"base_url": server.base_url, **options})


def openai_backend(
    session: aiohttp.ClientSession,
    *,
    base_url: str,
    api_key: str | None = KEY,
    headers: Mapping[str, str] | None = None,
    timeouts: Timeouts | None = None,
) -> OpenAIBackend:
    """A backend that reaches a server."""
    wanted = {**(headers or {}), **bearer(api_key)}
    return OpenAIBackend(Connection(session, base_url, wanted, timeouts or Timeouts()))


async def failure_of(backend: Backend, wanted: Conversation | None = None) -> BackendError:
    """How the request fails; nothing secret may be in it."""
    with pytest.raises(BackendError) as caught:
        await collect(backend, wanted)
    shown = "".join(traceback.format_exception(caught.value))
    assert KEY not in shown
    assert SECRET_IN_ERRORS not in shown
    return caught.value
