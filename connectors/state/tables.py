"""The tables of the state database, as SQLAlchemy Core. Queries live beside them, one file a subject.

Every table carries ``org_id`` or belongs to a row that does. A change here needs a
migration in ``migrations/versions``.
"""

from datetime import UTC, datetime

from sqlalchemy import (
    Boolean,
    Column,
    Date,
    DateTime,
    Dialect,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    false,
)


class UtcTime(TypeDecorator[datetime]):
    """An aware datetime in UTC; SQLite, which keeps no zone, gives it back as one."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Store in UTC."""
        return value.astimezone(UTC) if value is not None else None

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Read as UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


metadata = MetaData()

vendors = Table(
    "vendors",
    metadata,
    Column("source", String, primary_key=True),
    Column("base_url", String, nullable=False),
    Column("key_fingerprint", String, nullable=False),
    Column("last_complete_pull_at", UtcTime),
)

roster = Table(
    "roster",
    metadata,
    Column("source", String, primary_key=True),
    Column("user_id", String, primary_key=True),
    Column("org_id", String, nullable=False),
    Column("timezone", String, nullable=False),
    Column("active_from", Date),
    Column("active_to", Date),
    Column("gone", Boolean, nullable=False, default=False),
    Column("to_be_deleted", Boolean, nullable=False, default=False, server_default=false()),
    Column("removed", Boolean, nullable=False, default=False, server_default=false()),
    Column("vendor_user_id", String),
)

sessions = Table(
    "sessions",
    metadata,
    Column("source", String, primary_key=True),
    Column("user_id", String, primary_key=True),
    Column("session_id", String, primary_key=True),
    Column("org_id", String, nullable=False),
    Column("partition", Date, nullable=False, index=True),
    Column("fingerprint", String, nullable=False),
    Column("verdict", String, nullable=False, index=True),
    Column("content_hash", String),
    Column("revision", Integer, nullable=False, default=0),
    Column("first_seen_at", UtcTime, nullable=False),
    Column("changed_at", UtcTime, nullable=False),
    Column("averaged_hash", String),
)

documents = Table(
    "documents",
    metadata,
    Column("source", String, primary_key=True),
    Column("document", String, primary_key=True),
    Column("user_id", String, primary_key=True),
    Column("document_id", String, primary_key=True),
    Column("content_hash", String, nullable=False),
    Column("fetched_at", UtcTime, nullable=False),
)

unpulled_users = Table(
    "unpulled_users",
    metadata,
    Column("source", String, primary_key=True),
    Column("user_id", String, primary_key=True),
    Column("kind", String, nullable=False),
    Column("since", UtcTime, nullable=False),
    Column("first_day", Date, nullable=False),
    Column("last_day", Date, nullable=False),
)

dirty_partitions = Table(
    "dirty_partitions",
    metadata,
    Column("asset", String, primary_key=True),
    Column("partition", String, primary_key=True),
    Column("generation", String, nullable=False),
)

quarantine = Table(
    "quarantine",
    metadata,
    Column("quarantine_id", String, primary_key=True),
    Column("asset", String, nullable=False),
    Column("partition", String, nullable=False, index=True),
    Column("source", String, nullable=False),
    Column("document", String, nullable=False),
    Column("user_id", String, nullable=False),
    Column("document_id", String, nullable=False),
    Column("raw_sha256", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("path", String, nullable=False),
    Column("explanation", Text, nullable=False),
    Column("first_seen_at", UtcTime, nullable=False),
)

vendor_drift = Table(
    "vendor_drift",
    metadata,
    Column("source", String, primary_key=True),
    Column("document", String, primary_key=True),
    Column("kind", String, primary_key=True),
    Column("path", String, primary_key=True),
    Column("first_seen_at", UtcTime, nullable=False),
)

asked_days = Table(
    "asked_days",
    metadata,
    Column("source", String, primary_key=True),
    Column("user_id", String, primary_key=True),
    Column("first_day", Date, primary_key=True),
    Column("last_day", Date, nullable=False, index=True),
    Column("checked_at", UtcTime),
)

outbox = Table(
    "outbox",
    metadata,
    Column("destination", String, primary_key=True),
    Column("name", String, primary_key=True),
    Column("partition", String, nullable=False),
    Column("patient", String, index=True),
    Column("part_of", String, index=True),
    Column("sent_hash", String),
    Column("sending_hash", String),
    Column("refused_hash", String),
    Column("version", String),
    Column("server_id", String),
    Column("body", LargeBinary),
    Column("erased", Boolean, nullable=False, server_default=false()),
    Column("changed_at", UtcTime, nullable=False),
)

exported_partitions = Table(
    "exported_partitions",
    metadata,
    Column("destination", String, primary_key=True),
    Column("partition", String, primary_key=True),
    Column("mark", String, nullable=False),
)

destinations = Table(
    "destinations",
    metadata,
    Column("destination", String, primary_key=True),
    Column("write_form", String, nullable=False),
)

organisations = Table("organisations", metadata, Column("org_id", String, primary_key=True))

tokens = Table(
    "tokens",
    metadata,
    Column("source", String, primary_key=True),
    Column("account", String, primary_key=True),
    Column("credentials", String, nullable=False),
    Column("sealed", LargeBinary),
    Column("changed_at", UtcTime, nullable=False),
)
