"""What runs beside requests for variants: the rollouts that are followed, and the shadows."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from app.domain.clock import Clock
from app.ledger.ledger import Ledger
from app.pipeline.loaded import Loaded
from app.pipeline.rollouts import Rollouts
from app.pipeline.shadows import Bounds, Shadows
from app.settings import Settings
from app.telemetry.metrics import Metrics


@dataclass(frozen=True, slots=True)
class RunningVariants:
    """Both, ready for the first request."""

    rollouts: Rollouts
    shadows: Shadows
    look_every_s: float

    async def run(self, stop: asyncio.Event) -> None:
        """Follow and run them until ``stop`` is set."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.rollouts.watch(stop, self.look_every_s))
            group.create_task(self.shadows.work(stop))


async def start_variants(
    settings: Settings,
    ledger: Ledger,
    loaded: Callable[[], Loaded],
    metrics: Metrics,
    clock: Clock,
) -> RunningVariants:
    """Learn from the ledger where each rollout stands.

    Raises:
        LedgerError: It could not be read.
    """
    wanted = settings.variants
    rollouts = Rollouts(ledger, loaded, metrics, clock, settings.model_prices)
    await rollouts.stand()
    bounds = Bounds(
        at_once=wanted.shadows_at_once,
        waiting=wanted.shadows_waiting,
        tokens_per_hour=wanted.shadow_tokens_per_hour,
    )
    return RunningVariants(rollouts, Shadows(bounds, metrics, clock), wanted.look_every_s)
