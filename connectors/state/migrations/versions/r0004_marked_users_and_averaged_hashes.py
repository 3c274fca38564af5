"""Which users the vendor is about to delete, and what the last statistics said of each session."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; nobody is marked and nothing is remembered yet."""
    op.add_column("roster", sa.Column("to_be_deleted", sa.Boolean, nullable=False, server_default=sa.false()))
    op.add_column("sessions", sa.Column("averaged_hash", sa.String))
