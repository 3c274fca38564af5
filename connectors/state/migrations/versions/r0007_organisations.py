"""Organisations that people ever belonged to: each has given them another name at the FHIR servers."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table; of the organisations so far only those on the roster are known."""
    op.create_table("organisations", sa.Column("org_id", sa.String, primary_key=True))
    op.execute("INSERT INTO organisations (org_id) SELECT DISTINCT org_id FROM roster")
