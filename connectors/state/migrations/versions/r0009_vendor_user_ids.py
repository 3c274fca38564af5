"""Under which id a vendor knows a user, where that is not the roster's."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    op.add_column("roster", sa.Column("vendor_user_id", sa.String))
