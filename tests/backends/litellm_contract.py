"""The backend of LiteLLM against the fakes of two protocols.

LiteLLM wants another ``openai`` than the rest of the tests, so ``test_litellm`` has another Python
run this file.
"""

import logging
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from typing_extensions import override

from app.backends.litellm import LiteLLMBackend, Through
from app.backends.timeouts import Timeouts
from app.domain.conversation import (
    Conversation,
    ImagePart,
    Linked,
    Role,
    Sampling,
    SamplingField,
    TextPart,
)
from app.domain.errors import BackendError, BackendProblem, RequestError
from app.domain.protocols import Backend
from tests.backends import test_anthropic, test_openai
from tests.backends.contract import AWKWARD_TEXT, collect, conversation, text_of
from tests.backends.provider import KEY, failure_of
from tests.backends.provider_contract import message, said
from tests.servers.anthropic_server import anthropic_server
from tests.servers.openai_server import (
    SECRET_IN_ERRORS,
    Hang,
    OpenAIServer,
    Play,
    chunk,
    error_answer,
    openai_server,
    text_answer,
)

Json = Any
pytestmark = pytest.mark.filterwarnings("ignore")  # LiteLLM does what pydantic deprecates
OTHER_KEY = "a-key-of-somebody-else"


@pytest.fixture(autouse=True)
def _other_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys and addresses that lie about, and that nobody named in the settings."""
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY"):
        monkeypatch.setenv(name, OTHER_KEY)


@asynccontextmanager
async def connected(
    *, timeouts: Timeouts | None = None, leaves_out: Sequence[SamplingField] = ()
) -> AsyncIterator[tuple[OpenAIServer, LiteLLMBackend]]:
    """A server that speaks OpenAI's protocol, and a backend that talks to it."""
    async with openai_server() as server:
        through = Through(
            "openai", KEY, server.base_url, {"x-team": "bread"}, timeouts or Timeouts()
        )
        backend = LiteLLMBackend(through, leaves_out=leaves_out)
        yield server, backend
        await backend.close()


class TestOpenAI(test_openai.TestContract):
    """What every backend promises, over OpenAI's protocol."""

    signs_reasoning = False

    @override
    @asynccontextmanager
    async def connected(self) -> AsyncIterator[tuple[OpenAIServer, Backend]]:
        async with connected() as made:
            yield made

    @override
    def error_event(self) -> tuple[bytes, BackendProblem]:
        event, _ = super().error_event()
        # LiteLLM makes the same of it as of a lost connection.
        return event, BackendProblem.BROKEN


class TestAnthropic(test_anthropic.TestContract):
    """What every backend promises, over Anthropic's protocol."""

    signs_reasoning = False
    tools_show_images = False
    awkward = AWKWARD_TEXT.replace("\u2028", "")

    @override
    @asynccontextmanager
    async def connected(self) -> AsyncIterator[tuple[OpenAIServer, Backend]]:
        async with anthropic_server() as server:
            backend = LiteLLMBackend(Through("anthropic", KEY, server.base_url.removesuffix("/v1")))
            yield server, backend
            await backend.close()

    @override
    @pytest.mark.parametrize(
        ("status", "problem"),
        [
            (400, BackendProblem.REJECTED),
            (401, BackendProblem.UNAUTHORIZED),
            (403, BackendProblem.UNAUTHORIZED),
            (404, BackendProblem.REJECTED),
            (429, BackendProblem.RATE_LIMITED),
            (500, BackendProblem.FAILED),
            (503, BackendProblem.FAILED),
            (529, BackendProblem.FAILED),
        ],
    )
    async def test_error_statuses(self, status: int, problem: BackendProblem) -> None:
        """A caller would retry what cannot work, or look for the fault on the wrong side."""
        async with self.speaks(self.error_status(status)) as backend:
            failure = await failure_of(backend)
        # LiteLLM tells an overload of Anthropic as a failure.
        told = 500 if status == 529 else status
        assert (failure.problem, failure.status) == (problem, told)

    @override
    def error_event(self) -> tuple[bytes, BackendProblem]:
        event, _ = super().error_event()
        return event, BackendProblem.FAILED


