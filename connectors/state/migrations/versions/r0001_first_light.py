"""Roster, session ledger, documents, users not pulled, dirty partitions, quarantine, vendor."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables of the first release."""
    op.create_table(
        "vendors",
        sa.Column("source", sa.String, primary_key=True),
        sa.Column("base_url", sa.String, nullable=False),
        sa.Column("key_fingerprint", sa.String, nullable=False),
        sa.Column("last_complete_pull_at", sa.DateTime(timezone=True)),
    )
    op.create_table(
        "roster",
        sa.Column("source", sa.String, primary_key=True),
        sa.Column("user_id", sa.String, primary_key=True),
        sa.Column("org_id", sa.String, nullable=False),
        sa.Column("timezone", sa.String, nullable=False),
        sa.Column("active_from", sa.Date),
        sa.Column("active_to", sa.Date),
        sa.Column("gone", sa.Boolean, nullable=False),
    )
    op.create_table(
        "sessions",
        sa.Column("source", sa.String, primary_key=True),
        sa.Column("user_id", sa.String, primary_key=True),
        sa.Column("session_id", sa.String, primary_key=True),
        sa.Column("org_id", sa.String, nullable=False),
        sa.Column("partition", sa.Date, nullable=False, index=True),
        sa.Column("fingerprint", sa.String, nullable=False),
        sa.Column("verdict", sa.String, nullable=False, index=True),
        sa.Column("content_hash", sa.String),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("first_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_table(
        "documents",
        sa.Column("source", sa.String, primary_key=True),
        sa.Column("document", sa.String, primary_key=True),
        sa.Column("user_id", sa.String, primary_key=True),
        sa.Column("document_id", sa.String, primary_key=True),
        sa.Column("content_hash", sa.String, nullable=False),
        sa.Column("fetched_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_table(
        "unpulled_users",
        sa.Column("source", sa.String, primary_key=True),
        sa.Column("user_id", sa.String, primary_key=True),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("first_day", sa.Date, nullable=False),
        sa.Column("last_day", sa.Date, nullable=False),
    )
    op.create_table(
        "dirty_partitions",
        sa.Column("asset", sa.String, primary_key=True),
        sa.Column("partition", sa.String, primary_key=True),
        sa.Column("generation", sa.String, nullable=False),
    )
    op.create_table(
        "quarantine",
        sa.Column("quarantine_id", sa.String, primary_key=True),
        sa.Column("asset", sa.String, nullable=False),
        sa.Column("partition", sa.String, nullable=False, index=True),
        sa.Column("source", sa.String, nullable=False),
        sa.Column("document", sa.String, nullable=False),
        sa.Column("user_id", sa.String, nullable=False),
        sa.Column("document_id", sa.String, nullable=False),
        sa.Column("raw_sha256", sa.String, nullable=False),
        sa.Column("reason", sa.String, nullable=False),
        sa.Column("path", sa.String, nullable=False),
        sa.Column("explanation", sa.Text, nullable=False),
        sa.Column("first_seen_at", sa.DateTime(timezone=True), nullable=False),
    )
