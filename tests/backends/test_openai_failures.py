"""How the OpenAI backend says that its provider failed."""

import asyncio
import socket
from dataclasses import replace

import pytest

from app.backends.http import MAX_ANSWER_BYTES
from app.backends.timeouts import Timeouts
from app.domain.errors import BackendProblem
from app.domain.events import (
    StreamEvent,
)
from tests.backends.contract import conversation, text_of
from tests.backends.provider import connected, failure_of
from tests.servers.openai_server import (
    DONE,
    SECRET_IN_ERRORS,
    Drop,
    Gate,
    Hang,
    Pause,
    Play,
    chunk,
    error_answer,
    event,
    text_stream,
    whole_answer,
)

SHORT = Timeouts(connect_s=5, first_token_s=0.2, between_tokens_s=0.2, total_s=5)


@pytest.mark.parametrize(
    ("status", "problem", "says"),
    [
        (400, BackendProblem.REJECTED, "refuses the request (HTTP 400)"),
        (401, BackendProblem.UNAUTHORIZED, "check api_key"),
        (403, BackendProblem.UNAUTHORIZED, "HTTP 403"),
        (404, BackendProblem.REJECTED, "HTTP 404"),
        (422, BackendProblem.REJECTED, "HTTP 422"),
        (429, BackendProblem.RATE_LIMITED, "limits the rate"),
        (529, BackendProblem.RATE_LIMITED, "HTTP 529"),
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


async def test_the_wait_for_the_first_token_ends_with_it() -> None:
    """A provider that stops in mid-answer would hold the client as long as the first token may."""
    timeouts = Timeouts(connect_s=5, first_token_s=300, between_tokens_s=0.2, total_s=300)
    async with connected(timeouts=timeouts) as (server, backend), asyncio.timeout(30):
        server.play(Play([chunk({"content": "a"}), Hang()]))
        failure = await failure_of(backend)
    assert failure.problem is BackendProblem.TIMEOUT
    assert "no further token within 0.2 s" in failure.message


async def test_each_token_has_its_own_wait() -> None:
    """A long answer would be given up although its tokens come in time."""
    timeouts = Timeouts(connect_s=5, first_token_s=5, between_tokens_s=0.4, total_s=30)
    async with connected(timeouts=timeouts) as (server, backend):
        slow = [step for text in "abcd" for step in (chunk({"content": text}), Pause(0.2))]
        server.play(Play([*slow, text_stream("e")]))
        events = [each async for each in backend.stream(conversation(), "m")]
    assert text_of(events) == "abcde"


async def test_whole_answer_has_no_first_token() -> None:
    """A long answer that is wanted whole would be given up while the model writes it."""
    timeouts = Timeouts(connect_s=5, first_token_s=0.05, between_tokens_s=0.05, total_s=30)
    async with connected(timeouts=timeouts) as (server, backend):
        server.play(replace(whole_answer("Hi"), before=[Pause(0.2)]))
        events = [each async for each in backend.stream(conversation(is_stream=False), "m")]
    assert text_of(events) == "Hi"


async def test_whole_answer_that_does_not_come() -> None:
    """A provider that hangs would hold a client that waits for all of the answer."""
    timeouts = Timeouts(connect_s=5, first_token_s=5, between_tokens_s=5, total_s=0.2)
    async with connected(timeouts=timeouts) as (server, backend):
        server.play(Play([b"{", Hang()], content_type="application/json"))
        failure = await failure_of(backend, conversation(is_stream=False))
        await server.wait_for_disconnects()
    assert failure.problem is BackendProblem.TIMEOUT
    assert "did not end within 0.2 s" in failure.message


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
        server.play(Play([piece] * (MAX_ANSWER_BYTES // 2**20 + 1)))
        failure = await failure_of(backend)
    assert failure.problem is BackendProblem.BROKEN
    assert "longer than" in failure.message
