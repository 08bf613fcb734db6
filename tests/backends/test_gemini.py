"""The Gemini backend against a real server on loopback."""

from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import count
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
from typing_extensions import override

from app.backends.gemini import GeminiBackend, gemini_key, vertex_address
from app.backends.gemini_request import UNSIGNED_CALL, Thinking
from app.backends.http import Connection
from app.backends.openai import bearer
from app.backends.timeouts import Timeouts
from app.domain.clock import NewId
from app.domain.conversation import (
    Message,
    Origin,
    Role,
    Sampling,
    SamplingField,
    TextPart,
    Tool,
    ToolCallPart,
    ToolResultPart,
)
from app.domain.errors import BackendProblem
from app.domain.events import Finish, FinishReason, ToolCallDelta
from app.domain.protocols import Backend
from tests.backends.contract import collect, conversation, text_of
from tests.backends.provider import KEY, failure_of
from tests.backends.provider_contract import (
    Content,
    ProviderContract,
    Text,
    Thought,
    message,
    said,
)
from tests.servers.gemini_server import (
    GeminiServer,
    answer,
    call_part,
    error,
    error_answer,
    gemini_server,
    streamed,
    thought_part,
    whole,
)
from tests.servers.images import PIXEL
from tests.servers.openai_server import OpenAIServer, Play, event

Json = Any

STOPS = {
    FinishReason.STOP: "STOP",
    FinishReason.LENGTH: "MAX_TOKENS",
    FinishReason.TOOL_CALLS: "STOP",
    FinishReason.CONTENT_FILTER: "SAFETY",
}


def numbered() -> NewId:
    """Ids that count."""
    numbers = count(1)
    return lambda: f"{next(numbers)}"


@asynccontextmanager
async def connected(
    *,
    thinking: Thinking = "level",
    leaves_out: Sequence[SamplingField] = (),
    headers: Mapping[str, str] | None = None,
) -> AsyncIterator[tuple[GeminiServer, GeminiBackend]]:
    """A server, and a backend that talks to it."""
    jar = aiohttp.DummyCookieJar()
    async with gemini_server() as server, aiohttp.ClientSession(cookie_jar=jar) as session:
        wanted = {**(headers or {}), **gemini_key(KEY)}
        to = Connection(session, server.base_url, wanted, Timeouts())
        yield server, GeminiBackend(to, numbered(), thinking=thinking, leaves_out=leaves_out)


def wire(content: Content) -> Json:
    """A part as the provider writes it."""
    if isinstance(content, Text):
        return {"text": content.text}
    if isinstance(content, Thought):
        return thought_part(content.text, content.signed)
    return call_part(content.call_id, content.name, content.arguments)


class TestContract(ProviderContract):
    """The Gemini backend keeps the promises of every provider's backend."""

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
        play = streamed if is_stream else whole
        return play([wire(each) for each in content], finish=STOPS[finish])

    @override
    def begun(self, content: Sequence[Text]) -> Play:
        return Play([event(answer([wire(each)])) for each in content])

    @override
    def error_status(self, status: int) -> Play:
        return error_answer(status)

    @override
    def error_event(self) -> tuple[bytes, BackendProblem]:
        return event(error("RESOURCE_EXHAUSTED", 429)), BackendProblem.RATE_LIMITED


class TestVertexContract(TestContract):
    """The same at Vertex AI's address, with a token instead of a key."""

    @override
    @asynccontextmanager
    async def connected(self) -> AsyncIterator[tuple[OpenAIServer, Backend]]:
        async def authorize(url: str, body: bytes) -> Mapping[str, str]:
            assert url.startswith(server.base_url)
            assert b"contents" in body
            return bearer(KEY)

        jar = aiohttp.DummyCookieJar()
        place = urlsplit(vertex_address("bread", "eu")).path
        async with gemini_server(place) as server, aiohttp.ClientSession(cookie_jar=jar) as session:
            to = Connection(session, server.base_url, {}, Timeouts(), authorize)
            yield server, GeminiBackend(to, numbered())
            assert all(each.headers["Authorization"] == f"Bearer {KEY}" for each in server.requests)


@pytest.mark.parametrize(
    ("is_stream", "call"),
    [(True, "streamGenerateContent?alt=sse"), (False, "generateContent")],
)
async def test_request_as_the_server_sees_it(is_stream: bool, call: str) -> None:  # noqa: FBT001  # a parameter of the test
    """The provider would not know who asks, or a log of addresses would hold the key."""
    async with connected(headers={"X-Team": "bread"}) as (server, backend):
        server.play(streamed([{"text": "Hi"}]) if is_stream else whole([{"text": "Hi"}]))
        events = await collect(backend, conversation("你好", is_stream=is_stream))
        assert KEY not in repr(backend)
    seen = server.requests[0]
    assert text_of(events) == "Hi"
    assert seen.raw_path == f"/v1beta/models/some-model:{call}"
    assert seen.headers["x-goog-api-key"] == KEY
    assert seen.headers["X-Team"] == "bread"
    assert "Authorization" not in seen.headers


