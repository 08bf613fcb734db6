"""The cascade of a linear model and an encoder."""

import asyncio
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from typing_extensions import override

from app.domain.finding import CLEAN, Found
from app.domain.policy import Stage
from app.guardrails.context import Context
from app.guardrails.encoder import (
    AT_ONCE,
    HEADS,
    LONGEST,
    MOST,
    OVERLAP,
    Blend,
    HeadName,
    Window,
    windows,
)
from app.guardrails.linear import Reading, Sums
from app.guardrails.ngrams import Bounds
from app.guardrails.passage import Passage
from app.guardrails.strong import CONTEXT, Cascade, StrongDetector
from app.guardrails.wordpiece import Pieces

BLEND = Blend(
    first="", asks=-1, linear=1, encoder=1, centre=0, foreign=1, fluent=3, middle=0, slope=1
)
WIDTH = CONTEXT


@dataclass
class Linear:
    """Judges a line at a time: what it doubts holds a question mark."""

    may_go_on: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)
    here: int = 0
    most: int = 0

    def judged(self, reading: Reading) -> tuple[Bounds, Sums]:
        """Waits for leave, and says how many wait with it."""
        with self.lock:
            self.here += 1
            self.most = max(self.most, self.here)
        self.may_go_on.wait(20)
        with self.lock:
            self.here -= 1
        text = reading.layer.text
        starts = np.arange(0, len(text), WIDTH)
        bounds = np.stack([starts, np.minimum(starts + WIDTH, len(text))], axis=1)
        return bounds, np.array([0.0 if "?" in text[a:b] else -2.0 for a, b in bounds])

    async def holds(self, count: int) -> None:
        """Waits until so many texts are inside."""
        while self.here < count:  # noqa: ASYNC110  # they are counted by other threads
            await asyncio.sleep(0)


@dataclass
class Reader:
    """Finds capital letters, one window for each line; remembers what it was asked."""

    revision: str = "2"
    blends: Mapping[HeadName, Blend] = field(default_factory=lambda: dict.fromkeys(HEADS, BLEND))
    asked: list[Window] = field(default_factory=list)
    text: str = ""

    def cut(self, text: str, start: int, end: int) -> Sequence[Window]:
        """Windows of one line."""
        self.text = text
        return [Window((1,), at, min(at + WIDTH, end), 4.0) for at in range(start, end, WIDTH)]

    def logits(self, read: Sequence[Window]) -> NDArray[np.float64]:
        """Five for capitals, under the head that the letter names."""
        self.asked += read
        rows = [
            [5.0 if letter in self.text[w.start : w.end] else -5.0 for letter in "IDH"]
            for w in read
        ]
        return np.array(rows).reshape(len(read), len(HEADS))


def detector(linear: Linear, reader: Reader) -> StrongDetector:
    """One that asks the first head, and the second of what tools gave."""

    def cascade(stage: Stage) -> Cascade:
        return Cascade(linear, "indirect" if stage is Stage.TOOL_RESULT else "injection")

    return StrongDetector(("test", "1"), cascade, reader, lambda _: ("category", "a test"))


def free() -> Linear:
    """A linear model that does not wait."""
    linear = Linear()
    linear.may_go_on.set()
    return linear


async def test_the_loop_goes_on_while_a_text_is_read() -> None:
    """Every other request stands still while one text is read."""
    linear = Linear()
    async with asyncio.timeout(15), asyncio.TaskGroup() as group:
        task = group.create_task(detector(linear, Reader()).inspect_slowly(Passage("I?")))
        await linear.holds(1)
        linear.may_go_on.set()
    assert isinstance(task.result(), Found)


async def test_only_so_many_texts_are_read_at_once() -> None:
    """A burst of requests takes every core, and those that wait are never read."""
    linear = Linear()
    strong = detector(linear, Reader())
    async with asyncio.timeout(15), asyncio.TaskGroup() as group:
        tasks = [group.create_task(strong.inspect_slowly(Passage("I?"))) for _ in range(9)]
        await linear.holds(AT_ONCE)
        linear.may_go_on.set()
    assert linear.most == AT_ONCE
    assert all(isinstance(task.result(), Found) for task in tasks)


async def test_who_gives_up_waiting_is_not_read_later() -> None:
    """Requests that timed out still take the threads of those that did not."""
    linear = Linear()
    strong = detector(linear, Reader())
    async with asyncio.timeout(15):
        first = [asyncio.ensure_future(strong.inspect_slowly(Passage("I?"))) for _ in range(5)]
        await linear.holds(AT_ONCE)
        for task in first:
            task.cancel()
        await asyncio.gather(*first, return_exceptions=True)
        linear.may_go_on.set()
        reader = Reader()
        await detector(free(), reader).inspect_slowly(Passage("I?"))
        while linear.here:  # noqa: ASYNC110  # they are counted by other threads
            await asyncio.sleep(0)
    assert linear.most == AT_ONCE


