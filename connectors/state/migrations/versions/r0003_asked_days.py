"""For which dates each user was asked, and when the vendor answered about them."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "asked_days",
        sa.Column("source", sa.String, primary_key=True),
        sa.Column("user_id", sa.String, primary_key=True),
        sa.Column("first_day", sa.Date, primary_key=True),
        sa.Column("last_day", sa.Date, nullable=False, index=True),
        sa.Column("checked_at", sa.DateTime(timezone=True)),
    )
