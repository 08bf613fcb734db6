"""Keys of callers, by the hash of their secret."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import orjson
import sqlalchemy as sa

from app.domain.protocols import ApiKey
from app.ledger.schema import API_KEYS, from_micros, to_micros
from app.ledger.store import Store
from app.ledger.writer import Transaction


class KeyStore:
    """Keeps callers' keys in a ledger's store."""

    def __init__(self, store: Store) -> None:
        """Keep them in this store."""
        self._store = store

    async def add(self, key: ApiKey, secret_hash: bytes) -> None:
        """Keep a new key. Durable when it returns."""
        personas = None if key.personas is None else orjson.dumps(sorted(key.personas)).decode()
        row = {
            "id": key.id,
            "secret_hash": secret_hash,
            "tenant": key.tenant,
            "name": key.name,
            "personas": personas,
            "loosest_audience": key.loosest_audience,
            "may_read_records": key.may_read_records,
            "may_name_variants": key.may_name_variants,
            "may_use_console": key.may_use_console,
            "created_at": to_micros(key.created_at),
            "expires_at": _micros(key.expires_at),
            "revoked_at": _micros(key.revoked_at),
        }

        def run(transaction: Transaction) -> None:
            transaction.connection.execute(sa.insert(API_KEYS).values(row))

        await self._store.do(run)

    async def find(self, secret_hash: bytes) -> ApiKey | None:
        """The key with this secret, also where it was revoked or has expired."""
        query = sa.select(API_KEYS).where(API_KEYS.c.secret_hash == secret_hash)
        row = await self._store.read(lambda db: db.execute(query).one_or_none())
        return None if row is None else _key(row)

    async def list(self, tenant: str | None) -> Sequence[ApiKey]:
        """All keys of a tenant, or of all tenants, oldest first."""
        query = sa.select(API_KEYS).order_by(API_KEYS.c.created_at, API_KEYS.c.id)
        if tenant is not None:
            query = query.where(API_KEYS.c.tenant == tenant)
        rows = await self._store.read(lambda db: db.execute(query).all())
        return [_key(row) for row in rows]

    async def revoke(self, key_id: str, at: datetime) -> bool:
        """End a key for good; false where there is none with this id that is not revoked yet."""
        statement = (
            sa.update(API_KEYS)
            .where(API_KEYS.c.id == key_id, API_KEYS.c.revoked_at.is_(None))
            .values(revoked_at=to_micros(at))
        )

        def run(transaction: Transaction) -> bool:
            return transaction.connection.execute(statement).rowcount == 1

        return await self._store.do(run)


def _micros(at: datetime | None) -> int | None:
    return None if at is None else to_micros(at)


def _time(micros: int | None) -> datetime | None:
    return None if micros is None else from_micros(micros)


def _key(row: sa.Row[*tuple[Any, ...]]) -> ApiKey:
    personas = None if row.personas is None else frozenset(orjson.loads(row.personas))
    return ApiKey(
        id=row.id,
        tenant=row.tenant,
        name=row.name,
        personas=personas,
        loosest_audience=row.loosest_audience,
        may_read_records=row.may_read_records,
        may_name_variants=row.may_name_variants,
        may_use_console=row.may_use_console,
        created_at=from_micros(row.created_at),
        expires_at=_time(row.expires_at),
        revoked_at=_time(row.revoked_at),
    )
