"""Moves of rollouts, and what they are decided by. See decision 0253."""

from dataclasses import dataclass
from datetime import datetime

import orjson
import sqlalchemy as sa

from app.domain.conversation import Json
from app.domain.errors import LedgerError
from app.domain.rollout import Arm, Evidence, Finding, Move, Moved
from app.ledger.entries import Kind
from app.ledger.schema import ENTRIES, IS_ROLLOUT, from_micros, to_micros


def read_moves(
    connection: sa.Connection, rollout: str | None = None, *, persona: str | None = None
) -> tuple[Moved, ...]:
    """The moves of one rollout, of a persona's or of all, in their order.

    Raises:
        LedgerError: One was changed.
    """
    entries = ENTRIES.c
    wanted = sa.select(entries.body).where(IS_ROLLOUT)
    if rollout is not None:
        # Their names are the rollout's with a point and a number; the slash comes after the point.
        wanted = wanted.where(
            entries.request_id > f"{rollout}.", entries.request_id < f"{rollout}/"
        )
    if persona is not None:
        wanted = wanted.where(entries.persona == persona)
    try:
        moves = [_moved(orjson.loads(row.body)) for row in connection.execute(wanted)]
    except (ValueError, KeyError, TypeError) as exc:
        what = "A move of a rollout was changed in the ledger: verify an export of it."
        raise LedgerError(what) from exc
    if rollout is not None:  # clocks of several replicas may disagree; numbers cannot
        return tuple(sorted(moves, key=lambda each: each.number))
    return tuple(sorted(moves, key=lambda each: (each.at, each.number)))


@dataclass(frozen=True, slots=True)
class Opened:
    """An exchange as it was chained; without a closing entry while it is open."""

    at: datetime
    request_id: str
    opening: Json
    closing: Json


_O, _C = ENTRIES.alias("o"), ENTRIES.alias("c")
_OPENED = (
    sa.select(_O.c.at, _O.c.request_id, _O.c.body.label("opening"), _C.c.body.label("closing"))
    .select_from(
        _O.outerjoin(_C, (_C.c.request_id == _O.c.request_id) & (_C.c.kind == Kind.CLOSING.value))
    )
    .where(_O.c.kind == Kind.OPENING.value)
    .order_by(_O.c.at, _O.c.request_id)
)


def read_opened(
    connection: sa.Connection,
    persona: str,
    *,
    after: tuple[datetime, str],
    until: datetime,
    limit: int,
) -> list[Opened]:
    """Exchanges of a persona in the order of their time, after one and before a time.

    Raises:
        LedgerError: One was changed.
    """
    at, request_id = after
    query = _OPENED.limit(limit).where(
        _O.c.persona == persona,
        sa.tuple_(_O.c.at, _O.c.request_id) > sa.tuple_(to_micros(at), request_id),
        _O.c.at < to_micros(until),
    )
    try:
        return [
            Opened(
                from_micros(row.at),
                row.request_id,
                orjson.loads(row.opening),
                None if row.closing is None else orjson.loads(row.closing),
            )
            for row in connection.execute(query)
        ]
    except orjson.JSONDecodeError as exc:
        raise LedgerError("An entry of the ledger was changed: verify an export of it.") from exc


def _moved(entry: Json) -> Moved:
    return Moved(
        at=datetime.fromisoformat(entry["at"]),
        rollout=entry["rollout"],
        number=entry["number"],
        persona=entry["persona"],
        variant=entry["variant"],
        move=Move(entry["move"]),
        step=entry["step"],
        percent=entry["percent"],
        by=entry["by"],
        why=entry["why"],
        catalog=entry["catalog"],
        evidence=tuple(_evidence(each) for each in entry["evidence"]),
    )


def _evidence(entry: Json) -> Evidence:
    low, high = entry["worse_by"]
    return Evidence(
        metric=entry["metric"],
        no_worse_by=entry["no_worse_by"],
        variant=Arm(**entry["variant"]),
        control=Arm(**entry["control"]),
        worse_by=(low, high),
        error_rate=entry["error_rate"],
        finding=Finding(entry["finding"]),
    )
