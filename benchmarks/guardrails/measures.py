"""Shares with intervals, and thresholds that keep false alarms rare."""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from typing_extensions import override

Z = 1.959964
"""For intervals of 95 %."""

FEWEST = 10
"""Texts that a source must have to count in a mean over sources."""


def wilson(hits: int, of: int) -> tuple[float, float]:
    """Where a share lies with 95 % certainty."""
    share = hits / of
    center = (share + Z * Z / (2 * of)) / (1 + Z * Z / of)
    half = Z * math.sqrt(share * (1 - share) / of + Z * Z / (4 * of * of)) / (1 + Z * Z / of)
    return max(0.0, center - half), min(1.0, center + half)


def percent(hits: int, of: int) -> str:
    """A share in percent, with its interval."""
    if not of:
        return "–"
    low, high = wilson(hits, of)
    return f"{100 * hits / of:.1f} ({100 * low:.1f} to {100 * high:.1f})"


def threshold(scores: Sequence[float], false_alarms: float) -> float:
    """The lowest score above which no more than this share of harmless texts lies."""
    ordered = sorted(scores, reverse=True)
    return ordered[min(int(false_alarms * len(ordered)), len(ordered) - 1)]


@dataclass(frozen=True, slots=True)
class Share:
    """How many of some texts."""

    hits: int
    of: int


def by(keys: Iterable[str], hits: Iterable[bool], fewest: int = 1) -> dict[str, Share]:
    """The share for each key that enough texts have."""
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for key, hit in zip(keys, hits, strict=True):
        counts[key][0] += hit
        counts[key][1] += 1
    return {key: Share(*counts[key]) for key in sorted(counts) if counts[key][1] >= fewest}


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean of shares over sources, with an interval for the texts that were drawn from each."""

    value: float
    half: float
    sources: int

    @override
    def __str__(self) -> str:
        low, high = max(0.0, self.value - self.half), min(1.0, self.value + self.half)
        return f"{self.value:.3f} ({low:.2f} to {high:.2f}), {self.sources} sources"


def mean(shares: dict[str, Share]) -> Mean | None:
    """The mean over sources, each counting the same; none where there is no source."""
    if not shares:
        return None
    values = [share.hits / share.of for share in shares.values()]
    # One added to either side, so that a source of few texts is not taken to be certain.
    smooth = [((share.hits + 1) / (share.of + 2), share.of) for share in shares.values()]
    variance = sum(value * (1 - value) / of for value, of in smooth) / len(values) ** 2
    return Mean(sum(values) / len(values), Z * math.sqrt(variance), len(values))


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '¦') for cell in line)} |" for line in lines)
