"""How much of an answer guarding held back, and how long: numbers alone, for its record."""

from collections import deque

from app.domain.clock import Clock
from app.domain.record import Held


class Holding:
    """Watches what comes of each choice and what leaves of it."""

    def __init__(self, clock: Clock) -> None:
        """Begin with nothing held."""
        self._clock = clock
        self._most = 0
        self._longest_s = 0.0
        self._waiting: dict[int, deque[tuple[int, float]]] = {}
        """Of each choice, what has come and not left: up to which code point, and when it came."""

    def saw(self, choice: int, came: int, left: int) -> None:
        """Note how far a choice has come from the model, and how far it has left.

        Args:
            choice: Which one.
            came: Code points, counted from its beginning.
            left: The same of what a client was given.
        """
        waiting = self._waiting.get(choice)
        if waiting is None:
            if came == left:
                return
            waiting = self._waiting[choice] = deque()
        elif came == left and not waiting:
            return
        now_s = self._clock.monotonic()
        self._most = max(self._most, came - left)
        if came > (waiting[-1][0] if waiting else left):
            waiting.append((came, now_s))
        while waiting and waiting[0][0] <= left:
            self._longest_s = max(self._longest_s, now_s - waiting.popleft()[1])

    def all_left(self, choice: int) -> None:
        """Note that all that was held of a choice has left."""
        waiting = self._waiting.pop(choice, None)
        if waiting:
            came_s = waiting[0][1]
            self._longest_s = max(self._longest_s, self._clock.monotonic() - came_s)

    def forget(self) -> None:
        """What waits is dropped: the answer is made again."""
        self._waiting.clear()

    @property
    def held(self) -> Held:
        """What the record says."""
        return Held(self._most, self._longest_s * 1000)
