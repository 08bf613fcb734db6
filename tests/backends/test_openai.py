"""The OpenAI backend against a real server on loopback."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any

import aiohttp
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typing_extensions import override

from app.domain.conversation import Conversation, Tool
from app.domain.errors import BackendProblem
from app.domain.events import (
    Finish,
    FinishReason,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from app.domain.protocols import Backend
from tests.backends.contract import (
    AWKWARD_TEXT,
    collect,
    conversation,
    text_of,
)
from tests.backends.provider import KEY, connected, openai_backend
from tests.backends.provider_contract import Call, Content, ProviderContract, Text
from tests.servers.openai_server import (
    DONE,
    SECRET_IN_ERRORS,
    Gate,
    Hang,
    OpenAIServer,
    Pause,
    Play,
    chunk,
    cut,
    error_answer,
    event,
    text_answer,
    text_stream,
    tool_call_answer,
    usage_chunk,
    whole_answer,
)

STOPS = {each: each.value for each in FinishReason}


class TestContract(ProviderContract):
    """The OpenAI backend keeps the promises of every provider's backend."""

    signs_reasoning = False
    tools_show_images = False

    @override
    @asynccontextmanager
    async def connected(self) -> AsyncIterator[tuple[OpenAIServer, Backend]]:
        async with connected() as (server, backend):
            yield server, backend

    @override
    def played(
        self,
        content: Sequence[Content],
        *,
        finish: FinishReason = FinishReason.STOP,
        is_stream: bool = True,
    ) -> Play:
        text = "".join(each.text for each in content if isinstance(each, Text))
        calls = [
            {
                "id": each.call_id,
                "type": "function",
                "function": {
                    "name": each.name,
                    "arguments": orjson.dumps(each.arguments).decode(),
                },
            }
            for each in content
            if isinstance(each, Call)
        ]
        if not is_stream:
            return whole_answer(text, calls=calls, finish=STOPS[finish])
        deltas: list[dict[str, Any]] = [{"content": piece} for piece in text]
        deltas += [{"tool_calls": [{"index": at, **call}]} for at, call in enumerate(calls)]
        end = [chunk(finish=STOPS[finish]), usage_chunk(), DONE]
        return Play([*(chunk(delta) for delta in deltas), *end])

    @override
    def begun(self, content: Sequence[Text]) -> Play:
        return Play([chunk({"content": each.text}) for each in content])

    @override
    def error_status(self, status: int) -> Play:
        return error_answer(status)

    @override
    def error_event(self) -> tuple[bytes, BackendProblem]:
        error = event({"error": {"message": SECRET_IN_ERRORS}})
        return error, BackendProblem.FAILED


async def test_request_as_the_server_sees_it() -> None:
    """The provider would not know who asks, or get what its own types do not allow."""
    async with connected(headers={"X-Team": "bread"}) as (server, backend):
        wanted = conversation("你好")
        events = await collect(backend, wanted)
    seen = server.requests[0]
    assert text_of(events) == "你好"
    assert seen.path == "/v1/chat/completions"
    assert seen.headers["Authorization"] == f"Bearer {KEY}"
    assert seen.headers["X-Team"] == "bread"
    assert seen.headers["Accept-Encoding"] == "identity"
    assert seen.body["model"] == "some-model"
    assert seen.body["stream_options"] == {"include_usage": True}
    assert isinstance(events[-1], Usage)


async def test_no_key_and_a_query() -> None:
    """Servers without keys, and Azure's version parameter, could not be used."""
    async with connected(api_key=None) as (server, backend):
        del backend
        async with aiohttp.ClientSession() as session:
            with_query = openai_backend(
                session, base_url=server.base_url + "/?api-version=2", api_key=None
            )
            await collect(with_query)
    assert server.requests[0].path == "/v1/chat/completions?api-version=2"
    assert "Authorization" not in server.requests[0].headers


async def test_tool_call_arrives_whole() -> None:
    """A call's arguments would be lost or doubled on their way."""
    arguments = '{"city": "Zürich 🙂"}'
    async with connected() as (server, backend):
        server.play(tool_call_answer("weather", arguments))
        wanted = Conversation("tester", conversation().messages, tools=(Tool("weather"),))
        calls = [each for each in await collect(backend, wanted) if isinstance(each, ToolCallDelta)]
    assert (calls[0].call_id, calls[0].name) == ("call_1", "weather")
    assert all(each.call_id is None and each.name is None for each in calls[1:])
    assert "".join(each.arguments for each in calls) == arguments


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.differing_executors])
@given(positions=st.lists(st.integers(0, 3000), max_size=15), text=st.just(AWKWARD_TEXT))
def test_letters_cut_by_the_network_arrive_whole(positions: list[int], text: str) -> None:
    """An emoji that falls on the edge of a packet would come out broken."""

    async def ask() -> list[StreamEvent]:
        async with connected() as (server, backend):
            server.play(Play(cut(text_stream(text, chunk_chars=1), positions)))
            return await collect(backend)

    events = asyncio.run(ask())
    assert text_of(events) == text
    assert events[-2:] == [Finish(FinishReason.STOP), Usage(7, 3)]


