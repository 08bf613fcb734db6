"""The OpenAI backend against a real server on loopback."""

import asyncio
import socket
import traceback
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import aiohttp
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typing_extensions import override

from app.backends import openai as openai_module
from app.backends.openai import OpenAIBackend
from app.backends.timeouts import Timeouts
from app.domain.conversation import Conversation, Tool
from app.domain.errors import BackendError, BackendProblem
from app.domain.events import (
    Finish,
    FinishReason,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from app.domain.protocols import Backend
from tests.backends.contract import AWKWARD_TEXT, BackendContract, collect, conversation, text_of
from tests.servers.openai_server import (
    DONE,
    SECRET_IN_ERRORS,
    Drop,
    Gate,
    Hang,
    OpenAIServer,
    Pause,
    Play,
    Step,
    chunk,
    cut,
    error_answer,
    event,
    openai_server,
    text_answer,
    text_stream,
    tool_call_answer,
    whole_answer,
)

KEY = "sk-very-secret"
SHORT = Timeouts(connect_s=5, first_token_s=0.2, between_tokens_s=0.2, total_s=5)


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


class TestContract(BackendContract):
    """The OpenAI backend keeps the promises of every backend."""

    server: OpenAIServer

    @override
    @asynccontextmanager
    async def answering(self, text: str) -> AsyncIterator[Backend]:
        async with connected() as (server, backend):
            server.answer = lambda _: text_answer(text)
            yield backend

    @override
    @asynccontextmanager
    async def endless(self) -> AsyncIterator[Backend]:
        async with connected() as (self.server, backend):
            endless: list[Step] = [*(chunk({"content": f"{n} "}) for n in range(50)), Hang()]
            self.server.answer = lambda _: Play(endless)
            yield backend

    @override
    @asynccontextmanager
    async def failing(self) -> AsyncIterator[tuple[Backend, Conversation, BackendProblem]]:
        async with connected() as (server, backend):
            server.play(error_answer(500))
            yield backend, conversation(), BackendProblem.FAILED

    @override
    async def wait_until_stopped(self, backend: Backend) -> None:
        await self.server.wait_for_disconnects()


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
            with_query = OpenAIBackend(session, base_url=server.base_url + "/?api-version=2")
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
    ("status", "problem", "says"),
    [
        (400, BackendProblem.REJECTED, "refuses the request (HTTP 400)"),
        (401, BackendProblem.UNAUTHORIZED, "check api_key"),
        (403, BackendProblem.UNAUTHORIZED, "HTTP 403"),
        (404, BackendProblem.REJECTED, "HTTP 404"),
        (422, BackendProblem.REJECTED, "HTTP 422"),
        (429, BackendProblem.RATE_LIMITED, "limits the rate"),
        (500, BackendProblem.FAILED, "failed (HTTP 500)"),
        (503, BackendProblem.FAILED, "HTTP 503"),
        (206, BackendProblem.BROKEN, "HTTP 206"),
        (307, BackendProblem.BROKEN, "redirects"),
    ],
)
async def test_statuses(status: int, problem: BackendProblem, says: str) -> None:
    """A caller would retry what cannot work, or look for the fault on the wrong side."""
    async with connected() as (server, backend):
        server.play(error_answer(status, headers={"Location": "/elsewhere"}))
        failure = await failure_of(backend)
    assert (failure.problem, failure.status) == (problem, status)
    assert says in failure.message
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        pytest.param({"Retry-After": "7"}, 7.0, id="seconds"),
        pytest.param({"Retry-After": "1.5"}, 1.5, id="part of a second"),
        pytest.param(
            {
                "Retry-After": "Wed, 21 Oct 2026 07:28:30 GMT",
                "Date": "Wed, 21 Oct 2026 07:28:00 GMT",
            },
            30.0,
            id="date",
        ),
        pytest.param(
            {
                "Retry-After": "Wed, 21 Oct 2026 07:00:00 GMT",
                "Date": "Wed, 21 Oct 2026 07:28:00 GMT",
            },
            0.0,
            id="date that has passed",
        ),
        pytest.param({"Retry-After": "-1"}, None, id="negative"),
        pytest.param({"Retry-After": "inf"}, None, id="no number"),
        pytest.param({"Retry-After": "soon"}, None, id="no date"),
        pytest.param({}, None, id="nothing"),
    ],
)
async def test_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    """A caller would come back too early, or never."""
    async with connected() as (server, backend):
        server.play(error_answer(429, headers=headers))
        assert (await failure_of(backend)).retry_after_s == seconds


