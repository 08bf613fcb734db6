"""Moves of rollouts, as they were chained. See decision 0253."""

from datetime import datetime

import orjson
import sqlalchemy as sa

from app.domain.conversation import Json
from app.domain.errors import LedgerError
from app.domain.rollout import Arm, Evidence, Finding, Move, Moved
from app.ledger.schema import ENTRIES, IS_ROLLOUT


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