async def test_many_chunks_in_one_read_are_few_events() -> None:
    """Everything behind the backend would work once for each token, not for each packet."""
    async with connected() as (server, backend):
        server.play(text_answer("x" * 1000, chunk_chars=1))
        events = await collect(backend)
    assert text_of(events) == "x" * 1000
    assert len(events) < 100


async def test_provider_that_does_not_stream() -> None:
    """A provider that ignores `stream` could not be used, or its answer came another way."""
    async with connected() as (server, backend):
        server.play(whole_answer(AWKWARD_TEXT))
        events = await collect(backend)
    assert events == [TextDelta(AWKWARD_TEXT), Finish(FinishReason.STOP), Usage(7, 3)]


async def test_answer_that_is_wanted_whole() -> None:
    """A client that waits for all of the answer would pay for a stream, or get other events."""
    async with connected() as (server, backend):
        server.play(whole_answer(AWKWARD_TEXT), text_answer(AWKWARD_TEXT))
        wanted = conversation(is_stream=False)
        whole, streamed = await collect(backend, wanted), await collect(backend, wanted)
    assert server.requests[0].body["stream"] is False
    assert whole == [TextDelta(AWKWARD_TEXT), Finish(FinishReason.STOP), Usage(7, 3)]
    assert text_of(streamed) == AWKWARD_TEXT


async def test_connection_is_used_again() -> None:
    """Every request would pay for a new connection, and over TLS for its handshake."""
    async with connected() as (server, backend):
        late_end = Play([text_stream("a"), Pause(0.05)])
        server.play(late_end, whole_answer("b"), text_answer("c"))
        for _ in range(3):
            await collect(backend)
    assert len({seen.client_port for seen in server.requests}) == 1


async def test_provider_that_does_not_end_its_body() -> None:
    """An answer that has ended would wait for a connection that stays open."""
    async with connected() as (server, backend):
        server.play(Play([text_stream("Hi"), Hang()]))
        assert text_of(await collect(backend)) == "Hi"
        await server.wait_for_disconnects()


async def test_stop_before_the_first_token_closes_the_connection() -> None:
    """A client that gives up while the provider thinks would leave it thinking."""
    async with connected() as (server, backend):
        server.play(Play(before=[Hang()]))
        reading = asyncio.ensure_future(collect(backend))
        await server.wait_for_requests()
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        await server.wait_for_disconnects()


async def test_first_event_does_not_wait_for_the_second() -> None:
    """A stream would come as one block at its end."""
    async with connected() as (server, backend):
        gate = asyncio.Event()
        server.play(Play([chunk({"content": "a"}), Gate(gate), text_stream("b")]))
        stream = backend.stream(conversation(), "m")
        async with aclosing(stream):
            assert await anext(stream) == TextDelta("a")
            gate.set()
            assert await anext(stream) == TextDelta("b")


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"base_url": "localhost:8000/v1"}, id="no scheme"),
        pytest.param({"base_url": "ftp://host/v1"}, id="another scheme"),
        pytest.param({"base_url": "https://user:pw@host/v1"}, id="a password in the address"),
        pytest.param({"api_key": "sk-1\r\nX-Evil: 1"}, id="a line end in the key"),
        pytest.param({"headers": {"X": "é"}}, id="a header beyond ASCII"),
    ],
)
async def test_options_that_cannot_work(options: dict[str, Any]) -> None:
    """The mistake would show only on the first request, or a header could be smuggled in."""
    given_options = {"base_url": "http://host/v1", **options}
    async with aiohttp.ClientSession() as session:
        with pytest.raises(ValueError, match="must") as caught:
            openai_backend(session, **given_options)
    assert not any(secret in str(caught.value) for secret in ("pw", "sk-1"))


async def test_key_is_not_shown() -> None:
    """A key would stand in a log that shows the backend."""
    async with connected() as (_, backend):
        assert KEY not in repr(backend)
