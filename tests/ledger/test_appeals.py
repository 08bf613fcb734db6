"""Appeals in the ledger: kept once, sealed, and gone with the person they are about."""

import sqlite3
from contextlib import closing
from pathlib import Path

from app.ledger.appeals import AppealState
from app.ledger.ledger import Ledger
from tests.ledger.exchanges import StandingClock, opening

TEXTS = [("text", "a word of my own")]


async def test_an_appeal_is_kept_once_and_decided_once(ledger: Ledger) -> None:
    """A second appeal overwrites the first, or a decision is taken back."""
    await ledger.open(opening("r1", subject="ann"))
    assert await ledger.file_appeal("r1", TEXTS, days=30) is AppealState.OPEN
    assert await ledger.file_appeal("r1", [("text", "other")], days=30) is AppealState.OPEN
    found = await ledger.appeal("r1")
    assert found is not None
    assert (found.tenant, found.texts) == ("acme", tuple(TEXTS))
    assert await ledger.decide_appeal("r1", AppealState.ACCEPTED)
    assert not await ledger.decide_appeal("r1", AppealState.REJECTED)
    assert await ledger.appeals(AppealState.OPEN) == ()
    assert [each.state for each in await ledger.appeals()] == [AppealState.ACCEPTED]


async def test_there_is_no_appeal_about_nothing(ledger: Ledger) -> None:
    """Words are kept that belong to nobody, and that nobody can erase."""
    assert await ledger.file_appeal("r9", TEXTS, days=30) is None
    assert await ledger.appeal("r9") is None


async def test_erasing_a_person_takes_their_appeals(ledger: Ledger) -> None:
    """A person who was erased can be read on."""
    for number, subject in enumerate(("ann", "bob", None)):
        await ledger.open(opening(f"r{number}", subject=subject))
        await ledger.file_appeal(f"r{number}", TEXTS, days=30)
    await ledger.erase_subject("acme", "ann")
    assert [each.request_id for each in await ledger.appeals()] == ["r1", "r2"]
    assert await ledger.file_appeal("r0", TEXTS, days=30) is None


async def test_an_appeal_goes_when_its_time_is_up(ledger: Ledger, clock: StandingClock) -> None:
    """Text is kept for longer than the policy says."""
    await ledger.open(opening("r1"))
    await ledger.file_appeal("r1", TEXTS, days=3)
    clock.go(days=2)
    assert (await ledger.purge()).appeals == 0
    clock.go(days=2)
    assert (await ledger.purge()).appeals == 1
    assert await ledger.appeals() == ()


async def test_an_appeal_is_not_readable_in_the_database(ledger: Ledger, tmp_path: Path) -> None:
    """A copy of the database tells what people said."""
    await ledger.open(opening("r1", subject="ann"))
    await ledger.file_appeal("r1", TEXTS, days=3)
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as db:
        assert b"a word of my own" not in b"".join(
            line.encode("utf-8", "replace") for line in db.iterdump()
        )
