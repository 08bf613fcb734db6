"""What live traffic says of a rollout's two sides, session by session, as the ledger has it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from app.domain.conversation import Json
from app.domain.feedback import Feedback, standings
from app.domain.persona import timedelta_of
from app.domain.prices import Prices
from app.domain.record import CONSOLE, Assigned
from app.domain.rollout import Evidence, PlannedRollout
from app.guardrails.aside import done
from app.ledger.feedback import FeedbackFilter
from app.ledger.ledger import Ledger
from app.ledger.rollouts import Opened
from app.metrics.observed import ObservedExchange, from_record, in_tasks
from app.pipeline.gates import SAID, Gates

_AT_ONCE = 50
"""How many records are read in one go: requests wait for no more."""
_LAG = timedelta(seconds=1)
"""What is younger is not read yet: an entry with an earlier time may still be on its way."""
_SHARED = frozenset({Assigned.DRAWN, Assigned.CONTINUED})
"""Exchanges whose version chance has chosen."""


@dataclass(slots=True)
class _Unit:
    """What was drawn as one: a session, a subject without one, or a single request."""

    variant: str | None
    is_drawn: bool
    last: datetime
    """When it was last heard of."""
    exchanges: list[ObservedExchange] = field(default_factory=list)
    open: int = 0
    """How many of its exchanges have not ended."""
    is_mixed: bool = False
    """Several versions answered it, so that it speaks for none."""

    def is_over(self, at: datetime, settle: timedelta) -> bool:
        """Whether it has been silent for so long."""
        return not self.open and at - self.last >= settle


class Watch:
    """Follows one step of a rollout; what it holds can be made again from the ledger."""

    def __init__(
        self, ledger: Ledger, planned: PlannedRollout, since: datetime, prices: Prices
    ) -> None:
        """Begin at the moment from which the shares are what they are."""
        self.since = since
        self._ledger = ledger
        self._planned = planned
        self._prices = prices
        self._settle = timedelta_of(planned.plan.settle)
        self._gates = Gates(planned.plan)
        self._place: tuple[datetime, str] = (since, "")
        self._open: dict[str, str] = {}
        """Units of the exchanges that were open when they were read, by request."""
        self._units: dict[str, _Unit] = {}
        self._told: set[str] = set()
        """Units that have counted, and count no more."""
        self._needs_said = any(gate.metric in SAID for gate in planned.plan.gates)
        self._said: dict[str, list[Feedback]] = {}
        """By what it is about."""
        self._said_after: tuple[datetime, str] | None = None

    async def evidence(self) -> tuple[Evidence, ...]:
        """What the gates say so far; to find the ends of their intervals takes milliseconds."""
        return await done(self._gates.evidence, aside=True)

    async def read(self, now: datetime) -> None:
        """Take in what has come since the last time."""
        until = now - _LAG
        persona = self._planned.persona
        while True:
            page = await self._ledger.opened(
                persona, after=self._place, until=until, limit=_AT_ONCE
            )
            for each in page:
                self._take(each)
            if len(page) < _AT_ONCE:
                break
        await self._close()
        if self._needs_said:
            await self._listen()
        self._count(until)

    def _take(self, found: Opened) -> None:
        """One exchange, in the order in which they were opened."""
        self._place = (found.at, found.request_id)
        opening = found.opening
        if opening.get("assigned") not in _SHARED:  # older entries do not say
            return
        if opening.get("dialect") == CONSOLE:
            return
        name = _unit_of(opening)
        if name in self._told:
            return
        unit = self._units.get(name)
        if unit is not None and unit.is_over(found.at, self._settle):
            self._tell(name, unit)  # it comes back after it has counted
            return
        if unit is None:
            is_drawn = opening["assigned"] == Assigned.DRAWN
            unit = self._units[name] = _Unit(opening["variant"], is_drawn, found.at)
        unit.is_mixed = unit.is_mixed or unit.variant != opening["variant"]
        if found.closing is None:
            self._open[found.request_id] = name
            unit.open += 1
        else:
            self._add(unit, opening, found.closing)

    def _add(self, unit: _Unit, opening: Json, closing: Json) -> None:
        exchange = from_record(opening, closing, self._prices)
        if exchange.session is None and opening["subject"] is not None:
            exchange = replace(exchange, session=f"subject {opening['subject']}")
        unit.exchanges.append(exchange)
        unit.last = max(unit.last, datetime.fromisoformat(closing["at"]))

    async def _close(self) -> None:
        """Take in what was open when it was read and has ended since."""
        for request_id, name in list(self._open.items()):
            record = await self._ledger.record(request_id, tenant=None)
            if record is not None and record.closing is None:
                continue
            del self._open[request_id]
            unit = self._units[name]  # it cannot have counted before
            unit.open -= 1
            if record is not None:
                self._add(unit, record.opening, record.closing)

    async def _listen(self) -> None:
        """Take in what users said."""
        while True:
            wanted = FeedbackFilter(
                None,
                since=self.since,
                after=self._said_after,
                has_texts=False,
                limit=_AT_ONCE,
            )
            page = await self._ledger.feedback(wanted)
            for each in page:
                self._said.setdefault(each.about.name, []).append(each)
            if page:
                self._said_after = (page[-1].at, page[-1].id)
            if len(page) < _AT_ONCE:
                break

    def _count(self, until: datetime) -> None:
        """Let the sessions count that have been silent for long enough, oldest first."""
        over = [
            (unit.last, name)
            for name, unit in self._units.items()
            if unit.is_over(until, self._settle)
        ]
        for _, name in sorted(over):
            self._tell(name, self._units[name])

    def _tell(self, name: str, unit: _Unit) -> None:
        del self._units[name]
        if not name.startswith("request "):  # which never comes again
            self._told.add(name)
        arms = {self._planned.plan.variant: True, None: False}
        if unit.is_mixed or not unit.is_drawn or unit.variant not in arms:
            return
        said = standings(self._said_of(unit)) if self._needs_said else {}
        for task in in_tasks(unit.exchanges, said):
            self._gates.add(task, is_variant=arms[unit.variant])

    def _said_of(self, unit: _Unit) -> list[Feedback]:
        names = {each.id for each in unit.exchanges}
        names |= {each.session for each in unit.exchanges if each.session is not None}
        return [each for name in names for each in self._said.get(name, ())]


def _unit_of(opening: Mapping[str, Json]) -> str:
    """What the version was drawn for; the ledger's digests stand for names."""
    if opening["session"] is not None:
        return f"session {opening['session']}"
    if opening["subject"] is not None:
        return f"subject {opening['subject']}"
    return f"request {opening['request_id']}"
