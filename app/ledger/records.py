"""Reading what the ledger holds. Every function here runs on a connection that only reads."""

import base64
import binascii
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
import sqlalchemy as sa

from app.domain.conversation import Json, Message
from app.domain.decision import Outcome
from app.domain.errors import LedgerError, RequestError
from app.domain.record import Status
from app.ledger.entries import Kind, checkpoint_body, checkpoint_line, line, sha256
from app.ledger.keyring import Keyring
from app.ledger.schema import (
    CHECKPOINTS,
    CONTENTS,
    ENTRIES,
    SUBJECT_KEYS,
    WRITERS,
    from_micros,
    to_micros,
)

_LINES_AT_ONCE = 500
_CHAINED = (ENTRIES.c.hash, ENTRIES.c.body, ENTRIES.c.findings)
START = ("", 0)
"""Before the first entry of an export."""
MOST_RECORDS = 1000
"""The longest page."""


@dataclass(frozen=True, slots=True)
class RecordFilter:
    """Which records are wanted; ``None`` asks for all."""

    tenant: str | None
    """No default: a caller who may see one tenant's records must say so."""
    persona: str | None = None
    outcome: Outcome | None = None
    status: Status | None = None
    since: datetime | None = None
    """Opened at this time or later."""
    until: datetime | None = None
    """Opened before this time."""
    session: str | None = None
    """As the client named it; needs a tenant."""
    subject: str | None = None
    """As the client named them; needs a tenant."""
    cursor: str | None = None
    """Where the page before this one ended."""
    limit: int = 50


@dataclass(frozen=True, slots=True)
class Record:
    """What is kept of one exchange."""

    request_id: str
    tenant: str
    persona: str
    outcome: Outcome
    """So far, while the exchange is open."""
    status: Status | None
    """``None`` while the exchange is open."""
    opened_at: datetime
    closed_at: datetime | None
    opening: Json
    """The opening entry as it was chained, with ``trace``: what detectors saw, or ``null`` where
    that has expired."""
    closing: Json
    """The same for the closing entry; ``None`` while the exchange is open."""


@dataclass(frozen=True, slots=True)
class RecordPage:
    """Some records, newest first."""

    records: tuple[Record, ...]
    cursor: str | None
    """For the next page; ``None`` on the last one."""


@dataclass(frozen=True, slots=True)
class KeptText:
    """A text that was kept, as the model saw it or gave it."""

    kind: Kind
    """Whether it came in (``opening``) or out (``closing``)."""
    path: str
    text: str


@dataclass(frozen=True, slots=True)
class KeptTurns:
    """The turns of an exchange that others may go on from, as the model saw and gave them."""

    owner: bytes
    """Where the key of whose data it is is found."""
    asked: tuple[Message, ...]
    answered: tuple[Message, ...]
    texts: Mapping[str, str]
    """What stands in the turns, by its path."""
    is_left_open: bool
    """Whether others may go on from them."""
    surrogates: Mapping[str, str]
    """Invented values that may stand in them, each with the kind of value it stands for."""


_Row = sa.Row[*tuple[Any, ...]]
_O, _C = ENTRIES.alias("o"), ENTRIES.alias("c")
_OUTCOME = sa.func.coalesce(_C.c.outcome, _O.c.outcome)
_RECORDS = (
    sa.select(
        _O.c.request_id,
        _O.c.tenant,
        _O.c.persona,
        _OUTCOME.label("outcome"),
        _C.c.status,
        _O.c.at.label("opened_at"),
        _C.c.at.label("closed_at"),
        _O.c.body.label("opening"),
        _O.c.findings.label("opening_findings"),
        _C.c.body.label("closing"),
        _C.c.findings.label("closing_findings"),
    )
    .select_from(
        _O.outerjoin(_C, (_C.c.request_id == _O.c.request_id) & (_C.c.kind == Kind.CLOSING.value))
    )
    .where(_O.c.kind == Kind.OPENING.value)
)


