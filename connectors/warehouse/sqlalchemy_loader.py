"""The warehouse in any database that SQLAlchemy has a dialect for: partitions deleted and inserted in one transaction.

It is the plain way for databases that have no loader of their own here: rows that are as they were are written again,
lists are kept as JSON, and there are neither epochs nor sessions as of a moment. Tried with SQLite, where times are
texts in UTC without an offset.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from typing import Any

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError

from connectors.errors import WrongUsage
from connectors.failpoints import failpoint
from connectors.warehouse.loading import IncompatibleWarehouse, Reader, WarehouseUnavailable
from connectors.warehouse.mart_changes import mart_changes
from schemas.marts import MART_PARTITIONS, WAREHOUSE_TABLES
from schemas.tables import (
    LAKE_TABLES,
    SESSION_HISTORY,
    SLEEP_HYPNOGRAMS,
    SLEEP_SESSIONS,
    SLEEP_STAGE_INTERVALS,
    Table,
)

_TYPES: dict[pa.DataType, Any] = {
    pa.string(): sa.Text(),
    pa.int64(): sa.BigInteger(),
    pa.float64(): sa.Double(),
    pa.bool_(): sa.Boolean(),
    pa.date32(): sa.Date(),
    pa.time32("ms"): sa.Time(),
    pa.timestamp("us", tz="UTC"): sa.DateTime(timezone=True),
    pa.list_(pa.int8()): sa.JSON(none_as_null=True),
    pa.list_(pa.string()): sa.JSON(none_as_null=True),
}
_KEY_LENGTH = 255
_ROWS_AT_ONCE = 1_000
_SESSION = SLEEP_SESSIONS.key
_OF_NIGHTS = (SLEEP_SESSIONS, SLEEP_HYPNOGRAMS, SLEEP_STAGE_INTERVALS, SESSION_HISTORY)


def _made(table: Table, metadata: sa.MetaData) -> sa.Table:
    columns = [
        sa.Column(
            column.name,
            # Some databases have no keys over texts of any length.
            sa.String(_KEY_LENGTH) if column.name in table.key and column.type == pa.string() else _TYPES[column.type],
            primary_key=column.name in table.key,
            nullable=column.nullable,
            autoincrement=False,
            comment=table.description(column.name) + (f" Unit: {unit}." if (unit := table.unit(column.name)) else ""),
        )
        for column in table.schema
    ]
    return sa.Table(table.name, metadata, *columns, comment=f"One row is {table.row}.")


_METADATA = sa.MetaData()
_TABLES = {table.name: _made(table, _METADATA) for table in WAREHOUSE_TABLES}
_SESSIONS, _HYPNOGRAMS, _HISTORY = (
    _TABLES[table.name] for table in (SLEEP_SESSIONS, SLEEP_HYPNOGRAMS, SESSION_HISTORY)
)


class SqlAlchemyWarehouse:
    """The warehouse at ``url`` (an SQLAlchemy URL whose driver is installed); nothing is opened before it is used.

    One loader at a time: the caller holds the warehouse's lock.
    """

    def __init__(self, url: str) -> None:
        self._url = url

    def __repr__(self) -> str:
        return "SqlAlchemyWarehouse(…)"

    def load_nights(self, nights: Mapping[date, Mapping[str, pa.Table]]) -> None:
        """Replace the sessions, hypnograms, stage intervals and history of these UTC dates: tables by name, by date.

        A session is under one date: one that has moved to these is taken from where it was.

        Raises: WarehouseUnavailable.
        """
        with self._load() as connection:
            taken: set[tuple[Any, ...]] = set()
            for day, tables in nights.items():
                taken |= _sessions_under(connection, day)
                for table in _OF_NIGHTS:
                    keys = tables[table.name].select(list(_SESSION))
                    taken |= set(zip(*(column.to_pylist() for column in keys.columns), strict=True))
            for table in _OF_NIGHTS:
                _delete_sessions(connection, _TABLES[table.name], taken)
                for tables in nights.values():
                    _insert(connection, table, tables[table.name])

    def load_partitions(self, table: Table, partitions: Mapping[date, pa.Table]) -> None:
        """Replace these partitions of a table that has a partition column. Raises: WarehouseUnavailable."""
        self.load_tables({table: partitions})

    def load_tables(self, tables: Mapping[Table, Mapping[date, pa.Table]]) -> None:
        """The same of several tables, in one step. Raises: WarehouseUnavailable."""
        with self._load() as connection:
            for table, partitions in tables.items():
                target = _TABLES[table.name]
                connection.execute(sa.delete(target).where(target.c[table.partition_column].in_(partitions)))
                for rows in partitions.values():
                    _insert(connection, table, rows)

    def load_whole(self, table: Table, rows: pa.Table) -> None:
        """Replace all rows of a table that has no partitions. Raises: WarehouseUnavailable."""
        with self._load() as connection:
            connection.execute(sa.delete(_TABLES[table.name]))
            _insert(connection, table, rows)

    def load_marts(self, marts: Mapping[str, pa.Table], partitions: pa.Table) -> dict[str, int]:
        """Replace the partitions of the marts that are not as they were loaded last; how many, by mart.

        Raises: WarehouseUnavailable.
        """
        noted = _TABLES[MART_PARTITIONS.name]
        with self._load() as connection:
            loaded = connection.execute(sa.select(noted.c.mart, noted.c.partition_date, noted.c.fingerprint))
            changes = mart_changes(marts, partitions, [(mart, day, mark) for mart, day, mark in loaded])
            for change in changes:
                target = _TABLES[change.table.name]
                mine = target.c[change.table.partition_column].in_(change.dates)
                connection.execute(sa.delete(target).where(mine))
                was_noted = noted.c.partition_date.in_(change.dates)
                connection.execute(sa.delete(noted).where(noted.c.mart == change.table.name, was_noted))
                _insert(connection, change.table, change.rows)
                _insert(connection, MART_PARTITIONS, change.partitions)
        return {change.table.name: len(change.dates) for change in changes}

    @property
    def query_errors(self) -> tuple[type[Exception], ...]:
        """What a query that cannot be run raises."""
        return (SQLAlchemyError,)

    def exists(self) -> bool:
        """Whether there is anything to read; False before the first load. Raises: WarehouseUnavailable."""
        with _plain_errors(), self._engine.connect() as connection:
            return {table.name for table in LAKE_TABLES} <= set(sa.inspect(connection).get_table_names())

    @contextmanager
    def read(self) -> Iterator[Reader]:
        """A connection to the present state, in a transaction that is rolled back.

        Raises: WarehouseUnavailable if there is no warehouse yet; sqlalchemy.exc.SQLAlchemyError from queries.
        """
        if not self.exists():
            raise WarehouseUnavailable("There is no warehouse yet: run `nightshift sync` first.")
        with self._engine.connect() as connection:
            yield _Reader(connection)

    @cached_property
    def _engine(self) -> sa.Engine:
        try:
            return sa.create_engine(self._url, hide_parameters=True, poolclass=sa.NullPool)
        except (ArgumentError, NoSuchModuleError, ImportError, ValueError):
            pass
        raise WrongUsage("NIGHTSHIFT_WAREHOUSE_URL cannot be used: give an SQLAlchemy URL whose driver is installed.")

    @contextmanager
    def _load(self) -> Iterator[sa.Connection]:
        with _plain_errors(), self._engine.begin() as connection:
            if connection.dialect.name == "sqlite":
                # The driver begins a transaction only before rows are changed, not before tables are made.
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            _prepare(connection)
            yield connection
            failpoint("warehouse.merged")


class _Answer:
    def __init__(self, result: "sa.CursorResult[Any]") -> None:
        self.description: Sequence[Sequence[Any]] | None = result.cursor.description if result.cursor else None
        self._result = result

    def fetchall(self) -> list[Any]:
        return [tuple(row) for row in self._result.fetchall()]


class _Reader:
    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def execute(self, query: str, /) -> _Answer:
        return _Answer(self._connection.exec_driver_sql(query))


def _prepare(connection: sa.Connection) -> None:
    """Make what is missing; types are the database's own, so of what is there only names and keys are compared."""
    found = sa.inspect(connection)
    names = set(found.get_table_names())
    _check_keys(found, names)
    for table in _TABLES.values():
        if table.name not in names:
            table.create(connection)
            if MART_PARTITIONS.name in names:
                # What was noted of it is of a table that is no longer there.
                noted = _TABLES[MART_PARTITIONS.name]
                connection.execute(sa.delete(noted).where(noted.c.mart == table.name))
            continue
        known = {column["name"] for column in found.get_columns(table.name)}
        for column in table.columns:
            if column.name not in known:
                type_name = column.type.compile(dialect=connection.dialect)
                connection.exec_driver_sql(f"ALTER TABLE {table.name} ADD COLUMN {column.name} {type_name}")


