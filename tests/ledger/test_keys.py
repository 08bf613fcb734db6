"""The store of callers' keys."""

from datetime import timedelta

import pytest

from app.domain import protocols
from app.domain.errors import LedgerError
from app.domain.protocols import ApiKey
from app.ledger.keys import KeyStore
from app.ledger.ledger import Ledger
from tests.ledger.exchanges import NOON

KEY = ApiKey(
    id="k1",
    tenant="acme",
    name="shop",
    personas=frozenset({"tutor", "lexi"}),
    loosest_audience="public",
    may_read_records=True,
    created_at=NOON,
    expires_at=None,
)
OTHER = ApiKey(
    id="k2",
    tenant="umbrella",
    name="lab",
    personas=None,
    loosest_audience=None,
    may_read_records=False,
    created_at=NOON + timedelta(1),
    expires_at=NOON + timedelta(9),
)


async def test_keys_come_back_as_they_went_in(ledger: Ledger) -> None:
    """A key loses or gains rights in storage."""
    store: protocols.KeyStore = KeyStore(ledger.store)
    await store.add(KEY, b"1" * 32)
    await store.add(OTHER, b"2" * 32)
    assert await store.find(b"1" * 32) == KEY
    assert await store.find(b"2" * 32) == OTHER
    assert await store.find(b"3" * 32) is None
    assert await store.list(None) == [KEY, OTHER]
    assert await store.list("umbrella") == [OTHER]


async def test_a_key_is_revoked_once(ledger: Ledger) -> None:
    """A revoked key works, or its date moves when it is revoked again."""
    store = KeyStore(ledger.store)
    await store.add(KEY, b"1" * 32)
    assert await store.revoke("k1", NOON)
    assert not await store.revoke("k1", NOON + timedelta(1))
    assert not await store.revoke("k9", NOON)
    found = await store.find(b"1" * 32)
    assert found is not None
    assert found.revoked_at == NOON


async def test_a_second_key_with_one_id_is_refused(ledger: Ledger) -> None:
    """One key's id stands for two keys in records."""
    store = KeyStore(ledger.store)
    await store.add(KEY, b"1" * 32)
    with pytest.raises(LedgerError):
        await store.add(KEY, b"2" * 32)
