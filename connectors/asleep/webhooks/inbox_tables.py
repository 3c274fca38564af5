"""The tables of the inbox's file, as versions of DDL that only grow: ``user_version`` says how many were applied."""

import sqlite3

VERSIONS: tuple[tuple[str, ...], ...] = (
    (
        # ``body`` comes last, so that SQLite reads past none of it for the other columns.
        """CREATE TABLE events (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            received_at TEXT NOT NULL,
            source TEXT NOT NULL,
            event TEXT NOT NULL,
            user_id TEXT NOT NULL,
            session_id TEXT NOT NULL,
            sha256 TEXT NOT NULL,
            status TEXT NOT NULL,
            reason TEXT NOT NULL,
            unknown_users TEXT NOT NULL,
            marked_at TEXT,
            body BLOB NOT NULL,
            UNIQUE (source, event, session_id, sha256)
        )""",
        "CREATE INDEX new_events ON events (id) WHERE status = 'new'",
        """CREATE TABLE attempts (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            at TEXT NOT NULL,
            outcome TEXT NOT NULL,
            body_bytes INTEGER NOT NULL
        )""",
    ),
    (
        # Of each array the codes, a signed byte an epoch, and the batch that each of them is from, two bytes an epoch.
        """CREATE TABLE live_sessions (
            source TEXT NOT NULL,
            user_id TEXT NOT NULL,
            session_id TEXT NOT NULL,
            epoch_s INTEGER NOT NULL,
            epochs INTEGER NOT NULL,
            batches INTEGER NOT NULL,
            first_received_at TEXT NOT NULL,
            last_received_at TEXT NOT NULL,
            sleep_stages BLOB NOT NULL,
            breath_stages BLOB NOT NULL,
            snoring_stages BLOB NOT NULL,
            sleep_from BLOB NOT NULL,
            breath_from BLOB NOT NULL,
            snoring_from BLOB NOT NULL,
            batch_numbers BLOB NOT NULL,
            PRIMARY KEY (source, user_id, session_id)
        )""",
        "CREATE INDEX done_events ON events (marked_at) WHERE status = 'done'",
        "CREATE INDEX dead_letters ON events (id) WHERE status = 'dead_letter'",
    ),
)
"""Statements that lead from one version to the next; a change is a new entry at the end."""


def migrate(connection: sqlite3.Connection) -> bool:
    """Bring the file to the newest version, in one transaction; False if a newer Nightshift made it."""
    if _version(connection) == len(VERSIONS):
        return True
    connection.execute("BEGIN EXCLUSIVE")
    try:
        applied = _version(connection)  # another process may have been quicker
        for statements in VERSIONS[applied:]:
            for statement in statements:
                connection.execute(statement)
        if applied < len(VERSIONS):
            connection.execute(f"PRAGMA user_version = {len(VERSIONS)}")
        connection.execute("COMMIT")
    except BaseException:
        connection.rollback()
        raise
    return applied <= len(VERSIONS)


def _version(connection: sqlite3.Connection) -> int:
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return version
