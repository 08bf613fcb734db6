"""How long to wait for a model, each wait with its own message."""

import asyncio
import math
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TypeVar

from app.domain.errors import BackendError, BackendProblem

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Timeouts:
    """The longest waits for one answer, in seconds."""

    connect_s: float = 5.0
    """For a free connection and the provider's side of its handshake."""
    first_token_s: float = 60.0
    """From the start until the first event of an answer that was asked for as a stream."""
    between_tokens_s: float = 30.0
    """From one event to the next. The time that the reader of the answer takes is not counted,
    and bytes that only keep the connection alive do not count as an event."""
    total_s: float = 600.0
    """From the start until the end."""


class Patience:
    """What is left of the timeouts while one answer is read."""

    __slots__ = (
        "_alarm",
        "_give_up_at",
        "_has_begun",
        "_has_rung",
        "_loop",
        "_next_at",
        "_rings_at",
        "_timeouts",
        "_waiting",
    )

    def __init__(self, timeouts: Timeouts, *, has_tokens: bool = True) -> None:
        """Begin to wait.

        Args:
            timeouts: The longest waits.
            has_tokens: The answer was asked for token by token. One that was asked for whole shows
                nothing before its end, so only ``total_s`` bounds it.
        """
        self._timeouts = timeouts
        self._loop = asyncio.get_running_loop()
        now = self._loop.time()
        self._give_up_at = now + timeouts.total_s
        self._next_at = now + timeouts.first_token_s if has_tokens else math.inf
        self._has_begun = False
        self._has_rung = False
        self._rings_at = math.inf
        self._waiting: asyncio.Task[object] | None = None
        self._alarm: asyncio.TimerHandle | None = None

    def saw_token(self) -> None:
        """From now on wait for the next event."""
        self._has_begun = True
        self._next_at = self._loop.time() + self._timeouts.between_tokens_s

    async def wait_for(self, awaitable: Awaitable[T]) -> T:
        """The awaitable's result. After the last one, call ``stop``.

        Raises:
            BackendError: It did not come in time.
        """
        deadline = min(self._next_at, self._give_up_at)
        if self._alarm is None or deadline < self._rings_at:
            self._set_alarm(deadline)
        task = self._waiting = asyncio.current_task()
        cancels = 0 if task is None else task.cancelling()
        try:
            return await awaitable
        except asyncio.CancelledError:
            # As asyncio.Timeout tells its own cancelling from that of others.
            if task is None or not self._has_rung or task.uncancel() > cancels:
                raise
        finally:
            self._waiting = None
        raise BackendError(BackendProblem.TIMEOUT, self._complaint())

    def stop(self) -> None:
        """Nothing is waited for any more."""
        if self._alarm is not None:
            self._alarm.cancel()

    def _set_alarm(self, deadline: float) -> None:
        self.stop()
        self._rings_at = deadline
        self._alarm = self._loop.call_at(deadline, self._ring)

    def _ring(self) -> None:
        # One alarm serves many waits: making one for each would cost more than reading does. So it
        # may ring for a wait that is over.
        self._alarm = None
        if self._waiting is None:
            return
        deadline = min(self._next_at, self._give_up_at)
        if self._loop.time() < deadline:
            self._set_alarm(deadline)
        else:
            self._has_rung = True
            self._waiting.cancel()

    def _complaint(self) -> str:
        if self._give_up_at < self._next_at:
            return f"the answer did not end within {self._timeouts.total_s:g} s"
        if self._has_begun:
            return f"no further token within {self._timeouts.between_tokens_s:g} s"
        return f"no first token within {self._timeouts.first_token_s:g} s"
