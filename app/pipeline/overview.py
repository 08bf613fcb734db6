"""What went through lately, for people who look at it: over time, by persona and by revision.

However much there is, each stretch of time is measured on its newest exchanges, so that looking
costs about the same on a ledger of millions as on a small one.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import partial

from app.domain.clock import Clock
from app.domain.conversation import Json
from app.domain.decision import Outcome
from app.domain.feedback import Feedback, standings
from app.domain.prices import Prices
from app.domain.record import Status
from app.ledger.closed import Closed, ClosedFilter
from app.ledger.counted import Counted
from app.ledger.feedback import FeedbackFilter
from app.ledger.ledger import Ledger
from app.metrics.live import By, Drift, Group, Line, adjusted, changes, grouped, lines, started
from app.metrics.observed import ObservedExchange, ObservedTask, from_record, in_tasks
from app.pipeline.live import Pace

SHOWN = ("refusal_rate", "failure_rate", "adherence", "satisfaction", "cost")
"""Metrics that are drawn, by id."""
_WANTED = frozenset(SHOWN)
_WATCHED = frozenset({"refusal_rate", "failure_rate", "satisfaction", "escalation_rate"})
"""Metrics in which changes are looked for, besides each behaviour."""
_SAMPLED = 150
"""The newest exchanges of each stretch of time that are measured."""
_COUNTED = 500
"""The newest of which the persona is looked up, to count them."""
_SEARCHED = 5_000
"""The newest among which those of one persona are looked for."""
_TASKS_A_STEP = 200
_DRAWS = 9_999
"""Enough for the dozens of series of one page."""
_KEPT_S = {"1h": 10.0, "24h": 20.0, "7d": 60.0, "30d": 120.0}
_MOST_KEPT = 32
_REST = 0.5


class Span(StrEnum):
    """How far back is looked."""

    HOUR = "1h"
    DAY = "24h"
    WEEK = "7d"
    MONTH = "30d"


_STEPS: Mapping[Span, tuple[timedelta, int]] = {
    Span.HOUR: (timedelta(minutes=5), 12),
    Span.DAY: (timedelta(hours=1), 24),
    Span.WEEK: (timedelta(hours=6), 28),
    Span.MONTH: (timedelta(days=1), 30),
}


@dataclass(frozen=True, slots=True)
class OverviewWish:
    """What an overview is to be of."""

    tenant: str
    personas: frozenset[str] | None
    """Those that whoever asks may see; none is all of them."""
    span: Span = Span.DAY
    persona: str | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """One exchange that is measured."""

    exchange: ObservedExchange
    held_ms: float | None
    """The longest that text waited; none where no answer came, or nobody noted it then."""
    unchecked: frozenset[str]
    """Detectors that could not look."""
    asked: tuple[tuple[str, str | None], ...]
    """Backends that were asked, each with why it failed."""

    @property
    def is_answered(self) -> bool:
        """Whether somebody waited for it to its end."""
        return self.exchange.status is Status.COMPLETED


@dataclass(frozen=True, slots=True)
class Stretch:
    """One piece of the time that is looked at."""

    since: datetime
    until: datetime
    opened: Mapping[str, int]
    """How many exchanges, by persona."""
    is_exact: bool
    """Whether these were counted; else the newest stand for the rest."""
    seen: tuple[Seen, ...]
    """Those that are measured, newest first."""

    @property
    def outcomes(self) -> Mapping[Outcome, int]:
        """How those that are measured ended."""
        return Counter(each.exchange.outcome for each in self.seen)


@dataclass(frozen=True, slots=True)
class Revision:
    """A catalog that began to serve a persona."""

    persona: str
    catalog: str
    since: datetime
    """Its first exchange among those that are measured."""


@dataclass(frozen=True, slots=True)
class Overview:
    """What was seen."""

    at: datetime
    wish: OverviewWish
    stretches: tuple[Stretch, ...]
    """Oldest first; the last one is not over."""
    lines: tuple[Line, ...]
    """Metrics by persona and stretch: the group's ``since`` is the stretch's."""
    totals: tuple[Line, ...]
    """Metrics by persona, over all of the time."""
    by_catalog: tuple[Line, ...]
    """The same by persona and catalog, where a persona was served by more than one."""
    revisions: tuple[Revision, ...]
    drifts: tuple[Drift, ...]
    is_whole: bool
    """Whether every exchange of the time that has ended was measured."""
    newest: datetime | None
    """The tenant's newest exchange of all times."""
    seen: tuple[Seen, ...] = field(default=())
    """All that are measured, oldest first."""

    @property
    def opened(self) -> int:
        """How many exchanges there were."""
        return sum(sum(each.opened.values()) for each in self.stretches)

    def opened_by(self, persona: str) -> int:
        """How many exchanges a persona had."""
        return sum(each.opened.get(persona, 0) for each in self.stretches)

    @property
    def personas(self) -> Sequence[str]:
        """Those with traffic, most first."""
        total: Counter[str] = Counter()
        for each in self.stretches:
            total.update(each.opened)
        return [name for name, _ in total.most_common()]


