"""What is special about SQLite: how it fails, and what lies on disk."""

import asyncio
import os
import sqlite3
import stat
from pathlib import Path

import pytest
import sqlalchemy as sa

from app.domain.errors import LedgerError
from app.domain.protocols import Original, PseudonymScope
from app.domain.record import Status
from app.ledger.ledger import Ledger
from app.ledger.pseudonyms import Vault
from app.ledger.schema import CONTENTS, PSEUDONYMS, SUBJECT_KEYS
from app.ledger.sqlite import SqliteEngine
from app.ledger.verify import Intact
from tests.ledger.exchanges import StandingClock, closing, counting, opening


async def pragma(ledger: Ledger, statement: str) -> object:
    """Run a pragma on the connection that writes."""
    return await ledger.store.do(
        lambda transaction: transaction.connection.exec_driver_sql(f"PRAGMA {statement}").scalar()
    )


def is_for_others(path: Path) -> bool:
    """Whether anybody but the owner has a right to a file."""
    return bool(stat.S_IMODE(path.stat().st_mode) & 0o077)


async def test_commits_are_synced(ledger: Ledger) -> None:
    """A record can be lost when the machine loses power after it was acknowledged."""
    assert await pragma(ledger, "journal_mode") == "wal"
    assert await pragma(ledger, "synchronous") == 2
    assert await pragma(ledger, "secure_delete") == 1


async def test_a_full_storage_is_an_error_until_there_is_room(ledger: Ledger) -> None:
    """With a full disk the model is called without a record, or never again."""
    await ledger.open(opening("r1"))
    pages = await pragma(ledger, "page_count")
    await pragma(ledger, f"max_page_count = {pages}")
    with pytest.raises(LedgerError, match="storage is full"):
        await ledger.open(opening("big", consent="x" * 100_000))
    await pragma(ledger, "max_page_count = 1000000")
    await ledger.close(closing("r1"))
    await ledger.open(opening("big"))
    result = await ledger.verify()
    assert isinstance(result, Intact)
    assert result.entries == 3


async def test_a_locked_file_is_an_error_until_it_is_free(ledger: Ledger, tmp_path: Path) -> None:
    """While another process holds the file, entries seem to be kept or the writer dies."""
    other = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)
    await pragma(ledger, "busy_timeout = 1")
    other.execute("BEGIN IMMEDIATE")
    answers = await asyncio.gather(
        *(ledger.open(opening(f"r{number}")) for number in range(3)), return_exceptions=True
    )
    assert [type(answer) for answer in answers] == [LedgerError] * 3
    assert "locked" in str(answers[0])
    other.execute("ROLLBACK")
    other.close()
    await ledger.open(opening("r0"))


@pytest.mark.parametrize("at", [0, 30_000])
async def test_a_damaged_file_is_an_error(
    url: str, key_file: Path, clock: StandingClock, tmp_path: Path, at: int
) -> None:
    """A damaged ledger is served from, or ends the process with something nobody expects."""
    ledger = await Ledger.start(url, key_file, clock, counting("first"))
    for number in range(20):
        await ledger.open(opening(f"r{number}"))
    await ledger.stop()
    file = tmp_path / "ledger.db"
    whole = file.read_bytes()
    file.write_bytes(whole[:at] + os.urandom(len(whole) - at))
    with pytest.raises(LedgerError):
        await (await Ledger.start(url, key_file, clock, counting("second"))).verify()


async def test_a_failing_read_is_an_error(ledger: Ledger) -> None:
    """Records that cannot be read look like no records."""
    await ledger.store.do(
        lambda transaction: transaction.connection.exec_driver_sql("DROP TABLE entries").close()
    )
    with pytest.raises(LedgerError, match="could not be read"):
        await ledger.record("r1", tenant=None)


