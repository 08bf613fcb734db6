"""What the process does by itself while it serves."""

import asyncio
import logging
from contextlib import suppress
from datetime import timedelta

from app.catalog.reload import Health, Reloader
from app.domain.clock import Clock
from app.domain.errors import LedgerError
from app.ledger.ledger import Ledger
from app.pipeline.gateway import Readiness
from app.pipeline.live import Watch, watch
from app.pipeline.loaded import Loaded
from app.settings import Settings
from app.telemetry.metrics import Metrics

_log = logging.getLogger("banneton")
_PURGE_EVERY_S = 3600


async def purge(ledger: Ledger, stop: asyncio.Event) -> None:
    """Delete what has been kept long enough, now and every hour until ``stop`` is set."""
    while not stop.is_set():
        try:
            await ledger.purge()
        except LedgerError as exc:
            _log.error("what has been kept long enough could not be deleted: %s", exc)
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), _PURGE_EVERY_S)


async def watch_metrics(
    settings: Settings, ledger: Ledger, metrics: Metrics, clock: Clock, stop: asyncio.Event
) -> None:
    """Look at live metrics until ``stop`` is set, where they are wanted and can be read."""
    wanted = settings.telemetry.watch
    if wanted is None or not settings.telemetry.metrics:
        return
    plan = Watch(
        every_s=wanted.every_minutes * 60,
        window=timedelta(days=wanted.days),
        most_exchanges=wanted.most_exchanges,
        prices=settings.model_prices,
    )
    await watch(ledger, metrics, plan, clock, stop)


def readiness(reloader: Reloader[Loaded]) -> Readiness:
    """Whether the files as they are now are those that are served."""
    state = reloader.state
    is_degraded = state.health is Health.DEGRADED
    return Readiness(
        "degraded" if is_degraded else "ready",
        reloader.revision.catalog.digest,
        tuple(str(problem) for problem in state.problems),
    )
