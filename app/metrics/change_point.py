"""Whether a metric changed at some time, and when."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.metrics.intervals import Floats

_DRAWS = 1_999
_MOST = 500
"""More tasks than this are added up in so many neighbouring groups."""
_FEWEST = 3
"""Groups before and after a change; below, one odd task would be a change."""
_AT_ONCE = 500


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


def change_point(sums: Sequence[tuple[float, float]]) -> ChangePoint | None:
    """Where a series of sums over sums changes most; none where it is too short to tell.

    The statistic is the largest cumulative sum of what is above or below the whole series' mean,
    divided by its standard deviation at each place: for values of a normal distribution that is
    the likelihood ratio. Its p value is that of random orders of the same series, drawn with a
    fixed seed, so that it supposes nothing of how values are distributed; it does suppose that
    without a change one task says nothing of the next.

    Args:
        sums: One task each, by time: what counts, and out of how much.

    Sources: D. V. Hinkley, "Inference About the Change-Point in a Sequence of Random Variables",
    Biometrika 57 (1970); J. Antoch and M. Huskova, "Permutation Tests in Change Point Analysis",
    Statistics and Probability Letters 53 (2001).
    """
    if len(sums) < 2 * _FEWEST:
        return None
    edges = np.linspace(0, len(sums), min(len(sums), _MOST) + 1).astype(np.intp)
    tops, bottoms = np.add.reduceat(np.array(sums, dtype=np.float64), edges[:-1], axis=0).T
    if not bottoms.all():
        raise ValueError("a task without anything scored does not belong in a series")
    off = tops - tops.sum() / bottoms.sum() * bottoms
    seen = _statistics(off[None], bottoms[None])[0]
    at = int(seen.argmax()) + _FEWEST
    rng = np.random.default_rng(0)
    hits = 0
    for begun in range(0, _DRAWS, _AT_ONCE):
        count = min(_AT_ONCE, _DRAWS - begun)
        order = rng.permuted(np.tile(np.arange(len(off)), (count, 1)), axis=1)
        reached = _statistics(off[order], bottoms[order]).max(axis=1)
        hits += int((reached >= seen.max() * (1 - 1e-9)).sum())
    return ChangePoint(
        place=int(edges[at]),
        before=float(tops[:at].sum() / bottoms[:at].sum()),
        after=float(tops[at:].sum() / bottoms[at:].sum()),
        p=(1 + hits) / (1 + _DRAWS),
    )


def _statistics(off: Floats, bottoms: Floats) -> Floats:
    """For each place that may be one, how far both sides are apart."""
    inner = slice(_FEWEST - 1, off.shape[1] - _FEWEST)
    cumulated = np.cumsum(off, axis=1)[:, inner]
    share = np.cumsum(bottoms, axis=1)[:, inner] / bottoms.sum(axis=1, keepdims=True)
    return np.asarray(np.abs(cumulated) / np.sqrt(share * (1 - share)))
