"""How metrics move between two samples of tasks, and whether that is more than noise."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from statistics import NormalDist

import numpy as np

from app.metrics.chance import Sums, fisher, flipped, holm, shuffled
from app.metrics.counting import Tally
from app.metrics.definitions import (
    Better,
    Kind,
    Measurement,
    Metric,
    ends,
    metrics_of,
    summed,
    tallies,
)
from app.metrics.intervals import Mean, Share
from app.metrics.observed import ObservedTask

LEVEL = 0.05
"""How often a comparison may call noise a movement, over all its metrics together."""
_POWER = 0.8
_NORMAL = NormalDist()


class Verdict(StrEnum):
    """What a movement says."""

    BETTER = "better"
    """More than chance would move it, the way it should go."""
    WORSE = "worse"
    """More than chance would move it, the other way."""
    NOISE = "noise"
    """What was seen is what chance does, too. It does not prove that nothing moved."""
    TOO_FEW = "too_few"
    """So small a sample could show no movement, however large."""
    NOT_SCORED = "not_scored"
    """One of the samples says nothing of it."""


@dataclass(frozen=True, slots=True)
class Movement:
    """A metric before and after."""

    metric: Metric
    before: Measurement
    after: Measurement
    difference: float | None
    """After less before, over the cases that are compared; none where it was not scored."""
    interval: tuple[float, float] | None
    """Where the true difference lies with 95 % confidence, of this metric alone."""
    p: float | None
    """How often chance alone would give a difference at least as large."""
    p_adjusted: float | None
    """The same, corrected for looking at many metrics."""
    of: int
    """How many cases were compared, or in unpaired samples how many the smaller one has."""
    detectable: float | None
    """The smallest difference that a sample like this shows four times in five; none where nobody
    can tell."""
    verdict: Verdict

    def plain(self) -> dict[str, object]:
        """As JSON has it: null for what nobody knows, also for infinite ends of an interval."""
        return {
            "metric": self.metric.id,
            "verdict": self.verdict.value,
            "before": self.before.plain(),
            "after": self.after.plain(),
            "difference": self.difference,
            "interval": None if self.interval is None else ends(self.interval),
            "p": self.p,
            "p_adjusted": self.p_adjusted,
            "of": self.of,
            "detectable": self.detectable,
        }


@dataclass(frozen=True, slots=True)
class _Difference:
    """What is known of one metric's movement before others are looked at."""

    metric: Metric
    before: Measurement
    after: Measurement
    of: int = 0
    seen: float | None = None
    interval: tuple[float, float] | None = None
    error: float = 0.0
    """The standard error."""
    p: float = 1.0
    least_p: float = 1.0
    """The lowest that samples of this size could give."""


def movements(
    before: Sequence[ObservedTask],
    after: Sequence[ObservedTask],
    metrics: Sequence[Metric] | None = None,
) -> tuple[Movement, ...]:
    """How metrics move, paired by case and corrected for how many there are.

    A case counts with the mean over its repeats, and all cases count the same. Cases that were
    scored on one side only are in that side's measurement and not in the difference.

    Args:
        before: As it is.
        after: As it would be.
        metrics: Which; all that these tasks have where left out.
    """
    chosen = metrics_of(before, after) if metrics is None else metrics
    return _judged([_paired(metric, before, after) for metric in chosen])


def unpaired_movements(
    before: Sequence[ObservedTask],
    after: Sequence[ObservedTask],
    metrics: Sequence[Metric] | None = None,
) -> tuple[Movement, ...]:
    """The same of samples that share no cases, such as live sessions of two revisions."""
    chosen = metrics_of(before, after) if metrics is None else metrics
    return _judged([_unpaired(metric, before, after) for metric in chosen])


def cases_needed(difference: float, spread: float, metrics: int = 1) -> int:
    """How many pairs show a difference four times in five.

    Args:
        difference: Between the means.
        spread: The standard deviation of the differences of pairs. For shares it is at most the
            square root of the share of pairs that differ.
        metrics: How many are compared together.
    """
    return math.ceil((_reach(metrics) * spread / difference) ** 2)


def _reach(metrics: int) -> float:
    return _NORMAL.inv_cdf(1 - LEVEL / (2 * metrics)) + _NORMAL.inv_cdf(_POWER)


