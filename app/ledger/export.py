"""The ledger as lines that ``verify`` takes."""

from collections.abc import Iterator
from datetime import datetime

import sqlalchemy as sa

from app.ledger.entries import checkpoint_body, checkpoint_line, line, sha256
from app.ledger.keyring import Keyring
from app.ledger.schema import CHECKPOINTS, ENTRIES, WRITERS

_LINES_AT_ONCE = 500
_CHAINED = (ENTRIES.c.hash, ENTRIES.c.body, ENTRIES.c.findings)
START = ("", 0)
"""Before the first entry of an export."""


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


def read_checkpoints(connection: sa.Connection, writer: str | None = None) -> list[bytes]:
    """A line for each checkpoint that writers, or one of them, took as they went."""
    checkpoints = CHECKPOINTS.c
    query = sa.select(checkpoints.body, checkpoints.signature)
    if writer is not None:
        query = query.where(checkpoints.writer == writer)
    rows = connection.execute(query.order_by(checkpoints.writer, checkpoints.seq))
    return [checkpoint_line(row.body, row.signature) for row in rows]


def read_lines(
    connection: sa.Connection, after: tuple[str, int], upto: tuple[str, int] | None = None
) -> tuple[list[bytes], tuple[str, int] | None]:
    """Some lines of an export: the entries after one, each followed by its findings.

    Args:
        connection: Reads.
        after: Writer and number of that entry.
        upto: The same of the last one that is wanted; none goes on to the last there is.

    Returns:
        The lines, and the last entry's writer and number; ``None`` at the end.
    """
    entries = ENTRIES.c
    place = sa.tuple_(entries.writer, entries.seq)
    query = sa.select(
        entries.writer,
        entries.seq,
        # Whoever changes an entry by hand may leave text there; that must show, not raise.
        *(sa.cast(column, sa.LargeBinary).label(column.name) for column in _CHAINED),
    ).where(place > after)
    if upto is not None:
        query = query.where(place <= upto)
    query = query.order_by(entries.writer, entries.seq).limit(_LINES_AT_ONCE)
    rows = connection.execute(query).all()
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
