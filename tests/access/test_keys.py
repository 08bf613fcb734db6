"""Keys: making them, telling whose one is, and what they may."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.access.admission import Admission
from app.access.keys import Authenticator, KeyWish, NewKey, check_persona, create_key
from app.domain.errors import AccessError, AccessProblem
from app.domain.protocols import ApiKey, Caller, KeyStore

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
WISH = KeyWish("acme", "shop", frozenset({"tutor"}), "public", may_read_records=True)


@dataclass
class StandingClock:
    """A clock that goes only when told."""

    seconds: float = 0.0

    def now(self) -> datetime:
        """Noon and so many seconds."""
        return NOON + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        """So many seconds."""
        return self.seconds


@dataclass
class ListedKeys:
    """A key store in memory that counts how often it is asked."""

    keys: dict[bytes, ApiKey] = field(default_factory=dict)
    asked: int = 0

    async def add(self, key: ApiKey, secret_hash: bytes) -> None:
        """Keep it."""
        self.keys[secret_hash] = key

    async def find(self, secret_hash: bytes) -> ApiKey | None:
        """Look it up, and count."""
        self.asked += 1
        return self.keys.get(secret_hash)

    async def list(self, tenant: str | None) -> Sequence[ApiKey]:
        """All of a tenant."""
        return [key for key in self.keys.values() if tenant in {None, key.tenant}]

    async def revoke(self, key_id: str, at: datetime) -> bool:
        """End one."""
        for secret_hash, key in self.keys.items():
            if key.id == key_id and key.revoked_at is None:
                self.keys[secret_hash] = replace(key, revoked_at=at)
                return True
        return False


@pytest.fixture
def store() -> ListedKeys:
    """An empty store."""
    return ListedKeys()


@pytest.fixture
def clock() -> StandingClock:
    """What time it is."""
    return StandingClock()


async def made(store: KeyStore, clock: StandingClock, wish: KeyWish = WISH) -> NewKey:
    """A new key."""
    return await create_key(store, clock, lambda: "key-1", wish)


async def problem(authenticator: Authenticator, header: str | None) -> AccessProblem:
    """Why a header is refused."""
    with pytest.raises(AccessError) as caught:
        await authenticator.authenticate(header)
    assert header is None or len(header) < 20 or header not in str(caught.value)
    return caught.value.problem


async def test_a_key_says_whose_it_is(store: ListedKeys, clock: StandingClock) -> None:
    """A caller gets other rights than their key was made with."""
    new = await made(store, clock)
    authenticator = Authenticator(store, clock)
    expected = Caller(
        "acme",
        "key-1",
        frozenset({"tutor"}),
        "public",
        may_read_records=True,
        key_name="shop",
    )
    for header in (f"Bearer {new.secret}", f"bearer  {new.secret} ", new.secret):
        assert await authenticator.authenticate(header) == expected
    assert store.asked == 1


async def test_the_secret_is_kept_nowhere(store: ListedKeys, clock: StandingClock) -> None:
    """A secret can be read from the store or a log."""
    new, other = await made(store, clock), await made(store, clock)
    assert new.secret.startswith("bn_")
    assert len(new.secret) == 46
    assert new.secret != other.secret
    assert new.secret not in repr(new)
    assert new.secret[3:] not in repr(store.keys)


@pytest.mark.parametrize("header", [None, "", "  "])
async def test_no_key_is_missing(
    store: ListedKeys, clock: StandingClock, header: str | None
) -> None:
    """A request without a key is let in, or is told that its key is wrong."""
    assert await problem(Authenticator(store, clock), header) is AccessProblem.MISSING


async def test_a_wrong_key_is_invalid(store: ListedKeys, clock: StandingClock) -> None:
    """A key that is nearly right is let in, or a guess costs the store a look."""
    new = await made(store, clock)
    authenticator = Authenticator(store, clock)
    last = "A" if new.secret[-1] != "A" else "B"
    for wrong in (
        new.secret[:-1] + last,
        new.secret[:-1],
        new.secret + "A",
        new.secret.upper(),
        new.secret[3:],
        f"Basic {new.secret}",
        f"Bearer {new.secret}\n{new.secret}",
        "Bearer",
        "bn_" + "é" * 43,
    ):
        assert await problem(authenticator, wrong) is AccessProblem.INVALID
    assert store.asked <= 2


@settings(deadline=None)
@given(st.text())
async def test_any_header_is_refused_as_an_access_error(header: str) -> None:
    """A crafted header ends in an error that nobody expects."""
    await problem(Authenticator(ListedKeys(), StandingClock()), header)


async def test_revocation_holds_within_seconds(store: ListedKeys, clock: StandingClock) -> None:
    """A revoked key works on, where another process revoked it."""
    new = await made(store, clock)
    authenticator = Authenticator(store, clock, believed_s=5)
    await authenticator.authenticate(new.secret)
    assert await store.revoke("key-1", clock.now())
    clock.seconds = 4.9
    assert (await authenticator.authenticate(new.secret)).key_id == "key-1"
    clock.seconds = 5
    assert await problem(authenticator, new.secret) is AccessProblem.INVALID
    assert store.asked == 2


async def test_a_key_ends_on_its_time_also_where_it_is_remembered(
    store: ListedKeys, clock: StandingClock
) -> None:
    """An expired key works as long as it is remembered."""
    new = await made(store, clock, replace(WISH, expires_at=NOON + timedelta(seconds=2)))
    authenticator = Authenticator(store, clock)
    clock.seconds = 1.9
    await authenticator.authenticate(new.secret)
    clock.seconds = 2
    assert await problem(authenticator, new.secret) is AccessProblem.INVALID
    assert store.asked == 1


async def test_a_key_works_as_soon_as_it_is_made(store: ListedKeys, clock: StandingClock) -> None:
    """A key that was tried before it existed stays refused."""
    new = await made(store, clock)
    kept, store.keys = store.keys, {}
    authenticator = Authenticator(store, clock)
    assert await problem(authenticator, new.secret) is AccessProblem.INVALID
    store.keys = kept
    assert (await authenticator.authenticate(new.secret)).key_id == "key-1"


def test_a_key_is_for_its_personas() -> None:
    """A key opens personas that it is not for, or none of those that it is for."""
    some = Caller("acme", "k", frozenset({"tutor"}), None)
    check_persona(some, "tutor")
    check_persona(replace(some, personas=None), "lexi")
    for caller in (some, replace(some, personas=frozenset())):
        with pytest.raises(AccessError) as caught:
            check_persona(caller, "lexi")
        assert caught.value.problem is AccessProblem.FORBIDDEN


async def test_an_open_gateway_closes_when_a_key_is_made(
    store: ListedKeys, clock: StandingClock
) -> None:
    """A gateway that was started without keys would stay open after the first one was made."""
    admission = Admission(Authenticator(store, clock), is_open_without_keys=True)
    assert (await admission.admit(None, None)).tenant == "local"
    new = await made(store, clock)
    clock.seconds += 5
    with pytest.raises(AccessError) as caught:
        await admission.admit(None, None)
    assert caught.value.problem is AccessProblem.MISSING
    assert (await admission.admit(f"Bearer {new.secret}", None)).key_id == new.key.id
    assert await store.revoke(new.key.id, clock.now())
    clock.seconds += 60
    with pytest.raises(AccessError):
        await admission.admit(None, None)


async def test_without_keys_only_the_own_machine_is_let_in(
    store: ListedKeys, clock: StandingClock
) -> None:
    """Anybody on the network would be served by a gateway whose keys are all revoked."""
    with pytest.raises(AccessError):
        await Admission(Authenticator(store, clock)).admit(None, None)
