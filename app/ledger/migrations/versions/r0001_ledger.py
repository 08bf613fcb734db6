"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make them."""
    _make_entries()
    _make_keys()
    op.create_table(
        "writers",
        sa.Column("writer", sa.String, primary_key=True),
        sa.Column("created_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "checkpoints",
        sa.Column("writer", sa.String, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("signature", sa.String),
        sa.Column("open_from", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("writer", "seq"),
    )
    op.create_table(
        "contents",
        sa.Column("request_id", sa.String, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("owner", sa.LargeBinary, nullable=False, index=True),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False, index=True),
        sa.PrimaryKeyConstraint("request_id", "kind"),
    )
    op.create_table(
        "pseudonyms",
        sa.Column("scope", sa.LargeBinary, nullable=False),
        sa.Column("token", sa.String, nullable=False),
        sa.Column("session", sa.LargeBinary, nullable=False, index=True),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False, index=True),
        sa.PrimaryKeyConstraint("scope", "token"),
    )


def _make_entries() -> None:
    op.create_table(
        "entries",
        sa.Column("writer", sa.String, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("request_id", sa.String),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("tenant", sa.String),
        sa.Column("persona", sa.String),
        sa.Column("outcome", sa.String),
        sa.Column("status", sa.String),
        sa.Column("owner", sa.LargeBinary),
        sa.Column("session", sa.LargeBinary),
        sa.Column("hash", sa.LargeBinary, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("findings", sa.LargeBinary),
        sa.Column("findings_until", sa.BigInteger),
        sa.PrimaryKeyConstraint("writer", "seq"),
        sa.UniqueConstraint("request_id", "kind", name="one_record_per_exchange"),
    )
    opening = sa.text("kind = 'opening'")
    op.create_index(
        "entries_at",
        "entries",
        ["at", "request_id", "tenant"],
        sqlite_where=opening,
        postgresql_where=opening,
    )
    for column in ("owner", "session", "findings_until"):
        present = sa.text(f"{column} IS NOT NULL")
        op.create_index(
            f"entries_{column}",
            "entries",
            [column],
            sqlite_where=present,
            postgresql_where=present,
        )


def _make_keys() -> None:
    op.create_table(
        "master_key",
        sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("proof", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "subject_keys",
        sa.Column("lookup", sa.LargeBinary, primary_key=True),
        sa.Column("wrapped", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("secret_hash", sa.LargeBinary, nullable=False, unique=True),
        sa.Column("tenant", sa.String, nullable=False, index=True),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("personas", sa.String),
        sa.Column("loosest_audience", sa.String),
        sa.Column("may_read_records", sa.Boolean, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger),
        sa.Column("revoked_at", sa.BigInteger),
    )