@pytest.mark.parametrize(
    ("play", "problem", "says"),
    [
        pytest.param(
            Play([chunk({"content": "a"}), Drop()]),
            BackendProblem.BROKEN,
            "broke off",
            id="connection lost in mid-answer",
        ),
        pytest.param(
            Play(before=[Drop()]),
            BackendProblem.CONNECT,
            "lost before",
            id="connection lost before the answer",
        ),
        pytest.param(
            Play([chunk({"content": "a"})]),
            BackendProblem.BROKEN,
            "broke off before its end",
            id="no finish",
        ),
        pytest.param(Play([]), BackendProblem.BROKEN, "broke off", id="empty body"),
        pytest.param(
            Play([chunk({"content": "a"}), DONE]),
            BackendProblem.BROKEN,
            "broke off before its end",
            id="done without a finish",
        ),
        pytest.param(
            Play([event({"error": {"message": SECRET_IN_ERRORS}})]),
            BackendProblem.FAILED,
            "reported an error",
            id="error in the stream",
        ),
        pytest.param(
            Play([SECRET_IN_ERRORS.encode() + b"\n\n"]),
            BackendProblem.BROKEN,
            "no field of server-sent events",
            id="no event stream",
        ),
        pytest.param(
            Play([b"data: " + SECRET_IN_ERRORS.encode() + b"\n\n"]),
            BackendProblem.BROKEN,
            "not JSON",
            id="no JSON",
        ),
        pytest.param(
            Play([SECRET_IN_ERRORS.encode()], content_type="text/html"),
            BackendProblem.BROKEN,
            "base_url",
            id="a web page",
        ),
        pytest.param(
            Play([SECRET_IN_ERRORS.encode()], content_type="application/json"),
            BackendProblem.BROKEN,
            "not JSON",
            id="no JSON at all",
        ),
        pytest.param(
            Play([b"x"], headers={"Content-Encoding": "gzip"}),
            BackendProblem.BROKEN,
            "broke off",
            id="broken compression",
        ),
    ],
)
async def test_broken_answers(play: Play, problem: BackendProblem, says: str) -> None:
    """A broken answer would be taken for a whole one, or end as an exception nobody handles."""
    async with connected() as (server, backend):
        server.play(play)
        failure = await failure_of(backend)
    assert failure.problem is problem
    assert says in failure.message


@pytest.mark.parametrize(
    ("play", "timeouts", "says"),
    [
        pytest.param(Play(before=[Hang()]), SHORT, "no first token within 0.2 s", id="no status"),
        pytest.param(Play([Hang()]), SHORT, "no first token within 0.2 s", id="no bytes"),
        pytest.param(
            Play([chunk({"role": "assistant"}), b": alive\n\n", Hang()]),
            SHORT,
            "no first token within 0.2 s",
            id="bytes without a token",
        ),
        pytest.param(
            Play([chunk({"content": "a"}), Hang()]),
            SHORT,
            "no further token within 0.2 s",
            id="one token",
        ),
        pytest.param(
            Play([chunk({"content": "a"}), Hang()]),
            Timeouts(5, 5, 5, 0.2),
            "did not end within 0.2 s",
            id="no end",
        ),
        pytest.param(
            Play([b"{", Hang()], content_type="application/json"),
            SHORT,
            "no first token within 0.2 s",
            id="half a JSON object",
        ),
    ],
)
async def test_timeouts(play: Play, timeouts: Timeouts, says: str) -> None:
    """A provider that hangs would hold the client, or the message name another wait."""
    async with connected(timeouts=timeouts) as (server, backend):
        server.play(play)
        failure = await failure_of(backend)
        assert failure.problem is BackendProblem.TIMEOUT
        assert says in failure.message
        await server.wait_for_disconnects()


