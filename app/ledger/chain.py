"""One writer's chain: entries become rows, each naming the hash of the one before it."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import assert_never

import sqlalchemy as sa

from app.domain.errors import LedgerError
from app.domain.record import Closing, Opening
from app.domain.rollout import Moved
from app.ledger.entries import (
    SALT_BYTES,
    Deletion,
    Erasure,
    Exchange,
    Exported,
    Findings,
    Kind,
    Link,
    Remark,
    checkpoint_body,
    closing_body,
    deletion_body,
    detach,
    erasure_body,
    export_body,
    feedback_body,
    moved_body,
    opening_body,
    sha256,
)
from app.ledger.keyring import Kept, Keyring, Owner
from app.ledger.schema import CHECKPOINTS, CONTENTS, ENTRIES, SUBJECT_KEYS, to_micros
from app.ledger.statements import Cursor, Insert, SelectBy
from app.ledger.verify import GENESIS, Head

Entry = Opening | Closing | Erasure | Deletion | Remark | Exported | Moved
_Owners = dict[bytes | None, Owner]
"""Owners by lookup. No owner has the lookup ``None``: it stands for needing none."""

CHECKPOINT_EVERY = 1000
"""After how many entries a writer notes its head."""


@dataclass(slots=True)
class _Batch:
    """What becomes of the chain when the transaction commits."""

    seq: int
    head: str
    opened: dict[str, Exchange] = field(default_factory=dict)
    closed: set[str] = field(default_factory=set)
    rows: list[tuple[object, ...]] = field(default_factory=list)
    contents: list[tuple[object, ...]] = field(default_factory=list)
    salts: bytes = b""
    """Random bytes for the batch: asking for each entry's alone would cost a thread switch."""
    is_checkpoint: bool = False

    def salt(self) -> bytes:
        """Random bytes that no other entry gets."""
        at = len(self.rows) * SALT_BYTES
        return self.salts[at : at + SALT_BYTES]


