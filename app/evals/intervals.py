"""Intervals: what a share counted on a sample says of the share that is sampled."""

import math
from dataclasses import dataclass

from typing_extensions import override

_Z = 1.959963984540054
"""Of the normal distribution: 95 % lies within so many standard deviations."""


@dataclass(frozen=True, slots=True)
class Share:
    """So many of so many."""

    hits: int
    of: int

    @property
    def point(self) -> float:
        """In [0, 1]; 0 of none is 0."""
        return self.hits / self.of if self.of else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """Where the true share lies with 95 % confidence; all of [0, 1] where there is no sample.

        Source: E. B. Wilson, "Probable Inference, the Law of Succession, and Statistical
        Inference", JASA 22 (1927).
        """
        n = self.of
        if not n:
            return 0.0, 1.0
        middle = (self.point + _Z * _Z / (2 * n)) / (1 + _Z * _Z / n)
        spread = self.point * (1 - self.point) / n + _Z * _Z / (4 * n * n)
        half = _Z * math.sqrt(spread) / (1 + _Z * _Z / n)
        low = 0.0 if not self.hits else max(middle - half, 0.0)
        return low, 1.0 if self.hits == n else min(middle + half, 1.0)

    @override
    def __str__(self) -> str:
        low, high = (100 * bound for bound in self.interval)
        return f"{100 * self.point:.2f} % ({low:.2f} to {high:.2f}, {self.hits} of {self.of})"
