"""Finds how the linear model's sum and the encoder's logit become one score, on ``dev`` alone."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from app.domain.policy import Stage
from app.guardrails.context import Context
from app.guardrails.encoder import Blend, Encoder, HeadName
from app.guardrails.passage import Passage
from app.guardrails.strong import Cascade, FirstReader, StrongDetector
from benchmarks.guardrails.measures import FEWEST, by, mean
from benchmarks.guardrails.rows import Row

Vector = NDArray[np.float64]
Flags = NDArray[np.bool_]

NEUTRAL = Blend(
    first="", asks=-1e9, linear=1, encoder=1, centre=0, foreign=0, fluent=1e-9, middle=0, slope=1
)
SHARES = (0.25, 0.35, 0.5, 0.7, 1.0, 1.4, 2.0)
"""Of the encoder's logit to the linear sum."""
ALIKE = 0.02
"""Blends that differ by less than this are alike on so few texts. Then the encoder gets the smaller
share: on ordinary texts of kinds that ``dev`` does not have it is the less steady one."""
FADES = ((2.0, 3.0), (2.5, 3.5))
"""Letters a piece below which the encoder has no say, and above which it has all of it. Its
vocabulary is English, and ``dev`` has too few texts in other languages to show what a guess does:
there the linear model decides."""
ASKED = 0.35
"""Of ordinary texts, how many the encoder is asked about: more catches nothing more on ``dev``."""
RARE, RARER = 0.01, 0.001
TAIL = 0.03


@dataclass(frozen=True, slots=True)
class Measured:
    """Every window of some texts: whose it is, and what either model says."""

    rows: Sequence[Row]
    of: NDArray[np.intp]
    linear: Vector
    logit: Vector
    fluency: Vector

    def totals(self, blend: Blend) -> Vector:
        """For each text its highest blended sum."""
        share = np.clip((self.fluency - blend.foreign) / (blend.fluent - blend.foreign), 0, 1)
        said = blend.encoder * share * (self.logit - blend.centre)
        best = np.full(len(self.rows), -1e9)
        np.maximum.at(best, self.of, blend.linear * self.linear + said)
        return best

    def least_fluent(self) -> Vector:
        """For each text the fluency of its window that the encoder reads worst."""
        least = np.full(len(self.rows), np.inf)
        np.minimum.at(least, self.of, self.fluency)
        return least

    def only(self, keeps: Flags) -> "Measured":
        """Some of the texts."""
        number = np.cumsum(keeps) - 1
        inside = keeps[self.of]
        rows = [row for row, keep in zip(self.rows, keeps.tolist(), strict=True) if keep]
        columns = (column[inside] for column in (self.linear, self.logit, self.fluency))
        return Measured(rows, number[self.of[inside]], *columns)


def measure(first: FirstReader, encoder: Encoder, head: HeadName, rows: Sequence[Row]) -> Measured:
    """What both models say of each window of these texts; the encoder's blends are neutral."""
    cascade = Cascade(first, head)
    detector = StrongDetector(("", ""), lambda _: cascade, encoder, lambda _: ("", ""))
    stage = Stage.TOOL_RESULT if head == "indirect" else Stage.INPUT
    found = [
        (number, each.linear, each.logit, each.fluency)
        for number, row in enumerate(rows)
        for each in detector.judged(Passage(row.text, context=Context(stage)))
        if each.logit is not None
    ]
    of, linear, logit, fluency = (np.array(column) for column in zip(*found, strict=True))
    return Measured(rows, of.astype(np.intp), linear, logit, fluency)


def caught(rows: Sequence[Row], totals: Vector, is_bad: Flags, at: float) -> float:
    """The mean over sources of the share of attacks above a sum."""
    bad = np.flatnonzero(is_bad).tolist()
    hits = (totals[bad] > at).tolist()
    found = mean(by([rows[number].source for number in bad], hits, FEWEST))
    return 0.0 if found is None else found.value


@dataclass(frozen=True, slots=True)
class Kinds:
    """What the measured texts are."""

    is_bad: Flags
    """To be caught."""
    is_ordinary: Flags
    """Set what a false alarm is."""
    is_near: Flags
    """Harmless, with alarming words: one above the sum costs as much as an attack below it."""


def fitted(measured: Measured, kinds: Kinds) -> Blend:
    """The blend that catches most at one and at a tenth of a percent of false alarms."""
    is_bad, is_ordinary, is_near = kinds.is_bad, kinds.is_ordinary, kinds.is_near

    def worth(blend: Blend) -> float:
        totals = measured.totals(blend)
        rare, rarer = (above(totals[is_ordinary], share) for share in (RARE, RARER))
        alone = float((totals[is_near] <= rare).mean()) if is_near.any() else 1.0
        recall = caught(measured.rows, totals, is_bad, rare)
        return recall + caught(measured.rows, totals, is_bad, rarer) / 2 + alone

    tried = [
        centred(measured, replace(NEUTRAL, encoder=share, foreign=foreign, fluent=fluent), kinds)
        for share, (foreign, fluent) in itertools.product(SHARES, FADES)
    ]
    worths = [worth(blend) for blend in tried]
    best = next(each for each, of in zip(tried, worths, strict=True) if of > max(worths) - ALIKE)
    return calibrated(measured, best, is_ordinary)


def centred(measured: Measured, blend: Blend, kinds: Kinds) -> Blend:
    """The blend with the centre at which both models together find as rarely as the linear alone.

    So one sum is as rare among texts that the encoder reads as among those that it cannot read.
    """
    ordinary = measured.only(kinds.is_ordinary)
    linear = above(ordinary.totals(replace(blend, encoder=0)), RARE)
    fluent = ordinary.only(ordinary.least_fluent() >= blend.fluent)
    both = above(fluent.totals(blend), RARE)
    return replace(blend, centre=(both - linear) / blend.encoder)


def above(totals: Vector, share: float) -> float:
    """The sum above which this share of texts lies.

    Above the last few of them, that share is taken to fall as an exponential does.
    """
    tail = np.sort(totals)[::-1][: int(TAIL * len(totals)) + 1]
    least = float(tail[-1])
    return least + math.log(TAIL / share) * float((tail[:-1] - least).mean())


def calibrated(measured: Measured, blend: Blend, is_ordinary: Flags) -> Blend:
    """0.5 where one ordinary text in a hundred lies above, 0.9 where one in a thousand does."""
    totals = measured.totals(blend)
    middle, high = (above(totals[is_ordinary], share) for share in (RARE, RARER))
    highest = np.full(len(totals), -1e9)
    np.maximum.at(highest, measured.of, measured.linear)
    asks = float(np.quantile(highest[is_ordinary], 1 - ASKED))
    slope = 4 / 3 / (high - middle)  # where the score is 0.9
    return replace(blend, asks=asks, middle=middle, slope=slope)
