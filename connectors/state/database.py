"""Opening the state database: SQLite in WAL mode by default, PostgreSQL by URL; migrations on first use.

``State`` hands out transactions and nothing else; the subjects (roster, ledger, dirty partitions, quarantine, vendor)
have a file each, with functions that take a connection.
"""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, StatementError

from connectors.errors import NightshiftError, WrongUsage

NEWEST_REVISION = "0003"


class StateUnavailable(NightshiftError):
    """The state database cannot be opened, read or written."""


class State:
    """The state database behind ``url`` (an SQLAlchemy URL); nothing is opened before the first transaction."""

    def __init__(self, url: str | sa.URL) -> None:
        self._url = url

    def __repr__(self) -> str:
        return "State(…)"

    @cached_property
    def _engine(self) -> sa.Engine:
        try:
            engine = sa.create_engine(self._url, hide_parameters=True)
        except (ArgumentError, NoSuchModuleError, ModuleNotFoundError):
            raise WrongUsage(
                "NIGHTSHIFT_STATE_URL cannot be used: give an SQLAlchemy URL whose driver is installed."
            ) from None
        if engine.dialect.name == "sqlite":
            _prepare_sqlite(engine)
        try:
            _migrate(engine)
        except NightshiftError:
            engine.dispose()
            raise
        return engine

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A transaction that only reads.

        Raises: StateUnavailable.
        """
        with _plain_errors(), self._engine.connect().execution_options(reads_only=True) as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """A transaction that commits at the end of the block, or rolls back if it is left by an error.

        Raises: StateUnavailable.
        """
        with _plain_errors(), self._engine.connect() as connection, connection.begin():
            yield connection

    def close(self) -> None:
        """Close the connections; the next transaction opens them again."""
        if "_engine" in self.__dict__:
            self._engine.dispose()
            del self._engine


def upsert(connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows, or update all given columns of those whose primary key exists."""
    if not rows:
        return
    insert = (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(table)
    keys = [column.name for column in table.primary_key]
    changes = {name: insert.excluded[name] for name in rows[0] if name not in keys}
    connection.execute(insert.on_conflict_do_update(index_elements=keys, set_=changes), list(rows))


def _prepare_sqlite(engine: sa.Engine) -> None:
    @sa.event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: object) -> None:
        connection.isolation_level = None
        connection.execute("PRAGMA busy_timeout = 60000")
        _use_wal(connection)
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        # A transaction that starts as a reader and then writes would fail at once when another one writes.
        reads_only = connection.get_execution_options().get("reads_only", False)
        connection.exec_driver_sql("BEGIN" if reads_only else "BEGIN IMMEDIATE")


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


def _migrate(engine: sa.Engine) -> None:
    with _plain_errors():
        if _revision(engine) == NEWEST_REVISION:
            return
        from alembic import command
        from alembic.config import Config
        from alembic.util import CommandError

        config = Config()
        config.set_main_option("script_location", "connectors.state:migrations")
        with engine.begin() as connection:
            config.attributes["connection"] = connection
            try:
                command.upgrade(config, "head")
            except CommandError:
                raise StateUnavailable(
                    "The state database was made by a newer Nightshift: use that version, or another NIGHTSHIFT_HOME."
                ) from None


def _revision(engine: sa.Engine) -> str | None:
    with engine.connect().execution_options(reads_only=True) as connection:
        if not sa.inspect(connection).has_table("alembic_version"):
            return None
        return connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()


@contextmanager
def _plain_errors() -> Iterator[None]:
    try:
        yield
    except StatementError as error:
        # Only its kind is told, and no cause is carried along: the database's own words can quote values.
        raise StateUnavailable(
            f"The state database cannot be used ({type(error.orig).__name__}): check that NIGHTSHIFT_HOME (or "
            "NIGHTSHIFT_STATE_URL) can be written and has free space, then run the command again."
        ) from None
