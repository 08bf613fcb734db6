"""Intervals: what a share or a mean of a sample says of what is sampled."""

import math
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

import numpy as np
import numpy.typing as npt
from typing_extensions import override

Floats = npt.NDArray[np.float64]

CONFIDENCE = 0.95
_Z = 1.959963984540054
"""Of the normal distribution: 95 % lies within so many standard deviations."""
_RESAMPLES = 2_000
_MOST = 1_000
"""More cases than this are dealt into so many groups, which are resampled whole: as good, and the
work does not grow."""
_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True)
class Share:
    """So many of so many."""

    hits: int
    of: int
    worth: float | None = None
    """How many independent observations the sample is worth, where some belong together; as many
    as it has where left out."""

    @property
    def point(self) -> float:
        """In [0, 1]; 0 of none is 0."""
        return self.hits / self.of if self.of else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """Where the true share lies with 95 % confidence; all of [0, 1] where there is no sample.

        Source: E. B. Wilson, "Probable Inference, the Law of Succession, and Statistical
        Inference", JASA 22 (1927); with ``worth``, N. Dean and M. Pagano, "Evaluating Confidence
        Interval Methods for Binomial Proportions in Clustered Surveys", Journal of Survey
        Statistics and Methodology 3 (2015).
        """
        n = self.of if self.worth is None else self.worth
        if not n:
            return 0.0, 1.0
        middle = (self.point + _Z * _Z / (2 * n)) / (1 + _Z * _Z / n)
        spread = self.point * (1 - self.point) / n + _Z * _Z / (4 * n * n)
        half = _Z * math.sqrt(spread) / (1 + _Z * _Z / n)
        low = 0.0 if not self.hits else max(middle - half, 0.0)
        return low, 1.0 if self.hits == self.of else min(middle + half, 1.0)

    @override
    def __str__(self) -> str:
        low, high = (100 * bound for bound in self.interval)
        return f"{100 * self.point:.2f} % ({low:.2f} to {high:.2f}, {self.hits} of {self.of})"


@dataclass(frozen=True, slots=True)
class Mean:
    """The mean of a value a case, each with a weight."""

    values: tuple[float, ...]
    """One a case: what was measured several times within a case is one value."""
    weights: tuple[float, ...] | None = None
    """How much is behind each value, such as how many answers; all the same where left out."""
    low: float = -math.inf
    """No value can be lower."""
    high: float = math.inf
    """No value can be higher."""

    @property
    def of(self) -> int:
        """How many cases."""
        return len(self.values)

    @property
    def point(self) -> float:
        """Between the lowest and the highest value; 0 of none is 0."""
        if not self.values:
            return 0.0
        values, weights = self._arrays()
        return float(values @ weights / weights.sum())

    @property
    def interval(self) -> tuple[float, float]:
        """Where the true mean lies with 95 % confidence, within ``low`` and ``high``.

        By bootstrap over cases, always with the same random numbers, whatever the order of the
        values. Where nobody knows, it is from ``low`` to ``high``, infinite ones included.
        """
        if self.of <= 1:
            return self.low, self.high
        values, weights = self._arrays()
        if values.min() == values.max():
            return _all_alike(self)
        order = np.lexsort((weights, values))
        tops, bottoms = dealt((values * weights)[order], weights[order])
        low, high = _bootstrap(tuple(tops.tolist()), tuple(bottoms.tolist()))
        return max(low, self.low), min(high, self.high)

    def _arrays(self) -> tuple[Floats, Floats]:
        values = np.array(self.values, dtype=np.float64)
        return values, np.ones_like(values) if self.weights is None else np.array(self.weights)

    @override
    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.point:.4g} ({low:.4g} to {high:.4g}, {self.of} cases)"