async def test_request_as_the_server_sees_it() -> None:
    """A key of the environment would be sent, or a setting not be used."""
    async with connected(leaves_out=("seed",)) as (server, backend):
        sampling = Sampling(seed=1, max_tokens=9)
        asked = said(message(Role.USER, TextPart("你好")), sampling=sampling, is_stream=True)
        await collect(backend, asked)
        assert KEY not in repr(backend)
        assert KEY not in repr(Through("openai", KEY))
    seen = server.requests[0]
    assert seen.headers["Authorization"] == f"Bearer {KEY}"
    assert seen.headers["x-team"] == "bread"
    assert (seen.body["model"], seen.body["max_tokens"]) == ("some-model", 9)
    assert "seed" not in seen.body
    assert OTHER_KEY not in str(seen)


@pytest.mark.parametrize("is_stream", [True, False])
async def test_nothing_is_asked_twice(is_stream: bool) -> None:  # noqa: FBT001  # a parameter of the test
    """LiteLLM would ask again by itself, past the route and its record."""
    async with connected() as (server, backend):
        server.play(error_answer(429, headers={"Retry-After": "7"}))
        failure = await failure_of(backend, conversation(is_stream=is_stream))
    assert (failure.problem, failure.retry_after_s) == (BackendProblem.RATE_LIMITED, 7.0)
    assert len(server.requests) == 1


async def test_a_wish_that_the_provider_lacks() -> None:
    """A wish would be dropped without a word, or nobody be told which."""
    async with openai_server() as server:
        backend = LiteLLMBackend(Through("perplexity", KEY, server.base_url))
        asked = said(message(Role.USER, TextPart("Hi")), sampling=Sampling(seed=1))
        with pytest.raises(RequestError, match=r"^seed: this persona's provider has no such"):
            await collect(backend, asked)
        await backend.close()
    assert server.requests == []


@pytest.mark.parametrize(
    "asked",
    [
        pytest.param(
            said(
                message(Role.USER, TextPart("Hi")),
                passthrough={"api_base": "http://127.0.0.1:9"},
                dialect="openai_chat",
            ),
            id="a field that LiteLLM would take for its own",
        ),
        pytest.param(
            said(message(Role.USER, ImagePart(Linked("http://127.0.0.1:9/a.png")))),
            id="a link that LiteLLM would open",
        ),
    ],
)
async def test_what_a_client_cannot_reach_through_it(asked: Conversation) -> None:
    """A client could send the gateway's key elsewhere, or have it open addresses inside."""
    async with connected() as (server, backend):
        with pytest.raises(RequestError):
            await collect(backend, asked)
    assert server.requests == []


async def test_an_answer_that_does_not_come() -> None:
    """A provider that hangs would hold the client for LiteLLM's ten minutes."""
    async with connected(timeouts=Timeouts(first_token_s=0.2)) as (server, backend):
        server.play(Play(before=[Hang()]))
        failure = await failure_of(backend)
        await server.wait_for_disconnects()
    assert failure.problem is BackendProblem.TIMEOUT


async def test_nobody_listens() -> None:
    """A wrong address would look like an answer that broke."""
    backend = LiteLLMBackend(Through("openai", KEY, "http://127.0.0.1:9/v1"))
    assert (await failure_of(backend)).problem is BackendProblem.CONNECT


@pytest.mark.parametrize("event", [{"function_call": {"name": "f"}}, {"audio": {"id": "a"}}])
async def test_what_is_not_known(event: Json) -> None:
    """What nobody has looked at would reach the client."""
    async with connected() as (server, backend):
        server.play(Play([chunk(event), chunk(finish="stop")]))
        try:
            events = await collect(backend)
        except BackendError as exc:
            assert exc.problem is BackendProblem.BROKEN  # noqa: PT017  # either end is right
        else:
            assert text_of(events) == ""


async def test_nothing_is_said_aside(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """Users' text, answers or keys would stand in a log."""
    logging.getLogger("LiteLLM").setLevel(logging.DEBUG)
    async with connected() as (server, backend):
        server.play(text_answer("secret-answer"), error_answer(500))
        await collect(backend, conversation("secret-question"))
        await failure_of(backend, conversation("secret-question"))
    out, err = capfd.readouterr()
    for text in (out, err, caplog.text):
        assert not any(each in text for each in ("secret-", KEY, SECRET_IN_ERRORS))
    assert not [name for name in os.environ if name == "LITELLM_LOG"]  # noqa: TID251  # what it would read


def test_a_provider_that_is_misspelt() -> None:
    """The first client would find it, and not the operator."""
    with pytest.raises(ValueError, match="no provider 'coherre'; did you mean 'cohere'"):
        LiteLLMBackend(Through("coherre", KEY))
