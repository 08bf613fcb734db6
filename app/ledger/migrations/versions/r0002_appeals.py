"""Appeals."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make their table."""
    op.create_table(
        "appeals",
        sa.Column("request_id", sa.String, primary_key=True),
        sa.Column("tenant", sa.String, nullable=False),
        sa.Column("owner", sa.LargeBinary, nullable=False, index=True),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("filed_at", sa.BigInteger, nullable=False),
        sa.Column("decided_at", sa.BigInteger),
        sa.Column("expires_at", sa.BigInteger, nullable=False, index=True),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
    )
