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

    __slots__ = ("_give_up_at", "_has_begun", "_loop", "_next_at", "_timeouts")

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

    def saw_token(self) -> None:
        """From now on wait for the next event."""
        self._has_begun = True
        self._next_at = self._loop.time() + self._timeouts.between_tokens_s

    async def wait_for(self, awaitable: Awaitable[T]) -> T:
        """The awaitable's result.

        Raises:
            BackendError: It did not come in time.
        """
        deadline = asyncio.timeout_at(min(self._next_at, self._give_up_at))
        try:
            async with deadline:
                return await awaitable
        except TimeoutError:
            # An HTTP client's own time-outs are TimeoutErrors too: those are not ours to name.
            if not deadline.expired():
                raise
        raise BackendError(BackendProblem.TIMEOUT, self._complaint())

    def _complaint(self) -> str:
        if self._give_up_at < self._next_at:
            return f"the answer did not end within {self._timeouts.total_s:g} s"
        if self._has_begun:
            return f"no further token within {self._timeouts.between_tokens_s:g} s"
        return f"no first token within {self._timeouts.first_token_s:g} s"
