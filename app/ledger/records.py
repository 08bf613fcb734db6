"""Reading what the ledger holds. Every function here runs on a connection that only reads."""

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
import sqlalchemy as sa

from app.domain.conversation import Json, Message
from app.domain.decision import Outcome
from app.domain.errors import LedgerError, RequestError
from app.domain.record import Status
from app.ledger.entries import Kind
from app.ledger.keyring import Keyring
from app.ledger.schema import CONTENTS, ENTRIES, SUBJECT_KEYS, from_micros, to_micros

MOST_RECORDS = 1000
"""The longest page."""
MOST_SEARCHED = 20_000
"""How many records one page looks through for what no index finds: so a page that finds little
costs no more on a ledger of millions than on a small one."""


@dataclass(frozen=True, slots=True)
class RecordFilter:
    """Which records are wanted; ``None`` asks for all."""

    tenant: str | None
    """No default: a caller who may see one tenant's records must say so."""
    personas: frozenset[str] | None = None
    """Those that the caller may use."""
    request_id: str | None = None
    persona: str | None = None
    variant: str | None = None
    audience: str | None = None
    catalog: str | None = None
    """The digest of the catalog that served it."""
    outcome: Outcome | None = None
    status: Status | None = None
    rule: str | None = None
    """One that policy applied, also where it only observed."""
    shadow_of: str | None = None
    """The exchange that they are shadows of."""
    detector: str | None = None
    """One that found something, whatever policy did about it; findings expire."""
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
    """Fewer than asked for, also none, where more than ``MOST_SEARCHED`` had to be looked through;
    then there is a cursor all the same."""
    cursor: str | None
    """For the next page; ``None`` on the last one."""
    searched_to: datetime | None = None
    """The time of the last one that was looked at, where the search ended before the page was
    full."""


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
_PLACE = sa.tuple_(_O.c.at, _O.c.request_id)
_NEWEST = (_O.c.at.desc(), _O.c.request_id.desc())
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


def read_page(
    connection: sa.Connection,
    keyring: Keyring,
    wanted: RecordFilter,
    *,
    most: int = MOST_SEARCHED,
) -> RecordPage:
    """The newest records that are wanted, before the cursor.

    Args:
        connection: Reads.
        keyring: Finds subjects and sessions.
        wanted: Which records.
        most: How many are looked through for what no index finds.

    Raises:
        RequestError: The cursor is not one of ours, the limit is out of range, or a subject or
            session is asked for without its tenant.
    """
    if not 1 <= wanted.limit <= MOST_RECORDS:
        raise RequestError(f"limit must be from 1 to {MOST_RECORDS}.", param="limit")
    found = _found_by_index(keyring, wanted)
    sought = _sought(wanted)
    last = _last_searched(connection, found, most) if sought else None
    query = _RECORDS.where(*found, *sought)
    if last is not None:
        query = query.where(sa.tuple_(last.at, last.request_id) <= _PLACE)
    rows = connection.execute(query.order_by(*_NEWEST).limit(wanted.limit + 1)).all()
    page = tuple(_record(row) for row in rows[: wanted.limit])
    if len(rows) > wanted.limit:
        return RecordPage(page, _cursor(rows[wanted.limit - 1].opened_at, page[-1].request_id))
    if last is not None:
        return RecordPage(page, _cursor(last.at, last.request_id), from_micros(last.at))
    return RecordPage(page, None)


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


def _found_by_index(keyring: Keyring, wanted: RecordFilter) -> list[sa.ColumnElement[bool]]:
    """What of a filter an index answers."""
    tenant = wanted.tenant
    equal: list[tuple[sa.ColumnElement[object], object]] = [
        (_O.c.tenant, tenant),
        (_O.c.request_id, wanted.request_id),
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
    if wanted.cursor is not None:
        conditions.append(_place(wanted.cursor) > _PLACE)
    return conditions


def _sought(wanted: RecordFilter) -> list[sa.ColumnElement[bool]]:
    """What of a filter has to be looked for in one record after the other."""
    equal: list[tuple[sa.ColumnElement[object], object]] = [
        (_O.c.persona, wanted.persona),
        (_OUTCOME, wanted.outcome),
        (_C.c.status, wanted.status),
    ]
    conditions = [column == value for column, value in equal if value is not None]
    if wanted.personas is not None:
        conditions.append(_O.c.persona.in_(sorted(wanted.personas)))
    conditions += [
        _says(_O.c.body, **{key: value})
        for key, value in (
            ("variant", wanted.variant),
            ("audience", wanted.audience),
            ("catalog", wanted.catalog),
            ("shadow_of", wanted.shadow_of),
        )
        if value is not None
    ]
    if wanted.rule is not None:
        conditions.append(_says(_O.c.body, rule=wanted.rule) | _says(_C.c.body, rule=wanted.rule))
    if wanted.detector is not None:
        # A detector that ran is named in a trace too; only a finding's category follows its name.
        found = b'"detector":%b,"category":' % orjson.dumps(wanted.detector)
        conditions.append(_holds(_O.c.findings, found) | _holds(_C.c.findings, found))
    return conditions


def _says(body: sa.ColumnElement[bytes], **key_and_value: str) -> sa.ColumnElement[bool]:
    """Whether an entry says that a key has a value.

    Entries are canonical JSON in which each key that is looked for stands for one thing, and a text
    that quotes such a pair has its quotation marks escaped. So the bytes tell.
    """
    return _holds(body, orjson.dumps(key_and_value)[1:-1])


def _holds(column: sa.ColumnElement[bytes], part: bytes) -> sa.ColumnElement[bool]:
    return sa.func.coalesce(sa.func.instr(column, part), 0) > 0


def _last_searched(
    connection: sa.Connection, found: Sequence[sa.ColumnElement[bool]], most: int
) -> _Row | None:
    """The last record that a page looks at; none where it may look at all that an index finds."""
    return connection.execute(
        sa.select(_O.c.at, _O.c.request_id)
        .where(_O.c.kind == Kind.OPENING.value, *found)
        .order_by(*_NEWEST)
        .offset(most - 1)
        .limit(1)
    ).one_or_none()


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


def _cursor(opened_at: int, request_id: str) -> str:
    return base64.urlsafe_b64encode(f"{opened_at} {request_id}".encode()).decode()


def _place(cursor: str) -> sa.Tuple:
    try:
        micros, _, request_id = base64.urlsafe_b64decode(cursor).decode().partition(" ")
        return sa.tuple_(int(micros), request_id)
    except (binascii.Error, ValueError) as exc:
        raise RequestError(
            "cursor: not one that this gateway gave; begin again without it.", param="cursor"
        ) from exc
