"""What of a record replaying needs: what was seen, what was decided, how it ended. No text."""

import re
from dataclasses import dataclass
from datetime import datetime
from itertools import chain

from pydantic import TypeAdapter, ValidationError

from app.domain.conduct import Measured
from app.domain.conversation import Json
from app.domain.decision import Decision, Outcome, StageTrace, Trace
from app.domain.errors import LedgerError
from app.domain.policy import STOPS
from app.domain.record import Status
from app.ledger.records import Record

LAST = -1
"""Stands for the last attempt at an answer, whose texts have paths without a number."""

Place = tuple[int, int]
"""An attempt at an answer, counted from 0, or ``LAST``; and which of its choices."""

_PLACE = re.compile(r"(?:attempts\[(\d{1,9})\]\.)?choices\[(\d{1,9})\]\.")


@dataclass(frozen=True, slots=True)
class Recorded:
    """An exchange as its record says."""

    request_id: str
    at: datetime
    """When it opened. What waivers hold is decided by this for the whole of it."""
    persona: str
    variant: str | None
    audience: str
    policy: str
    catalog: str
    status: Status | None
    """None while it is open."""
    input_outcome: Outcome
    """What was decided about the request alone."""
    outcome: Outcome
    input: Trace | None
    """What was seen in the request; none where that has expired."""
    answer: Trace | None
    """The same of the answer, attempt by attempt."""
    decisions: tuple[Decision, ...]
    """For each part of both traces, in order. They stay when traces expire."""
    stopped: frozenset[Place]
    """The choices of the answer that policy stopped: the rest of them was not looked at."""
    behaviours: tuple[Measured, ...] = ()

    @property
    def draw(self) -> float:
        """Where in [0, 100) the exchange falls, for rules that act for a share of traffic."""
        return next((each.draw for each in chain(self.input or (), self.answer or ())), 0.0)


def place_of(path: str) -> Place:
    """Which part of an answer a path is about."""
    found = _PLACE.match(path)
    if found is None:
        return LAST, 0
    return LAST if found[1] is None else int(found[1]), int(found[2])


@dataclass(frozen=True, slots=True)
class _Opening:
    at: datetime
    request_id: str
    persona: str
    variant: str | None
    audience: str
    policy: str
    catalog: str
    outcome: Outcome
    decisions: tuple[Decision, ...]
    trace: tuple[StageTrace, ...] | None


@dataclass(frozen=True, slots=True)
class _Closing:
    request_id: str
    status: Status
    outcome: Outcome
    decisions: tuple[Decision, ...]
    behaviours: tuple[Measured, ...]
    trace: tuple[StageTrace, ...] | None


_READ_OPENING: TypeAdapter[_Opening] = TypeAdapter(_Opening)
_READ_CLOSING: TypeAdapter[_Closing] = TypeAdapter(_Closing)


def is_shown(opening: Json) -> bool:
    """Whether somebody got the answer; nobody gets that of a shadow."""
    return opening.get("shadow_of") is None


def recorded_of(record: Record) -> Recorded:
    """What replaying needs of a record.

    Raises:
        LedgerError: It is not as the ledger writes them.
    """
    return recorded_from(record.opening, record.closing)


def recorded_from(opening: Json, closing: Json) -> Recorded:
    """The same of the two entries of a record, each with its ``trace``.

    Args:
        opening: As JSON values.
        closing: As JSON values; none while the exchange is open.

    Raises:
        LedgerError: They are not as the ledger writes them.
    """
    try:
        opened = _READ_OPENING.validate_python(opening)
        closed = None if closing is None else _READ_CLOSING.validate_python(closing)
    except ValidationError as exc:
        where = ".".join(map(str, exc.errors(include_input=False, include_url=False)[0]["loc"]))
        raise LedgerError(f"A record is not as the ledger writes them: {where}.") from None
    if closed is not None and closed.request_id != opened.request_id:
        raise LedgerError("The entries of a record are about different exchanges.")
    traces = [*(opened.trace or ()), *((closed.trace or ()) if closed else ())]
    if len({each.draw for each in traces}) > 1:
        raise LedgerError("The traces of a record disagree about the share of traffic.")
    return Recorded(
        request_id=opened.request_id,
        at=opened.at,
        persona=opened.persona,
        variant=opened.variant,
        audience=opened.audience,
        policy=opened.policy,
        catalog=opened.catalog,
        status=closed.status if closed else None,
        input_outcome=opened.outcome,
        outcome=closed.outcome if closed else opened.outcome,
        input=opened.trace,
        answer=closed.trace if closed else (),
        decisions=opened.decisions + (closed.decisions if closed else ()),
        stopped=_stopped(closed) if closed else frozenset(),
        behaviours=closed.behaviours if closed else (),
    )


def _stopped(closed: _Closing) -> frozenset[Place]:
    if closed.trace is None:
        return frozenset()
    if len(closed.trace) != len(closed.decisions):
        raise LedgerError("A record has decisions about something else than what was seen.")
    places: set[Place] = set()
    for trace, decision in zip(closed.trace, closed.decisions, strict=True):
        for each in decision.applied:
            if each.is_observed or each.action not in STOPS:
                continue
            if each.is_unchecked:
                places.update(place_of(run.path) for run in trace.unchecked)
            elif any(not 0 <= at < len(trace.findings) for at in each.findings):
                raise LedgerError("A record names a finding that it does not hold.")
            else:
                places.update(place_of(trace.findings[at].path) for at in each.findings)
    return frozenset(places)
