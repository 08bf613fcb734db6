"""The order of the steps: what is called and recorded, however an exchange ends."""

import asyncio
import gc
import weakref
from contextlib import aclosing, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from app.domain.catalog import Feature
from app.domain.conversation import PersonaWishes
from app.domain.decision import Outcome
from app.domain.errors import (
    BackendError,
    BackendProblem,
    ImageRefusedError,
    LedgerError,
    RequestError,
)
from app.domain.events import Finish, FinishReason, ImageDelta, TextDelta
from app.domain.protocols import PseudonymScope
from app.domain.record import Closing, Opening, Status
from app.ledger.ledger import Ledger
from app.pipeline.answer import Closed, ExchangeEvent, Opened, Stopped
from tests.pipeline.exchanging import Kitchen, PlayedBackend, conversation, kitchen


async def play(at: Kitchen, text: str, **more: object) -> list[ExchangeEvent]:
    """All events of an exchange."""
    return [event async for event in at.exchange(conversation(text, **more)).run()]  # type: ignore[arg-type]  # as conversation takes them


async def test_opened_comes_first_and_closed_last(root: Path) -> None:
    """A dialect could not write its headers, or would end an answer before its record."""
    async with kitchen(root, PlayedBackend()) as at:
        events = await play(at, "Hello")
        assert isinstance(events[0], Opened)
        assert isinstance(events[-1], Closed)
        assert [type(event).__name__ for event in events[1:-1]].count("Finish") == 1
        (record,) = await at.records()
        assert (record.status, record.outcome) == (Status.COMPLETED, Outcome.ALLOW)


@pytest.mark.parametrize("after", range(8))
async def test_a_client_that_leaves_after_any_event(root: Path, after: int) -> None:
    """An exchange that nobody waits for would leave two records, none, or a model running."""
    async with kitchen(root, PlayedBackend()) as at:
        seen: list[ExchangeEvent] = []
        async with aclosing(at.exchange(conversation("Hello")).run()) as events:
            async for event in events:
                seen.append(event)
                if len(seen) > after:
                    break
        (record,) = await at.records()
        was_told = isinstance(seen[-1], Closed)
        assert record.status in ({Status.COMPLETED} if was_told else {Status.CANCELLED})
        assert at.backend.ended == len(at.backend.calls)


async def test_an_exchange_that_is_over_goes_at_once(root: Path) -> None:
    """Rings that requests leave would fill the memory until a search for garbage, a rare thing."""
    async with kitchen(root, PlayedBackend()) as at:
        gc.disable()
        try:
            exchange = at.exchange(conversation("Hello"))
            gone = weakref.ref(exchange)
            assert [type(event).__name__ async for event in exchange.run()]
            del exchange
            assert gone() is None
        finally:
            gc.enable()


@dataclass
class SlowLedger:
    """Lets a test in before an exchange is closed."""

    ledger: Ledger
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)
    closed: asyncio.Event = field(default_factory=asyncio.Event)

    async def open(self, opening: Opening) -> None:
        """Keep it."""
        await self.ledger.open(opening)

    async def close(self, closing: Closing) -> None:
        """Keep it, when told."""
        self.closing.set()
        await self.go_on.wait()
        await self.ledger.close(closing)
        self.closed.set()


async def test_a_task_that_is_cancelled_while_its_record_is_closed(root: Path) -> None:
    """A client that leaves at the last moment would leave its record open for ever."""
    slow: list[SlowLedger] = []

    def wrapped(ledger: Ledger) -> SlowLedger:
        slow.append(SlowLedger(ledger))
        return slow[0]

    async with kitchen(root, PlayedBackend(), ledger_as=wrapped) as at:

        async def run() -> None:
            async with aclosing(at.exchange(conversation("Hello")).run()) as events:
                async for _ in events:
                    pass

        async with asyncio.TaskGroup() as group:
            task = group.create_task(run())
            await slow[0].closing.wait()
            task.cancel()
            await asyncio.sleep(0)
            slow[0].go_on.set()
            with suppress(asyncio.CancelledError):
                await task
        async with asyncio.timeout(10):
            await slow[0].closed.wait()
        (record,) = await at.records()
        assert record.status is Status.COMPLETED


@dataclass
class FullLedger:
    """Keeps nothing."""

    async def open(self, _opening: Opening) -> None:
        """Refuse."""
        raise LedgerError("its storage is full")

    async def close(self, _closing: Closing) -> None:
        """Refuse."""
        raise LedgerError("its storage is full")


async def test_without_an_opening_the_model_is_not_called(root: Path) -> None:
    """A call would leave no trace."""
    async with kitchen(root, PlayedBackend(), ledger_as=lambda _: FullLedger()) as at:
        with pytest.raises(LedgerError):
            await play(at, "Hello")
        assert at.backend.calls == []


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (BackendError(BackendProblem.TIMEOUT, "too late"), "timeout"),
        (ValueError("planted"), "ValueError"),
        (ImageDelta("image/gif", "AA=="), "image_type"),
    ],
)
async def test_a_failure_is_recorded_by_its_kind(
    root: Path, failure: Exception | ImageDelta, kind: str
) -> None:
    """A failure would have no record, or one that quotes what a user or provider wrote."""
    backend = PlayedBackend((TextDelta("One. "), failure, Finish(FinishReason.STOP)))
    async with kitchen(root, backend) as at:
        with pytest.raises((BackendError, ValueError, ImageRefusedError)):
            await play(at, "Hello")
        (record,) = await at.records()
        assert (record.status, record.closing["error"]) == (Status.FAILED, kind)
        assert "planted" not in str(record)
        assert backend.ended == 1


