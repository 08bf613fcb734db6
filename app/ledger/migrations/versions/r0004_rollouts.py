"""Moves of rollouts are found at once, and keys may be kept from naming variants."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the index and the column."""
    is_rollout = sa.text("kind = 'rollout'")
    op.create_index(
        "entries_rollout",
        "entries",
        ["request_id"],
        sqlite_where=is_rollout,
        postgresql_where=is_rollout,
    )
    op.add_column(
        "api_keys",
        sa.Column("may_name_variants", sa.Boolean, nullable=False, server_default=sa.true()),
    )
