"""Differences from the vendor's documentation, each with its first sighting."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "vendor_drift",
        sa.Column("source", sa.String, primary_key=True),
        sa.Column("document", sa.String, primary_key=True),
        sa.Column("kind", sa.String, primary_key=True),
        sa.Column("path", sa.String, primary_key=True),
        sa.Column("first_seen_at", sa.DateTime(timezone=True), nullable=False),
    )
