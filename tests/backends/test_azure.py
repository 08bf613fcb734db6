"""The Azure backend against a real server on loopback."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import aiohttp
import pytest
from typing_extensions import override

from app.backends.azure import AzureBackend, azure_key
from app.backends.http import Connection
from app.backends.timeouts import Timeouts
from app.domain.errors import BackendProblem
from app.domain.events import Finish, FinishReason, TextDelta
from app.domain.protocols import Backend
from tests.backends import test_openai
from tests.backends.contract import collect, conversation, text_of
from tests.backends.provider import failure_of
from tests.backends.provider_contract import Content, Text
from tests.servers.azure_server import KEY, AzureServer, azure_server, filtered
from tests.servers.openai_server import DONE, OpenAIServer, Play, chunk


@asynccontextmanager
async def connected(
    *, api_version: str | None = None, key: str = KEY
) -> AsyncIterator[tuple[AzureServer, AzureBackend]]:
    """A server, and a backend that talks to it."""
    jar = aiohttp.DummyCookieJar()
    async with azure_server() as server, aiohttp.ClientSession(cookie_jar=jar) as session:
        to = Connection(session, server.base_url, azure_key(key), Timeouts())
        yield server, AzureBackend(to, api_version=api_version)


class TestContract(test_openai.TestContract):
    """The Azure backend keeps the promises of every provider's backend."""

    @override
    @asynccontextmanager
    async def connected(self) -> AsyncIterator[tuple[OpenAIServer, Backend]]:
        async with connected(api_version="2024-10-21") as (server, backend):
            yield server, backend

    @override
    def played(
        self,
        content: Sequence[Content],
        *,
        finish: FinishReason = FinishReason.STOP,
        is_stream: bool = True,
    ) -> Play:
        return filtered(super().played(content, finish=finish, is_stream=is_stream))

    @override
    def begun(self, content: Sequence[Text]) -> Play:
        play = super().begun(content)
        marked = filtered(play).steps[1:]
        return Play(marked)


@pytest.mark.parametrize(
    ("version", "path"),
    [
        (None, "/openai/v1/chat/completions"),
        (
            "2024-10-21",
            "/openai/deployments/a%2Fb%3Fc/chat/completions?api-version=2024-10-21",
        ),
    ],
)
async def test_request_as_the_server_sees_it(version: str | None, path: str) -> None:
    """The deployment would not be found, or the key stand where logs show it."""
    async with connected(api_version=version) as (server, backend):
        events = [each async for each in backend.stream(conversation("Hi"), "a/b?c")]
        assert KEY not in repr(backend)
    seen = server.requests[0]
    assert text_of(events) == "Hi"
    assert seen.raw_path == path
    assert seen.headers["api-key"] == KEY
    assert seen.body["model"] == "a/b?c"


async def test_filter_that_stops_an_answer() -> None:
    """Half an answer would look whole, or what the filter says reach the client."""
    async with connected() as (server, backend):
        server.play(
            filtered(Play([chunk({"content": "Well"}), chunk(finish="content_filter"), DONE]))
        )
        events = await collect(backend)
    assert events == [TextDelta("Well"), Finish(FinishReason.CONTENT_FILTER)]


async def test_wrong_key_is_found_out() -> None:
    """The fake server would take every key, and the tests above prove nothing."""
    async with connected(key="another") as (_, backend):
        assert (await failure_of(backend)).problem is BackendProblem.REJECTED
