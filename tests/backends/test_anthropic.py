"""The Anthropic backend against a real server on loopback."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import aiohttp
import pytest
from typing_extensions import override

from app.backends.anthropic import AnthropicBackend, anthropic_headers
from app.backends.anthropic_request import Options
from app.backends.http import Connection
from app.backends.timeouts import Timeouts
from app.domain.conversation import Role, Sampling, SamplingField, TextPart
from app.domain.errors import BackendProblem, RequestError
from app.domain.events import FinishReason
from app.domain.protocols import Backend, Question
from tests.backends.contract import collect, conversation, text_of
from tests.backends.provider import KEY, failure_of
from tests.backends.provider_contract import Content, ProviderContract, Text, Thought, message, said
from tests.guardrails.reaching import ROUTES, far
from tests.servers.anthropic_server import (
    AnthropicServer,
    anthropic_server,
    block_events,
    call_block,
    error_answer,
    error_event,
    named,
    streamed,
    text_block,
    thinking_block,
    whole,
)
from tests.servers.anthropic_server import message as wire_message
from tests.servers.openai_server import OpenAIServer, Play

Json = Any

STOPS = {
    FinishReason.STOP: "end_turn",
    FinishReason.LENGTH: "max_tokens",
    FinishReason.TOOL_CALLS: "tool_use",
    FinishReason.CONTENT_FILTER: "refusal",
}


@asynccontextmanager
async def connected(
    options: Options | None = None,
    *,
    leaves_out: Sequence[SamplingField] = (),
    headers: Mapping[str, str] | None = None,
) -> AsyncIterator[tuple[AnthropicServer, AnthropicBackend]]:
    """A server, and a backend that talks to it."""
    jar = aiohttp.DummyCookieJar()
    async with anthropic_server() as server, aiohttp.ClientSession(cookie_jar=jar) as session:
        version = (options or Options()).version
        wanted = {**(headers or {}), **anthropic_headers(KEY, version)}
        to = Connection(session, server.base_url, wanted, Timeouts())
        yield server, AnthropicBackend(to, options, leaves_out=leaves_out)


def wire(content: Content) -> Json:
    """A block as the provider writes it."""
    if isinstance(content, Text):
        return text_block(content.text)
    if isinstance(content, Thought):
        return thinking_block(content.text, content.signed)
    return call_block(content.call_id, content.name, content.arguments)


class TestContract(ProviderContract):
    """The Anthropic backend keeps the promises of every provider's backend."""

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
        return play([wire(each) for each in content], stop=STOPS[finish])

    @override
    def begun(self, content: Sequence[Text]) -> Play:
        blocks = [
            event
            for index, each in enumerate(content)
            for event in block_events(index, text_block(each.text), chunk_chars=99)
        ]
        return Play([named("message_start", message=wire_message()), *blocks])

    @override
    def error_status(self, status: int) -> Play:
        return error_answer(status)

    @override
    def error_event(self) -> tuple[bytes, BackendProblem]:
        return error_event("overloaded_error"), BackendProblem.RATE_LIMITED


async def test_request_as_the_server_sees_it() -> None:
    """The provider would not know who asks or which protocol is spoken."""
    async with connected(headers={"X-Team": "bread"}) as (server, backend):
        assert text_of(await collect(backend, conversation("你好"))) == "你好"
        assert KEY not in repr(backend)
    seen = server.requests[0]
    assert seen.path == "/v1/messages"
    assert seen.headers["x-api-key"] == KEY
    assert seen.headers["anthropic-version"] == "2026-10-21"
    assert seen.headers["X-Team"] == "bread"
    assert seen.body["max_tokens"] == 4096


async def test_sampling_of_the_older_version() -> None:
    """Models that still take a temperature would get none, or no answer at all."""
    warm = said(message(Role.USER, TextPart("Hi")), sampling=Sampling(temperature=0.5, top_k=3))
    async with connected(Options(version="2023-06-01")) as (server, backend):
        await collect(backend, warm)
        assert server.requests[0].body["temperature"] == 0.5
        assert server.requests[0].body["top_k"] == 3
    async with connected() as (server, backend):
        with pytest.raises(RequestError, match="temperature"):
            await collect(backend, warm)
        assert server.requests == []


async def test_wishes_that_are_left_out() -> None:
    """A persona with a temperature could not be served by models that know none."""
    warm = said(
        message(Role.USER, TextPart("Hi")), sampling=Sampling(temperature=0.5, seed=1, max_tokens=9)
    )
    async with connected(leaves_out=("temperature", "seed")) as (server, backend):
        await collect(backend, warm)
    body = server.requests[0].body
    assert body["max_tokens"] == 9
    assert not {"temperature", "seed"} & body.keys()


@pytest.mark.parametrize(
    ("kind", "problem"),
    [
        ("overloaded_error", BackendProblem.RATE_LIMITED),
        ("rate_limit_error", BackendProblem.RATE_LIMITED),
        ("authentication_error", BackendProblem.UNAUTHORIZED),
        ("permission_error", BackendProblem.UNAUTHORIZED),
        ("billing_error", BackendProblem.UNAUTHORIZED),
        ("invalid_request_error", BackendProblem.REJECTED),
        ("not_found_error", BackendProblem.REJECTED),
        ("timeout_error", BackendProblem.TIMEOUT),
        ("api_error", BackendProblem.FAILED),
        ("a_new_error", BackendProblem.FAILED),
    ],
)
async def test_errors_inside_an_answer(kind: str, problem: BackendProblem) -> None:
    """A caller would retry what cannot work, or give up what could."""
    async with connected() as (server, backend):
        server.play(Play([error_event(kind)]))
        assert (await failure_of(backend)).problem is problem


async def test_judge() -> None:
    """A judge wants no chance in its answer, and models that know no temperature gave it none."""
    async with connected() as (server, backend), far() as there:
        server.play(whole([text_block('{"answer":"no"}')]))
        reach = replace(there.reach, backends={"model": backend})
        question = Question(((Role.USER, "Is it fair?"),), {"type": "object"})
        said_ = await reach.asking("acme", ROUTES).complete("judge", question, str)
    assert said_ == '{"answer":"no"}'
    assert "temperature" not in server.requests[0].body
