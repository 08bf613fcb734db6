"""Feedback."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make its table."""
    op.create_table(
        "feedback",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("tenant", sa.String, nullable=False),
        sa.Column("wish", sa.LargeBinary, unique=True),
        sa.Column("fingerprint", sa.LargeBinary, nullable=False),
        sa.Column("request_id", sa.String, index=True),
        sa.Column("session", sa.LargeBinary, index=True),
        sa.Column("owner", sa.LargeBinary, index=True),
        sa.Column("at", sa.BigInteger, nullable=False, index=True),
        sa.Column("writer", sa.String, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("sealed", sa.LargeBinary),
        sa.Column("expires_at", sa.BigInteger, index=True),
    )
