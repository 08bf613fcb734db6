"""The Bedrock backend against a real server on loopback that checks its signatures."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from typing_extensions import override

from app.backends.bedrock import (
    BedrockBackend,
    Keys,
    endpoint_of,
    signed_by_chain,
    signed_by_keys,
)
from app.backends.http import Authorize, Connection
from app.backends.openai import bearer
from app.backends.timeouts import Timeouts
from app.domain.conversation import Role, Sampling, TextPart
from app.domain.errors import BackendProblem, RequestError
from app.domain.events import FinishReason
from app.domain.protocols import Backend
from tests.backends.contract import collect, conversation, text_of
from tests.backends.provider import failure_of
from tests.backends.provider_contract import Content, ProviderContract, Text, Thought, message, said
from tests.servers.bedrock_server import (
    ACCESS_KEY,
    API_KEY,
    BEGIN,
    REGION,
    SECRET_KEY,
    SESSION_TOKEN,
    STREAM,
    BedrockServer,
    bedrock_server,
    block_events,
    call_block,
    error_answer,
    exception,
    frame,
    streamed,
    text_block,
    thinking_block,
    whole,
)
from tests.servers.openai_server import OpenAIServer, Play

Json = Any

KEYS = Keys(ACCESS_KEY, SECRET_KEY, SESSION_TOKEN)
STOPS = {
    FinishReason.STOP: "end_turn",
    FinishReason.LENGTH: "max_tokens",
    FinishReason.TOOL_CALLS: "tool_use",
    FinishReason.CONTENT_FILTER: "guardrail_intervened",
}


@asynccontextmanager
async def connected(
    *,
    authorize: Authorize | None = None,
    headers: Mapping[str, str] | None = None,
    query: str = "",
    **options: Any,  # noqa: ANN401  # the backend's own
) -> AsyncIterator[tuple[BedrockServer, BedrockBackend]]:
    """A server, and a backend that talks to it; signed by the keys unless told otherwise."""
    jar = aiohttp.DummyCookieJar()
    async with bedrock_server() as server, aiohttp.ClientSession(cookie_jar=jar) as session:
        if authorize is None and headers is None:
            authorize = signed_by_keys(KEYS, REGION)
        url = server.base_url + query
        to = Connection(session, url, headers or {}, Timeouts(), authorize)
        yield server, BedrockBackend(to, **options)


def wire(content: Content) -> Json:
    """A block as the provider writes it."""
    if isinstance(content, Text):
        return text_block(content.text)
    if isinstance(content, Thought):
        return thinking_block(content.text, content.signed)
    return call_block(content.call_id, content.name, content.arguments)


class TestContract(ProviderContract):
    """The Bedrock backend keeps the promises of every provider's backend."""

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
        return Play([BEGIN, *blocks], content_type=STREAM)

    @override
    def error_status(self, status: int) -> Play:
        return error_answer(status)

    @override
    def error_event(self) -> tuple[bytes, BackendProblem]:
        return exception("throttlingException"), BackendProblem.RATE_LIMITED


@pytest.mark.parametrize(("is_stream", "call"), [(True, "converse-stream"), (False, "converse")])
async def test_request_as_the_server_sees_it(is_stream: bool, call: str) -> None:  # noqa: FBT001  # a parameter of the test
    """The signature would not fit the address, or a model that is an ARN not be found."""
    arn = "arn:aws:bedrock:eu-central-1:123456789012:inference-profile/eu.some-model-v1:0"
    async with connected() as (server, backend):
        server.play(streamed([text_block("Hi")]) if is_stream else whole([text_block("Hi")]))
        wanted = conversation("你好", is_stream=is_stream)
        events = [each async for each in backend.stream(wanted, arn)]
        assert SECRET_KEY not in repr(backend)
    seen = server.requests[0]
    assert text_of(events) == "Hi"
    escaped = arn.replace(":", "%3A").replace("/", "%2F")
    assert seen.headers["Authorization"].startswith(f"AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/")
    assert seen.headers["x-amz-security-token"] == SESSION_TOKEN
    assert seen.raw_path == f"/model/{escaped}/{call}"


