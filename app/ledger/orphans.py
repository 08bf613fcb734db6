"""Exchanges that a process left open when it died."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime

import sqlalchemy as sa

from app.domain.decision import Outcome
from app.domain.errors import LedgerError
from app.domain.record import Closing, Status
from app.ledger.chain import Chain
from app.ledger.engine import Engine
from app.ledger.entries import Exchange, Kind
from app.ledger.schema import CHECKPOINTS, ENTRIES


def close_orphans(
    engine: Engine,
    connection: sa.Connection,
    chain: Chain,
    gone: Sequence[str],
    at: datetime,
) -> None:
    """Close as ``cut_off`` what these writers left open. All of it, or nothing.

    Args:
        engine: Says how a transaction begins.
        connection: May write.
        chain: Where the closing entries go.
        gone: Writers that no live process is; the caller holds them all.
        at: The time now.
    """
    cursor = connection.connection.cursor()
    connection.exec_driver_sql(engine.begin)
    try:
        closings = [
            closing for writer in gone for closing in _orphans(connection, chain, writer, at)
        ]
        _raise_any(chain.append(cursor, closings))
    except BaseException:
        with suppress(*engine.errors):
            connection.exec_driver_sql("ROLLBACK")
        chain.rollback()
        raise
    connection.exec_driver_sql("COMMIT")
    chain.commit()


def _raise_any(refusals: Sequence[LedgerError | None]) -> None:
    for refusal in refusals:
        if refusal is not None:
            raise refusal


def _orphans(connection: sa.Connection, chain: Chain, writer: str, at: datetime) -> list[Closing]:
    """What a writer left open, adopted by the chain; each ends as severe as it had begun."""
    opening, closing = ENTRIES.alias(), ENTRIES.alias()
    checked = (
        sa.select(CHECKPOINTS.c.open_from)
        .where(CHECKPOINTS.c.writer == writer)
        .order_by(CHECKPOINTS.c.seq.desc())
        .limit(1)
    )
    open_from = connection.execute(checked).scalar() or 1
    found = connection.execute(
        sa.select(
            opening.c.request_id,
            opening.c.seq,
            opening.c.outcome,
        )
        .select_from(
            opening.outerjoin(
                closing,
                (closing.c.request_id == opening.c.request_id)
                & (closing.c.kind == Kind.CLOSING.value),
            )
        )
        .where(
            opening.c.writer == writer,
            opening.c.seq >= open_from,
            opening.c.kind == Kind.OPENING.value,
            closing.c.seq.is_(None),
        )
        .order_by(opening.c.seq)
    )
    orphans = []
    for row in found:
        chain.adopt(row.request_id, Exchange(None, row.seq))
        orphans.append(Closing(row.request_id, at, Status.CUT_OFF, outcome=Outcome(row.outcome)))
    return orphans
