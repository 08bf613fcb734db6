"""Recorded answers in front of a backend: the same question gets the same answer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typing_extensions import override

from app.backends.recorded import (
    Questions,
    RecordedBackend,
    RecordedOutside,
    Recorder,
    joined,
)
from app.backends.scripted import Script, ScriptedBackend
from app.domain.conversation import (
    Conversation,
    Message,
    Origin,
    PersonaWishes,
    RefusalPart,
    Role,
    Sampling,
    TextPart,
    Tool,
)
from app.domain.data_use import DataUse
from app.domain.errors import BackendError, DetectorError
from app.domain.events import (
    Finish,
    FinishReason,
    ReasoningDelta,
    RefusalDelta,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from app.domain.protocols import AnswerT, Outside, Question
from app.domain.recording import (
    GivenBy,
    Purpose,
    Recording,
    Recordings,
    digest_of_question,
)


@dataclass
class Shelf(Recordings):
    """Recordings in memory."""

    kept: dict[str, Recording] = field(default_factory=dict)

    @override
    def find(self, key: str) -> Recording | None:
        return self.kept.get(key)

    @override
    async def keep(self, recording: Recording) -> None:
        self.kept.setdefault(recording.key, recording)


class StillClock:
    """It is always noon."""

    def now(self) -> datetime:
        """The time of day."""
        return datetime(2026, 11, 22, 12, tzinfo=UTC)

    def monotonic(self) -> float:
        """Seconds."""
        return 0.0


def recorder(shelf: Shelf) -> Recorder:
    """For one run of a case."""
    return Recorder(shelf, Questions("talks", "a case", 0), StillClock(), frozenset({"script"}))


def says(text: str, path: str = "messages[0].content") -> Conversation:
    """A request of one message."""
    return Conversation("p", (Message(Role.USER, Origin.CLIENT, (TextPart(text, path),)),))


def counting() -> tuple[ScriptedBackend, list[str]]:
    """A backend that repeats what is said, and what it was asked."""
    asked: list[str] = []
    script = Script.model_validate({"rules": [{"text": "You said: {{last_user}}"}]})
    return ScriptedBackend(script, on_call=lambda _, model: asked.append(model)), asked


async def answer(backend: RecordedBackend, asked: Conversation) -> list[StreamEvent]:
    """All events."""
    return [event async for event in backend.stream(asked, "m")]


async def test_what_was_answered_once_is_not_asked_again() -> None:
    """Every run would cost as much as the first, and give other answers."""
    shelf, (behind, asked) = Shelf(), counting()
    first = RecordedBackend(recorder(shelf), Purpose.ANSWER, "script", behind)
    told = await answer(first, says("hi"))
    again = RecordedBackend(recorder(shelf), Purpose.ANSWER, "script", None)
    assert await answer(again, says("hi")) == told
    assert told == [TextDelta("You said: hi"), Finish(FinishReason.STOP)]
    assert asked == ["m"]
    (kept,) = shelf.kept.values()
    assert (kept.given_by, kept.first_ms, kept.total_ms) == (GivenBy.SCRIPT, None, None)
    assert kept.on == StillClock().now().date()


async def test_what_is_not_recorded_is_noted_and_refused() -> None:
    """A case would be judged by an answer that nobody gave."""
    mine = recorder(Shelf())
    backend = RecordedBackend(mine, Purpose.JUDGE, "script", None)
    with pytest.raises(BackendError, match="--answers record"):
        await answer(backend, says("hi"))
    assert [(each.purpose, each.backend) for each in mine.questions.unrecorded] == [
        (Purpose.JUDGE, "script")
    ]


async def test_the_same_question_again_is_another_one() -> None:
    """An answer that is made again after it broke a behaviour would be the same bad one."""
    shelf, (behind, asked) = Shelf(), counting()
    for one in (RecordedBackend(recorder(shelf), Purpose.ANSWER, "b", behind) for _ in range(2)):
        for _ in range(3):
            await answer(one, says("hi"))
    assert len(shelf.kept) == len(asked) == 3


async def test_a_failure_is_no_answer_and_is_asked_for_again() -> None:
    """An outage would be recorded, and stand for the model from then on."""
    script = Script.model_validate({"rules": [{"failure": {"problem": "failed", "after": 0}}]})
    shelf = Shelf()
    mine = recorder(shelf)
    with pytest.raises(BackendError):
        await answer(RecordedBackend(mine, Purpose.ANSWER, "b", ScriptedBackend(script)), says("a"))
    assert not shelf.kept
    await answer(RecordedBackend(mine, Purpose.ANSWER, "b", counting()[0]), says("a"))
    assert digest_of_question("b", "m", says("a"), 0) in shelf.kept


async def test_an_answer_is_recorded_whole_before_any_of_it_is_given() -> None:
    """Where policy stops an answer, the rest would be missing for a policy that lets it pass."""
    shelf = Shelf()
    backend = RecordedBackend(recorder(shelf), Purpose.ANSWER, "b", counting()[0])
    stream = backend.stream(says("hi"), "m")
    await anext(stream)
    await stream.aclose()
    (kept,) = shelf.kept.values()
    assert kept.events[-1] == Finish(FinishReason.STOP)


TEXTS = st.text("ab", min_size=1, max_size=3)
EVENTS = st.lists(
    st.one_of(
        st.builds(TextDelta, TEXTS, st.integers(0, 1)),
        st.builds(RefusalDelta, TEXTS, st.integers(0, 1)),
        st.builds(ReasoningDelta, TEXTS, st.integers(0, 1), st.sampled_from([None, "s"])),
        st.builds(ToolCallDelta, st.integers(0, 1), TEXTS, st.sampled_from([None, "c"])),
        st.just(Finish(FinishReason.STOP)),
    ),
    max_size=12,
)


@settings(deadline=None)
@given(EVENTS)
def test_joining_events_changes_no_text_and_no_order(events: list[StreamEvent]) -> None:
    """What is replayed would not be what was recorded."""
    short = list(joined(events))
    assert _flat(short) == _flat(events)
    assert list(joined(short)) == short
    assert len(short) <= len(events)


def _flat(events: Sequence[StreamEvent]) -> list[object]:
    """Letter by letter, with all that is beside the letters."""
    flat: list[object] = []
    for event in events:
        match event:
            case ReasoningDelta(text, choice, signed):
                flat += [(ReasoningDelta, letter, choice) for letter in text]
                flat += [("signed", choice)] if signed else []
            case TextDelta(text, choice) | RefusalDelta(text, choice):
                flat += [(type(event), letter, choice) for letter in text]
            case ToolCallDelta(index, arguments, call_id, _, choice):
                flat += [("call", index, choice)] if call_id else []
                flat += [(ToolCallDelta, letter, index, choice) for letter in arguments]
            case _:
                flat.append(event)
    return flat


def _with_part(asked: Conversation) -> Conversation:
    return replace(asked, messages=(replace(asked.messages[0], parts=(RefusalPart("hi"),)),))


@pytest.mark.parametrize(
    "change",
    [
        lambda asked: says("ho"),  # noqa: ARG005
        _with_part,
        lambda asked: replace(asked, sampling=Sampling(temperature=0.5)),
        lambda asked: replace(asked, sampling=Sampling(seed=1)),
        lambda asked: replace(asked, sampling=Sampling(max_tokens=9)),
        lambda asked: replace(asked, tools=(Tool("find", parameters={"type": "object"}),)),
        lambda asked: replace(asked, messages=asked.messages * 2),
        lambda asked: replace(asked, passthrough={"a": 1}),
    ],
)
def test_whatever_else_is_asked_has_another_key(
    change: Callable[[Conversation], Conversation],
) -> None:
    """A change of the prompt or of the sampling would be judged by answers to the old one."""
    asked = says("hi")
    key = digest_of_question("b", "m", asked, 0)
    assert digest_of_question("b", "m", change(asked), 0) != key
    assert digest_of_question("b", "n", asked, 0) != key
    assert digest_of_question("c", "m", asked, 0) != key


def test_where_a_client_put_something_is_not_asked() -> None:
    """Recordings would go stale because of what no model sees."""
    asked = says("hi")
    wishes = PersonaWishes(session="s", consent="c")
    other = replace(
        says("hi", "input[0]"),
        wishes=wishes,
        is_stream=True,
        subject="anna",
        provider_may=frozenset({DataUse.STORE}),
    )
    yielding = replace(other, sampling=Sampling(yields=frozenset({"seed"})))
    key = digest_of_question("b", "m", asked, 0)
    assert digest_of_question("b", "m", yielding, 0) == key
    # Of a file in version control: a change here makes every recording stale.
    assert key == "sha256:07de6c0417e35f3b62bcffe273d1380de9582b211acdd019004246bc0306bb01"


@dataclass
class Webhook(Outside):
    """An endpoint that counts how often it was asked."""

    asked: int = 0

    @property
    @override
    def usage(self) -> Usage | None:
        return None

    @override
    async def complete(
        self, route: str, question: Question, read: Callable[[str], AnswerT]
    ) -> AnswerT:
        return read("yes")

    @override
    async def post(self, endpoint: str, body: bytes, read: Callable[[str], AnswerT]) -> AnswerT:
        self.asked += 1
        return read(f"answer {self.asked}")


async def test_what_endpoints_answer_is_recorded_too() -> None:
    """A recorded run would ask the network, or let through what a webhook would have stopped."""
    shelf, webhook = Shelf(), Webhook()
    mine = RecordedOutside(recorder(shelf), webhook, asks=True)
    first = [await mine.post("hook", b"{}", str) for _ in range(2)]
    again = RecordedOutside(recorder(shelf), webhook, asks=False)
    assert [await again.post("hook", b"{}", str) for _ in range(2)] == first
    assert first == ["answer 1", "answer 2"]
    with pytest.raises(DetectorError, match="no answer to this is recorded"):
        await again.post("hook", b"other", str)
    assert webhook.asked == 2
