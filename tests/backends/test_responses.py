"""The Responses backend against a real server on loopback."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import orjson
import pytest
from typing_extensions import override

from app.backends.http import Connection
from app.backends.openai import bearer
from app.backends.responses import ResponsesBackend
from app.backends.responses_request import Options
from app.backends.timeouts import Timeouts
from app.domain.conversation import Role, Sampling, SamplingField, TextPart
from app.domain.errors import BackendProblem, RequestError
from app.domain.events import Finish, FinishReason, TextDelta
from app.domain.protocols import Backend
from tests.backends.contract import collect, conversation, text_of
from tests.backends.provider import KEY, failure_of
from tests.backends.provider_contract import (
    Content,
    ProviderContract,
    Text,
    Thought,
    message,
    more_steps,
    said,
)
from tests.servers.openai_server import OpenAIServer, Play, error_answer
from tests.servers.responses_server import (
    ResponsesServer,
    begin_events,
    call_item,
    error_event,
    failed_event,
    item_events,
    numbered,
    reasoning_item,
    response,
    responses_server,
    streamed,
    text_item,
    whole,
)

Json = Any

REASONS = {
    FinishReason.STOP: None,
    FinishReason.LENGTH: "max_output_tokens",
    FinishReason.TOOL_CALLS: None,
    FinishReason.CONTENT_FILTER: "content_filter",
}


@asynccontextmanager
async def connected(
    options: Options | None = None,
    *,
    leaves_out: Sequence[SamplingField] = (),
    headers: Mapping[str, str] | None = None,
) -> AsyncIterator[tuple[ResponsesServer, ResponsesBackend]]:
    """A server, and a backend that talks to it."""
    jar = aiohttp.DummyCookieJar()
    async with responses_server() as server, aiohttp.ClientSession(cookie_jar=jar) as session:
        wanted = {**(headers or {}), **bearer(KEY)}
        to = Connection(session, server.base_url, wanted, Timeouts())
        yield server, ResponsesBackend(to, options, leaves_out=leaves_out)


def wire(content: Content) -> Json:
    """An item as the provider writes it."""
    if isinstance(content, Text):
        return text_item(content.text)
    if isinstance(content, Thought):
        return reasoning_item(content.text, signed=content.signed)
    return call_item(content.call_id, content.name, orjson.dumps(content.arguments).decode())


class TestContract(ProviderContract):
    """The Responses backend keeps the promises of every provider's backend."""

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
        return play([wire(each) for each in content], reason=REASONS[finish])

    @override
    def begun(self, content: Sequence[Text]) -> Play:
        events = begin_events()
        for at, each in enumerate(content):
            events += item_events(at, text_item(each.text), chunk_chars=99)
        return Play(numbered(events))

    @override
    def error_status(self, status: int) -> Play:
        return error_answer(status)

    @override
    def error_event(self) -> tuple[bytes, BackendProblem]:
        return error_event("rate_limit_exceeded"), BackendProblem.RATE_LIMITED


async def test_request_as_the_server_sees_it() -> None:
    """The provider would not know who asks, or keep what was said for a month."""
    async with connected(headers={"X-Team": "bread"}) as (server, backend):
        assert text_of(await collect(backend, conversation("你好"))) == "你好"
        assert KEY not in repr(backend)
    seen = server.requests[0]
    assert seen.path == "/v1/responses"
    assert seen.headers["Authorization"] == f"Bearer {KEY}"
    assert seen.headers["X-Team"] == "bread"
    assert seen.body["store"] is False


async def test_azure_is_the_same_at_another_address() -> None:
    """A model on Azure could not be asked for responses."""
    jar = aiohttp.DummyCookieJar()
    async with responses_server() as server, aiohttp.ClientSession(cookie_jar=jar) as session:
        resource = server.base_url.replace("/v1", "/openai/v1")
        backend = ResponsesBackend(Connection(session, resource, bearer(KEY), Timeouts()))
        results = [{"blocked": False, "source_type": "prompt", "content_filter_results": {}}]
        body = orjson.dumps(response([text_item("Hi")], content_filters=results))
        server.play(Play([body], content_type="application/json"))
        assert text_of(await collect(backend)) == "Hi"
    assert server.requests[0].path == "/openai/v1/responses"


async def test_wishes_that_are_left_out() -> None:
    """A persona with a seed could not be served by this protocol."""
    wanted = said(
        message(Role.USER, TextPart("Hi")),
        sampling=Sampling(seed=1, temperature=0.5, max_tokens=99),
    )
    async with connected() as (server, backend):
        with pytest.raises(RequestError, match="seed"):
            await collect(backend, wanted)
        assert server.requests == []
    async with connected(leaves_out=("seed", "temperature")) as (server, backend):
        await collect(backend, wanted)
    body = server.requests[0].body
    assert body["max_output_tokens"] == 99
    assert not {"temperature", "seed"} & body.keys()


ERRORS = [
    ("rate_limit_exceeded", BackendProblem.RATE_LIMITED),
    ("server_is_overloaded", BackendProblem.RATE_LIMITED),
    ("invalid_api_key", BackendProblem.UNAUTHORIZED),
    ("insufficient_quota", BackendProblem.UNAUTHORIZED),
    ("context_length_exceeded", BackendProblem.REJECTED),
    ("invalid_prompt", BackendProblem.REJECTED),
    ("invalid_image", BackendProblem.REJECTED),
    ("server_error", BackendProblem.FAILED),
    ("a_new_error", BackendProblem.FAILED),
]


@pytest.mark.parametrize(("code", "problem"), ERRORS)
@pytest.mark.parametrize("way", ["nested", "flat", "failed"])
async def test_errors_inside_an_answer(code: str, problem: BackendProblem, way: str) -> None:
    """A caller would retry what cannot work, or give up what could."""
    event = failed_event(code) if way == "failed" else error_event(code, is_flat=way == "flat")
    async with connected() as (server, backend):
        server.play(Play([event]))
        assert (await failure_of(backend)).problem is problem


async def test_errors_by_their_type() -> None:
    """The same, where the provider gives no code."""
    async with connected() as (server, backend):
        server.play(Play([error_event(None, kind="invalid_request_error")]))
        assert (await failure_of(backend)).problem is BackendProblem.REJECTED


@pytest.mark.parametrize("code", ["content_filter", "bio_policy", "misalignment_policy_violation"])
@pytest.mark.parametrize("is_failed", [True, False])
async def test_a_provider_that_stops_an_answer(code: str, is_failed: bool) -> None:  # noqa: FBT001  # a parameter of the test
    """A refusal would look like an outage, and the route would try the next model with it."""
    begun = numbered([*begin_events(), *[*item_events(0, text_item("Well"))][:-3]])
    event = failed_event(code) if is_failed else error_event(code)
    if is_failed:
        event = event.replace(b'"sequence_number":0', f'"sequence_number":{len(begun)}'.encode())
    async with connected() as (server, backend):
        server.play(more_steps(Play(begun), event))
        events = await collect(backend)
    assert events[:2] == [TextDelta("Well"), Finish(FinishReason.CONTENT_FILTER)]
