"""What every backend promises that asks a provider over HTTP, against a fake of that provider."""

import asyncio
import re
from abc import abstractmethod
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

import orjson
import pytest
from typing_extensions import override

from app.domain.conversation import (
    Conversation,
    FilePart,
    ImagePart,
    Inline,
    JsonFormat,
    Message,
    Origin,
    Part,
    ReasoningPart,
    Role,
    TextPart,
    Tool,
    ToolCallPart,
    ToolResultPart,
)
from app.domain.errors import BackendError, BackendProblem, RequestError
from app.domain.events import (
    Finish,
    FinishReason,
    ReasoningDelta,
    StreamEvent,
    ToolCallDelta,
    Usage,
)
from app.domain.protocols import Backend
from tests.backends.contract import (
    ToldBackendContract,
    collect,
    conversation,
    text_of,
)
from tests.backends.provider import failure_of
from tests.servers import images
from tests.servers.openai_server import Drop, Hang, OpenAIServer, Play, Step

Json = Any

SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
PIXEL = images.PIXEL
DOCUMENT = "JVBERi0xLjcKJeLjz9MK"
SIGNED = "c2lnbmVkIGJ5IHRoZSBwcm92aWRlcg=="


@dataclass(frozen=True)
class Text:
    """The fake provider says this."""

    text: str


@dataclass(frozen=True)
class Thought:
    """The fake provider reasons, and signs it."""

    text: str
    signed: str


@dataclass(frozen=True)
class Call:
    """The fake provider calls a tool."""

    call_id: str
    name: str
    arguments: Json


Content = Text | Thought | Call


def said(*messages: Message, **more: Any) -> Conversation:  # noqa: ANN401  # fields of a conversation
    """A conversation of these messages below the prompt."""
    return Conversation("tester", (conversation().messages[0], *messages), **more)


def message(role: Role, *parts: Part, path: str = "messages[1]") -> Message:
    """A message of these parts."""
    return Message(role, Origin.CLIENT, parts, path=path)


def reasoning_of(events: Sequence[StreamEvent]) -> str:
    """The text of all reasoning."""
    return "".join(each.text for each in events if isinstance(each, ReasoningDelta))


def signatures_of(events: Sequence[StreamEvent]) -> list[str]:
    """What was signed of reasoning."""
    reasoning = [each for each in events if isinstance(each, ReasoningDelta)]
    return [each.signed for each in reasoning if each.signed is not None]


def calls_of(events: Sequence[StreamEvent]) -> list[tuple[str | None, str | None, Json]]:
    """Id, name and arguments of each call."""
    found: dict[int, tuple[str | None, str | None]] = {}
    arguments: dict[int, str] = {}
    for each in events:
        if isinstance(each, ToolCallDelta):
            if each.name is not None:
                found[each.index] = (each.call_id, each.name)
            else:
                assert each.call_id is None
            arguments[each.index] = arguments.get(each.index, "") + each.arguments
    return [(*found[index], orjson.loads(arguments[index])) for index in sorted(found)]


