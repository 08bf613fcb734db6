"""The tables, as the newest migration leaves them."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    UniqueConstraint,
    false,
    text,
    true,
)

REVISION = "0005"
"""The newest migration; kept here so that a start without one need not load Alembic."""

METADATA = MetaData()

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def to_micros(at: datetime) -> int:
    """Microseconds since 1970, UTC: how times are stored, so that engines cannot differ.

    Raises:
        TypeError: If ``at`` has no zone.
    """
    return (at - _EPOCH) // _MICROSECOND


def from_micros(micros: int) -> datetime:
    """The time of ``to_micros``, in UTC."""
    return _EPOCH + timedelta(microseconds=micros)


ENTRIES = Table(
    "entries",
    METADATA,
    Column("writer", String, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("kind", String, nullable=False),
    Column("request_id", String),
    Column("at", BigInteger, nullable=False),
    Column("tenant", String),
    Column("persona", String),
    Column("outcome", String),
    Column("status", String),
    Column("owner", LargeBinary),
    Column("session", LargeBinary),
    Column("hash", LargeBinary, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("findings", LargeBinary),
    Column("findings_until", BigInteger),
    PrimaryKeyConstraint("writer", "seq"),
    UniqueConstraint("request_id", "kind", name="one_record_per_exchange"),
)
"""The chained entries. ``body`` and ``hash`` never change; the other columns only help to find
them, ``findings`` goes when its time is up, ``owner`` and ``session`` when a subject is erased.
An opening fills tenant, persona, owner and session; a closing fills status."""

_OPENING = text("kind = 'opening'")
# One index answers "the newest" and "the newest of this tenant": the tenant is read off it.
Index(
    "entries_at",
    ENTRIES.c.at,
    ENTRIES.c.request_id,
    ENTRIES.c.tenant,
    sqlite_where=_OPENING,
    postgresql_where=_OPENING,
)
IS_ROLLOUT = text("entries.kind = 'rollout'")
"""As text, so that SQLite sees that a query asks for what the index is of."""
_ROLLOUT = text("kind = 'rollout'")
Index(
    "entries_rollout",
    ENTRIES.c.request_id,
    sqlite_where=_ROLLOUT,
    postgresql_where=_ROLLOUT,
)
for _name in ("owner", "session", "findings_until"):
    _present = text(f"{_name} IS NOT NULL")
    Index(
        f"entries_{_name}",
        ENTRIES.c[_name],
        sqlite_where=_present,
        postgresql_where=_present,
    )

WRITERS = Table(
    "writers",
    METADATA,
    Column("writer", String, primary_key=True),
    Column("created_at", BigInteger, nullable=False),
)

CHECKPOINTS = Table(
    "checkpoints",
    METADATA,
    Column("writer", String, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("signature", String),
    Column("open_from", BigInteger, nullable=False),
    PrimaryKeyConstraint("writer", "seq"),
)
"""Heads of chains. ``open_from``: every exchange that the writer opened in an earlier entry is
closed, so that a start need not look further back for orphans."""

SUBJECT_KEYS = Table(
    "subject_keys",
    METADATA,
    Column("lookup", LargeBinary, primary_key=True),
    Column("wrapped", LargeBinary, nullable=False),
)

CONTENTS = Table(
    "contents",
    METADATA,
    Column("request_id", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("owner", LargeBinary, nullable=False, index=True),
    Column("sealed", LargeBinary, nullable=False),
    Column("expires_at", BigInteger, nullable=False, index=True),
    PrimaryKeyConstraint("request_id", "kind"),
)

PSEUDONYMS = Table(
    "pseudonyms",
    METADATA,
    Column("scope", LargeBinary, nullable=False),
    Column("token", String, nullable=False),
    Column("session", LargeBinary, nullable=False, index=True),
    Column("sealed", LargeBinary, nullable=False),
    Column("expires_at", BigInteger, nullable=False, index=True),
    PrimaryKeyConstraint("scope", "token"),
)

APPEALS = Table(
    "appeals",
    METADATA,
    Column("request_id", String, primary_key=True),
    Column("tenant", String, nullable=False),
    Column("owner", LargeBinary, nullable=False, index=True),
    Column("state", String, nullable=False),
    Column("filed_at", BigInteger, nullable=False),
    Column("decided_at", BigInteger),
    Column("expires_at", BigInteger, nullable=False, index=True),
    Column("sealed", LargeBinary, nullable=False),
)

FEEDBACK = Table(
    "feedback",
    METADATA,
    Column("id", String, primary_key=True),
    Column("tenant", String, nullable=False),
    Column("wish", LargeBinary, unique=True),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("request_id", String, index=True),
    Column("session", LargeBinary, index=True),
    Column("owner", LargeBinary, index=True),
    Column("at", BigInteger, nullable=False, index=True),
    Column("writer", String, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("sealed", LargeBinary),
    Column("expires_at", BigInteger, index=True),
)
"""Where feedback is found; what was said stands in the chained entry of that writer and number.
``wish`` stands for the client's own id of it, ``fingerprint`` for the whole request. Texts are in
``sealed`` until their time is up; they and the ways to a person go when a subject is erased."""

API_KEYS = Table(
    "api_keys",
    METADATA,
    Column("id", String, primary_key=True),
    Column("secret_hash", LargeBinary, nullable=False, unique=True),
    Column("tenant", String, nullable=False, index=True),
    Column("name", String, nullable=False),
    Column("personas", String),
    Column("loosest_audience", String),
    Column("may_read_records", Boolean, nullable=False),
    Column("may_name_variants", Boolean, nullable=False, server_default=true()),
    Column("may_use_console", Boolean, nullable=False, server_default=false()),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Column("revoked_at", BigInteger),
)

MASTER_KEY = Table(
    "master_key",
    METADATA,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("proof", LargeBinary, nullable=False),
)
"""One row, by which a key file shows that it belongs to this ledger. Not the key."""
