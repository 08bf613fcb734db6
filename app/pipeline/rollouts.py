"""Rollouts as they run: follows the ledger, looks at the gates, and makes the next move."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress

from app.domain.clock import Clock
from app.domain.errors import LedgerError
from app.domain.prices import Prices
from app.domain.rollout import (
    Evidence,
    Move,
    Phase,
    PlannedRollout,
    Standing,
    move_after,
    standing_of,
)
from app.ledger.ledger import Ledger
from app.pipeline.evidence import Watch
from app.pipeline.gates import next_move
from app.pipeline.loaded import Loaded
from app.telemetry.metrics import Metrics, RolloutSeen

_log = logging.getLogger("banneton.rollouts")


class Rollouts:
    """All rollouts of the files that are served.

    Where each stands is in the ledger alone. Any number of processes may look: of two that would
    make the same move at once, the ledger takes one, and the other reads it at its next look.
    """

    def __init__(
        self,
        ledger: Ledger,
        loaded: Callable[[], Loaded],
        metrics: Metrics,
        clock: Clock,
        prices: Prices,
    ) -> None:
        """Hold what a look needs; ``stand`` must come before the first request."""
        self.shares: dict[str, float] = {}
        """How far each rollout has come, in percent, by its id."""
        self._ledger = ledger
        self._loaded = loaded
        self._metrics = metrics
        self._clock = clock
        self._prices = prices
        self._watches: dict[str, Watch] = {}

    async def stand(self) -> None:
        """Take from the ledger where each rollout stands, so that a restart changes nothing.

        Raises:
            LedgerError: It could not be read.
        """
        for planned in self._loaded().rollouts.values():
            self.shares[planned.id] = (await self._standing(planned)).percent

    async def watch(self, stop: asyncio.Event, every_s: float) -> None:
        """Look again and again until ``stop`` is set."""
        while not stop.is_set():
            try:
                await self.look()
            except LedgerError as exc:
                _log.error("rollouts could not be looked at; they stay where they are: %s", exc)
            except Exception as exc:  # noqa: BLE001  # whatever it is, requests are served
                what = type(exc).__name__
                _log.error("rollouts could not be looked at; they stay where they are: %s", what)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), every_s)

    async def look(self) -> None:
        """Look at every rollout once, and make the move that is due.

        Raises:
            LedgerError: The ledger could not be read or written.
        """
        loaded = self._loaded()
        planned = {each.id: each for each in loaded.rollouts.values()}
        seen: list[RolloutSeen] = []
        for each in planned.values():
            standing = await self._look_at(each, loaded.catalog.digest)
            self.shares[each.id] = standing.percent
            seen.append(
                RolloutSeen(each.persona, each.plan.variant, standing.phase, standing.percent)
            )
        # Those of earlier files: requests that began under these are past their choice.
        for gone in self.shares.keys() - planned.keys():
            del self.shares[gone]
        for gone in self._watches.keys() - planned.keys():
            del self._watches[gone]
        self._metrics.rollouts_seen(seen)

    async def _look_at(self, planned: PlannedRollout, catalog: str) -> Standing:
        """Where a rollout stands after the move that is due, if one is."""
        standing = await self._standing(planned)
        if standing.phase is Phase.WAITING:
            why = "the files plan it"
            return await self._make(planned, standing, Move.BEGIN, why, catalog)
        if not standing.is_watched or standing.since is None:
            self._watches.pop(planned.id, None)
            return standing
        watch = self._watches.get(planned.id)
        if watch is None or watch.since != standing.since:
            watch = Watch(self._ledger, planned, standing.since, self._prices)
            self._watches[planned.id] = watch
        await watch.read(self._clock.now())
        evidence = await watch.evidence()
        due = next_move(planned, standing, evidence, self._clock.now())
        if due is None:
            return standing
        move, why = due
        return await self._make(planned, standing, move, why, catalog, evidence)

    async def _standing(self, planned: PlannedRollout) -> Standing:
        return standing_of(planned, await self._ledger.moves(planned.id))

    async def _make(
        self,
        planned: PlannedRollout,
        standing: Standing,
        move: Move,
        why: str,
        catalog: str,
        evidence: tuple[Evidence, ...] = (),
    ) -> Standing:
        """Enter a move, and say where the rollout stands then."""
        now = self._clock.now()
        moved = move_after(
            planned, standing, move, at=now, why=why, catalog=catalog, evidence=evidence
        )
        if await self._ledger.move(moved):
            told = _log.warning if moved.move is Move.RETURN else _log.info
            told(
                "rollout of %s:%s: %s to %g percent: %s",
                moved.persona,
                moved.variant,
                moved.move,
                moved.percent,
                moved.why,
            )
        return await self._standing(planned)
