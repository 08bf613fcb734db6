"""Nothing long is looked at on the event loop. Nothing here is timed: threads tell."""

import asyncio
import threading
from collections.abc import Callable, Iterable, Sequence

import pytest

from app.domain.conversation import Segment
from app.domain.events import (
    Finish,
    FinishReason,
    ReasoningDelta,
    RefusalDelta,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
)
from app.domain.finding import Finding
from app.domain.policy import Action, Stage
from app.guardrails.aside import LONG, Pace, done, effort, is_long
from app.guardrails.detector import Scope
from app.guardrails.evaluate import History, inspect_segments
from app.guardrails.plan import PolicyPlan
from app.guardrails.pseudonyms import Minter
from app.guardrails.seen import Seen
from tests.guardrails.building import (
    KEY,
    NOW,
    SCOPE,
    Local,
    guard,
    kind,
    patterns,
    pieces,
    plan,
    rule,
    stream,
)

Made = Callable[[str, int], list[StreamEvent]]
ANSWER = (Stage.OUTPUT, Stage.TOOL_CALL)
LONG_TEXT = "A line about bread. " * 400
DIGITS = "0201 234 567 " * 30
SENTENCE = "Rye bread " * 300 + "."
"""One match of a shape, too, that goes on for long."""
CHINESE = "街角的面包店七点开门。" * 120


class Watched:
    """A detector that notes what it was shown on which thread."""

    def __init__(self, scope: Scope, stages: Sequence[Stage]) -> None:
        self.on_loop: list[str] = []
        self.aside: list[str] = []
        shapes = (
            (r"bread|面包|[0-9]{3} ?[0-9]{3}|(?:Rye bread ){150,200}",)
            if scope is Scope.SPAN
            else None
        )
        detector = Local(self._find, scope, shapes, name=f"watched-{scope}")
        settings: dict[str, dict[str, object]] = {detector.name: {}}
        self.plan: PolicyPlan = plan(
            rule("r", settings, Action.MASK, *stages), extra=[kind(detector)]
        )

    def _find(self, text: str) -> Iterable[tuple[int, int]]:
        is_on_loop = threading.current_thread() is threading.main_thread()
        (self.on_loop if is_on_loop else self.aside).append(text)
        return ()


@pytest.mark.parametrize(
    "texts",
    [
        pytest.param([LONG_TEXT], id="one long text"),
        pytest.param([DIGITS], id="as many digits as take long"),
        pytest.param([CHINESE], id="another script"),
        pytest.param(["Rye bread."] * 100, id="many short texts"),
    ],
)
@pytest.mark.parametrize("stage", [Stage.INPUT, Stage.TOOL_RESULT])
async def test_long_requests_are_not_looked_at_on_the_loop(
    texts: Sequence[str], stage: Stage
) -> None:
    """One long request stops every other one while it is read."""
    watched = Watched(Scope.RESPONSE, (Stage.INPUT, Stage.TOOL_RESULT))
    segments = [Segment(f"m[{at}]", text, stage) for at, text in enumerate(texts)]
    minter = Minter(KEY, SCOPE)
    await inspect_segments(watched.plan, "public", segments, minter=minter, now=NOW)
    assert (watched.on_loop, len(watched.aside)) == ([], len(texts))


async def test_short_requests_are() -> None:
    """Every greeting pays for a thread that it does not need."""
    watched = Watched(Scope.RESPONSE, (Stage.INPUT,))
    segments = [Segment("m[0]", "Rye bread, at seven?", Stage.INPUT)]
    await inspect_segments(watched.plan, "public", segments, minter=Minter(KEY, SCOPE), now=NOW)
    assert (len(watched.on_loop), watched.aside) == (1, [])


def _texts(text: str, size: int) -> list[StreamEvent]:
    return [TextDelta(piece) for piece in pieces(text, range(0, len(text), size))]


def _refusal(text: str, size: int) -> list[StreamEvent]:
    return [RefusalDelta(piece) for piece in pieces(text, range(0, len(text), size))]


def _reasoning(text: str, size: int) -> list[StreamEvent]:
    told = [ReasoningDelta(piece) for piece in pieces(text, range(0, len(text), size))]
    return [*told, TextDelta("So rye.")]


def _signed(text: str, size: int) -> list[StreamEvent]:
    told = [ReasoningDelta(piece) for piece in pieces(text, range(0, len(text), size))]
    return [*told, ReasoningDelta("", 0, "a signature")]


def _call(text: str, size: int) -> list[StreamEvent]:
    quoted = f'{{"note": "{text}"}}'
    told = [ToolCallDelta(0, piece) for piece in pieces(quoted, range(0, len(quoted), size))]
    return [ToolCallDelta(0, "", "c", "save"), *told]


