"""What is counted and measured of the traffic, for those who may see it."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace

from app.domain.clock import Clock
from app.domain.conversation import Json
from app.domain.errors import RequestError
from app.domain.prices import Prices
from app.ledger.ledger import Ledger
from app.pipeline.live import Pace
from app.pipeline.report import report, report_json, wish_of
from app.telemetry.metrics import Metrics

_MOST_REPORTED = 20_000
"""Exchanges of one report; the command line has no such bound, and no requests to serve."""


class Numbers:
    """Numbers for Prometheus, and reports from the ledger."""

    def __init__(
        self, metrics: Metrics, ledger: Ledger, prices: Prices, clock: Clock, *, is_shown: bool
    ) -> None:
        """Take what numbers are made of.

        Args:
            metrics: What this process counted.
            ledger: What all of them recorded.
            prices: What models cost.
            clock: What time it is.
            is_shown: Whether Prometheus may read them.
        """
        self._metrics = metrics
        self._ledger = ledger
        self._prices = prices
        self._clock = clock
        self._is_shown = is_shown
        self._reporting = asyncio.Lock()

    def prometheus(self, *, is_current: bool) -> bytes:
        """Prometheus text.

        Args:
            is_current: Whether the files say what is served.
        """
        if not self._is_shown:
            raise RequestError("metrics are off: telemetry.metrics says so", code="not_found")
        if not is_current:
            self._metrics.catalog_refused()
        return self._metrics.render()

    async def report(
        self, query: Mapping[str, str], tenant: str, personas: frozenset[str] | None
    ) -> Json:
        """Product metrics of a tenant's newest traffic; one report is made at a time.

        Args:
            query: What it is to be about.
            tenant: Whose traffic.
            personas: Of which personas; none is all of them.

        Raises:
            RequestError: The query makes no sense.
        """
        wish = replace(wish_of(query, tenant, self._clock.now()), personas=personas)
        async with self._reporting:
            made = await report(
                self._ledger, wish, self._prices, most=_MOST_REPORTED, pace=Pace(rest=1.0)
            )
        return await asyncio.to_thread(report_json, made)