async def test_name_of_a_model_stays_below_models() -> None:
    """A route whose model has slashes would reach another call of the provider."""
    async with connected() as (server, backend):
        async for _ in backend.stream(conversation(), "../tunedModels/a:delete?b"):
            pass
    escaped = "..%2FtunedModels%2Fa%3Adelete%3Fb"
    assert server.requests[0].raw_path.startswith(f"/v1beta/models/{escaped}:stream")


async def test_calls_without_ids_get_some_and_find_their_results() -> None:
    """Results of parallel calls could not be told apart."""
    bare = {"functionCall": {"name": "find", "args": {"city": "Bern"}}}
    signed = {**bare, "thoughtSignature": "c2ln"}
    tools = (Tool("find"),)
    asked = message(Role.USER, TextPart("Where?"))
    async with connected() as (server, backend):
        server.play(streamed([signed, bare]))
        events = await collect(backend, said(asked, tools=tools))
        calls = [each for each in events if isinstance(each, ToolCallDelta)]
        assert [(each.call_id, each.signed) for each in calls] == [
            ("call_1", ".call:c2ln"),
            ("call_2", None),
        ]
        turn = message(
            Role.ASSISTANT,
            *(
                ToolCallPart(each.call_id or "", "find", each.arguments, signed=each.signed)
                for each in calls
            ),
        )
        results = [
            Message(Role.TOOL, Origin.TOOL, (ToolResultPart(each.call_id or "", "Here."),))
            for each in calls
        ]
        await collect(backend, said(asked, turn, *results, asked, tools=tools))
    assert Finish(FinishReason.TOOL_CALLS) in events
    contents = server.requests[1].body["contents"]
    assert contents[1]["parts"] == [
        call_part("call_1", "find", {"city": "Bern"}, "c2ln"),
        call_part("call_2", "find", {"city": "Bern"}),
    ]
    assert contents[2]["parts"][1] == {
        "functionResponse": {"id": "call_2", "name": "find", "response": {"output": "Here."}}
    }


async def test_calls_that_nobody_signed_are_let_through() -> None:
    """Gemini 3 would refuse a conversation that began with another model."""
    turn = message(
        Role.ASSISTANT, *(ToolCallPart(each, "find", "{}", "here") for each in ("a", "b"))
    )
    results = [Message(Role.TOOL, Origin.TOOL, (ToolResultPart(each, "x"),)) for each in "ab"]
    async with connected() as (server, backend):
        await collect(backend, said(message(Role.USER, TextPart("Hi")), turn, *results))
    assert server.requests[0].body["contents"][1]["parts"] == [
        call_part("a", "find", {}, UNSIGNED_CALL),
        call_part("b", "find", {}),
    ]


async def test_picture_out() -> None:
    """A drawing would be lost, or be too large to be read."""
    large = b64encode(b64decode(PIXEL) + bytes(5_000_000)).decode()
    drawn = {"inlineData": {"mimeType": "image/png", "data": large}, "thoughtSignature": "c2ln"}
    async with connected() as (server, backend):
        server.play(streamed([{"text": "Here:"}, drawn]))
        events = await collect(backend)
    assert [type(each).__name__ for each in events] == [
        "TextDelta",
        "ImageDelta",
        "ReasoningDelta",
        "Finish",
        "Usage",
    ]


async def test_wishes_that_are_left_out() -> None:
    """A persona with penalties could not be served by models that know none."""
    wanted = said(
        message(Role.USER, TextPart("Hi")), sampling=Sampling(presence_penalty=1.0, max_tokens=9)
    )
    async with connected(leaves_out=("presence_penalty",)) as (server, backend):
        await collect(backend, wanted)
    assert server.requests[0].body["generationConfig"] == {"maxOutputTokens": 9}


@pytest.mark.parametrize(
    ("status", "problem"),
    [
        ("RESOURCE_EXHAUSTED", BackendProblem.RATE_LIMITED),
        ("UNAUTHENTICATED", BackendProblem.UNAUTHORIZED),
        ("PERMISSION_DENIED", BackendProblem.UNAUTHORIZED),
        ("INVALID_ARGUMENT", BackendProblem.REJECTED),
        ("NOT_FOUND", BackendProblem.REJECTED),
        ("DEADLINE_EXCEEDED", BackendProblem.TIMEOUT),
        ("UNAVAILABLE", BackendProblem.FAILED),
        ("INTERNAL", BackendProblem.FAILED),
        ("A_NEW_STATUS", BackendProblem.FAILED),
    ],
)
async def test_errors_inside_an_answer(status: str, problem: BackendProblem) -> None:
    """A caller would retry what cannot work, or give up what could."""
    async with connected() as (server, backend):
        server.play(Play([event(error(status))]))
        assert (await failure_of(backend)).problem is problem


@pytest.mark.parametrize(
    ("location", "host"),
    [
        ("europe-west4", "europe-west4-aiplatform.googleapis.com"),
        ("global", "aiplatform.googleapis.com"),
        ("eu", "aiplatform.eu.rep.googleapis.com"),
    ],
)
def test_addresses_of_vertex(location: str, host: str) -> None:
    """Requests would leave the region that the operator chose, or go nowhere."""
    path = f"/v1/projects/bread/locations/{location}/publishers/google"
    assert vertex_address("bread", location) == f"https://{host}{path}"