@pytest.mark.parametrize("scope", list(Scope))
@pytest.mark.parametrize("size", [7, 100_000])
@pytest.mark.parametrize("made", [_texts, _refusal, _reasoning, _signed, _call])
@pytest.mark.parametrize("text", [LONG_TEXT, DIGITS, SENTENCE, CHINESE])
async def test_nothing_long_of_an_answer_is_looked_at_on_the_loop(
    scope: Scope, size: int, made: Made, text: str
) -> None:
    """An answer in one large piece, or one that waits for its end, stops every other one."""
    watched = Watched(scope, ANSWER)
    events: list[StreamEvent] = [*made(text, size), Finish(FinishReason.STOP)]
    guarding = guard(watched.plan)
    for event in events:
        if isinstance(event, Finish):
            await guarding.finish(event)
        else:
            await guarding.take(event)
    await guarding.conclude()
    assert [len(seen) for seen in watched.on_loop if effort(seen) > LONG] == []
    assert watched.on_loop or watched.aside


async def test_a_sentence_is_judged_aside() -> None:
    """What judges sentences takes longer than its text is long, and does so on the loop."""
    watched = Watched(Scope.SENTENCE, ANSWER)
    guarding = guard(watched.plan)
    for event in _texts("Rye bread " * 60 + ". ", 40):
        await guarding.take(event)
    assert (watched.on_loop, len(watched.aside)) == ([], 1)


async def test_an_answer_that_broke_off_is_not_read_to_its_end_on_the_loop() -> None:
    """A client that leaves makes all others wait."""
    watched = Watched(Scope.RESPONSE, ANSWER)
    guarding = guard(watched.plan)
    for event in _texts(LONG_TEXT, 50):
        await guarding.take(event)
    await guarding.conclude()
    assert (watched.on_loop, len(watched.aside)) == ([], 1)


async def test_others_have_their_turn_while_an_answer_comes() -> None:
    """A provider that is faster than we are keeps the loop to itself until its answer ends."""
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    waiting = asyncio.ensure_future(other())
    compiled = plan(rule("r", patterns("bread"), Action.MASK, *ANSWER))
    await stream(guard(compiled), _texts(LONG_TEXT, 20))
    waiting.cancel()
    assert turns >= len(LONG_TEXT) // LONG


async def test_a_pace_does_no_more_in_one_go_than_one_piece_may_be() -> None:
    """Many small pieces of work keep the loop as long as one large one."""
    in_a_row = longest = 0

    async def other() -> None:
        nonlocal in_a_row
        while True:
            in_a_row = 0
            await asyncio.sleep(0)

    def work() -> int:
        nonlocal in_a_row, longest
        in_a_row += 300
        longest = max(longest, in_a_row)
        return in_a_row

    waiting = asyncio.ensure_future(other())
    pace = Pace()
    for _ in range(50):
        await pace.done(work, 300)
    waiting.cancel()
    assert 300 < longest <= LONG


async def test_who_is_cancelled_waits_for_work_that_has_begun() -> None:
    """A record is closed from what a thread is still changing."""
    begun, may_end, has_ended = threading.Event(), threading.Event(), False

    def work() -> None:
        nonlocal has_ended
        begun.set()
        may_end.wait(10)
        has_ended = True

    task = asyncio.ensure_future(done(work, aside=True))
    await asyncio.to_thread(begun.wait, 10)
    task.cancel()
    await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.sleep(0.01)
    assert not task.done()
    may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert has_ended


async def test_work_that_has_not_begun_is_not_done_for_who_has_gone() -> None:
    """A crowd of clients that have left keeps the threads from those that have not."""
    may_end, began = threading.Event(), threading.Event()
    ran: list[int] = []

    def busy() -> None:
        began.set()
        may_end.wait(10)

    holding = [asyncio.ensure_future(done(busy, aside=True)) for _ in range(2)]
    await asyncio.to_thread(began.wait, 10)
    await asyncio.sleep(0.01)
    late = asyncio.ensure_future(done(lambda: ran.append(1), aside=True))
    await asyncio.sleep(0.01)
    late.cancel()
    with pytest.raises(asyncio.CancelledError):
        await late
    may_end.set()
    await asyncio.gather(*holding)
    assert ran == []


@pytest.mark.parametrize("aside", [True, False])
async def test_what_work_raises_is_raised(aside: bool) -> None:  # noqa: FBT001  # a parameter of the test
    """A failure beside the loop is taken for success, or loses its kind."""

    def work() -> None:
        raise KeyError("why")

    with pytest.raises(KeyError, match="why"):
        await done(work, aside=aside)


def test_what_takes_long() -> None:
    """What the bound counts, and what it lets through."""
    assert not is_long(["a" * (LONG - 400)])
    assert is_long(["a" * (LONG + 1)])
    assert is_long(["7" * 50])
    assert not is_long(["7" * 40])
    assert is_long(["ä" + "7" * 50])
    assert is_long(["面" * 1000])
    assert not is_long(["面" * 800])
    assert is_long([""] * 20)
    assert not is_long([""] * 10)


def test_what_is_remembered_is_bounded_by_findings() -> None:
    """A few thousand texts with thousands of findings each take all memory."""
    history = History(b"key", capacity=10)
    finding = Finding("d", "c", 1.0, "", 0, 1, "1")
    history.put(b"large", Seen(findings=(finding,) * 8))
    history.put(b"small", Seen())
    assert history.get(b"large") is not None
    assert history.get(b"small") is not None
    history.put(b"other", Seen(findings=(finding,)))
    assert history.get(b"large") is None
    assert history.get(b"small") is not None
    assert history.get(b"other") is not None
