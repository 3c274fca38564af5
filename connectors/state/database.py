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

from connectors.database_urls import parsed
from connectors.errors import NightshiftError, WrongUsage
from connectors.sqlite import make_shareable

_POSTGRESQL_DISK_FULL = "53100"

NEWEST_REVISION = "0009"

EXAMPLE_URL = "postgresql+psycopg://user@host:5432/database"


class StateUnavailable(NightshiftError):
    """The state database cannot be opened, read or written."""


def check_url(url: str) -> None:
    """See that a state database can lie at this address, without opening it.

    Raises: ValueError saying what is wrong, without a part of the address.
    """
    address = parsed(url, EXAMPLE_URL)
    if address.get_backend_name() not in ("sqlite", "postgresql"):
        raise ValueError(f"must be of PostgreSQL or SQLite, such as {EXAMPLE_URL}")
    if address.get_backend_name() == "sqlite" and address.database in (None, "", ":memory:"):
        raise ValueError("must name a file, such as sqlite:////srv/nightshift/state.db")
    try:
        dialect = address.get_dialect()
        dialect.import_dbapi()
    except (NoSuchModuleError, ImportError):
        dialect = None
    if dialect is None or dialect.is_async:
        raise ValueError(
            "must name a driver that is installed: postgresql+psycopg, which comes with nightshift[postgres]"
        )


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
    known = (
        insert.on_conflict_do_update(index_elements=keys, set_=changes) if changes else insert.on_conflict_do_nothing()
    )
    connection.execute(known, list(rows))


def is_disk_full(error: BaseException | None) -> bool:
    """Whether a driver's error says that there is no room left."""
    if isinstance(error, sqlite3.Error):
        # The second: no room for the few pages that the readers and writers of one file share.
        return getattr(error, "sqlite_errorcode", None) in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE)
    return getattr(error, "sqlstate", None) == _POSTGRESQL_DISK_FULL


def _prepare_sqlite(engine: sa.Engine) -> None:
    @sa.event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: object) -> None:
        connection.isolation_level = None
        connection.execute("PRAGMA busy_timeout = 60000")
        make_shareable(connection)
        connection.execute("PRAGMA foreign_keys = ON")

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        # A transaction that starts as a reader and then writes would fail at once when another one writes.
        reads_only = connection.get_execution_options().get("reads_only", False)
        connection.exec_driver_sql("BEGIN" if reads_only else "BEGIN IMMEDIATE")


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
        if is_disk_full(error.orig):
            raise StateUnavailable(
                "The state database cannot be written because the disk is full: make room on the disk of "
                "NIGHTSHIFT_HOME (or of the server of NIGHTSHIFT_STATE_URL), then run the command again."
            ) from None
        raise StateUnavailable(
            f"The state database cannot be used ({type(error.orig).__name__}): check that NIGHTSHIFT_HOME (or "
            "NIGHTSHIFT_STATE_URL) can be written and has free space, then run the command again."
        ) from None
