"""The ledger: where records live."""

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path

from app.domain.clock import Clock, NewId
from app.domain.errors import LedgerError
from app.domain.feedback import Feedback
from app.domain.record import Closing, Opening
from app.domain.rollout import Moved
from app.ledger import appeals, feedback
from app.ledger.appeals import Appeal, AppealState
from app.ledger.chained import Chained, read_chained
from app.ledger.closed import Closed, ClosedFilter, read_closed
from app.ledger.counted import Counted, read_counts, read_newest
from app.ledger.entries import Deletion, Exported
from app.ledger.erase import (
    Erased,
    Purged,
    delete_content,
    erase,
    purge_appeals,
    purge_contents,
    purge_feedback,
    purge_findings,
    purge_pseudonyms,
)
from app.ledger.export import START, all_lines, read_checkpoints, read_heads, read_lines
from app.ledger.feedback import FeedbackFilter, Giving
from app.ledger.records import (
    KeptText,
    KeptTurns,
    Record,
    RecordFilter,
    RecordPage,
    read_content,
    read_page,
    read_record,
    read_turns,
)
from app.ledger.rollouts import Opened, read_moves, read_opened
from app.ledger.sources import SourcePage, read_sources, read_tenants
from app.ledger.store import Store
from app.ledger.verify import Broken, Intact, IsSigned, verify
from app.ledger.writer import Transaction


