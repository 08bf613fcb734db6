"""Product metrics of live traffic: read from the ledger beside the data path, with bounds."""

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from math import nan
from typing import TypeVar

from app.domain.clock import Clock
from app.domain.errors import LedgerError
from app.domain.feedback import Feedback, Standing, Target, standings
from app.domain.prices import Prices
from app.domain.record import CONSOLE
from app.ledger.closed import Closed, ClosedFilter
from app.ledger.feedback import FeedbackFilter
from app.ledger.ledger import Ledger
from app.metrics.live import By, Drift, Group, Line, adjusted, changes, grouped, lines, started
from app.metrics.observed import ObservedExchange, ObservedTask, from_record, in_tasks
from app.telemetry.metrics import Metrics
from app.telemetry.product import Change, Estimate, Looked, written

_log = logging.getLogger("banneton.metrics")
_MOST_CATALOGS = 3
"""Of each persona, the newest; others are in no number for Prometheus, which keeps every label."""
_MOST_GROUPS = 100
_MOST_SERIES = 200
"""Metrics of personas that changes are looked for in, in one look."""
_TASKS_A_STEP = 200

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Pace:
    """Work in steps, in threads, with rests: requests wait for none of it for long.

    Threads share Python's lock, so that a step makes requests slower for as long as it takes.
    """

    rest: float = 0.0
    """How many times as long as a step a rest is."""
    is_over: Callable[[], bool] = lambda: False
    """Whether nobody waits for the rest of the work any more."""

    async def step(self, work: Callable[[], T]) -> T:
        """What one piece of work gives."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        made = await asyncio.to_thread(work)
        if self.rest:
            await asyncio.sleep(self.rest * (loop.time() - began))
        return made

    async def steps(
        self, each: Iterator[T], *, most: int | None = None, at_once: int = 1
    ) -> list[T]:
        """What an iterator gives, so many pieces a step; as far as it comes until it is over."""
        made: list[T] = []
        while not self.is_over() and (most is None or len(made) < most):
            some = await self.step(lambda: list(islice(each, at_once)))
            if not some:
                break
            made += some
        return made


AT_ONCE = Pace()


@dataclass(frozen=True, slots=True)
class Traffic:
    """What went through in a time."""

    tasks: tuple[ObservedTask, ...]
    exchanges: int
    is_whole: bool
    """Nothing of that time was left out."""


async def traffic(
    ledger: Ledger,
    wanted: ClosedFilter,
    prices: Prices,
    *,
    most: int | None = None,
    pace: Pace = AT_ONCE,
) -> Traffic:
    """The tasks of a time, with what was said of them so far.

    Args:
        ledger: Where the records are.
        wanted: Which exchanges.
        prices: What models cost.
        most: Only so many exchanges, the newest.
        pace: How fast.
    """
    observed: list[ObservedExchange] = []
    is_whole = True
    while not pace.is_over() and (page := await ledger.closed(wanted)):
        readable, unreadable = await pace.step(partial(_observed, page, prices))
        is_whole &= not unreadable
        observed += readable
        if most is not None and len(observed) >= most:
            is_whole &= len(observed) == most and len(page) < wanted.limit
            del observed[most:]
            break
        if len(page) < wanted.limit:
            break
        wanted = replace(wanted, before=(page[-1].at, page[-1].request_id))
    # Nobody speaks of an exchange before it is opened.
    since = min((each.at for each in observed), default=None)
    said = {} if since is None else await _said(ledger, wanted.tenant, since, pace)
    tasks = await pace.steps(in_tasks(observed, said), at_once=_TASKS_A_STEP)
    return Traffic(tuple(tasks), len(observed), is_whole)


def _observed(page: Sequence[Closed], prices: Prices) -> tuple[list[ObservedExchange], int]:
    """What users met, and how many exchanges cannot be read."""
    observed = []
    unreadable = 0
    for each in page:
        opening = each.opening
        if opening.get("shadow_of") is not None or opening.get("dialect") == CONSOLE:
            continue
        # What another release wrote may lack something; it must not hide all the rest.
        try:
            observed.append(from_record(opening, each.closing, prices))
        except (KeyError, TypeError, ValueError):
            unreadable += 1
    return observed, unreadable


async def _said(
    ledger: Ledger, tenant: str | None, since: datetime, pace: Pace
) -> Mapping[Target, Standing]:
    every: list[Feedback] = []
    wanted = FeedbackFilter(tenant, since=since, has_texts=False, limit=200)
    while page := await ledger.feedback(wanted):
        every += page
        wanted = replace(wanted, after=(page[-1].at, page[-1].id))
    return await pace.step(partial(standings, every))


@dataclass(frozen=True, slots=True)
class Watch:
    """How live metrics are looked at again and again."""

    every_s: float
    window: timedelta
    """How far back."""
    most_exchanges: int
    prices: Prices
    rest: float = 9.0
    """How many times as long as each step of a look nothing is done."""


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
                metrics.looked(await asyncio.to_thread(text_of, found))
        except LedgerError as exc:
            metrics.look_failed()
            _log.error("product metrics could not be read: %s", exc)
        except Exception:  # noqa: BLE001  # a number that cannot be had must not stop the serving
            metrics.look_failed()
            _log.error("product metrics could not be made", exc_info=True)
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), plan.every_s)


def text_of(found: Look) -> bytes:
    """What a look found, as Prometheus reads it."""
    return written(
        Looked(
            found.at,
            found.exchanges,
            found.is_whole,
            [_estimate(each) for each in found.lines],
            [_change(each) for each in found.drifts],
        )
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

    All of it is done at the plan's pace, so that neither requests nor the end of the process wait.
    """
    now, pace = clock.now(), Pace(plan.rest, is_over)
    wanted = ClosedFilter(None, since=now - plan.window)
    found = await traffic(ledger, wanted, plan.prices, most=plan.most_exchanges, pace=pace)
    groups = await pace.step(lambda: _bounded(grouped(found.tasks, By)))
    measured = await pace.steps(lines(groups))
    drifted = await pace.steps(changes(found.tasks), most=_MOST_SERIES)
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
