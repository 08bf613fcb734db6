"""Whether a metric changed at some time, and when."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.metrics.intervals import Floats

_DRAWS = 1_999
_ENOUGH = 20
"""Draws that reach what was seen; from there on more of them would tell little more of p."""
_MOST = 500
"""More tasks than this are added up in so many neighbouring groups."""
_FEWEST = 3
"""Groups before and after a change; below, one odd task would be a change."""
_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class ChangePoint:
    """The place in a series where a change is likeliest."""

    place: int
    """The first one after the change, counted from 0."""
    before: float
    """The metric until then."""
    after: float
    p: float
    """How often a series in an order of no meaning would show so large a change somewhere."""


def change_point(sums: Sequence[tuple[float, float]], *, draws: int = _DRAWS) -> ChangePoint | None:
    """Where a series of sums over sums changes most; none where it is too short to tell.

    The statistic is the largest cumulative sum of what is above or below the whole series' mean,
    divided by its standard deviation at each place: for values of a normal distribution that is
    the likelihood ratio. Its p value is that of random orders of the same series, drawn with a
    fixed seed, so that it supposes nothing of how values are distributed; it does suppose that
    without a change one task says nothing of the next. No more orders are drawn than it takes to
    see that chance does as much.

    Args:
        sums: One task each, by time: what counts, and out of how much, which is more than 0.
        draws: How many orders at most; p cannot be less than one in so many and one, which where
            hundreds of series are looked at together must be little.

    Raises:
        ValueError: A task has nothing that was scored.

    Sources: D. V. Hinkley, "Inference About the Change-Point in a Sequence of Random Variables",
    Biometrika 57 (1970); J. Antoch and M. Huskova, "Permutation Tests in Change Point Analysis",
    Statistics and Probability Letters 53 (2001); J. Besag and P. Clifford, "Sequential Monte Carlo
    p-values", Biometrika 78 (1991).
    """
    if len(sums) < 2 * _FEWEST:
        return None
    if not all(bottom > 0 for _, bottom in sums):
        raise ValueError("a task without anything scored does not belong in a series")
    edges = np.linspace(0, len(sums), min(len(sums), _MOST) + 1).astype(np.intp)
    tops, bottoms = np.add.reduceat(np.array(sums, dtype=np.float64), edges[:-1], axis=0).T
    off = tops - tops.sum() / bottoms.sum() * bottoms
    seen = _statistics(off[None], bottoms[None])[0]
    at = int(seen.argmax()) + _FEWEST
    return ChangePoint(
        place=int(edges[at]),
        before=float(tops[:at].sum() / bottoms[:at].sum()),
        after=float(tops[at:].sum() / bottoms[at:].sum()),
        p=_p_value(off, bottoms, float(seen.max()), draws),
    )


def _p_value(off: Floats, bottoms: Floats, seen: float, draws: int) -> float:
    """How often random orders of the series reach what was seen."""
    rng = np.random.default_rng(0)
    hits = 0
    for begun in range(0, draws, _AT_ONCE):
        count = min(_AT_ONCE, draws - begun)
        order = rng.permuted(np.tile(np.arange(len(off)), (count, 1)), axis=1)
        reached = _statistics(off[order], bottoms[order]).max(axis=1) >= seen * (1 - 1e-9)
        if hits + reached.sum() >= _ENOUGH:
            last = np.flatnonzero(reached)[_ENOUGH - hits - 1]
            return float(_ENOUGH / (begun + last + 1))
        hits += int(reached.sum())
    return (1 + hits) / (1 + draws)


def _statistics(off: Floats, bottoms: Floats) -> Floats:
    """For each place that may be one, how far both sides are apart."""
    inner = slice(_FEWEST - 1, off.shape[1] - _FEWEST)
    cumulated = np.cumsum(off, axis=1)[:, inner]
    share = np.cumsum(bottoms, axis=1)[:, inner] / bottoms.sum(axis=1, keepdims=True)
    return np.asarray(np.abs(cumulated) / np.sqrt(share * (1 - share)))
