"""A cascade: the linear model reads all of a text, the encoder what the linear model doubts."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from app.domain.finding import CLEAN, FLOOR, Detection, Finding, Found
from app.domain.policy import Stage
from app.guardrails.encoder import HEADS, MOST, Blend, HeadName, Logits, Window, threads
from app.guardrails.linear import Reading, Sums, readings, surest
from app.guardrails.ngrams import Bounds
from app.guardrails.passage import Layer, Passage

CONTEXT = 400
"""Code points around a doubted sentence that are read with it."""


class FirstReader(Protocol):
    """A linear model, as the cascade asks it."""

    def judged(self, reading: Reading) -> tuple[Bounds, Sums]:
        """What is judged together, and the sum of each."""
        ...


class SecondReader(Protocol):
    """The encoder, as the cascade asks it."""

    revision: str
    blends: Mapping[HeadName, Blend]

    def cut(self, text: str, start: int, end: int) -> Sequence[Window]:
        """A part of a text in windows."""
        ...

    def logits(self, read: Sequence[Window]) -> Logits:
        """For each window its logits, in the order of the heads."""
        ...


@dataclass(frozen=True, slots=True)
class Cascade:
    """Which models judge the texts of a stage."""

    first: FirstReader
    head: HeadName


@dataclass(frozen=True, slots=True)
class Doubt:
    """A part of a text that the linear model is unsure of."""

    layer: Layer
    start: int
    end: int
    linear: float
    logit: float | None = None
    """None where the encoder was not asked: there was more than it reads of one text."""
    fluency: float = 0.0

    def total(self, blend: Blend) -> float:
        """The blended sum."""
        logit = blend.centre if self.logit is None else self.logit
        return blend.total(self.linear, logit, self.fluency)


class StrongDetector:
    """Reads in threads of its own, a bounded part of each text."""

    spec = "strong"

    def __init__(
        self,
        local: tuple[str, str],
        cascade: Callable[[Stage], Cascade],
        encoder: SecondReader,
        describe: Callable[[str], tuple[str, str]],
    ) -> None:
        """Put the encoder behind a local detector.

        Args:
            local: Name and revision of the detector whose linear models come first.
            cascade: Which models judge the texts of a stage.
            encoder: What comes second.
            describe: Gives the category and the explanation of a text that was found.
        """
        self.name, revision = local
        self.revision = f"{revision}-{encoder.revision}"
        self._cascade = cascade
        self._encoder = encoder
        self._describe = describe

    async def inspect_slowly(self, passage: Passage) -> Detection:
        """What both models together find."""
        return await asyncio.get_running_loop().run_in_executor(threads(), self.inspect, passage)

    def inspect(self, passage: Passage) -> Detection:
        """The same, here and now."""
        blend = self._encoder.blends[self._cascade(passage.context.stage).head]
        scored = ((doubt, blend.score(doubt.total(blend))) for doubt in self.judged(passage))
        found = [self._finding(doubt, score) for doubt, score in scored if score >= FLOOR]
        return Found(surest(found)) if found else CLEAN

    def judged(self, passage: Passage) -> list[Doubt]:
        """All that is in doubt, with what the encoder says of what it reads."""
        cascade = self._cascade(passage.context.stage)
        asks = self._encoder.blends[cascade.head].asks
        doubts = [
            doubt
            for reading in passage.once(readings)
            for doubt in _doubts(reading, cascade.first, asks)
        ]
        doubts.sort(key=lambda doubt: -doubt.linear)
        windows = [
            pair
            for layer, of_layer in _by_layer(doubts[:MOST])
            for pair in self._windows(layer, of_layer)
        ]
        windows.sort(key=lambda pair: -pair[1].linear)
        logits = self._encoder.logits([window for window, _ in windows[:MOST]])
        of_head = logits[:, HEADS.index(cascade.head)].tolist()
        read = [
            replace(doubt, logit=logit, fluency=window.fluency)
            for (window, doubt), logit in zip(windows[:MOST], of_head, strict=True)
        ]
        return read + [doubt for _, doubt in windows[MOST:]] + doubts[MOST:]

    def _windows(self, layer: Layer, doubts: Sequence[Doubt]) -> Iterator[tuple[Window, Doubt]]:
        """The encoder's windows over doubts and what is around them, each with its worst doubt."""
        for start, end in _runs(doubts, len(layer.text)):
            for window in self._encoder.cut(layer.text, start, end):
                inside = [d for d in doubts if d.start < window.end and d.end > window.start]
                if inside:
                    worst = max(inside, key=lambda doubt: doubt.linear)
                    first, last = max(worst.start, window.start), min(worst.end, window.end)
                    yield window, replace(worst, start=first, end=last)

    def _finding(self, doubt: Doubt, score: float) -> Finding:
        category, explanation = self._describe(doubt.layer.text[doubt.start : doubt.end])
        span = doubt.layer.span(doubt.start, doubt.end)
        return Finding(self.name, category, score, "", *span, self.revision, explanation, self.spec)


def _doubts(reading: Reading, first: FirstReader, asks: float) -> Iterator[Doubt]:
    """What the linear model is unsure of in one reading of a text."""
    bounds, sums = first.judged(reading)
    doubted = np.flatnonzero(sums >= asks)
    for (start, end), linear in zip(bounds[doubted].tolist(), sums[doubted].tolist(), strict=True):
        if start < end:
            yield Doubt(reading.layer, start, end, linear)


def _by_layer(doubts: Sequence[Doubt]) -> Iterator[tuple[Layer, list[Doubt]]]:
    for layer in {id(doubt.layer): doubt.layer for doubt in doubts}.values():
        yield layer, [doubt for doubt in doubts if doubt.layer is layer]


def _runs(doubts: Sequence[Doubt], length: int) -> Iterator[tuple[int, int]]:
    """What the doubts cover with enough around it, in stretches that do not touch."""
    start = end = -1
    for first, last in sorted(_widened(doubt, length) for doubt in doubts):
        if first > end:
            if end > start:
                yield start, end
            start = first
        end = max(end, last)
    if end > start:
        yield start, end


def _widened(doubt: Doubt, length: int) -> tuple[int, int]:
    more = max(CONTEXT - (doubt.end - doubt.start), 0) // 2
    return max(doubt.start - more, 0), min(doubt.end + more, length)
