"""How often chance alone does as much: exact tests, and permutations where exact is too long.

Permutations are drawn with a fixed seed, and what was seen counts as one of them, so that the test
is never too bold: B. Phipson and G. K. Smyth, "Permutation P-values Should Never Be Zero" (2010).
"""

import math
from collections.abc import Sequence

import numpy as np

from app.metrics.intervals import Floats, dealt

_DRAWS = 9_999
_AT_ONCE = 1_000
_EXACT = 16
"""Up to so many values, all signs are tried: 65 536 ways."""
_GROUPS = 300
"""More cases of a sample than this are dealt into so many groups, which are shuffled whole."""
_ALIKE = 1e-9


def flipped(differences: Floats) -> float:
    """How often differences of pairs would be so far from 0 if before and after were one.

    Then each difference could as well have the other sign. Where all are yes or no this is
    McNemar's exact test: Q. McNemar, Psychometrika 12 (1947). Otherwise it is R. A. Fisher's
    randomization test, "The Design of Experiments" (1935), section 21.

    Args:
        differences: One a pair.
    """
    moved = differences[differences != 0]
    if not len(moved):
        return 1.0
    sizes = np.abs(moved)
    if sizes.min() >= sizes.max() * (1 - _ALIKE):
        return _binomial(int((moved > 0).sum()), len(moved))
    if len(moved) <= _EXACT:
        sums = np.zeros(1)
        for each in moved:
            sums = np.concatenate((sums + each, sums - each))
        return float((np.abs(sums) >= _reached(moved)).mean())
    moved, _ = dealt(moved, np.ones_like(moved))
    rng = np.random.default_rng(0)
    hits = 0
    for count in _chunks():
        up = rng.integers(0, 2, (count, len(moved)), dtype=np.int8)
        hits += int((np.abs(2 * (up @ moved) - moved.sum()) >= _reached(moved)).sum())
    return (1 + hits) / (1 + _DRAWS)


def _reached(moved: Floats) -> float:
    return float(abs(moved.sum()) - _ALIKE * np.abs(moved).sum())


def _chunks() -> Sequence[int]:
    return [min(_AT_ONCE, _DRAWS - begun) for begun in range(0, _DRAWS, _AT_ONCE)]


def _binomial(ups: int, of: int) -> float:
    """Both tails of a fair coin."""
    fewer = min(ups, of - ups)
    logs = _log_choose(of, np.arange(fewer + 1, dtype=np.float64)) - of * math.log(2)
    return min(1.0, 2 * float(np.exp(logs).sum()))


def _log_choose(of: int, some: Floats) -> Floats:
    """Logarithms of binomial coefficients, for ascending numbers without gaps."""
    first = some[0]
    start = math.lgamma(of + 1) - math.lgamma(first + 1) - math.lgamma(of - first + 1)
    steps = np.log(of - some[:-1]) - np.log(some[1:])
    return np.asarray(start + np.concatenate((np.zeros(1), np.cumsum(steps))))


def fisher(hits: tuple[int, int], of: tuple[int, int]) -> float:
    """How often two shares would differ so if both samples were of one.

    Source: R. A. Fisher, "Statistical Methods for Research Workers", 5th edition (1934), 21.02.
    """
    total, found = sum(of), sum(hits)
    fewest, most = max(0, found - of[1]), min(found, of[0])
    first = np.arange(fewest, most + 1, dtype=np.float64)
    logs = _log_choose(of[0], first) + _log_choose(of[1], found - first[::-1])[::-1]
    logs -= math.lgamma(total + 1) - math.lgamma(found + 1) - math.lgamma(total - found + 1)
    likely = np.exp(logs)
    return min(1.0, float(likely[likely <= likely[hits[0] - fewest] * (1 + 1e-7)].sum()))


Sums = tuple[Floats, Floats]
"""Of each case what counts, and out of how much; the mean is the sum over the sum."""


def shuffled(before: Sums, after: Sums) -> float:
    """How often two means would differ so if it were chance which case is in which sample.

    The difference is divided by its standard error, so that samples that differ in spread or size
    alone are not taken for samples of different means.

    Source: A. Janssen, "Studentized Permutation Tests for Non-i.i.d. Hypotheses and the Generalized
    Behrens-Fisher Problem", Statistics and Probability Letters 36 (1997).
    """
    before, after = dealt(*before, _GROUPS), dealt(*after, _GROUPS)
    tops, bottoms = (np.concatenate(both) for both in zip(before, after, strict=True))
    sums = np.stack((np.ones_like(tops), tops, bottoms, tops**2, tops * bottoms, bottoms**2), 1)
    is_before = (np.arange(len(tops)) < len(before[0])).astype(np.float64)
    seen = float(_apart(is_before[None], sums)[0])
    rng = np.random.default_rng(0)
    hits = 0
    for count in _chunks():
        drawn = rng.permuted(np.tile(is_before, (count, 1)), axis=1)
        hits += int((_apart(drawn, sums) >= seen * (1 - _ALIKE)).sum())
    return (1 + hits) / (1 + _DRAWS)


def _apart(is_before: Floats, sums: Floats) -> Floats:
    """How many standard errors the means of both samples are apart, for many ways to part them."""
    drawn = is_before @ sums
    one, one_error = _mean(drawn)
    two, two_error = _mean(sums.sum(axis=0) - drawn)
    apart = np.abs(one - two)
    is_apart = apart > _ALIKE * (np.abs(one) + np.abs(two))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(is_apart, apart / np.sqrt(one_error + two_error), 0.0)


def _mean(sums: Floats) -> tuple[Floats, Floats]:
    """The mean of each sample, and its squared standard error."""
    count, top, bottom, tops, both, bottoms = sums.T
    mean = top / bottom
    off = np.maximum(tops - 2 * mean * both + mean**2 * bottoms, 0.0)
    return mean, off / bottom**2 * count / np.maximum(count - 1, 1)


def holm(ps: Sequence[float]) -> tuple[float, ...]:
    """P values for a family: one of them below 5 % is chance at most once in twenty families.

    It needs nothing of how the values depend on one another.

    Source: S. Holm, "A Simple Sequentially Rejective Multiple Test Procedure", Scandinavian Journal
    of Statistics 6 (1979).
    """
    order = sorted(range(len(ps)), key=ps.__getitem__)
    adjusted = [0.0] * len(ps)
    highest = 0.0
    for rank, place in enumerate(order):
        highest = max(highest, min(1.0, (len(ps) - rank) * ps[place]))
        adjusted[place] = highest
    return tuple(adjusted)
