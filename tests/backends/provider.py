"""An OpenAI backend that is connected to the fake provider."""

import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from app.backends.openai import OpenAIBackend
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
        options = {"base_url": server.base_url, "api_key": KEY, **options}
        yield server, OpenAIBackend(session, **options)


async def failure_of(backend: Backend, wanted: Conversation | None = None) -> BackendError:
    """How the request fails; nothing secret may be in it."""
    with pytest.raises(BackendError) as caught:
        await collect(backend, wanted)
    shown = "".join(traceback.format_exception(caught.value))
    assert KEY not in shown
    assert SECRET_IN_ERRORS not in shown
    return caught.value