async def test_time_of_the_reader_does_not_count() -> None:
    """A client that reads slowly would be told that the provider is slow."""
    timeouts = Timeouts(connect_s=5, first_token_s=5, between_tokens_s=0.3, total_s=30)
    async with connected(timeouts=timeouts) as (server, backend):
        gate = asyncio.Event()
        server.play(Play([chunk({"content": "a"}), Gate(gate), text_stream("b")]))
        events: list[StreamEvent] = []
        async for each in backend.stream(conversation(), "m"):
            if not events:
                await asyncio.sleep(0.5)
                gate.set()
            events.append(each)
    assert text_of(events) == "ab"


async def test_nobody_listens() -> None:
    """A wrong address would end as an exception nobody handles."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    async with connected(base_url=f"http://127.0.0.1:{port}/v1") as (_, backend):
        failure = await failure_of(backend)
    assert failure.problem is BackendProblem.CONNECT


async def test_provider_that_does_not_accept() -> None:
    """A dead address would hold the client as long as a slow model may."""
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        address = deaf.getsockname()
        # Fill the queue of connections that nobody accepts.
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:
            each.settimeout(0)
            each.connect_ex(address)
        timeouts = Timeouts(connect_s=0.2, first_token_s=5)
        options = {"base_url": f"http://127.0.0.1:{address[1]}", "timeouts": timeouts}
        async with connected(**options) as (_, backend):
            failure = await failure_of(backend)
        for each in waiting:
            each.close()
    assert failure.problem is BackendProblem.CONNECT
    assert failure.message == "no connection within 0.2 s"


async def answer_raw(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Speak something that is not HTTP."""
    await reader.read(10)
    writer.write(SECRET_IN_ERRORS.encode() + b"\r\n\r\n")
    writer.close()


async def test_no_http() -> None:
    """The error would quote what the provider sent."""
    raw = await asyncio.start_server(answer_raw, "127.0.0.1", 0)
    async with raw:
        port = raw.sockets[0].getsockname()[1]
        async with connected(base_url=f"http://127.0.0.1:{port}") as (_, backend):
            failure = await failure_of(backend)
    assert failure.problem is BackendProblem.BROKEN
    assert "not HTTP" in failure.message


async def test_https_to_a_server_without_tls() -> None:
    """A wrong scheme would end as an exception nobody handles."""
    raw = await asyncio.start_server(answer_raw, "127.0.0.1", 0)
    async with raw:
        port = raw.sockets[0].getsockname()[1]
        async with connected(base_url=f"https://127.0.0.1:{port}") as (_, backend):
            failure = await failure_of(backend)
    assert failure.problem is BackendProblem.CONNECT


async def test_answer_without_end_is_bounded() -> None:
    """A provider could send for as long as it likes."""
    piece = b": " + b"x" * 2**20 + b"\n"
    async with connected() as (server, backend):
        server.play(Play([piece] * (openai_module.MAX_ANSWER_BYTES // 2**20 + 1)))
        failure = await failure_of(backend)
    assert failure.problem is BackendProblem.BROKEN
    assert "longer than" in failure.message


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
            OpenAIBackend(session, **given_options)
    assert not any(secret in str(caught.value) for secret in ("pw", "sk-1"))


async def test_key_is_not_shown() -> None:
    """A key would stand in a log that shows the backend."""
    async with connected() as (_, backend):
        assert KEY not in repr(backend)