class Chain:
    """The head of a writer's chain and the exchanges that are open. For one thread."""

    def __init__(self, writer: str, keyring: Keyring, dialect: sa.Dialect) -> None:
        self.writer = writer
        self._keyring = keyring
        self._seq = 0
        self._head = GENESIS
        self._checkpoint = 0
        self._open: dict[str, Exchange] = {}
        self._batch: _Batch | None = None
        keys = SUBJECT_KEYS.c
        self._insert_entries = Insert(ENTRIES, dialect)
        self._insert_contents = Insert(CONTENTS, dialect)
        self._insert_keys = Insert(SUBJECT_KEYS, dialect)
        self._insert_checkpoint = Insert(CHECKPOINTS, dialect)
        self._select_keys = SelectBy(keys.lookup, [keys.lookup, keys.wrapped], dialect)

    def resume(self, head: Head, checkpoint: int) -> None:
        """Go on after an entry that is in the database; so is a checkpoint of that number."""
        self._seq, self._head, self._checkpoint = head.seq, head.hash, checkpoint

    def adopt(self, request_id: str, exchange: Exchange) -> None:
        """Take over an exchange that a writer which is gone left open."""
        self._open[request_id] = exchange

    def append(self, cursor: Cursor, entries: Sequence[Entry]) -> list[LedgerError | None]:
        """Write entries, in a transaction that has begun; ``commit`` or ``rollback`` must follow.

        Returns:
            For each entry, why it is refused; ``None`` where it is written.
        """
        batch = self._batch
        if batch is None:
            batch = self._batch = _Batch(self._seq, self._head)
        batch.rows, batch.contents = [], []
        batch.salts = os.urandom(SALT_BYTES * len(entries))
        lookups = self._lookups(entries, batch)
        owners = self._owners(cursor, lookups)
        answers = [
            self._take(entry, lookup, owners, batch)
            for entry, lookup in zip(entries, lookups, strict=True)
        ]
        self._insert_entries.run(cursor, batch.rows)
        self._insert_contents.run(cursor, batch.contents)
        if batch.seq - self._checkpoint >= CHECKPOINT_EVERY:
            self._write_checkpoint(cursor, entries[-1], batch)
        return answers

    @property
    def last(self) -> int:
        """The number of the entry that was appended last."""
        return self._seq if self._batch is None else self._batch.seq

    def commit(self) -> Head | None:
        """Make the appended entries part of the chain: the transaction did commit.

        Returns:
            The new head, where a checkpoint was taken of it.
        """
        batch, self._batch = self._batch, None
        if batch is None:
            return None
        self._seq, self._head = batch.seq, batch.head
        self._open.update(batch.opened)
        for request_id in batch.closed:
            del self._open[request_id]
        if not batch.is_checkpoint:
            return None
        self._checkpoint = batch.seq
        return Head(self.writer, batch.seq, batch.head)

    def rollback(self) -> None:
        """Forget the appended entries: the transaction did not commit."""
        self._batch = None

    def _take(
        self, entry: Entry, lookup: bytes | None, owners: _Owners, batch: _Batch
    ) -> LedgerError | None:
        link = Link(self.writer, batch.seq + 1, batch.head)
        try:
            match entry:
                case Opening():
                    self._take_opening(entry, link, owners[lookup], batch)
                case Closing():
                    self._take_closing(entry, link, owners.get(lookup), batch)
                case Erasure():
                    body = erasure_body(entry, link)
                    row = (Kind.ERASURE.value, None, to_micros(entry.at), *(None,) * 6)
                    self._add(batch, link, row, body, None)
                case Deletion():
                    body = deletion_body(entry, link)
                    about = (Kind.DELETION.value, entry.request_id, to_micros(entry.at))
                    self._add(batch, link, (*about, *(None,) * 6), body, None)
                case Moved():
                    self._take_moved(entry, link, batch)
                case Remark():
                    body = feedback_body(entry, link)
                    row = (Kind.FEEDBACK.value, None, to_micros(entry.at), *(None,) * 6)
                    self._add(batch, link, row, body, None)
                case Exported():
                    body = export_body(entry, link)
                    row = (Kind.EXPORT.value, None, to_micros(entry.at), *(None,) * 6)
                    self._add(batch, link, row, body, None)
                case _:
                    assert_never(entry)
        except LedgerError as refusal:
            return refusal
        except (TypeError, ValueError) as exc:
            # For example text that is no Unicode, or a time without a zone.
            return LedgerError(f"The entry cannot be written as JSON ({type(exc).__name__}).")
        return None

    def _take_opening(self, opening: Opening, link: Link, owner: Owner, batch: _Batch) -> None:
        request_id, session = opening.request_id, opening.session
        if request_id in self._open or request_id in batch.opened:
            raise LedgerError(
                f"Exchange {request_id} is open already: each leaves exactly one record."
            )
        findings = detach(opening.trace, opening.at, opening.findings_days, batch.salt())
        body = opening_body(opening, link, owner, findings)
        exchange = Exchange(
            owner.lookup,
            link.seq,
            opening.keeps_content,
            opening.content_days,
            opening.findings_days,
        )
        kept = _kept(Kind.OPENING, opening, exchange, owner)
        row = (
            Kind.OPENING.value,
            request_id,
            to_micros(opening.at),
            opening.tenant,
            opening.persona,
            opening.outcome.value,
            None,
            owner.lookup,
            None if session is None else self._keyring.lookup(opening.tenant, "session", session),
        )
        self._add(batch, link, row, body, findings)
        batch.contents += kept
        batch.opened[request_id] = exchange

    def _take_closing(
        self, closing: Closing, link: Link, owner: Owner | None, batch: _Batch
    ) -> None:
        request_id = closing.request_id
        exchange = self._exchange(request_id, batch)
        if exchange is None or request_id in batch.closed:
            raise LedgerError(
                f"Exchange {request_id} is not open: it was closed before, or its opening entry"
                " was never kept."
            )
        findings = detach(closing.trace, closing.at, exchange.findings_days, batch.salt())
        body = closing_body(closing, link, owner, findings)
        kept = _kept(Kind.CLOSING, closing, exchange, owner)
        row = (
            Kind.CLOSING.value,
            request_id,
            to_micros(closing.at),
            None,
            None,
            closing.outcome.value,
            closing.status.value,
            None,
            None,
        )
        self._add(batch, link, row, body, findings)
        batch.contents += kept
        batch.closed.add(request_id)

    def _take_moved(self, moved: Moved, link: Link, batch: _Batch) -> None:
        # No two entries of a kind have the same name: of two who would make the same move at once,
        # one does.
        name = f"{moved.rollout}.{moved.number}"
        about = (Kind.ROLLOUT.value, name, to_micros(moved.at), None, moved.persona)
        self._add(batch, link, (*about, *(None,) * 4), moved_body(moved, link), None)

    def _add(
        self,
        batch: _Batch,
        link: Link,
        row: tuple[object, ...],
        body: bytes,
        findings: Findings | None,
    ) -> None:
        digest = sha256(body)
        found: tuple[object, object] = (None, None)
        if findings is not None:
            found = (findings.body, to_micros(findings.until))
        batch.rows.append((link.writer, link.seq, *row, bytes.fromhex(digest), body, *found))
        batch.seq, batch.head = link.seq, digest

    def _exchange(self, request_id: str, batch: _Batch) -> Exchange | None:
        return batch.opened.get(request_id) or self._open.get(request_id)

    def _lookups(self, entries: Sequence[Entry], batch: _Batch) -> list[bytes | None]:
        """For each entry, where the key of its owner is found; none where it needs no key."""
        lookups: list[bytes | None] = []
        opened: dict[str, bytes | None] = {}
        for entry in entries:
            lookup = None
            if isinstance(entry, Opening):
                lookup = self._keyring.owner_lookup(entry.tenant, entry.subject)
                opened[entry.request_id] = lookup
            elif isinstance(entry, Closing) and (entry.content or entry.turns):
                exchange = self._exchange(entry.request_id, batch)
                lookup = exchange.owner if exchange else opened.get(entry.request_id)
            lookups.append(lookup)
        return lookups

    def _owners(self, cursor: Cursor, lookups: list[bytes | None]) -> _Owners:
        """The owners' keys, made where there are none."""
        # Nothing is remembered between batches: another process may have destroyed the key.
        wanted = list({lookup for lookup in lookups if lookup is not None})
        owners: _Owners = {
            lookup: self._keyring.unwrap(lookup, wrapped)
            for lookup, wrapped in self._select_keys.run(cursor, wanted)
        }
        fresh = []
        for lookup in wanted:
            if lookup not in owners:
                owners[lookup], sealed = self._keyring.new_owner(lookup)
                fresh.append((lookup, sealed))
        self._insert_keys.run(cursor, fresh)
        return owners

    def _write_checkpoint(self, cursor: Cursor, last: Entry, batch: _Batch) -> None:
        body = checkpoint_body(last.at, self.writer, batch.seq, batch.head)
        still_open = {**self._open, **batch.opened}
        open_from = min(
            (still_open[id_].seq for id_ in still_open.keys() - batch.closed),
            default=batch.seq + 1,
        )
        row = (self.writer, batch.seq, body, self._keyring.sign(body), open_from)
        self._insert_checkpoint.run(cursor, [row])
        batch.is_checkpoint = True


def _kept(
    kind: Kind, entry: Opening | Closing, exchange: Exchange, owner: Owner | None
) -> list[tuple[object, ...]]:
    if not exchange.keeps_content or not (entry.content or entry.turns) or owner is None:
        return []
    kept = Kept(entry.content, entry.turns)
    if isinstance(entry, Opening):
        kept = replace(kept, is_left_open=entry.is_left_open, surrogates=entry.surrogates)
    sealed = owner.seal_content(kept, entry.request_id)
    until = entry.at + timedelta(days=exchange.content_days)
    return [(entry.request_id, kind.value, owner.lookup, sealed, to_micros(until))]
