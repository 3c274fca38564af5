"""SQLite files of ours that several processes use at once: readers wait for no writer, and every commit is durable."""

import sqlite3


def make_shareable(connection: sqlite3.Connection) -> None:
    """Have a connection (whose transactions are begun by hand) use the write-ahead log, and wait for the disk.

    Raises: sqlite3.Error.
    """
    _use_wal(connection)
    connection.execute("PRAGMA synchronous = FULL")


def _use_wal(connection: sqlite3.Connection) -> None:
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                raise
        else:
            return
        # Of two that open a new file at once, SQLite refuses one on the spot; an empty transaction waits its turn.
        connection.execute("BEGIN EXCLUSIVE")
        connection.execute("COMMIT")
