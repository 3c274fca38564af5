"""The outbox: what every destination was sent, as which version, and which partitions it has."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables; nothing was sent to anybody yet."""
    op.create_table(
        "outbox",
        sa.Column("destination", sa.String, primary_key=True),
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("partition", sa.String, nullable=False),
        sa.Column("patient", sa.String, index=True),
        sa.Column("part_of", sa.String, index=True),
        sa.Column("sent_hash", sa.String),
        sa.Column("sending_hash", sa.String),
        sa.Column("refused_hash", sa.String),
        sa.Column("version", sa.String),
        sa.Column("server_id", sa.String),
        sa.Column("body", sa.LargeBinary),
        sa.Column("erased", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_table(
        "exported_partitions",
        sa.Column("destination", sa.String, primary_key=True),
        sa.Column("partition", sa.String, primary_key=True),
        sa.Column("mark", sa.String, nullable=False),
    )
    op.create_table(
        "destinations",
        sa.Column("destination", sa.String, primary_key=True),
        sa.Column("write_form", sa.String, nullable=False),
    )
