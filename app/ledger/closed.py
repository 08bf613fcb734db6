"""Exchanges that have ended, for those who count them: no findings, and no text of feedback."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import orjson
import sqlalchemy as sa

from app.domain.conversation import Json
from app.domain.errors import LedgerError
from app.ledger.entries import Kind
from app.ledger.schema import ENTRIES, from_micros, to_micros


@dataclass(frozen=True, slots=True)
class ClosedFilter:
    """Which exchanges are wanted; ``None`` asks for all."""

    tenant: str | None
    """No default: a caller who may see one tenant's records must say so."""
    since: datetime | None = None
    """Opened at this time or later."""
    until: datetime | None = None
    """Opened before this time."""
    persona: str | None = None
    personas: frozenset[str] | None = None
    """Of one of these."""
    before: tuple[datetime, str] | None = None
    """Time and id of the last one of the page before."""
    limit: int = 100
    most_searched: int | None = None
    """How many of that time, the newest, are looked through for a persona; none is all."""


@dataclass(frozen=True, slots=True)
class Closed:
    """The two entries of an exchange, as they were chained."""

    at: datetime
    request_id: str
    opening: Json
    closing: Json


_O, _C = ENTRIES.alias("o"), ENTRIES.alias("c")
_PLACE = sa.tuple_(_O.c.at, _O.c.request_id)
_NEWEST = (_O.c.at.desc(), _O.c.request_id.desc())
_IS_OPENING = _O.c.kind == Kind.OPENING.value
_CLOSED = (
    sa.select(_O.c.at, _O.c.request_id, _O.c.body.label("opening"), _C.c.body.label("closing"))
    .join_from(_O, _C, (_C.c.request_id == _O.c.request_id) & (_C.c.kind == Kind.CLOSING.value))
    .where(_IS_OPENING)
    .order_by(*_NEWEST)
)


def _found_by_index(wanted: ClosedFilter) -> list[sa.ColumnElement[bool]]:
    """What of a filter an index answers."""
    conditions: list[sa.ColumnElement[bool]] = []
    if wanted.tenant is not None:
        conditions.append(_O.c.tenant == wanted.tenant)
    if wanted.since is not None:
        conditions.append(_O.c.at >= to_micros(wanted.since))
    if wanted.until is not None:
        conditions.append(_O.c.at < to_micros(wanted.until))
    if wanted.before is not None:
        at, request_id = wanted.before
        conditions.append(sa.tuple_(to_micros(at), request_id) > _PLACE)
    return conditions


def read_closed(connection: sa.Connection, wanted: ClosedFilter) -> Sequence[Closed]:
    """A page of exchanges that have ended, newest first; shorter than its limit at the end.

    Raises:
        LedgerError: An entry was changed.
    """
    found = _found_by_index(wanted)
    query = _CLOSED.where(*found).limit(wanted.limit)
    if wanted.persona is not None:
        query = query.where(_O.c.persona == wanted.persona)
    if wanted.personas is not None:
        query = query.where(_O.c.persona.in_(sorted(wanted.personas)))
    if wanted.most_searched is not None:
        newest = sa.select(_O.c.at, _O.c.request_id).where(_IS_OPENING, *found).order_by(*_NEWEST)
        last = connection.execute(newest.offset(wanted.most_searched - 1).limit(1)).one_or_none()
        if last is not None:
            query = query.where(sa.tuple_(*last) <= _PLACE)
    try:
        return [
            Closed(
                from_micros(row.at),
                row.request_id,
                orjson.loads(row.opening),
                orjson.loads(row.closing),
            )
            for row in connection.execute(query)
        ]
    except orjson.JSONDecodeError as exc:
        raise LedgerError("An entry of the ledger was changed: verify an export of it.") from exc
