"""How many exchanges there were, by persona: exact where few, from the newest where many."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from app.ledger.entries import Kind
from app.ledger.schema import ENTRIES, from_micros, to_micros

_E = ENTRIES.c
_IS_SHOWN = sa.func.instr(_E.body, b'"shadow_of":null') > 0
"""Nobody asked for a shadow."""


@dataclass(frozen=True, slots=True)
class Counted:
    """The exchanges of a tenant in some time, also open ones, without shadows."""

    by_persona: Mapping[str, int]
    is_exact: bool
    """Whether all of them were looked at; else the newest stand for the rest."""


def read_counts(
    connection: sa.Connection, tenant: str, since: datetime, until: datetime, *, most: int
) -> Counted:
    """Count what was opened from one time until before another.

    Args:
        connection: Reads.
        tenant: Whose.
        since: The first time.
        until: The time after the last.
        most: How many are looked at; all others are counted by an index alone, which does not
            know personas.
    """
    of_time = (
        _E.kind == Kind.OPENING.value,
        _E.tenant == tenant,
        _E.at >= to_micros(since),
        _E.at < to_micros(until),
    )
    every = connection.scalar(sa.select(sa.func.count()).select_from(ENTRIES).where(*of_time)) or 0
    newest = (
        sa.select(_E.persona, sa.case((_IS_SHOWN, 1), else_=0).label("is_shown"))
        .where(*of_time)
        .order_by(_E.at.desc(), _E.request_id.desc())
        .limit(most)
        .subquery()
    )
    shown = sa.func.sum(newest.c.is_shown)
    rows = connection.execute(sa.select(newest.c.persona, shown).group_by(newest.c.persona)).all()
    share = max(every / most, 1.0)
    return Counted({row[0]: round(row[1] * share) for row in rows if row[1]}, every <= most)


def read_newest(connection: sa.Connection, tenant: str) -> datetime | None:
    """When a tenant's newest exchange was opened; none where there never was one."""
    found = connection.scalar(
        sa.select(_E.at)
        .where(_E.kind == Kind.OPENING.value, _E.tenant == tenant)
        .order_by(_E.at.desc())
        .limit(1)
    )
    return None if found is None else from_micros(found)
