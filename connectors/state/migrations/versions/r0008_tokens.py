"""Tokens of vendors that are logged in to, sealed, and which credentials a vendor has refused."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "tokens",
        sa.Column("source", sa.String, primary_key=True),
        sa.Column("account", sa.String, primary_key=True),
        sa.Column("credentials", sa.String, nullable=False),
        sa.Column("sealed", sa.LargeBinary),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
    )