async def test_signature_of_an_address_with_a_query() -> None:
    """A gateway in between that wants a query would make every signature wrong."""
    async with connected(query="/?b=2&a=1") as (_, backend):
        assert text_of(await collect(backend, conversation("Hi"))) == "Hi"


async def test_wrong_keys_are_found_out() -> None:
    """The fake server would take every signature, and the tests above prove nothing."""
    wrong = signed_by_keys(Keys(ACCESS_KEY, "another"), REGION)
    async with connected(authorize=wrong) as (_, backend):
        assert (await failure_of(backend)).problem is BackendProblem.REJECTED
    elsewhere = signed_by_keys(KEYS, "us-east-1")
    async with connected(authorize=elsewhere) as (_, backend):
        assert (await failure_of(backend)).problem is BackendProblem.REJECTED


async def test_bedrock_api_key() -> None:
    """Who has an API key and no AWS keys could not use it."""
    async with connected(headers=bearer(API_KEY)) as (server, backend):
        assert text_of(await collect(backend, conversation("Hi"))) == "Hi"
    assert server.requests[0].headers["Authorization"] == f"Bearer {API_KEY}"


async def test_keys_that_the_chain_finds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who keeps keys in AWS's own files, or none at all, would not be understood."""
    path = tmp_path / "credentials"
    lines = f"[bread]\naws_access_key_id={ACCESS_KEY}\naws_secret_access_key={SECRET_KEY}\n"
    path.write_text(lines, "utf-8")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(path))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    async with connected(authorize=signed_by_chain("bread", REGION)) as (_, backend):
        assert text_of(await collect(backend, conversation("Hi"))) == "Hi"
    for profile in (None, "missing"):
        with pytest.raises(ValueError, match="no AWS credentials were found"):
            signed_by_chain(profile, REGION)


def test_endpoints() -> None:
    """Requests would go to a host that is not there."""
    assert endpoint_of("eu-central-1") == "https://bedrock-runtime.eu-central-1.amazonaws.com"
    assert endpoint_of("cn-north-1") == "https://bedrock-runtime.cn-north-1.amazonaws.com.cn"


async def test_wishes_that_are_left_out() -> None:
    """A persona with a seed could not be served by models that know none."""
    wanted = said(message(Role.USER, TextPart("Hi")), sampling=Sampling(seed=1, max_tokens=9))
    async with connected() as (server, backend):
        with pytest.raises(RequestError, match="seed"):
            await collect(backend, wanted)
        assert server.requests == []
    async with connected(leaves_out=("seed",)) as (server, backend):
        await collect(backend, wanted)
    assert server.requests[0].body["inferenceConfig"] == {"maxTokens": 9}


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("throttlingException", BackendProblem.RATE_LIMITED),
        ("validationException", BackendProblem.REJECTED),
        ("accessDeniedException", BackendProblem.UNAUTHORIZED),
        ("modelTimeoutException", BackendProblem.TIMEOUT),
        ("modelStreamErrorException", BackendProblem.FAILED),
        ("internalServerException", BackendProblem.FAILED),
        ("serviceUnavailableException", BackendProblem.FAILED),
        ("aNewException", BackendProblem.FAILED),
    ],
)
async def test_exceptions_inside_an_answer(name: str, problem: BackendProblem) -> None:
    """A caller would retry what cannot work, or give up what could."""
    async with connected() as (server, backend):
        server.play(Play([BEGIN, exception(name)], content_type=STREAM))
        assert (await failure_of(backend)).problem is problem


async def test_error_of_the_stream_itself() -> None:
    """An error that is no exception of the service would be taken for an unknown event."""
    async with connected() as (server, backend):
        error = frame("InternalError", {}, kind="error")
        server.play(Play([BEGIN, error], content_type=STREAM))
        assert (await failure_of(backend)).problem is BackendProblem.FAILED


@pytest.mark.parametrize(
    ("status", "problem"), [(408, BackendProblem.TIMEOUT), (424, BackendProblem.FAILED)]
)
async def test_statuses_of_its_own(status: int, problem: BackendProblem) -> None:
    """A model that took too long or failed would look like a request that is wrong."""
    async with connected() as (server, backend):
        server.play(error_answer(status))
        assert (await failure_of(backend)).problem is problem