@pytest.mark.parametrize(
    ("wishes", "param"),
    [
        (PersonaWishes(scenario="nobody"), "banneton.scenario"),
        (PersonaWishes(variables={"nobody": "x"}), "banneton.variables.nobody"),
        (PersonaWishes(variables={"customer": "x" * 81}), "banneton.variables.customer"),
    ],
)
async def test_what_the_persona_does_not_take_is_refused_before_anything(
    root: Path, wishes: PersonaWishes, param: str
) -> None:
    """A request that cannot be served would be recorded and billed."""
    async with kitchen(root, PlayedBackend()) as at:
        with pytest.raises(RequestError) as caught:
            await play(at, "Hello", wishes=wishes)
        assert caught.value.param == param
        assert (at.backend.calls, await at.records()) == ([], ())


async def test_a_request_that_is_too_long_is_refused(root: Path) -> None:
    """One request could keep every core busy."""
    async with kitchen(root, PlayedBackend()) as at:
        with pytest.raises(RequestError) as caught:
            await play(at, "x" * 1001)
        assert caught.value.code == "context_length_exceeded"
        assert await play(at, "x" * 1000)


async def test_a_request_of_too_many_messages_is_refused(root: Path) -> None:
    """One request could keep every core busy with texts of one letter."""
    async with kitchen(root, PlayedBackend()) as at:
        with pytest.raises(RequestError) as caught:
            await play(at, "x", times=4)
        assert caught.value.code == "context_length_exceeded"
        assert await play(at, "x", times=3)


async def test_nothing_of_the_model_follows_a_block(root: Path) -> None:
    """A model would go on being read, or its words sent, after policy stopped the answer."""
    backend = PlayedBackend(
        (TextDelta("Yes. say-banned "), TextDelta("more"), Finish(FinishReason.STOP))
    )
    async with kitchen(root, backend) as at:
        events = await play(at, "Hello")
        stopped = next(at for at, event in enumerate(events) if isinstance(event, Stopped))
        assert events[1:stopped] == [TextDelta("Yes. ")]
        assert events[stopped + 1] == Finish(FinishReason.CONTENT_FILTER)
        assert isinstance(events[stopped + 2], Closed)
        assert backend.ended == 1


async def test_erasing_a_person_takes_what_their_sessions_called_them(root: Path) -> None:
    """A person's values outlive their erasure, or go when somebody else is erased."""
    async with kitchen(root, PlayedBackend()) as at:
        for subject, session in (("ada", "s1"), ("bob", "s2")):
            said = conversation(
                f"I am {subject}@here.example", wishes=PersonaWishes(session=session)
            )
            said = replace(said, subject=subject)
            _ = [event async for event in at.exchange(said).run()]
        scopes = [PseudonymScope("acme", "key-1", session) for session in ("s1", "s2")]
        vault = at.steps.vault
        assert [len(await vault.load(scope)) for scope in scopes] == [1, 1]
        assert (await at.ledger.erase_subject("acme", "ada")).pseudonyms == 1
        assert [len(await vault.load(scope)) for scope in scopes] == [0, 1]


TWO = PlayedBackend(
    (
        TextDelta("Take the "),
        TextDelta("say-banned ", 1),
        TextDelta("green form."),
        TextDelta("more", 1),
        Finish(FinishReason.STOP),
        Finish(FinishReason.STOP, 1),
    )
)
TWO.gives = frozenset({Feature.CHOICES})


async def test_two_answers_leave_one_record_however_they_end(root: Path) -> None:
    """A choice that is stopped leaves a record of its own, or one that does not know of it."""
    async with kitchen(root, TWO) as at:
        asked = conversation("Hello", persona="several")
        asked = replace(asked, sampling=replace(asked.sampling, choices=2))
        seen: list[ExchangeEvent] = []
        for after in range(12):
            seen.clear()
            async with aclosing(at.exchange(asked).run()) as events:
                async for event in events:
                    seen.append(event)
                    if len(seen) > after:
                        break
            assert len(await at.records()) == after + 1
            assert at.backend.ended == len(at.backend.calls)
        last, *_ = await at.records()
        assert (last.status, last.outcome) == (Status.COMPLETED, Outcome.BLOCK)
        assert last.closing is not None
        assert last.closing["finish"] == "content_filter"
        stopped = [event for event in seen if isinstance(event, Stopped)]
        assert [(each.choice, each.outcome) for each in stopped] == [(1, Outcome.BLOCK)]
        ends = [event for event in seen if isinstance(event, Finish)]
        assert ends == [Finish(FinishReason.CONTENT_FILTER, 1), Finish(FinishReason.STOP)]


async def test_what_a_persona_has_not_allowed_is_not_asked(root: Path) -> None:
    """Several answers are made, and paid for, where the persona's file says nothing of them."""
    async with kitchen(root, TWO) as at:
        asked = conversation("Hello")
        asked = replace(asked, sampling=replace(asked.sampling, choices=2))
        with pytest.raises(RequestError) as caught:
            _ = [event async for event in at.exchange(asked).run()]
        assert (caught.value.param, await at.records()) == ("n", ())


async def test_what_no_protocol_of_a_route_knows_is_refused_before_any_call(root: Path) -> None:
    """A model is asked for what it cannot give, and the client learns of it from an answer."""
    async with kitchen(root, PlayedBackend()) as at:
        asked = conversation("Hello", persona="several")
        for more in ({"choices": 2}, {"logprobs": True}):
            wanted = replace(asked, sampling=replace(asked.sampling, **more))
            with pytest.raises(RequestError) as caught:
                _ = [event async for event in at.exchange(wanted).run()]
            assert caught.value.code == "no_route"
            assert next(iter(more)) in caught.value.message
        assert (at.backend.calls, await at.records()) == ([], ())
