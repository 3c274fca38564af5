"""Who was taken off the roster and stays on it for the sake of past rows."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; whoever was removed before is not on the roster."""
    op.add_column("roster", sa.Column("removed", sa.Boolean, nullable=False, server_default=sa.false()))