def _check_keys(found: "sa.Inspector", names: set[str]) -> None:
    problems, statements = [], []
    for table in _TABLES.values():
        if table.name not in names:
            continue
        key = [column.name for column in table.primary_key]
        if (is_key := found.get_pk_constraint(table.name)["constrained_columns"]) != key:
            problems.append(f"{table.name} has the key ({', '.join(is_key)}) instead of ({', '.join(key)})")
            statements.append(f"ALTER TABLE {table.name} RENAME TO {table.name}_old;")
    if statements:
        statement = " ".join(statements)
        raise IncompatibleWarehouse(
            f"The warehouse's tables do not fit this release ({', '.join(problems)}): nothing was loaded; run "
            f"`{statement}`, then run again.",
            statement,
        )


def _sessions_under(connection: sa.Connection, day: date) -> set[tuple[Any, ...]]:
    begins = datetime.combine(day, time(), UTC)
    found: set[tuple[Any, ...]] = set()
    for table in (_SESSIONS, _HYPNOGRAMS):
        is_here = sa.and_(table.c.start_time >= begins, table.c.start_time < begins + timedelta(days=1))
        found |= {tuple(row) for row in connection.execute(_keys(table).where(is_here))}
    # A deletion has no start time, only the date it lies under.
    return found | {tuple(row) for row in connection.execute(_keys(_HISTORY).where(_HISTORY.c.start_date == day))}