def _judged(found: Sequence[_Difference]) -> tuple[Movement, ...]:
    family = [each for each in found if each.seen is not None and each.least_p <= LEVEL]
    adjusted = iter(holm([each.p for each in family]))
    made = []
    for each in found:
        p = next(adjusted) if each.seen is not None and each.least_p <= LEVEL else None
        made.append(
            Movement(
                metric=each.metric,
                before=each.before,
                after=each.after,
                difference=each.seen,
                interval=each.interval,
                p=None if each.seen is None else each.p,
                p_adjusted=p,
                of=each.of,
                detectable=_reach(len(family)) * each.error if each.error and family else None,
                verdict=_verdict(each, p, len(family)),
            )
        )
    return tuple(made)


def _verdict(of: _Difference, p: float | None, family: int) -> Verdict:
    if of.seen is None:
        return Verdict.NOT_SCORED
    if p is None or of.least_p * family > LEVEL:
        return Verdict.TOO_FEW
    if p > LEVEL:
        return Verdict.NOISE
    return Verdict.BETTER if (of.seen > 0) is (of.metric.better is Better.HIGHER) else Verdict.WORSE


def _paired(
    metric: Metric, before: Sequence[ObservedTask], after: Sequence[ObservedTask]
) -> _Difference:
    tallied = tallies(metric, before), tallies(metric, after)
    said = _Difference(metric, summed(metric, tallied[0]), summed(metric, tallied[1]))
    old, new = (_means(each) for each in tallied)
    moved = np.array([new[case] - old[case] for case in sorted(old.keys() & new.keys())])
    if not len(moved):
        return said
    width = metric.high - metric.low
    mean = Mean(tuple(moved.tolist()), None, -width, width)
    return replace(
        said,
        of=len(moved),
        seen=mean.point,
        interval=mean.interval,
        error=float(moved.std(ddof=1)) / math.sqrt(len(moved)) if len(moved) > 1 else 0.0,
        p=flipped(moved),
        least_p=2.0 ** (1 - len(moved)),
    )


def _means(by_case: Mapping[str, Tally]) -> dict[str, float]:
    return {case: each.top / each.bottom for case, each in by_case.items() if each.bottom > 0}


def _unpaired(
    metric: Metric, before: Sequence[ObservedTask], after: Sequence[ObservedTask]
) -> _Difference:
    tallied = tallies(metric, before), tallies(metric, after)
    said = _Difference(metric, summed(metric, tallied[0]), summed(metric, tallied[1]))
    if said.before.estimate is None or said.after.estimate is None:
        return said
    old, new = (_sums(each) for each in tallied)
    of = (len(old[0]), len(new[0]))
    ways = math.lgamma(sum(of) + 1) - math.lgamma(of[0] + 1) - math.lgamma(of[1] + 1)
    one, two = said.before.estimate, said.after.estimate
    return replace(
        said,
        of=min(of),
        seen=two.point - one.point,
        interval=_apart(one, two),
        error=math.hypot(_error(old), _error(new)),
        p=_unpaired_p(old, new, is_share=metric.kind is Kind.SHARE),
        least_p=min(1.0, 2 * math.exp(-ways)),
    )


def _sums(by_case: Mapping[str, Tally]) -> Sums:
    scored = [each for _, each in sorted(by_case.items()) if each.bottom > 0]
    return np.array([each.top for each in scored]), np.array([each.bottom for each in scored])


def _unpaired_p(old: Sums, new: Sums, *, is_share: bool) -> float:
    if is_share and all((bottoms == 1).all() for _, bottoms in (old, new)):
        hits = round(old[0].sum()), round(new[0].sum())
        return fisher(hits, (len(old[0]), len(new[0])))
    return shuffled(old, new)


def _error(sums: Sums) -> float:
    tops, bottoms = sums
    if len(tops) <= 1:
        return 0.0
    off = tops - tops.sum() / bottoms.sum() * bottoms
    return float(np.sqrt((off**2).sum() * len(tops) / (len(tops) - 1)) / bottoms.sum())


def _apart(one: Share | Mean, two: Share | Mean) -> tuple[float, float]:
    """An interval of a difference, made of two intervals.

    Source: R. G. Newcombe, "Interval Estimation for the Difference Between Independent
    Proportions", Statistics in Medicine 17 (1998), method 10; for means, G. Y. Zou and A. Donner,
    "Construction of Confidence Limits About Effect Measures", Statistics in Medicine 27 (2008).
    """
    (low_1, high_1), (low_2, high_2) = one.interval, two.interval
    seen = two.point - one.point
    low = seen - math.hypot(two.point - low_2, high_1 - one.point)
    return low, seen + math.hypot(high_2 - two.point, one.point - low_1)
