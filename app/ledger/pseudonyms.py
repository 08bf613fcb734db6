"""What pseudonyms stand for, for sessions that outlive a request."""

from collections.abc import Mapping
from datetime import timedelta

import sqlalchemy as sa

from app.domain.protocols import Original, PseudonymScope
from app.ledger.keyring import seal, unseal
from app.ledger.schema import PSEUDONYMS, to_micros
from app.ledger.store import Store
from app.ledger.writer import Transaction

_MOST_REMEMBERED = 10_000
_BETWEEN = "\0"


class Vault:
    """Pseudonyms with their values, encrypted, until they expire or their subject is erased."""

    def __init__(self, store: Store, *, days: int = 30) -> None:
        """Keep pseudonyms in a ledger's store, each for so many days after it was saved."""
        self._store = store
        self._days = days
        self._empty: set[bytes] = set()
        """Scopes that have nothing: true as long as no process saves any pseudonym."""
        self._generation = b""

    async def load(self, scope: PseudonymScope) -> Mapping[str, Original]:
        """Every pseudonym of a session that has not expired, with what it stands for."""
        place = self._place(scope)
        generation = self._store.engine.generation()
        if generation != self._generation:
            self._empty.clear()
            self._generation = generation
        if place in self._empty:
            return {}
        now = to_micros(self._store.clock.now())
        wanted = sa.select(PSEUDONYMS.c.token, PSEUDONYMS.c.sealed).where(
            PSEUDONYMS.c.scope == place, PSEUDONYMS.c.expires_at > now
        )
        key = self._store.keyring.scope_key(place)

        def read(db: sa.Connection) -> dict[str, Original]:
            return {
                row.token: _read(unseal(key, row.sealed, row.token.encode()).decode())
                for row in db.execute(wanted)
            }

        found = await self._store.read(read)
        if not found and self._generation == generation:
            if len(self._empty) >= _MOST_REMEMBERED:
                self._empty.clear()
            self._empty.add(place)
        return found

    async def save(self, scope: PseudonymScope, minted: Mapping[str, Original]) -> None:
        """Keep these of a session until they expire. Durable when it returns."""
        if not minted:
            return
        store = self._store
        place, session = self._place(scope), _session(scope)
        key = store.keyring.scope_key(place)
        until = to_micros(store.clock.now() + timedelta(days=self._days))
        lookup = store.keyring.lookup(scope.tenant, "session", session)

        def run(transaction: Transaction) -> None:
            rows = [
                {
                    "scope": place,
                    "token": token,
                    "session": lookup,
                    "sealed": seal(key, _written(original).encode(), token.encode()),
                    "expires_at": until,
                }
                for token, original in minted.items()
            ]
            transaction.connection.execute(
                sa.delete(PSEUDONYMS).where(
                    PSEUDONYMS.c.scope == place, PSEUDONYMS.c.token.in_(minted)
                )
            )
            transaction.connection.execute(sa.insert(PSEUDONYMS), rows)

        await store.do(run)
        store.engine.advance()

    def _place(self, scope: PseudonymScope) -> bytes:
        return self._store.keyring.scope(scope.tenant, scope.key_id, _session(scope))


def _session(scope: PseudonymScope) -> str:
    """The session's name, as records know it: erasure finds pseudonyms by it."""
    if scope.session is None:
        raise ValueError("pseudonyms of one request are not kept")
    return scope.session


def _written(original: Original) -> str:
    return f"{original.category.replace(_BETWEEN, '')}{_BETWEEN}{original.value}"


def _read(text: str) -> Original:
    category, _, value = text.partition(_BETWEEN)
    return Original(category, value)
