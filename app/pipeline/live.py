"""Product metrics of live traffic: read from the ledger beside the data path, with bounds."""

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import nan
from typing import TypeVar

from app.domain.clock import Clock
from app.domain.errors import LedgerError
from app.domain.feedback import Feedback, Standing, Target, standings
from app.domain.prices import Prices
from app.ledger.closed import Closed, ClosedFilter
from app.ledger.feedback import FeedbackFilter
from app.ledger.ledger import Ledger
from app.metrics.live import By, Drift, Group, Line, adjusted, changes, grouped, lines, started
from app.metrics.observed import ObservedExchange, ObservedTask, from_record, in_tasks
from app.telemetry.metrics import Metrics
from app.telemetry.product import Change, Estimate

_log = logging.getLogger("banneton.metrics")
_MOST_CATALOGS = 3
"""Of each persona, the newest; others are in no number for Prometheus, which keeps every label."""
_MOST_GROUPS = 100
_MOST_SERIES = 200
"""Metrics of personas that changes are looked for in, in one look."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Traffic:
    """What went through in a time."""

    tasks: tuple[ObservedTask, ...]
    exchanges: int
    is_whole: bool
    """Nothing of that time was left out."""


async def traffic(
    ledger: Ledger, wanted: ClosedFilter, prices: Prices, *, most: int | None = None
) -> Traffic:
    """The tasks of a time, with what was said of them so far.

    Args:
        ledger: Where the records are.
        wanted: Which exchanges.
        prices: What models cost.
        most: Only so many exchanges, the newest.
    """
    observed: list[ObservedExchange] = []
    is_whole = True
    while page := await ledger.closed(wanted):
        readable = await asyncio.to_thread(_observed, page, prices)
        is_whole &= len(readable) == len(page)
        observed += readable
        if most is not None and len(observed) >= most:
            is_whole &= len(observed) == most and len(page) < wanted.limit
            del observed[most:]
            break
        if len(page) < wanted.limit:
            break
        wanted = replace(wanted, before=(page[-1].at, page[-1].request_id))
    # Nobody speaks of an exchange before it is opened.
    said = await _said(ledger, wanted.tenant, min((each.at for each in observed), default=None))
    tasks = await asyncio.to_thread(lambda: tuple(in_tasks(observed, said)))
    return Traffic(tasks, len(observed), is_whole)


def _observed(page: Sequence[Closed], prices: Prices) -> list[ObservedExchange]:
    observed = []
    for each in page:
        # What another release wrote may lack something; it must not hide all the rest.
        with suppress(KeyError, TypeError, ValueError):
            observed.append(from_record(each.opening, each.closing, prices))
    return observed


async def _said(
    ledger: Ledger, tenant: str | None, since: datetime | None
) -> Mapping[Target, Standing]:
    if since is None:
        return {}
    every: list[Feedback] = []
    wanted = FeedbackFilter(tenant, since=since, has_texts=False)
    while page := await ledger.feedback(wanted):
        every += page
        wanted = replace(wanted, after=(page[-1].at, page[-1].id))
    return standings(every)


@dataclass(frozen=True, slots=True)
class Watch:
    """How live metrics are looked at again and again."""

    every_s: float
    window: timedelta
    """How far back."""
    most_exchanges: int
    prices: Prices


@dataclass(frozen=True, slots=True)
class Look:
    """What one look found."""

    at: datetime
    exchanges: int
    is_whole: bool
    """Nothing was left out: neither exchanges, nor groups, nor series."""
    lines: tuple[Line, ...]
    drifts: tuple[Drift, ...]


async def watch(
    ledger: Ledger, metrics: Metrics, plan: Watch, clock: Clock, stop: asyncio.Event
) -> None:
    """Look now and then until ``stop`` is set. What fails is logged, counted, and tried again."""
    while not stop.is_set():
        try:
            found = await look(ledger, plan, clock, stop.is_set)
            if not stop.is_set():
                publish(metrics, found)
        except LedgerError as exc:
            metrics.look_failed()
            _log.error("product metrics could not be read: %s", exc)
        except Exception:  # noqa: BLE001  # a number that cannot be had must not stop the serving
            metrics.look_failed()
            _log.error("product metrics could not be made", exc_info=True)
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), plan.every_s)


def publish(metrics: Metrics, found: Look) -> None:
    """Give Prometheus what a look found, instead of what the one before it did."""
    metrics.looked(
        found.at,
        found.exchanges,
        is_whole=found.is_whole,
        estimates=[_estimate(each) for each in found.lines],
        changes=[_change(each) for each in found.drifts],
    )


def _estimate(line: Line) -> Estimate:
    group, measurement = line.group, line.measurement
    estimate = measurement.estimate
    low, high = estimate.interval if estimate is not None else (nan, nan)
    return Estimate(
        (measurement.metric.id, group.persona or "", group.variant or "", group.catalog or ""),
        estimate.point if estimate is not None else nan,
        low,
        high,
        measurement.cases,
        measurement.missed,
    )


def _change(drift: Drift) -> Change:
    return Change(
        (drift.metric.id, drift.persona),
        drift.at,
        drift.before,
        drift.after,
        drift.p_adjusted,
        drift.tasks,
        is_worse=drift.is_worse,
    )


async def look(
    ledger: Ledger, plan: Watch, clock: Clock, is_over: Callable[[], bool] = lambda: False
) -> Look:
    """Metrics by persona, variant and catalog, and changes by persona, over the window.

    All of it is done in small steps in threads, so that neither requests nor the end of the process
    wait for it.
    """
    now = clock.now()
    since = now - plan.window
    found = await traffic(
        ledger, ClosedFilter(None, since=since), plan.prices, most=plan.most_exchanges
    )
    groups = _bounded(grouped(found.tasks, By))
    measured = await stepwise(lines(groups), is_over)
    drifted = await stepwise(changes(found.tasks), is_over, _MOST_SERIES)
    is_whole = found.is_whole and len(drifted) < _MOST_SERIES
    is_whole &= sum(map(len, groups.values())) == len(found.tasks)
    return Look(now, found.exchanges, is_whole, tuple(measured), adjusted(drifted))


def _bounded(groups: Mapping[Group, Sequence[ObservedTask]]) -> dict[Group, Sequence[ObservedTask]]:
    """The groups of the newest catalogs of each persona, those with the most tasks first."""
    newest: dict[str | None, dict[str | None, datetime]] = {}
    for group, tasks in groups.items():
        seen = newest.setdefault(group.persona, {})
        last = max(started(task) for task in tasks)
        seen[group.catalog] = max(last, seen.get(group.catalog, last))
    kept = {
        (persona, catalog)
        for persona, seen in newest.items()
        for catalog in sorted(seen, key=seen.__getitem__, reverse=True)[:_MOST_CATALOGS]
    }
    named = [each for each in groups.items() if (each[0].persona, each[0].catalog) in kept]
    named.sort(key=lambda each: -len(each[1]))
    return dict(named[:_MOST_GROUPS])


async def stepwise(
    steps: Iterator[T], is_over: Callable[[], bool] = lambda: False, most: int | None = None
) -> list[T]:
    """What the steps give, each made in a thread; as far as it comes until it is over."""
    made: list[T] = []
    while not is_over() and (most is None or len(made) < most):
        step = await asyncio.to_thread(next, steps, None)
        if step is None:
            break
        made.append(step)
    return made
