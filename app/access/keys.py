"""Keys of callers: making them, and telling whose one is. See decision 0073."""

import hashlib
import re
import secrets
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime

from app.domain.clock import Clock, NewId
from app.domain.errors import AccessError, AccessProblem
from app.domain.protocols import ApiKey, Caller, KeyStore

_PREFIX = "bn_"
_SECRET = re.compile(r"bn_[A-Za-z0-9_-]{43}")
_MOST_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class KeyWish:
    """What a new key shall be allowed."""

    tenant: str
    name: str
    personas: frozenset[str] | None = None
    loosest_audience: str | None = None
    may_read_records: bool = False
    expires_at: datetime | None = None
    may_name_variants: bool = True
    may_use_console: bool = False


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that was just made. The secret is shown now or never."""

    key: ApiKey
    secret: str = field(repr=False)


async def create_key(store: KeyStore, clock: Clock, new_id: NewId, wish: KeyWish) -> NewKey:
    """Make a key and keep its hash."""
    secret = _PREFIX + secrets.token_urlsafe(32)
    key = ApiKey(
        id=new_id(),
        tenant=wish.tenant,
        name=wish.name,
        personas=wish.personas,
        loosest_audience=wish.loosest_audience,
        may_read_records=wish.may_read_records,
        created_at=clock.now(),
        expires_at=wish.expires_at,
        may_name_variants=wish.may_name_variants,
        may_use_console=wish.may_use_console,
    )
    await store.add(key, _hash(secret))
    return NewKey(key, secret)


class Authenticator:
    """Tells whose key a request carries. What the store said is believed for a few seconds."""

    def __init__(self, store: KeyStore, clock: Clock, *, believed_s: float = 5.0) -> None:
        """Ask this store; revocation by any process holds after ``believed_s`` at the latest."""
        self._store = store
        self._clock = clock
        self._believed_s = believed_s
        # Only keys that exist are remembered, so that guesses cannot fill this.
        self._known: OrderedDict[bytes, tuple[float, ApiKey]] = OrderedDict()
        self._has_keys = False
        self._looked_s = float("-inf")

    async def has_keys(self) -> bool:
        """Whether there is a key that is not revoked, or was one: revoking the last opens nothing.

        A key that any process makes is seen after ``believed_s`` at the latest.

        Raises:
            LedgerError: The store could not be asked.
        """
        now = self._clock.monotonic()
        if not self._has_keys and now >= self._looked_s + self._believed_s:
            self._has_keys = any(key.revoked_at is None for key in await self._store.list(None))
            self._looked_s = now
        return self._has_keys

    async def authenticate(self, header: str | None) -> Caller:
        """Whose key this is.

        Args:
            header: The value of ``Authorization`` (``Bearer bn_…``) or of ``x-api-key``.

        Raises:
            AccessError: There is no key, or it is wrong, revoked or expired.
            LedgerError: The store could not be asked.
        """
        if header is None or not header.strip():
            raise AccessError(
                AccessProblem.MISSING, "Send a key: 'Authorization: Bearer bn_…' or 'x-api-key'."
            )
        scheme, _, rest = header.strip().partition(" ")
        secret = rest.strip() if scheme.lower() == "bearer" else header.strip()
        if _SECRET.fullmatch(secret) is None:
            raise _invalid()
        return await self.recognize(_hash(secret))

    async def recognize(self, secret_hash: bytes) -> Caller:
        """Whose key has a secret with this hash, as ``hash_of`` gives it.

        Raises:
            AccessError: It is wrong, revoked or expired.
            LedgerError: The store could not be asked.
        """
        key = await self._find(secret_hash)
        now = self._clock.now()
        is_over = key is not None and key.expires_at is not None and key.expires_at <= now
        if key is None or key.revoked_at is not None or is_over:
            raise _invalid()
        return Caller(
            key.tenant,
            key.id,
            key.personas,
            key.loosest_audience,
            key.may_read_records,
            key.may_name_variants,
            key.may_use_console,
            key.name,
        )

    async def _find(self, digest: bytes) -> ApiKey | None:
        known = self._known.get(digest)
        now = self._clock.monotonic()
        if known is not None and now < known[0]:
            return known[1]
        key = await self._store.find(digest)
        if key is None:
            self._known.pop(digest, None)
            return None
        self._known[digest] = (now + self._believed_s, key)
        self._known.move_to_end(digest)
        if len(self._known) > _MOST_REMEMBERED:
            self._known.popitem(last=False)
        return key


def check_persona(caller: Caller, persona: str) -> None:
    """Refuse a persona that the caller's key is not for.

    Raises:
        AccessError: ``forbidden``.
    """
    if caller.personas is not None and persona not in caller.personas:
        raise AccessError(
            AccessProblem.FORBIDDEN,
            "The key may not use this persona; GET /v1/models lists those it may.",
        )


def check_variant(caller: Caller, variant: str | None) -> None:
    """Refuse a request that names a variant where the caller's key may not.

    Raises:
        AccessError: ``forbidden``.
    """
    if variant is not None and not caller.may_name_variants:
        raise AccessError(
            AccessProblem.FORBIDDEN,
            "The key may not name a variant; name the persona alone, and the session's draw says"
            " which one answers.",
        )


def hash_of(secret: str) -> bytes | None:
    """What stands for a key where it is remembered; none where it has not the form of one."""
    return _hash(secret) if _SECRET.fullmatch(secret) else None


def _invalid() -> AccessError:
    return AccessError(
        AccessProblem.INVALID, "The key is not valid: it is wrong, revoked or expired."
    )


def _hash(secret: str) -> bytes:
    # The secret is 256 random bits, so no list of guesses reaches it; a slow hash would only slow
    # down every request.
    return hashlib.sha256(secret.encode()).digest()