def read_page(connection: sa.Connection, keyring: Keyring, wanted: RecordFilter) -> RecordPage:
    """The newest records that are wanted, before the cursor.

    Raises:
        RequestError: The cursor is not one of ours, the limit is out of range, or a subject or
            session is asked for without its tenant.
    """
    if not 1 <= wanted.limit <= MOST_RECORDS:
        raise RequestError(f"limit must be from 1 to {MOST_RECORDS}.", param="limit")
    query = _RECORDS.where(*_conditions(keyring, wanted))
    if wanted.cursor is not None:
        query = query.where(sa.tuple_(_O.c.at, _O.c.request_id) < _place(wanted.cursor))
    query = query.order_by(_O.c.at.desc(), _O.c.request_id.desc()).limit(wanted.limit + 1)
    rows = connection.execute(query).all()
    page = rows[: wanted.limit]
    cursor = _cursor(page[-1]) if len(rows) > wanted.limit else None
    return RecordPage(tuple(_record(row) for row in page), cursor)


def read_record(connection: sa.Connection, request_id: str, tenant: str | None) -> Record | None:
    """One record; ``None`` where there is none, or it is another tenant's."""
    query = _RECORDS.where(_O.c.request_id == request_id)
    if tenant is not None:
        query = query.where(_O.c.tenant == tenant)
    row = connection.execute(query).one_or_none()
    return None if row is None else _record(row)


def read_content(
    connection: sa.Connection, keyring: Keyring, request_id: str
) -> tuple[KeptText, ...]:
    """The text that was kept of an exchange; nothing where none was, or it has gone.

    Raises:
        LedgerError: It was changed.
    """
    contents, keys = CONTENTS.c, SUBJECT_KEYS.c
    rows = connection.execute(
        sa.select(contents.kind, contents.owner, contents.sealed, keys.wrapped)
        .join_from(CONTENTS, SUBJECT_KEYS, contents.owner == keys.lookup)
        .where(contents.request_id == request_id)
        .order_by(contents.kind.desc())
    ).all()
    return tuple(
        KeptText(Kind(row.kind), path, text)
        for row in rows
        for path, text in keyring.unwrap(row.owner, row.wrapped)
        .unseal_content(row.sealed, request_id)
        .texts
    )


def read_turns(
    connection: sa.Connection, keyring: Keyring, request_id: str, now: datetime
) -> KeptTurns | None:
    """The turns that were kept of an exchange; none where one of them was not, or has gone.

    Raises:
        LedgerError: They were changed.
    """
    contents, keys = CONTENTS.c, SUBJECT_KEYS.c
    rows = connection.execute(
        sa.select(contents.kind, contents.owner, contents.sealed, keys.wrapped)
        .join_from(CONTENTS, SUBJECT_KEYS, contents.owner == keys.lookup)
        .where(contents.request_id == request_id, contents.expires_at > to_micros(now))
    ).all()
    sides = {
        Kind(row.kind): keyring.unwrap(row.owner, row.wrapped).unseal_content(
            row.sealed, request_id
        )
        for row in rows
    }
    asked, answered = sides.get(Kind.OPENING), sides.get(Kind.CLOSING)
    if asked is None or answered is None or not asked.turns or not answered.turns:
        return None
    return KeptTurns(
        rows[0].owner,
        asked.turns,
        answered.turns,
        dict((*asked.texts, *answered.texts)),
        asked.is_left_open,
        asked.surrogates,
    )


def read_heads(connection: sa.Connection, keyring: Keyring, at: datetime) -> list[bytes]:
    """A signed checkpoint line for each writer's head, to keep elsewhere."""
    entries = ENTRIES.c
    every = ENTRIES.alias().c
    last = (
        sa.select(sa.func.max(every.seq))
        .where(every.writer == WRITERS.c.writer)
        .correlate(WRITERS)
        .scalar_subquery()
    )
    heads = connection.execute(
        sa.select(entries.writer, entries.seq, entries.hash)
        .join_from(WRITERS, ENTRIES, (entries.writer == WRITERS.c.writer) & (entries.seq == last))
        .order_by(entries.writer)
    )
    bodies = [checkpoint_body(at, head.writer, head.seq, head.hash.hex()) for head in heads]
    return [checkpoint_line(body, keyring.sign(body)) for body in bodies]