class Overviews:
    """Overviews, each made once for whoever asks within some seconds; one at a time."""

    def __init__(self, ledger: Ledger, prices: Prices, clock: Clock) -> None:
        """Take what they are made of.

        Args:
            ledger: Where the records are.
            prices: What models cost.
            clock: What time it is.
        """
        self.prices = prices
        self._ledger = ledger
        self._clock = clock
        self._kept: dict[OverviewWish, tuple[float, Overview]] = {}
        self._making = asyncio.Lock()

    async def of(self, wish: OverviewWish) -> Overview:
        """What went through, as of some seconds ago at most."""
        async with self._making:
            now_s = self._clock.monotonic()
            made_s, made = self._kept.get(wish, (0.0, None))
            if made is not None and now_s - made_s < _KEPT_S[wish.span]:
                return made
            made = await overview(self._ledger, wish, self.prices, self._clock.now())
            self._kept.pop(wish, None)
            while len(self._kept) >= _MOST_KEPT:
                self._kept.pop(next(iter(self._kept)))
            self._kept[wish] = (self._clock.monotonic(), made)
            return made


async def overview(ledger: Ledger, wish: OverviewWish, prices: Prices, now: datetime) -> Overview:
    """Look at what went through, in steps beside the event loop."""
    pace = Pace(_REST)
    stretches: list[Stretch] = []
    said: list[Feedback] = []
    is_whole = True
    for since, until in _times(wish.span, now):
        wanted = ClosedFilter(
            wish.tenant,
            since,
            until,
            wish.persona,
            wish.personas,
            limit=_SAMPLED,
            most_searched=_SEARCHED,
        )
        page = await ledger.closed(wanted)
        counted = await ledger.counts(wish.tenant, since, until, most=_COUNTED)
        about = FeedbackFilter(wish.tenant, since, until, has_texts=False, limit=_SAMPLED)
        said += await ledger.feedback(about)
        seen = await pace.step(partial(_seen, page, prices))
        is_whole &= len(page) < _SAMPLED
        stretches.append(Stretch(since, until, _of(wish, counted), counted.is_exact, tuple(seen)))
    every = [each for stretch in stretches for each in reversed(stretch.seen)]
    standing = await pace.step(partial(standings, said))
    found = in_tasks((each.exchange for each in every), standing)
    tasks = await pace.steps(found, at_once=_TASKS_A_STEP)
    behaviours = {each.behaviour for seen in every for each in seen.exchange.behaviours}
    watched = _WATCHED | {f"adherence:{each}" for each in behaviours}
    return Overview(
        now,
        wish,
        tuple(stretches),
        tuple(await pace.steps(lines(_by_stretch(tasks, stretches), _WANTED), at_once=8)),
        tuple(await pace.steps(lines(grouped(tasks, [By.PERSONA]), _WANTED), at_once=8)),
        tuple(await pace.steps(lines(_by_catalog(tasks), _WANTED), at_once=8)),
        tuple(_revisions(every)),
        adjusted(await pace.steps(changes(tasks, watched, draws=_DRAWS))),
        is_whole,
        await ledger.newest(wish.tenant),
        tuple(every),
    )


def _times(span: Span, now: datetime) -> Iterator[tuple[datetime, datetime]]:
    """The stretches, which begin at whole hours or days, so that all see the same ones."""
    step, count = _STEPS[span]
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    begun = epoch + (now - epoch) // step * step
    for back in reversed(range(count)):
        since = begun - back * step
        yield since, since + step


def _of(wish: OverviewWish, counted: Counted) -> Mapping[str, int]:
    return {
        persona: count
        for persona, count in counted.by_persona.items()
        if (wish.persona in {None, persona}) and (wish.personas is None or persona in wish.personas)
    }


def _seen(page: Sequence[Closed], prices: Prices) -> list[Seen]:
    seen = []
    for each in page:
        if each.opening.get("shadow_of") is not None:
            continue  # nobody was shown it
        # What another release wrote may lack something; it must not hide all the rest.
        with suppress(KeyError, TypeError, ValueError):
            seen.append(_one(each.opening, each.closing, prices))
    return seen


def _one(opening: Json, closing: Json, prices: Prices) -> Seen:
    held = closing.get("held")
    decisions = (*opening["decisions"], *closing["decisions"])
    return Seen(
        from_record(opening, closing, prices),
        None if held is None else held["longest_ms"],
        frozenset(run["detector"] for each in decisions for run in each["unchecked"]),
        tuple((each["backend"], each["problem"]) for each in closing["attempts"]),
    )


def _by_stretch(
    tasks: Sequence[ObservedTask], stretches: Sequence[Stretch]
) -> Mapping[Group, Sequence[ObservedTask]]:
    found: dict[Group, list[ObservedTask]] = {}
    for task in tasks:
        at = started(task)
        since = next(each.since for each in stretches if at < each.until)
        found.setdefault(Group(persona=task.persona, since=since), []).append(task)
    return found


def _by_catalog(tasks: Sequence[ObservedTask]) -> Mapping[Group, Sequence[ObservedTask]]:
    groups = grouped(tasks, [By.PERSONA, By.CATALOG])
    catalogs = Counter(group.persona for group in groups)
    return {group: some for group, some in groups.items() if catalogs[group.persona] > 1}


def _revisions(every: Sequence[Seen]) -> Iterator[Revision]:
    """Where another catalog began to serve a persona."""
    served: dict[str, str] = {}
    for each in every:
        exchange = each.exchange
        before = served.get(exchange.persona)
        if before is not None and before != exchange.catalog:
            yield Revision(exchange.persona, exchange.catalog, exchange.at)
        served[exchange.persona] = exchange.catalog
