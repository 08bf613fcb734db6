"""What goes: on a person's wish, and when its time is up. See decision 0071."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from app.ledger.entries import Deletion, Erasure
from app.ledger.keyring import Keyring
from app.ledger.schema import (
    APPEALS,
    CONTENTS,
    ENTRIES,
    FEEDBACK,
    PSEUDONYMS,
    SUBJECT_KEYS,
    to_micros,
)
from app.ledger.writer import Transaction

_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Erased:
    """What was destroyed."""

    exchanges: int
    """Exchanges that were about the subject. Their entries stay and tell nothing of whom."""
    contents: int
    pseudonyms: int
    is_scrubbed: bool = False
    """Whether the freed storage was overwritten at once. Where readers stood in the way, it is
    when the database next moves its log."""


NOTHING = Erased(0, 0, 0, is_scrubbed=True)


@dataclass(frozen=True, slots=True)
class Purged:
    """What had expired and is gone."""

    contents: int
    findings: int
    pseudonyms: int
    appeals: int
    feedback: int
    """How often something was said whose texts are gone."""


_NO_TEXTS: Mapping[str, None] = {"sealed": None, "expires_at": None}


def erase(
    keyring: Keyring, tenant: str, subject: str | None, at: datetime
) -> Callable[[Transaction], Erased]:
    """A task that destroys what is kept of a subject, or of all exchanges that name none."""
    lookup = keyring.owner_lookup(tenant, subject)
    entries = ENTRIES.c
    theirs = entries.owner == lookup

    def run(transaction: Transaction) -> Erased:
        connection = transaction.connection
        wrapped = connection.execute(
            sa.select(SUBJECT_KEYS.c.wrapped).where(SUBJECT_KEYS.c.lookup == lookup)
        ).scalar()
        if wrapped is None:
            return NOTHING
        reference = keyring.unwrap(lookup, wrapped).reference("subject", subject or "")
        found = connection.execute(sa.select(entries.session).where(theirs)).all()
        sessions = {row.session for row in found if row.session is not None}
        pseudonyms = sum(
            connection.execute(sa.delete(PSEUDONYMS).where(PSEUDONYMS.c.session.in_(some))).rowcount
            for some in _chunks(sorted(sessions))
        )
        contents = connection.execute(
            sa.delete(CONTENTS).where(CONTENTS.c.owner == lookup)
        ).rowcount
        connection.execute(sa.delete(APPEALS).where(APPEALS.c.owner == lookup))
        _forget_feedback(connection, lookup, sorted(sessions))
        connection.execute(sa.update(ENTRIES).where(theirs).values(owner=None, session=None))
        connection.execute(sa.delete(SUBJECT_KEYS).where(SUBJECT_KEYS.c.lookup == lookup))
        erasure = Erasure(at, tenant, reference, len(found))
        transaction.chain.append(transaction.cursor, [erasure])
        return Erased(len(found), contents, pseudonyms)

    return run


def _forget_feedback(connection: sa.Connection, owner: bytes, sessions: Sequence[bytes]) -> None:
    """Destroy the texts of a person and of their sessions, and the ways from feedback to them."""
    feedback = FEEDBACK.c
    gone = sa.update(FEEDBACK).values(wish=None, session=None, owner=None, **_NO_TEXTS)
    connection.execute(gone.where(feedback.owner == owner))
    for some in _chunks(sessions):
        connection.execute(gone.where(feedback.session.in_(some)))


def delete_content(deletion: Deletion) -> Callable[[Transaction], bool]:
    """A task that destroys what is kept of one exchange; false where nothing is."""
    theirs = CONTENTS.c.request_id == deletion.request_id

    def run(transaction: Transaction) -> bool:
        if not transaction.connection.execute(sa.delete(CONTENTS).where(theirs)).rowcount:
            return False
        said = sa.update(FEEDBACK).where(FEEDBACK.c.request_id == deletion.request_id)
        transaction.connection.execute(said.values(**_NO_TEXTS))
        transaction.chain.append(transaction.cursor, [deletion])
        return True

    return run


def purge_contents(at: datetime) -> Callable[[Transaction], int]:
    """A task that deletes some kept text whose time is up, and says how much; 0 when none is."""
    return _some(CONTENTS.c.expires_at, at, sa.delete(CONTENTS))


def purge_findings(at: datetime) -> Callable[[Transaction], int]:
    """The same for findings, whose entries stay."""
    gone = sa.update(ENTRIES).values(findings=None, findings_until=None)
    return _some(ENTRIES.c.findings_until, at, gone)


def purge_pseudonyms(at: datetime) -> Callable[[Transaction], int]:
    """The same for pseudonyms."""
    return _some(PSEUDONYMS.c.expires_at, at, sa.delete(PSEUDONYMS))


def purge_appeals(at: datetime) -> Callable[[Transaction], int]:
    """The same for appeals, whatever became of them."""
    return _some(APPEALS.c.expires_at, at, sa.delete(APPEALS))


def purge_feedback(at: datetime) -> Callable[[Transaction], int]:
    """The same for texts of feedback; what else was said stays, as entries do."""
    return _some(FEEDBACK.c.expires_at, at, sa.update(FEEDBACK).values(**_NO_TEXTS))


def _some(
    until: sa.Column[int], at: datetime, statement: sa.Delete | sa.Update
) -> Callable[[Transaction], int]:
    # A few at a time, so that exchanges which wait for their commit do not wait long.
    now = to_micros(at)
    bound = sa.select(until).where(until <= now).order_by(until).limit(1).offset(_AT_ONCE - 1)

    def run(transaction: Transaction) -> int:
        last = transaction.connection.execute(bound).scalar()
        up_to = now if last is None else last
        return transaction.connection.execute(statement.where(until <= up_to)).rowcount

    return run


def _chunks(values: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    for at in range(0, len(values), _AT_ONCE):
        yield values[at : at + _AT_ONCE]
