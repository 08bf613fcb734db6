"""One record's place in its chain, and a whole chain, step by step.

What nobody looked at is not said to be intact.
"""

import pytest
import sqlalchemy as sa
from typing_extensions import override

from app.ledger.chained import Fit
from app.ledger.checking import Checks
from app.ledger.ledger import Ledger
from app.ledger.schema import ENTRIES
from app.ledger.verify import Broken, Damage, Intact
from tests.ledger.exchanges import TRACE, StandingClock, closing, opening

_E = ENTRIES.c


async def three(ledger: Ledger) -> None:
    """Three exchanges: entries 1 to 6."""
    for number in (1, 2, 3):
        await ledger.open(opening(f"r{number}", subject=f"person-{number}"))
        await ledger.close(closing(f"r{number}", trace=TRACE))


async def fits(ledger: Ledger, request_id: str) -> list[Fit]:
    """How its opening and its closing stand."""
    return [place.fit for place in (await ledger.chained(request_id)).places]


async def test_a_record_stands_in_its_chain(ledger: Ledger, clock: StandingClock) -> None:
    """An exchange nobody touched would be called torn, or its end could not be told."""
    await three(ledger)
    assert await fits(ledger, "r1") == [Fit.FITS, Fit.FITS]
    assert await fits(ledger, "r3") == [Fit.FITS, Fit.NEWEST]
    assert await fits(ledger, "none") == []
    chained = await ledger.chained("r2")
    assert [(place.seq, place.kind) for place in chained.places] == [(3, "opening"), (4, "closing")]
    assert not chained.is_erased
    clock.go(days=500)
    await ledger.purge()
    places = (await ledger.chained("r2")).places
    assert [place.fit for place in places] == [Fit.FITS, Fit.FITS]
    assert [place.are_findings_kept for place in places] == [False, False]


async def test_erasure_and_deletion_are_told(ledger: Ledger) -> None:
    """Text that is gone on somebody's wish would look as if it had never been kept."""
    await ledger.open(opening("r1", subject="ann", keeps_content=True))
    await ledger.close(closing("r1"))
    assert await ledger.delete_content("r1", "acme", "key-1")
    assert (await ledger.chained("r1")).deleted_at is not None
    await ledger.erase_subject("acme", "ann")
    chained = await ledger.chained("r1")
    assert chained.is_erased
    assert [place.fit for place in chained.places] == [Fit.FITS, Fit.FITS]


@pytest.mark.parametrize(
    ("damage", "seen", "named"),
    [
        (
            sa.update(ENTRIES).where(_E.seq == 3).values(body=b"{}"),
            [Fit.CHANGED, Fit.FITS],
            Damage.CHANGED,
        ),
        (
            sa.update(ENTRIES).where(_E.seq == 3).values(findings=b'{"trace":[]}'),
            [Fit.CHANGED, Fit.FITS],
            Damage.FORGED_LINK,
        ),
        (
            sa.update(ENTRIES).where(_E.seq == 4).values(findings=None),
            [Fit.FITS, Fit.CHANGED],
            Damage.REMOVED,
        ),
        (sa.delete(ENTRIES).where(_E.seq == 5), [Fit.FITS, Fit.TORN], Damage.REMOVED),
        (sa.delete(ENTRIES).where(_E.seq == 2), [Fit.TORN, Fit.FITS], Damage.REMOVED),
    ],
)
async def test_damage_beside_a_record_shows(
    ledger: Ledger, damage: sa.Executable, seen: list[Fit], named: Damage
) -> None:
    """A record would be shown as it was left by somebody who changed it or its neighbour."""
    await three(ledger)
    with ledger.store.engine.connect() as connection:
        connection.execute(damage)
    assert await fits(ledger, "r2") == seen
    checked = await Checks(ledger.store).step("writer-000001")
    assert checked is not None
    assert isinstance(checked.found, Broken)
    assert checked.found.damage is named


async def test_a_chain_is_verified_when_it_was(ledger: Ledger, clock: StandingClock) -> None:
    """What nobody verified, or what came later, would pass for verified."""
    await three(ledger)
    checks = Checks(ledger.store)
    assert checks.of("writer-000001") is None
    checked = await checks.step("writer-000001")
    assert checked is not None
    assert isinstance(checked.found, Intact)
    assert (checked.done, checked.of, checked.is_signed) == (6, 6, True)
    begun = clock.now()
    await ledger.open(opening("r4"))
    clock.go(seconds=5)
    again = await checks.step("writer-000001")
    assert again is not None
    assert (again.done, again.begun_at) == (6, begun)
    checks.begin("writer-000001")
    assert checks.of("writer-000001") is None
    anew = await checks.step("writer-000001")
    assert anew is not None
    assert (anew.done, anew.of) == (7, 7)


async def test_a_step_gives_way(ledger: Ledger) -> None:
    """A long chain would keep requests waiting for as long as it takes to read it all."""

    class Running(StandingClock):
        """Every look at it takes a while."""

        @override
        def monotonic(self) -> float:
            """Goes on."""
            self.go(seconds=0.15)
            return super().monotonic()

    for number in range(300):
        await ledger.open(opening(f"r{number}", trace=()))
        await ledger.close(closing(f"r{number}", trace=()))
    ledger.store.clock = Running()
    checks = Checks(ledger.store)
    first = await checks.step("writer-000001")
    assert first is not None
    assert (first.done, first.of, first.found) == (500, 600, None)
    await checks.step("writer-000001")
    last = await checks.step("writer-000001")
    assert last is not None
    assert (last.done, type(last.found)) == (600, Intact)
