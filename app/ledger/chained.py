"""Where the entries of one exchange stand in their chains, and whether they still fit there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import orjson
import sqlalchemy as sa

from app.ledger.entries import Kind, sha256
from app.ledger.schema import CHECKPOINTS, ENTRIES, from_micros
from app.ledger.verify import GENESIS


class Fit(StrEnum):
    """What looking at an entry and at its neighbours in the chain shows."""

    FITS = "fits"
    """Its bytes have the hash beside them, it names the entry before, and the one after names
    it."""
    NEWEST = "newest"
    """The same, and no entry follows yet."""
    CHANGED = "changed"
    """Its bytes, or those of its findings, do not have their hash, or findings are missing before
    their time is up."""
    TORN = "torn"
    """A neighbour is missing, or the two do not name each other."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where one entry stands."""

    kind: Kind
    writer: str
    seq: int
    hash: str
    fit: Fit
    findings_until: datetime | None
    """When what detectors saw goes; none where none looked."""
    are_findings_kept: bool
    checkpoint: int | None
    """The number of the entry of which the next checkpoint was taken; none where none was yet."""


@dataclass(frozen=True, slots=True)
class Chained:
    """What the chains say of one exchange."""

    places: Sequence[Place]
    is_erased: bool
    """Whether the person it was about was erased, or all that name nobody were."""
    deleted_at: datetime | None
    """When its kept text was destroyed because its client asked for that."""


_E = ENTRIES.c
_Row = sa.Row[*tuple[Any, ...]]
_BYTES = tuple(
    sa.cast(column, sa.LargeBinary).label(column.name) for column in (_E.hash, _E.body, _E.findings)
)


def read_chained(connection: sa.Connection, request_id: str, now: datetime) -> Chained:
    """What the chains say of an exchange. Looks at its entries and their neighbours alone."""
    rows = connection.execute(
        sa.select(_E.kind, _E.writer, _E.seq, _E.at, _E.owner, _E.findings_until, *_BYTES).where(
            _E.request_id == request_id
        )
    ).all()
    by_kind = {Kind(row.kind): row for row in rows}
    entries = [by_kind[kind] for kind in (Kind.OPENING, Kind.CLOSING) if kind in by_kind]
    opening, deletion = by_kind.get(Kind.OPENING), by_kind.get(Kind.DELETION)
    return Chained(
        tuple(_place(connection, row, now) for row in entries),
        opening is not None and opening.owner is None,
        None if deletion is None else from_micros(deletion.at),
    )


def head_of(connection: sa.Connection, writer: str) -> int:
    """The number of a writer's last entry; 0 where there is none."""
    return connection.scalar(sa.select(sa.func.max(_E.seq)).where(_E.writer == writer)) or 0


def _place(connection: sa.Connection, row: _Row, now: datetime) -> Place:
    until = _findings_until(_said(row.body))
    is_missing = row.findings is None and until is not None and now < until
    return Place(
        Kind(row.kind),
        row.writer,
        row.seq,
        row.hash.hex(),
        Fit.CHANGED if is_missing else _fit(connection, row),
        until,
        row.findings is not None,
        connection.scalar(
            sa.select(sa.func.min(CHECKPOINTS.c.seq)).where(
                CHECKPOINTS.c.writer == row.writer, CHECKPOINTS.c.seq >= row.seq
            )
        ),
    )


def _fit(connection: sa.Connection, row: _Row) -> Fit:
    said, own = _said(row.body), row.hash.hex()
    found = said.get("findings")
    digest = found.get("hash") if isinstance(found, dict) else None
    if sha256(row.body) != own or (row.findings is not None and sha256(row.findings) != digest):
        return Fit.CHANGED
    if (said.get("writer"), said.get("seq")) != (row.writer, row.seq):
        return Fit.TORN
    around = connection.execute(
        sa.select(_E.seq, *_BYTES).where(
            _E.writer == row.writer, _E.seq.in_([row.seq - 1, row.seq + 1])
        )
    )
    neighbours = {each.seq: each for each in around}
    before, after = neighbours.get(row.seq - 1), neighbours.get(row.seq + 1)
    previous = GENESIS if row.seq == 1 else before and before.hash.hex()
    if said.get("previous") != previous:
        return Fit.TORN
    if after is not None:
        return Fit.FITS if _said(after.body).get("previous") == own else Fit.TORN
    return Fit.NEWEST if head_of(connection, row.writer) == row.seq else Fit.TORN


def _findings_until(said: Mapping[str, Any]) -> datetime | None:
    found = said.get("findings")
    try:
        return datetime.fromisoformat(found["until"]) if isinstance(found, dict) else None
    except (KeyError, TypeError, ValueError):
        return None  # its hash does not fit either


def _said(body: bytes) -> dict[str, Any]:
    """What an entry says; nothing where its bytes are no JSON object any more."""
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return said if isinstance(said, dict) else {}