class ProviderContract(ToldBackendContract):
    """The promises. A subclass says how its provider writes an answer."""

    signs_reasoning: ClassVar[bool] = True
    takes_images: ClassVar[bool] = True
    tools_show_images: ClassVar[bool] = True
    counts: ClassVar[Usage] = Usage(7, 3)
    """What the fake counts in each answer."""
    server: OpenAIServer

    @abstractmethod
    def connected(self) -> AbstractAsyncContextManager[tuple[OpenAIServer, Backend]]:
        """The fake provider, and a backend that talks to it."""

    @abstractmethod
    def played(
        self,
        content: Sequence[Content],
        *,
        finish: FinishReason = FinishReason.STOP,
        is_stream: bool = True,
    ) -> Play:
        """An answer as the provider writes it."""

    @abstractmethod
    def begun(self, content: Sequence[Text]) -> Play:
        """A streamed answer that has begun and does not end, an event a step."""

    @abstractmethod
    def error_status(self, status: int) -> Play:
        """An error instead of an answer."""

    @abstractmethod
    def error_event(self) -> tuple[bytes, BackendProblem]:
        """An error inside a stream, and what it means."""

    def speaks(self, *plays: Play) -> AbstractAsyncContextManager[Backend]:
        """A backend whose provider answers with these."""
        return self._speaks(plays)

    @asynccontextmanager
    async def _speaks(self, plays: Sequence[Play]) -> AsyncIterator[Backend]:
        async with self.connected() as (self.server, backend):
            self.server.play(*plays)
            yield backend

    @override
    @asynccontextmanager
    async def answering(self, text: str) -> AsyncIterator[Backend]:
        async with self.connected() as (server, backend):
            server.answer = lambda _: self.played([Text(text)])
            yield backend

    @override
    @asynccontextmanager
    async def endless(self) -> AsyncIterator[Backend]:
        begun = self.begun([Text(f"{number} ") for number in range(50)])
        async with self._speaks([]) as backend:
            self.server.answer = lambda _: more_steps(begun, Hang())
            yield backend

    @override
    @asynccontextmanager
    async def failing(self) -> AsyncIterator[tuple[Backend, Conversation, BackendProblem]]:
        async with self.speaks(self.error_status(500)) as backend:
            yield backend, conversation(), BackendProblem.FAILED

    @override
    async def wait_until_stopped(self, backend: Backend) -> None:
        await self.server.wait_for_disconnects()

    @pytest.mark.parametrize("is_stream", [True, False])
    async def test_text_and_usage(self, is_stream: bool) -> None:  # noqa: FBT001  # a parameter of the test
        """A client would get another answer when it streams, or be billed for another."""
        play = self.played([Text(self.awkward)], is_stream=is_stream)
        async with self.speaks(play) as backend:
            events = await collect(backend, conversation(is_stream=is_stream))
        assert text_of(events) == self.awkward
        assert events[-2:] == [Finish(FinishReason.STOP), self.counts]

    @pytest.mark.parametrize("is_stream", [True, False])
    async def test_parallel_calls_and_their_results(self, is_stream: bool) -> None:  # noqa: FBT001  # as above
        """Calls would mix, lose letters, or their results not find them in the next turn."""
        calls: list[Call] = [
            Call("call_1", "find", {"city": "Zürich 🙂"}),
            Call("call_2", "bare", {}),
        ]
        tools = (Tool("find", "Finds a city.", SCHEMA), Tool("bare"))
        asked = message(Role.USER, TextPart("Where?"))
        play = self.played(calls, finish=FinishReason.TOOL_CALLS, is_stream=is_stream)
        async with self.speaks(play, self.played([Text("There.")], is_stream=is_stream)) as backend:
            first = await collect(backend, said(asked, tools=tools, is_stream=is_stream))
            turn = message(Role.ASSISTANT, *(again(each) for each in calls))
            results = [
                Message(Role.TOOL, Origin.TOOL, (ToolResultPart(call_id, text),))
                for call_id, text in (("call_1", "In the north."), ("call_2", "Nothing."))
            ]
            wanted = said(asked, turn, *results, tools=tools, is_stream=is_stream)
            second = await collect(backend, wanted)
        assert calls_of(first) == [(each.call_id, each.name, each.arguments) for each in calls]
        assert Finish(FinishReason.TOOL_CALLS) in first
        assert text_of(second) == "There."
        assert "In the north." in orjson.dumps(self.server.requests[1].body).decode()

    async def test_json_of_a_schema(self) -> None:
        """The answer would not have the shape that the client asked for."""
        wanted = said(
            message(Role.USER, TextPart("Where?")), response_format=JsonFormat(SCHEMA, "place")
        )
        async with self.speaks(self.played([Text('{"city":"Bern"}')], is_stream=False)) as backend:
            assert text_of(await collect(backend, wanted)) == '{"city":"Bern"}'
        sent = orjson.dumps(self.server.requests[0].body).decode()
        assert "additionalProperties" in sent

    @pytest.mark.parametrize("is_stream", [True, False])
    async def test_signed_reasoning_comes_and_goes_intact(self, is_stream: bool) -> None:  # noqa: FBT001  # as above
        """The provider would refuse the next turn, or the model forget what it thought."""
        if not self.signs_reasoning:
            return
        content: list[Content] = [Thought("Hm, 🙂.", SIGNED), Text("Yes.")]
        play = self.played(content, is_stream=is_stream)
        async with self.speaks(play, self.played([Text("No.")], is_stream=is_stream)) as backend:
            asked = message(Role.USER, TextPart("Is it?"))
            first = await collect(backend, said(asked, is_stream=is_stream))
            (signed,) = signatures_of(first)
            parts = (ReasoningPart(reasoning_of(first), "", signed), TextPart("Yes."))
            turns = (asked, message(Role.ASSISTANT, *parts), asked)
            await collect(backend, said(*turns, is_stream=is_stream))
        assert reasoning_of(first) == "Hm, 🙂."
        sent = orjson.dumps(self.server.requests[1].body).decode()
        assert sent.index("Hm, 🙂.") < sent.index('"Yes."')
        assert SIGNED in sent

    async def test_what_another_signed_stays_out(self) -> None:
        """The provider would refuse the turn, or read as its own what another one thought."""
        async with self.speaks(self.played([Text("No.")], is_stream=False)) as backend:
            turn = message(
                Role.ASSISTANT,
                ReasoningPart("Hm, 🙂.", "", f"other:{SIGNED}"),
                ReasoningPart("", "", f"other.redacted:{SIGNED}", is_redacted=True),
                ReasoningPart("Hm, 🙂.", "", SIGNED),
                ToolCallPart("call_1", "find", "{}", signed=f"other.call:{SIGNED}"),
            )
            result = Message(Role.TOOL, Origin.TOOL, (ToolResultPart("call_1", "Here."),))
            asked = message(Role.USER, TextPart("Is it?"))
            await collect(backend, said(asked, turn, result, tools=(Tool("find", "", SCHEMA),)))
        sent = orjson.dumps(self.server.requests[0].body).decode()
        assert SIGNED not in sent
        assert "Hm, 🙂." not in sent

    async def test_picture_goes_in_or_is_refused_before_any_call(self) -> None:
        """The model would answer about a picture that it never saw."""
        picture = ImagePart(Inline("image/png", PIXEL), "messages[1].content[1]")
        wanted = said(message(Role.USER, TextPart("What is it?"), picture))
        async with self.speaks(self.played([Text("A dot.")], is_stream=False)) as backend:
            if self.takes_images:
                assert text_of(await collect(backend, wanted)) == "A dot."
                assert PIXEL in orjson.dumps(self.server.requests[0].body).decode()
            else:
                with pytest.raises(RequestError):
                    await collect(backend, wanted)
                assert self.server.requests == []

    async def test_file_goes_in_with_its_place_or_is_refused_before_any_call(self) -> None:
        """The model would answer about a document that it never saw."""
        file = FilePart(
            Inline("application/pdf", DOCUMENT), "messages[1].content[1]", name="lease.pdf"
        )
        wanted = said(message(Role.USER, TextPart("Who signed it?"), file))
        async with self.speaks(self.played([Text("Nobody.")], is_stream=False)) as backend:
            assert text_of(await collect(backend, wanted)) == "Nobody."
            sent = orjson.dumps(self.server.requests[0].body).decode()
        assert sent.index("Who signed it?") < sent.index(DOCUMENT)

    async def test_picture_of_a_tool_goes_in_or_is_refused_before_any_call(self) -> None:
        """The model would take a picture that a tool showed for nothing at all."""
        picture = ImagePart(Inline("image/png", PIXEL), "messages[3].content[0]")
        call = again(Call("call_1", "find", {}))
        shown = Message(Role.TOOL, Origin.TOOL, (ToolResultPart("call_1", ""), picture))
        wanted = said(
            message(Role.USER, TextPart("Where?")),
            message(Role.ASSISTANT, call),
            shown,
            tools=(Tool("find", "Finds a city.", SCHEMA),),
        )
        async with self.speaks(self.played([Text("There.")], is_stream=False)) as backend:
            if self.tools_show_images:
                assert text_of(await collect(backend, wanted)) == "There."
                assert PIXEL in orjson.dumps(self.server.requests[0].body).decode()
            else:
                with pytest.raises(RequestError, match=re.escape(picture.path)):
                    await collect(backend, wanted)
                assert self.server.requests == []

    @pytest.mark.parametrize("reason", list(FinishReason))
    @pytest.mark.parametrize("is_stream", [True, False])
    async def test_reasons_to_stop(self, reason: FinishReason, is_stream: bool) -> None:  # noqa: FBT001  # as above
        """A client would take a cut or refused answer for a whole one."""
        content: list[Content] = [Text("Well")]
        if reason is FinishReason.TOOL_CALLS:
            content.append(Call("call_1", "bare", {}))
        async with self.speaks(self.played(content, finish=reason, is_stream=is_stream)) as backend:
            events = await collect(backend, conversation(is_stream=is_stream))
        assert [each.reason for each in events if isinstance(each, Finish)] == [reason]
        assert text_of(events) == "Well"

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
            (529, BackendProblem.RATE_LIMITED),
        ],
    )
    async def test_error_statuses(self, status: int, problem: BackendProblem) -> None:
        """A caller would retry what cannot work, or look for the fault on the wrong side."""
        async with self.speaks(self.error_status(status)) as backend:
            failure = await failure_of(backend)
        assert (failure.problem, failure.status) == (problem, status)

    async def test_error_in_mid_stream(self) -> None:
        """An answer that failed would be taken for a whole one, or its text be lost."""
        error, problem = self.error_event()
        play = more_steps(self.begun([Text("Hi")]), error)
        async with self.speaks(play, play) as backend:
            failure = await failure_of(backend)
            events = await until_it_fails(backend)
        assert failure.problem is problem
        assert text_of(events) == "Hi"

    @pytest.mark.parametrize("is_polite", [True, False])
    async def test_answer_that_breaks_off(self, is_polite: bool) -> None:  # noqa: FBT001  # as above
        """Half an answer would be taken for a whole one."""
        begun = self.begun([Text("Hi")])
        async with self.speaks(begun if is_polite else more_steps(begun, Drop())) as backend:
            failure = await failure_of(backend)
        assert failure.problem is BackendProblem.BROKEN

    async def test_waiting_can_be_cancelled(self) -> None:
        """A client that gives up while the provider thinks would leave it thinking."""
        async with self.speaks(Play(before=[Hang()])) as backend:
            reading = asyncio.ensure_future(collect(backend))
            await self.server.wait_for_requests()
            reading.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reading
            await self.server.wait_for_disconnects()


async def until_it_fails(backend: Backend) -> list[StreamEvent]:
    """The events of an answer before its provider fails."""
    events: list[StreamEvent] = []
    try:
        async for each in backend.stream(conversation(), "some-model"):
            events.append(each)  # noqa: PERF401  # filled also when it raises
    except BackendError:
        return events
    raise AssertionError("the answer did not fail")


def more_steps(play: Play, *steps: Step) -> Play:
    """The same answer, and what happens after it."""
    return Play([*play.steps, *steps], play.status, play.content_type, play.headers)


def again(call: Call) -> ToolCallPart:
    """A call as the client repeats it in the next turn."""
    arguments = orjson.dumps(call.arguments).decode()
    return ToolCallPart(call.call_id, call.name, arguments, "messages[2].tool_calls[0]")
