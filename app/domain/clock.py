"""Time and ids, passed in so that a test can fix them."""

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

NewId = Callable[[], str]
"""Gives a new unique id, sortable by time, of URL-safe ASCII."""


class Clock(Protocol):
    """What time it is."""

    def now(self) -> datetime:
        """The time of day, with its zone (UTC)."""
        ...

    def monotonic(self) -> float:
        """Seconds from an arbitrary start, never going back; for durations and deadlines."""
        ...
