"""Keys may be for the console."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the column."""
    op.add_column(
        "api_keys",
        sa.Column("may_use_console", sa.Boolean, nullable=False, server_default=sa.false()),
    )
