"""Records with all that a data set may be made of: kept turns, and what was said of them."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from app.domain.feedback import Feedback
from app.ledger.entries import Kind
from app.ledger.feedback import read_about
from app.ledger.keyring import Keyring
from app.ledger.records import KeptTurns, Record, RecordFilter, read_page, read_turns
from app.ledger.schema import ENTRIES


@dataclass(frozen=True, slots=True)
class Source:
    """One exchange, with what is kept of it now."""

    record: Record
    subject: bytes | None
    """The same for all exchanges about one person; none where nobody is named, or was erased."""
    session: bytes | None
    """The same for all exchanges of a session; none where there is none, or it was erased."""
    turns: KeptTurns | None
    """None where no text was kept, or it has expired, was deleted or erased."""
    feedback: tuple[Feedback, ...]
    """All that was said of it, its session and its subject, oldest first."""


@dataclass(frozen=True, slots=True)
class SourcePage:
    """Some sources, newest first."""

    sources: tuple[Source, ...]
    cursor: str | None
    """For the next page; ``None`` on the last one."""


def read_sources(
    connection: sa.Connection, keyring: Keyring, wanted: RecordFilter, now: datetime
) -> SourcePage:
    """The newest exchanges that are wanted, before the cursor."""
    page = read_page(connection, keyring, wanted)
    entries = ENTRIES.c
    rows = connection.execute(
        sa.select(entries.request_id, entries.owner, entries.session).where(
            entries.request_id.in_([record.request_id for record in page.records]),
            entries.kind == Kind.OPENING.value,
        )
    )
    places = {row.request_id: row for row in rows}
    return SourcePage(
        tuple(
            Source(
                record,
                # Whoever names nobody shares one owner with all others who do not.
                places[record.request_id].owner if record.opening["subject"] else None,
                places[record.request_id].session,
                read_turns(connection, keyring, record.request_id, now),
                read_about(connection, keyring, record.request_id),
            )
            for record in page.records
        ),
        page.cursor,
    )


def read_tenants(connection: sa.Connection) -> tuple[str, ...]:
    """Whose exchanges there are."""
    tenants = sa.select(ENTRIES.c.tenant).where(ENTRIES.c.kind == Kind.OPENING.value).distinct()
    return tuple(sorted(connection.scalars(tenants)))