def _keys(table: sa.Table) -> "sa.Select[Any]":
    return sa.select(*(table.c[name] for name in _SESSION)).distinct()


def _delete_sessions(connection: sa.Connection, table: sa.Table, keys: set[tuple[Any, ...]]) -> None:
    if keys:
        mine = [table.c[name] == sa.bindparam(f"key_{name}") for name in _SESSION]
        gone = [dict(zip((f"key_{name}" for name in _SESSION), key, strict=True)) for key in keys]
        connection.execute(sa.delete(table).where(*mine), gone)


def _insert(connection: sa.Connection, table: Table, rows: pa.Table) -> None:
    for batch in rows.to_batches(max_chunksize=_ROWS_AT_ONCE):
        if batch.num_rows:
            connection.execute(sa.insert(_TABLES[table.name]), batch.to_pylist())


@contextmanager
def _plain_errors() -> Iterator[None]:
    try:
        yield
    except SQLAlchemyError as error:
        # Only its kind is told, and no cause is carried along: the database's own words can quote values.
        kind = error.orig if isinstance(error, DBAPIError) else error
        lost = isinstance(error, DBAPIError) and error.connection_invalidated
        raise WarehouseUnavailable(
            f"The warehouse cannot be used ({type(kind).__name__}): check NIGHTSHIFT_WAREHOUSE_URL, space and "
            "permissions, then run again.",
            may_pass=lost,
        ) from None
