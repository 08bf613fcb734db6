"""The vault of pseudonyms."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain import protocols
from app.domain.protocols import Original, PseudonymScope
from app.ledger.ledger import Ledger
from app.ledger.pseudonyms import Vault
from tests.ledger.exchanges import StandingClock, counting, opening

SCOPE = PseudonymScope("acme", "key-1", "s1")


def originals(values: dict[str, str]) -> dict[str, Original]:
    """What these pseudonyms stand for."""
    return {name: Original("EMAIL_ADDRESS", value) for name, value in values.items()}


ADA = originals({"<EMAIL_1>": "ada@example.org"})


async def test_values_come_back_exact(ledger: Ledger) -> None:
    """A pseudonym is restored to something else than it stood for."""
    vault: protocols.PseudonymVault = Vault(ledger.store)
    minted = originals({"<EMAIL_1>": "ada@example.org", "<NAME_1>": "Ада Лавлейс 🧮", "<X>": ""})
    await vault.save(SCOPE, minted)
    await vault.save(SCOPE, {})
    assert await vault.load(SCOPE) == minted
    more = originals({"<EMAIL_1>": "b@example.org", "<EMAIL_2>": "c@example.org"})
    await vault.save(SCOPE, more)
    expected = minted | more
    assert await vault.load(SCOPE) == expected


@pytest.mark.parametrize(
    "other",
    [
        replace(SCOPE, tenant="umbrella"),
        replace(SCOPE, key_id="key-2"),
        replace(SCOPE, session="s2"),
    ],
)
async def test_scopes_do_not_share(ledger: Ledger, other: PseudonymScope) -> None:
    """A pseudonym of one tenant, key or session is restored in another."""
    vault = Vault(ledger.store)
    await vault.save(SCOPE, ADA)
    assert await vault.load(other) == {}


async def test_pseudonyms_expire(ledger: Ledger, clock: StandingClock) -> None:
    """Values are kept, or restored, after their time."""
    vault = Vault(ledger.store, days=2)
    await vault.save(SCOPE, ADA)
    clock.go(days=1)
    assert (await ledger.purge()).pseudonyms == 0
    assert await vault.load(SCOPE)
    clock.go(days=1)
    assert await vault.load(SCOPE) == {}
    assert (await ledger.purge()).pseudonyms == 1


async def test_nothing_is_remembered_wrongly_between_processes(
    ledger: Ledger, url: str, key_file: Path, clock: StandingClock
) -> None:
    """A process that once saw nothing never sees what another one saved."""
    other = await Ledger.start(url, key_file, clock, counting("other"))
    vault, second = Vault(ledger.store), Vault(other.store)
    for number in range(3):
        scope = replace(SCOPE, session=f"s{number}")
        for _ in range(2):
            assert await vault.load(scope) == {}
        await second.save(scope, ADA)
        assert await vault.load(scope) == ADA
    await other.stop()


async def test_erasing_a_subject_takes_its_sessions_pseudonyms(ledger: Ledger) -> None:
    """After erasure a person's values can still be restored, or another's cannot."""
    vault = Vault(ledger.store)
    await ledger.open(opening("r1", subject="ada", session="s1"))
    await ledger.open(opening("r2", subject="ada", session="s2"))
    await ledger.open(opening("r3", subject="bob", session="s3"))
    for session in ("s1", "s2", "s3"):
        await vault.save(replace(SCOPE, session=session), ADA)
    assert (await ledger.erase_subject("acme", "ada")).pseudonyms == 2
    assert await vault.load(SCOPE) == {}
    assert await vault.load(replace(SCOPE, session="s2")) == {}
    assert await vault.load(replace(SCOPE, session="s3")) != {}


async def test_pseudonyms_of_one_request_are_not_kept(ledger: Ledger) -> None:
    """Values are kept of which nobody could say whose they are, so that nobody could erase them."""
    with pytest.raises(ValueError, match="not kept"):
        await Vault(ledger.store).save(replace(SCOPE, session=None, request_id="r1"), ADA)


def test_any_text_is_kept_exact(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Some characters of a value or a token do not survive."""
    folder = tmp_path_factory.mktemp("vault")

    async def check() -> None:
        url, key_file = f"sqlite:///{folder / 'ledger.db'}", folder / "key"
        ledger = await Ledger.start(url, key_file, StandingClock(), counting("writer"))
        await Vault(ledger.store).save(scope, minted)
        assert await Vault(ledger.store).load(scope) == minted
        await ledger.stop()

    minted: dict[str, Original] = {}
    scope = SCOPE
    text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))

    @settings(deadline=None, max_examples=20)
    @given(st.dictionaries(text, text, max_size=4), st.integers())
    def run(drawn: dict[str, str], number: int) -> None:
        nonlocal minted, scope
        minted, scope = originals(drawn), replace(SCOPE, session=f"s{number} {sorted(drawn)}")
        asyncio.run(check())

    run()