def read_checkpoints(connection: sa.Connection) -> list[bytes]:
    """A line for each checkpoint that writers took as they went."""
    checkpoints = CHECKPOINTS.c
    rows = connection.execute(
        sa.select(checkpoints.body, checkpoints.signature).order_by(
            checkpoints.writer, checkpoints.seq
        )
    )
    return [checkpoint_line(row.body, row.signature) for row in rows]


def read_lines(
    connection: sa.Connection, after: tuple[str, int]
) -> tuple[list[bytes], tuple[str, int] | None]:
    """Some lines of an export: the entries after one, each followed by its findings.

    Returns:
        The lines, and the last entry's writer and number; ``None`` at the end.
    """
    entries = ENTRIES.c
    rows = connection.execute(
        sa.select(
            entries.writer,
            entries.seq,
            # Whoever changes an entry by hand may leave text there; that must show, not raise.
            *(sa.cast(column, sa.LargeBinary).label(column.name) for column in _CHAINED),
        )
        .where(sa.tuple_(entries.writer, entries.seq) > after)
        .order_by(entries.writer, entries.seq)
        .limit(_LINES_AT_ONCE)
    ).all()
    lines = []
    for row in rows:
        # The hash that was written then, not one of what is read now: a change must show.
        lines.append(line("entry", row.hash.hex(), row.body))
        if row.findings is not None:
            lines.append(line("findings", sha256(row.findings), row.findings))
    return lines, (rows[-1].writer, rows[-1].seq) if rows else None


def all_lines(connection: sa.Connection) -> Iterator[bytes]:
    """The whole export."""
    yield from read_checkpoints(connection)
    after: tuple[str, int] | None = START
    while after is not None:
        lines, after = read_lines(connection, after)
        yield from lines


def _conditions(keyring: Keyring, wanted: RecordFilter) -> list[sa.ColumnElement[bool]]:
    tenant = wanted.tenant
    equal: list[tuple[sa.ColumnElement[object], object]] = [
        (_O.c.tenant, tenant),
        (_O.c.persona, wanted.persona),
        (_OUTCOME, wanted.outcome),
        (_C.c.status, wanted.status),
    ]
    for column, kind, name in (
        (_O.c.owner, "subject", wanted.subject),
        (_O.c.session, "session", wanted.session),
    ):
        if name is not None:
            if tenant is None:
                raise RequestError(f"tenant: name one, to look for a {kind}", param="tenant")
            equal.append((column, keyring.lookup(tenant, kind, name)))
    conditions = [column == value for column, value in equal if value is not None]
    if wanted.since is not None:
        conditions.append(_O.c.at >= to_micros(wanted.since))
    if wanted.until is not None:
        conditions.append(_O.c.at < to_micros(wanted.until))
    return conditions


def _record(row: _Row) -> Record:
    return Record(
        row.request_id,
        row.tenant,
        row.persona,
        Outcome(row.outcome),
        None if row.status is None else Status(row.status),
        from_micros(row.opened_at),
        None if row.closed_at is None else from_micros(row.closed_at),
        _entry(row.opening, row.opening_findings),
        None if row.closing is None else _entry(row.closing, row.closing_findings),
    )


def _entry(body: bytes, findings: bytes | None) -> Json:
    try:
        entry = orjson.loads(body)
        if entry["findings"] is None:
            entry["trace"] = []
        else:
            entry["trace"] = None if findings is None else orjson.loads(findings)["trace"]
    except (orjson.JSONDecodeError, KeyError, TypeError) as exc:
        raise LedgerError("An entry of the ledger was changed: verify an export of it.") from exc
    return entry


def _cursor(row: _Row) -> str:
    return base64.urlsafe_b64encode(f"{row.opened_at} {row.request_id}".encode()).decode()


def _place(cursor: str) -> sa.Tuple:
    try:
        micros, _, request_id = base64.urlsafe_b64decode(cursor).decode().partition(" ")
        return sa.tuple_(int(micros), request_id)
    except (binascii.Error, ValueError) as exc:
        raise RequestError(
            "cursor: not one that this gateway gave; begin again without it.", param="cursor"
        ) from exc
