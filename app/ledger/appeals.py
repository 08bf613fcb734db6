"""Appeals: exchanges that somebody asks a person to look at again. See decision 0151."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

import sqlalchemy as sa

from app.ledger.entries import Kind
from app.ledger.keyring import Kept, Keyring
from app.ledger.schema import APPEALS, ENTRIES, SUBJECT_KEYS, from_micros, to_micros
from app.ledger.writer import Transaction


class AppealState(StrEnum):
    """What became of an appeal."""

    OPEN = "open"
    ACCEPTED = "accepted"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Appeal:
    """An appeal against what policy did in one exchange."""

    request_id: str
    tenant: str
    state: AppealState
    filed_at: datetime
    decided_at: datetime | None
    texts: tuple[tuple[str, str], ...]
    """Path and text, rewritten by the policy before they were kept."""


def file(
    keyring: Keyring,
    request_id: str,
    texts: Sequence[tuple[str, str]],
    at: datetime,
    days: int,
) -> Callable[[Transaction], AppealState | None]:
    """A task that keeps an appeal, once; gives its state, or ``None`` where nothing is kept.

    Nothing is kept where there is no such exchange, or its subject was erased.
    """
    entries, keys = ENTRIES.c, SUBJECT_KEYS.c
    whose = (
        sa.select(entries.tenant, keys.lookup, keys.wrapped)
        .join_from(ENTRIES, SUBJECT_KEYS, entries.owner == keys.lookup)
        .where(entries.request_id == request_id, entries.kind == Kind.OPENING.value)
    )
    known = sa.select(APPEALS.c.state).where(APPEALS.c.request_id == request_id)

    def run(transaction: Transaction) -> AppealState | None:
        connection = transaction.connection
        if (state := connection.execute(known).scalar()) is not None:
            return AppealState(state)
        row = connection.execute(whose).one_or_none()
        if row is None:
            return None
        owner = keyring.unwrap(row.lookup, row.wrapped)
        connection.execute(
            sa.insert(APPEALS).values(
                request_id=request_id,
                tenant=row.tenant,
                owner=row.lookup,
                state=AppealState.OPEN.value,
                filed_at=to_micros(at),
                decided_at=None,
                expires_at=to_micros(at + timedelta(days=days)),
                sealed=owner.seal_content(Kept(tuple(texts)), request_id),
            )
        )
        return AppealState.OPEN

    return run


def read(
    connection: sa.Connection,
    keyring: Keyring,
    *,
    state: AppealState | None = None,
    request_id: str | None = None,
) -> tuple[Appeal, ...]:
    """Appeals, oldest first: all, those in one state, or the one about an exchange.

    Raises:
        LedgerError: One was changed.
    """
    appeals, keys = APPEALS.c, SUBJECT_KEYS.c
    wanted = sa.select(APPEALS, keys.wrapped).join_from(
        APPEALS, SUBJECT_KEYS, appeals.owner == keys.lookup
    )
    if state is not None:
        wanted = wanted.where(appeals.state == state.value)
    if request_id is not None:
        wanted = wanted.where(appeals.request_id == request_id)
    return tuple(
        Appeal(
            row.request_id,
            row.tenant,
            AppealState(row.state),
            from_micros(row.filed_at),
            None if row.decided_at is None else from_micros(row.decided_at),
            keyring.unwrap(row.owner, row.wrapped).unseal_content(row.sealed, row.request_id).texts,
        )
        for row in connection.execute(wanted.order_by(appeals.filed_at, appeals.request_id))
    )


def decide(request_id: str, state: AppealState, at: datetime) -> Callable[[Transaction], bool]:
    """A task that ends an open appeal; false where there is none."""
    ended = (
        sa.update(APPEALS)
        .where(APPEALS.c.request_id == request_id, APPEALS.c.state == AppealState.OPEN.value)
        .values(state=state.value, decided_at=to_micros(at))
    )
    return lambda transaction: transaction.connection.execute(ended).rowcount == 1
