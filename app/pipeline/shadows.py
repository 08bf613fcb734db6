"""Variants that run beside exchanges, for nobody to see. See decision 0252.

An exchange that has ended offers its shadows here and goes on at once. They wait in a queue that is
bounded, run a few at a time, and leave records of their own. What is not run is counted, with why.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum

from app.domain.clock import Clock
from app.domain.errors import BannetonError, RequestError
from app.pipeline.loaded import Served
from app.telemetry.metrics import Metrics

_log = logging.getLogger("banneton.shadows")
_AFTER_S = 0.05
"""How long a shadow waits before it begins: the answer's last bytes leave first."""
_HOUR_S = 3600.0


class Dropped(StrEnum):
    """Why a shadow was not run."""

    FULL = "full"
    """Too many wait already."""
    BUDGET = "budget"
    """The tokens of this hour are spent."""
    MEDIA = "media"
    """The request holds pictures or files, which would have to be kept in memory meanwhile."""
    REFUSED = "refused"
    """The variant does not take this request, such as its scenario, or no model of its route."""
    STOPPED = "stopped"
    """The process was stopped before it began."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much of the machine and of the money shadows may take, in this process."""

    at_once: int = 4
    waiting: int = 64
    tokens_per_hour: int | None = None
    """Of models and detectors together; none is no limit."""
    grace_s: float = 5.0
    """How long those that run have to end when the process stops."""


@dataclass(frozen=True, slots=True)
class Beside:
    """One shadow that is to run."""

    served: Served
    run: Callable[[], Awaitable[None]]
    """Runs it to its end. Raises where it failed."""


class Shadows:
    """Those that wait, and those that run."""

    def __init__(self, bounds: Bounds, metrics: Metrics, clock: Clock) -> None:
        """Hold what ``work`` needs."""
        self._bounds = bounds
        self._metrics = metrics
        self._clock = clock
        most = max(bounds.waiting, bounds.at_once)
        self._waiting: asyncio.Queue[Beside | None] = asyncio.Queue(most)
        """None ends one who works."""
        self._is_stopping = False
        self._hour_began_s = clock.monotonic()
        self._spent = 0

    def offer(self, beside: Beside) -> None:
        """Run this one later, if there is room. Never waits."""
        if self._is_stopping:
            self.drop(beside.served, Dropped.STOPPED)
            return
        try:
            self._waiting.put_nowait(beside)
        except asyncio.QueueFull:
            self.drop(beside.served, Dropped.FULL)

    def drop(self, served: Served, why: Dropped) -> None:
        """Count one that is not run."""
        self._metrics.shadow_dropped(served.persona.id, served.variant or "", why)

    def spend(self, tokens: int) -> None:
        """Note what one has taken, also where it failed."""
        self._spent += tokens

    async def work(self, stop: asyncio.Event) -> None:
        """Run what is offered until ``stop`` is set.

        Then those that wait are dropped, and those that run have a moment to end; what is cut off
        closes its record all the same.
        """
        async with asyncio.TaskGroup() as group:
            workers = [group.create_task(self._serve()) for _ in range(self._bounds.at_once)]
            await stop.wait()
            self._is_stopping = True
            while not self._waiting.empty():
                beside = self._waiting.get_nowait()
                if beside is not None:
                    self.drop(beside.served, Dropped.STOPPED)
            for _ in workers:
                self._waiting.put_nowait(None)
            _, late = await asyncio.wait(workers, timeout=self._bounds.grace_s)
            for worker in late:
                worker.cancel()

    async def _serve(self) -> None:
        while (beside := await self._waiting.get()) is not None:
            await asyncio.sleep(_AFTER_S)
            await self._run(beside)

    async def _run(self, beside: Beside) -> None:
        if self._is_spent():
            self.drop(beside.served, Dropped.BUDGET)
            return
        try:
            await beside.run()
        except RequestError:
            self.drop(beside.served, Dropped.REFUSED)
        except BannetonError as exc:  # its record says it
            _log.info("a shadow of %s failed (%s)", beside.served.persona.id, type(exc).__name__)
        except Exception as exc:  # noqa: BLE001  # a worker that ends would leave the queue to fill
            _log.error("a shadow of %s failed (%s)", beside.served.persona.id, type(exc).__name__)

    def _is_spent(self) -> bool:
        """Whether this hour's tokens are."""
        most = self._bounds.tokens_per_hour
        if most is None:
            return False
        now_s = self._clock.monotonic()
        if now_s >= self._hour_began_s + _HOUR_S:
            self._hour_began_s, self._spent = now_s, 0
        return self._spent >= most
