"""What every backend promises. The tests of each inherit from one of the classes below."""

import asyncio
from abc import ABC, abstractmethod
from collections import Counter
from contextlib import AbstractAsyncContextManager, aclosing
from typing import ClassVar, get_args

import pytest

from app.domain.conversation import (
    Conversation,
    Message,
    Origin,
    Role,
    Sampling,
    TextPart,
)
from app.domain.errors import BackendError, BackendProblem
from app.domain.events import Finish, StreamEvent, TextDelta, Usage
from app.domain.protocols import Backend

PROMPT = "You are a helpful assistant."
AWKWARD_TEXT = "naïve — 你好，世界 🙂👩‍👩‍👧 ﷽ \u2028 end"
"""Letters of one to four bytes, a joined emoji, and a line separator that is no line end."""


def conversation(
    text: str = "Hello", *, max_tokens: int | None = None, is_stream: bool = True
) -> Conversation:
    """A conversation as the pipeline hands it over: the composed prompt first."""
    return Conversation(
        persona="tester",
        messages=(
            Message(Role.SYSTEM, Origin.PERSONA, (TextPart(PROMPT),)),
            Message(Role.USER, Origin.CLIENT, (TextPart(text, "messages[0].content"),)),
        ),
        sampling=Sampling(max_tokens=max_tokens),
        is_stream=is_stream,
    )


async def collect(backend: Backend, wanted: Conversation | None = None) -> list[StreamEvent]:
    """All events of an answer."""
    return [event async for event in backend.stream(wanted or conversation(), "some-model")]


def text_of(events: list[StreamEvent]) -> str:
    """The answer's text."""
    return "".join(event.text for event in events if isinstance(event, TextDelta))


async def take(backend: Backend, count: int, wanted: Conversation) -> list[StreamEvent]:
    """The first events of an answer, which is then closed early."""
    events: list[StreamEvent] = []
    stream = backend.stream(wanted, "some-model")
    async with aclosing(stream) as open_stream:
        async for event in open_stream:
            events.append(event)
            if len(events) == count:
                break
    return events


class BackendContract(ABC):
    """The promises. A subclass says how to get a backend that is in a certain situation."""

    @abstractmethod
    def answering(self, text: str) -> AbstractAsyncContextManager[Backend]:
        """A backend that answers with this text, where it can be told what to say."""

    @abstractmethod
    def endless(self) -> AbstractAsyncContextManager[Backend]:
        """A backend whose answer has many events."""

    @abstractmethod
    def failing(self) -> AbstractAsyncContextManager[tuple[Backend, Conversation, BackendProblem]]:
        """A backend, something that it fails on, and how."""

    @abstractmethod
    async def wait_until_stopped(self, backend: Backend) -> None:
        """Return when the backend no longer works on an answer that was closed early."""

    async def test_answer_ends_with_one_finish(self) -> None:
        """A client would wait for an end that never comes, or a record would hold two."""
        async with self.answering("A short answer.") as backend:
            events = await collect(backend)
        finishes = Counter(event.choice for event in events if isinstance(event, Finish))
        assert finishes == {0: 1}
        after = events[[isinstance(event, Finish) for event in events].index(True) + 1 :]
        assert all(isinstance(event, Usage) for event in after)

    async def test_events_are_of_the_closed_set(self) -> None:
        """A guard that matches on the event's type would let another one through unseen."""
        async with self.answering("A short answer.") as backend:
            events = await collect(backend)
        assert events
        assert {type(event) for event in events} <= set(get_args(StreamEvent))
        assert all(event.text for event in events if isinstance(event, TextDelta))

    async def test_usage_comes_at_most_once(self) -> None:
        """Usage that comes twice would be counted twice."""
        async with self.answering("A short answer.") as backend:
            events = await collect(backend)
        assert sum(isinstance(event, Usage) for event in events) <= 1

    async def test_two_requests_in_a_row(self) -> None:
        """A backend that keeps something of a request would answer only once."""
        async with self.answering("A short answer.") as backend:
            first, second = await collect(backend), await collect(backend)
        assert text_of(first)
        assert text_of(second)

    async def test_concurrent_requests_do_not_mix(self) -> None:
        """Requests that share state would get pieces of each other's answers."""
        async with self.answering("A short answer.") as backend:
            answers = await asyncio.gather(*(collect(backend) for _ in range(3)))
        assert all(sum(isinstance(event, Finish) for event in events) == 1 for events in answers)

    async def test_closing_early_stops_the_work(self) -> None:
        """A blocked or abandoned answer would be computed and billed to its end."""
        async with self.endless() as backend:
            events = await take(backend, 2, conversation("Tell me a long story."))
            await self.wait_until_stopped(backend)
        assert len(events) == 2

    async def test_cancelling_stops_the_work(self) -> None:
        """A client that hangs up in mid-answer would leave the work running."""
        async with self.endless() as backend:
            began = asyncio.Event()

            async def read() -> None:
                async with aclosing(backend.stream(conversation("Tell me more."), "m")) as stream:
                    async for _ in stream:
                        began.set()

            reading = asyncio.ensure_future(read())
            await began.wait()
            reading.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reading
            await self.wait_until_stopped(backend)

    async def test_failure_is_a_backend_error(self) -> None:
        """Another exception would end as a failure of the gateway, not of the provider."""
        async with self.failing() as (backend, wanted, problem):
            with pytest.raises(BackendError) as caught:
                await collect(backend, wanted)
        assert caught.value.problem is problem
        assert caught.value.message


class ToldBackendContract(BackendContract):
    """The promises of a backend that can be told what to say."""

    awkward: ClassVar[str] = AWKWARD_TEXT

    async def test_awkward_letters_arrive_whole(self) -> None:
        """An emoji or a letter of several bytes would break on its way."""
        async with self.answering(self.awkward) as backend:
            assert text_of(await collect(backend)) == self.awkward