def clustered(hits: Floats, sizes: Floats) -> Share:
    """A share of observations that belong together in cases.

    Observations of one case, such as repeats, tell less than as many of other cases.

    Args:
        hits: How many observations of each case are counted.
        sizes: How many observations each case has; at least one each.

    Source: E. L. Korn and B. I. Graubard, "Confidence Intervals for Proportions With Small Expected
    Number of Positive Counts Estimated From Survey Data", Survey Methodology 24 (1998).
    """
    cases, total = len(sizes), float(sizes.sum())
    share = Share(round(float(hits.sum())), round(total))
    if cases == total:
        return share
    if cases == 1:
        return Share(share.hits, share.of, worth=0.0)  # says nothing of other cases
    point = float(hits.sum()) / total
    variance = cases / (cases - 1) * float(((hits - point * sizes) ** 2).sum()) / total**2
    if variance:
        worth = min(point * (1 - point) / variance, total)
    else:  # all alike, as if the observations of a case told nothing beyond the first
        worth = total**2 / float((sizes**2).sum())
    return Share(share.hits, share.of, worth * (_Z / t_quantile(cases - 1)) ** 2)


def t_quantile(freedom: int) -> float:
    """Below which 97.5 % of Student's t distribution lies.

    Source: Abramowitz and Stegun, "Handbook of Mathematical Functions", 26.7.5; exact for one and
    two degrees of freedom.
    """
    tail = (1 + CONFIDENCE) / 2
    if freedom == 1:
        return math.tan(math.pi * (tail - 0.5))
    if freedom == 2:  # noqa: PLR2004  # has a closed form
        return (2 * tail - 1) / math.sqrt(2 * tail * (1 - tail))
    z, n = _Z, freedom
    return (
        z
        + (z**3 + z) / (4 * n)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * n**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * n**3)
        + (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / (92160 * n**4)
    )


@lru_cache(maxsize=128)
def _bootstrap(sums: tuple[float, ...], weights: tuple[float, ...]) -> tuple[float, float]:
    """The bias-corrected and accelerated interval of a sum over a sum, widened for small samples.

    Sources: B. Efron, "Better Bootstrap Confidence Intervals", JASA 82 (1987). Its levels are moved
    outwards as T. C. Hesterberg, "What Teachers Should Know About the Bootstrap", The American
    Statistician 69 (2015), expands those of percentiles: without that, intervals of ten values are
    too narrow.
    """
    tops, bottoms = np.array(sums), np.array(weights)
    point = float(tops.sum() / bottoms.sum())
    n = len(tops)
    drawn = _drawn(n)
    means = np.sort(drawn @ tops / (drawn @ bottoms))
    below = (means < point).mean() + (means == point).mean() / 2
    shift = _NORMAL.inv_cdf(min(max(float(below), 1 / _RESAMPLES), 1 - 1 / _RESAMPLES))
    without = (tops.sum() - tops) / (bottoms.sum() - bottoms)
    off = without.mean() - without
    off /= np.abs(off).max() or 1.0
    acceleration = float((off**3).sum() / max(6 * (off**2).sum() ** 1.5, 1.0))
    reach = math.sqrt(n / (n - 1)) * t_quantile(n - 1)
    ends: list[float] = []
    for side in (-reach, reach):
        moved = shift + (shift + side) / max(1 - acceleration * (shift + side), 1e-3)
        ends.append(float(np.quantile(means, _NORMAL.cdf(moved))))
    return ends[0], ends[1]


@lru_cache(maxsize=2)
def _drawn(n: int) -> Floats:
    """How often each of some cases is drawn, in each resample."""
    rng = np.random.default_rng(0)
    return rng.multinomial(n, np.full(n, 1 / n), size=_RESAMPLES).astype(np.float64)


def _all_alike(mean: Mean) -> tuple[float, float]:
    """At most so large a share of all cases differs, and these may be anywhere in the range."""
    _, other = Share(0, mean.of).interval
    point = mean.values[0]
    return point - other * (point - mean.low), point + other * (mean.high - point)


def dealt(tops: Floats, bottoms: Floats, most: int = _MOST) -> tuple[Floats, Floats]:
    """The same sums in at most so many groups, dealt at random, always in the same way."""
    n = len(tops)
    if n <= most:
        return tops, bottoms
    order = np.random.default_rng(0).permutation(n)
    group = np.empty(n, dtype=np.intp)
    group[order] = np.arange(n) % most
    dealt_tops, dealt_bottoms = np.zeros(most), np.zeros(most)
    np.add.at(dealt_tops, group, tops)
    np.add.at(dealt_bottoms, group, bottoms)
    return dealt_tops, dealt_bottoms