class Ledger:
    """Records of exchanges, chained and durable. Made by ``start``, given back by ``stop``.

    Every call raises ``LedgerError`` where the database fails.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        """For the vault and the key store, which live in the same database."""

    @classmethod
    async def start(cls, url: str, key_file: Path, clock: Clock, new_id: NewId) -> "Ledger":
        """Open the ledger; what processes left open that are gone is closed as ``cut_off``.

        Args:
            url: Such as ``sqlite:///var/ledger.db``.
            key_file: Where the master key is; made where the ledger is new and there is none.
            clock: What time it is.
            new_id: Gives the id of a new writer.

        Raises:
            LedgerError: With what to do.
        """
        return cls(await Store.start(url, key_file, clock, new_id))

    async def stop(self) -> None:
        """Write what was asked for, and close."""
        await self.store.stop()

    async def open(self, opening: Opening) -> None:
        """Commit the opening entry.

        A caller that is cancelled while it waits does not know whether the entry is durable; it
        closes the exchange all the same, which works either way round.

        Raises:
            LedgerError: The entry is not durable; the model must not be called.
        """
        await self.store.keep(opening)

    async def close(self, closing: Closing) -> None:
        """Commit the closing entry.

        Raises:
            LedgerError: The entry is not durable; the terminal event must not leave.
        """
        await self.store.keep(closing)

    async def record(self, request_id: str, *, tenant: str | None) -> Record | None:
        """One record; ``None`` where there is none, or it is not this tenant's.

        Args:
            request_id: The exchange's.
            tenant: Whose it must be; ``None`` for anybody's.
        """
        return await self.store.read(lambda db: read_record(db, request_id, tenant))

    async def records(self, wanted: RecordFilter) -> RecordPage:
        """A page of records, newest first.

        Raises:
            RequestError: What is wanted makes no sense.
        """
        return await self.store.read(lambda db: read_page(db, self.store.keyring, wanted))

    async def content(self, request_id: str) -> tuple[KeptText, ...]:
        """The text that was kept of an exchange; nothing where none was, or it has gone."""
        return await self.store.read(lambda db: read_content(db, self.store.keyring, request_id))

    async def chained(self, request_id: str) -> Chained:
        """Where the entries of an exchange stand in their chains, and whether they fit there."""
        now = self.store.clock.now()
        return await self.store.read(lambda db: read_chained(db, request_id, now))

    async def sources(self, wanted: RecordFilter) -> SourcePage:
        """A page of records with their kept turns and feedback, newest first.

        Raises:
            RequestError: What is wanted makes no sense.
        """
        now, keyring = self.store.clock.now(), self.store.keyring
        return await self.store.read(lambda db: read_sources(db, keyring, wanted, now))

    async def tenants(self) -> tuple[str, ...]:
        """Whose exchanges there are."""
        return await self.store.read(read_tenants)

    async def note_export(self, exported: Exported) -> None:
        """Keep in the chain that a data set was made, durably."""

        def note(transaction: Transaction) -> None:
            for refusal in transaction.chain.append(transaction.cursor, [exported]):
                if refusal is not None:
                    raise refusal

        await self.store.do(note)

    async def turns(self, request_id: str) -> KeptTurns | None:
        """The turns that were kept of an exchange; none where they were not, or have gone."""
        now, keyring = self.store.clock.now(), self.store.keyring
        return await self.store.read(lambda db: read_turns(db, keyring, request_id, now))

    def are_of(self, turns: KeptTurns, tenant: str, subject: str | None) -> bool:
        """Whether turns are of this subject, or of none where that is ``None``."""
        return turns.owner == self.store.keyring.owner_lookup(tenant, subject)

    async def file_appeal(
        self, request_id: str, texts: Sequence[tuple[str, str]], *, days: int
    ) -> AppealState | None:
        """Keep an appeal against what policy did in an exchange, with rewritten texts.

        A second one about the same exchange changes nothing. Gives its state; ``None`` where
        there is no such exchange or its subject was erased.
        """
        store = self.store
        now = store.clock.now()
        return await store.do(appeals.file(store.keyring, request_id, texts, now, days))

    async def appeals(self, state: AppealState | None = None) -> tuple[Appeal, ...]:
        """All appeals, or those in one state, oldest first."""
        return await self.store.read(lambda db: appeals.read(db, self.store.keyring, state=state))

    async def appeal(self, request_id: str) -> Appeal | None:
        """The appeal about an exchange."""
        found = await self.store.read(
            lambda db: appeals.read(db, self.store.keyring, request_id=request_id)
        )
        return found[0] if found else None

    async def decide_appeal(self, request_id: str, state: AppealState) -> bool:
        """End an open appeal; false where there is none."""
        return await self.store.do(appeals.decide(request_id, state, self.store.clock.now()))

    async def moves(
        self, rollout: str | None = None, *, persona: str | None = None
    ) -> tuple[Moved, ...]:
        """The moves of one rollout, of a persona's or of all, in their order."""
        return await self.store.read(lambda db: read_moves(db, rollout, persona=persona))

    async def opened(
        self, persona: str, *, after: tuple[datetime, str], until: datetime, limit: int
    ) -> list[Opened]:
        """Exchanges of a persona in the order of their time, after one and before a time."""
        return await self.store.read(
            lambda db: read_opened(db, persona, after=after, until=until, limit=limit)
        )

    async def move(self, moved: Moved) -> bool:
        """Commit a move of a rollout; false where another process has made one of its number."""
        try:
            await self.store.keep(moved)
        except LedgerError:
            made = await self.moves(moved.rollout)
            if all(each.number != moved.number for each in made):
                raise
            return False
        return True

    async def give_feedback(self, giving: Giving) -> Feedback | None:
        """Keep something that was said; the same again gives what is kept.

        Gives ``None`` where there is no such exchange of that tenant, or its subject was erased.

        Raises:
            RequestError: The client's id of it stands for something else already (``conflict``).
        """
        return await self.store.do(feedback.keep(self.store.keyring, giving))

    async def feedback_about(self, request_id: str) -> tuple[Feedback, ...]:
        """All that was said of an exchange, its session and its subject, oldest first."""
        keyring = self.store.keyring
        return await self.store.read(lambda db: feedback.read_about(db, keyring, request_id))

    async def feedback(self, wanted: FeedbackFilter) -> tuple[Feedback, ...]:
        """A page of feedback, oldest first; shorter than its limit at the end."""
        keyring = self.store.keyring
        return await self.store.read(lambda db: feedback.read_page(db, keyring, wanted))

    async def closed(self, wanted: ClosedFilter) -> Sequence[Closed]:
        """A page of exchanges that have ended, newest first; shorter than its limit at the end."""
        return await self.store.read(lambda db: read_closed(db, wanted))

    async def counts(self, tenant: str, since: datetime, until: datetime, *, most: int) -> Counted:
        """How many exchanges of a tenant there were in a time, by persona."""
        return await self.store.read(lambda db: read_counts(db, tenant, since, until, most=most))

    async def newest(self, tenant: str) -> datetime | None:
        """When a tenant's newest exchange was opened; none where there never was one."""
        return await self.store.read(lambda db: read_newest(db, tenant))

    async def export(self) -> AsyncIterator[bytes]:
        """The whole ledger as lines that ``verify`` takes, without line ends."""
        for line in await self.store.read(read_checkpoints):
            yield line
        after: tuple[str, int] | None = START
        while after is not None:
            lines, after = await self.store.read(partial(read_lines, after=after))
            for line in lines:
                yield line

    async def checkpoint(self) -> list[bytes]:
        """A signed line for the head of each chain. Kept elsewhere, it shows truncation later."""
        now, keyring = self.store.clock.now(), self.store.keyring
        return await self.store.read(lambda db: read_heads(db, keyring, now))

    @property
    def public_key(self) -> bytes:
        """What the signatures of checkpoints are checked with, as PEM."""
        return self.store.keyring.public_key

    async def verify(
        self, checkpoints: Iterable[bytes] = (), *, is_signed: IsSigned | None = None
    ) -> Intact | Broken:
        """Check all chains, against checkpoints that were kept elsewhere too.

        Args:
            checkpoints: Their lines.
            is_signed: Checks the signature of every checkpoint; none looks at no signature.
        """
        now = self.store.clock.now()
        return await self.store.read(
            lambda db: verify(all_lines(db), at=now, checkpoints=checkpoints, is_signed=is_signed)
        )

    async def erase_subject(self, tenant: str, subject: str) -> Erased:
        """Destroy the keys, kept text and pseudonyms of a person. The chains stay valid."""
        return await self._erase(tenant, subject)

    async def erase_unnamed(self, tenant: str) -> Erased:
        """The same for all exchanges of a tenant that name no subject."""
        return await self._erase(tenant, None)

    async def delete_content(self, request_id: str, tenant: str, key_id: str) -> bool:
        """Destroy the kept text of one exchange, on its client's wish. The record stays.

        Args:
            request_id: The exchange's.
            tenant: Whose it is.
            key_id: Of the key that asks for it.

        Returns:
            Whether anything was kept.
        """
        store = self.store
        deletion = Deletion(store.clock.now(), tenant, key_id, request_id)
        was_kept = await store.do(delete_content(deletion))
        if was_kept:
            await store.scrub()
        return was_kept

    async def purge(self) -> Purged:
        """Delete the text, findings, pseudonyms, appeals and texts of feedback whose time is up."""
        now = self.store.clock.now()
        return Purged(
            contents=await self._purge(purge_contents(now)),
            findings=await self._purge(purge_findings(now)),
            pseudonyms=await self._purge(purge_pseudonyms(now)),
            appeals=await self._purge(purge_appeals(now)),
            feedback=await self._purge(purge_feedback(now)),
        )

    async def _erase(self, tenant: str, subject: str | None) -> Erased:
        store = self.store
        erased = await store.do(erase(store.keyring, tenant, subject, store.clock.now()))
        is_scrubbed = await store.scrub()
        return replace(erased, is_scrubbed=is_scrubbed)

    async def _purge(self, some: Callable[[Transaction], int]) -> int:
        total = 0
        while count := await self.store.do(some):
            total += count
        return total
