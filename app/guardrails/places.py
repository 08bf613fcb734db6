"""Places in a text that must not be cut."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from itertools import accumulate

Span = tuple[int, int]
"""Start and end in code points, the end excluded."""


class Places:
    """Spans of a text, ordered; they may overlap. Every question takes logarithmic time."""

    __slots__ = ("_reach", "_starts", "spans")

    def __init__(self, spans: Iterable[Span]) -> None:
        self.spans = sorted(spans)
        self._starts = [start for start, _ in self.spans]
        self._reach = list(accumulate((end for _, end in self.spans), max))

    def cover(self, start: int, end: int) -> bool:
        """Whether one of them takes in all of this."""
        index = bisect_right(self._starts, start) - 1
        return index >= 0 and end <= self._reach[index]

    def meet(self, start: int, end: int) -> bool:
        """Whether one of them has a part of this."""
        index = bisect_left(self._starts, end) - 1
        return index >= 0 and start < self._reach[index]

    def before(self, point: int) -> int:
        """The point, moved back until none of them goes across it."""
        while True:
            index = bisect_left(self._starts, point) - 1
            if index < 0 or self._reach[index] <= point:
                return point
            point = self._starts[bisect_right(self._reach, point)]

    def after(self, point: int) -> int:
        """The point, moved on until none of them goes across it."""
        while True:
            index = bisect_left(self._starts, point) - 1
            if index < 0 or self._reach[index] <= point:
                return point
            point = self._reach[index]