async def test_orphans_that_cannot_be_closed_stop_the_start(
    url: str, key_file: Path, clock: StandingClock, tmp_path: Path
) -> None:
    """The gateway serves while exchanges of a dead process stay open, or closes half of them."""
    first = await Ledger.start(url, key_file, clock, counting("first"))
    await first.open(opening("r1"))
    await first.open(opening("r2"))
    await first.stop()
    other = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)
    other.execute(
        "CREATE TRIGGER fail BEFORE INSERT ON entries WHEN new.request_id = 'r2'"
        " BEGIN SELECT RAISE(FAIL, 'no'); END"
    )
    with pytest.raises(LedgerError, match="could not be opened"):
        await Ledger.start(url, key_file, clock, counting("second"))
    assert other.execute("SELECT count(*) FROM entries").fetchone() == (2,)
    other.execute("DROP TRIGGER fail")
    other.close()
    third = await Ledger.start(url, key_file, clock, counting("third"))
    for request_id in ("r1", "r2"):
        record = await third.record(request_id, tenant=None)
        assert record is not None
        assert record.status is Status.CUT_OFF
    await third.stop()


async def test_what_is_on_disk_is_for_its_owner_alone(
    ledger: Ledger, tmp_path: Path, key_file: Path
) -> None:
    """Other users of the machine can read records or keys."""
    await ledger.open(opening("r1"))
    names = ["ledger.db", "ledger.db-wal", "ledger.db-shm", "ledger.db.run", key_file.name]
    assert [name for name in names if is_for_others(tmp_path / name)] == []


async def test_erased_bytes_are_gone_from_the_disk(ledger: Ledger, tmp_path: Path) -> None:
    """A destroyed key, kept text or a pseudonym's value can be dug out of the file."""
    await ledger.open(opening("r1", subject="ada", session="s1", keeps_content=True))
    scope = PseudonymScope("acme", "key-1", "s1")
    vault = Vault(ledger.store)
    await vault.save(scope, {"<EMAIL_1>": Original("EMAIL_ADDRESS", "ada@example.org")})
    secrets = await ledger.store.read(
        lambda db: [
            bytes(db.execute(sa.select(column)).scalar_one())
            for column in (SUBJECT_KEYS.c.wrapped, CONTENTS.c.sealed, PSEUDONYMS.c.sealed)
        ]
    )

    def on_disk() -> bytes:
        return b"".join(file.read_bytes() for file in tmp_path.glob("ledger.db*") if file.is_file())

    assert all(secret in on_disk() for secret in secrets)
    erased = await ledger.erase_subject("acme", "ada")
    assert (erased.contents, erased.pseudonyms, erased.is_scrubbed) == (1, 1, True)
    assert not any(secret in on_disk() for secret in secrets)
    assert await vault.load(scope) == {}


def test_a_writer_s_identity_is_held_by_one(tmp_path: Path) -> None:
    """Two processes write one chain, or an identity is lost with its process."""
    engine = SqliteEngine(sa.make_url(f"sqlite:///{tmp_path / 'ledger.db'}"))
    hold = engine.hold("writer-1")
    assert hold is not None
    assert engine.hold("writer-1") is None
    other = engine.hold("writer-2")
    assert other is not None
    hold.release()
    again = engine.hold("writer-1")
    assert again is not None
    again.release()
    other.release()
    engine.close()


async def test_a_stolen_identity_fails_closed(
    url: str, key_file: Path, clock: StandingClock, tmp_path: Path
) -> None:
    """With its lock file deleted, two processes fork one chain and nobody notices."""
    first = await Ledger.start(url, key_file, clock, counting("first"))
    await first.open(opening("r1"))
    (tmp_path / "ledger.db.run" / "first-000001.lock").unlink()
    thief = await Ledger.start(url, key_file, clock, counting("thief"))
    with pytest.raises(LedgerError, match="two"):
        await first.open(opening("r2"))
    await thief.open(opening("r3"))
    assert isinstance(await thief.verify(), Intact)
    await first.stop()
    await thief.stop()