def test_the_encoder_is_asked_only_where_the_linear_model_doubts() -> None:
    """Ordinary text costs thirty milliseconds a kilobyte."""
    reader = Reader()
    text = "a" * WIDTH + "I?".ljust(WIDTH, "b") + "I" * WIDTH
    found = detector(free(), reader).inspect(Passage(text))
    assert [(w.start, w.end) for w in reader.asked] == [(WIDTH, 2 * WIDTH)]
    assert isinstance(found, Found)
    assert [(f.start, f.end) for f in found.findings] == [(WIDTH, 2 * WIDTH)]
    assert detector(free(), reader).inspect(Passage("a" * 99)) is CLEAN


def test_a_long_text_costs_a_bounded_number_of_windows() -> None:
    """A text of a megabyte holds a thread for minutes; or what is not read counts as harmless."""
    reader = Reader()
    found = detector(free(), reader).inspect(Passage("I?".ljust(WIDTH, "b") * 500))
    assert len(reader.asked) == MOST
    assert isinstance(found, Found)
    assert len(found.findings) == 500
    scores = sorted({finding.score for finding in found.findings})
    assert scores == [BLEND.score(0.0), BLEND.score(5.0)]


@pytest.mark.parametrize(
    ("text", "stage", "is_found"),
    [
        ("I?", Stage.INPUT, True),
        ("D?", Stage.INPUT, False),
        ("D?", Stage.TOOL_RESULT, True),
        ("I?", Stage.TOOL_RESULT, False),
    ],
)
def test_what_tools_gave_is_read_by_a_head_of_its_own(
    text: str, stage: Stage, *, is_found: bool
) -> None:
    """A request that a user may make is taken for an order hidden in a document."""
    found = detector(free(), Reader()).inspect(Passage(text, context=Context(stage)))
    assert (found is not CLEAN) == is_found
    if isinstance(found, Found):
        assert found.findings[0].revision == "1-2"


@settings(deadline=None)
@given(st.floats(-9, 9), st.floats(-9, 9), st.floats(0.01, 9), st.floats(3, 6))
def test_a_higher_sum_is_a_higher_score(
    linear: float, logit: float, more: float, fluency: float
) -> None:
    """Two texts of which one is worse share a score, and no threshold can part them."""
    score = BLEND.score(BLEND.total(linear, logit, fluency))
    assert 0 < score < 1
    assert score < BLEND.score(BLEND.total(linear + more, logit, fluency))
    assert score < BLEND.score(BLEND.total(linear, logit + more, fluency))


@given(st.floats(-9, 9), st.floats(-9, 9))
def test_the_encoder_has_no_say_in_what_it_cannot_read(linear: float, logit: float) -> None:
    """Harmless questions in a language that was not trained on use up the false alarms."""
    assert BLEND.total(linear, logit, BLEND.foreign) == linear


@settings(deadline=None)
@given(st.integers(0, 3000), st.integers(0, 99))
def test_windows_leave_nothing_out(count: int, offset: int) -> None:
    """Some pieces are in no window, or a window is longer than the encoder can read."""
    pieces = Pieces(list(range(count)), list(range(count)), list(range(1, count + 1)))
    cut = windows(pieces, -1, offset)
    assert {number for w in cut for number in w.ids} == set(range(count))
    assert all(len(w.ids) <= LONGEST for w in cut)
    assert all((w.start, w.end) == (offset + w.ids[0], offset + w.ids[-1] + 1) for w in cut)
    ahead = cut[1:]
    assert all(a.ids[-1] - b.ids[0] + 1 >= OVERLAP for a, b in zip(cut, ahead, strict=False))


def test_what_the_vocabulary_does_not_know_is_not_fluent() -> None:
    """The encoder decides about a language of which it reads nothing but unknown pieces."""
    pieces = Pieces([1, 1, 7], [0, 20, 40], [20, 40, 44])
    (window,) = windows(pieces, 1)
    assert window.fluency == 4 / 3


def test_what_is_doubted_most_is_read_first() -> None:
    """An attack at the end of a long text would never be read, because of mild doubts before it."""

    class Unsure(Linear):
        @override
        def judged(self, reading: Reading) -> tuple[Bounds, Sums]:
            bounds, _ = super().judged(reading)
            return bounds, np.linspace(-0.9, 0.9, len(bounds))

    linear, reader = Unsure(), Reader()
    linear.may_go_on.set()
    text = ("x" * WIDTH) * (2 * MOST) + "I" * WIDTH
    found = detector(linear, reader).inspect(Passage(text))
    assert isinstance(found, Found)
    assert found.findings[-1].end == len(text)
    assert max(window.end for window in reader.asked) == len(text)
    assert min(window.start for window in reader.asked) >= MOST * WIDTH
