"""The PostgreSQL warehouse: tables in a schema of a server, loaded by binary COPY and a merge of whole sets.

A load is one transaction, so a reader sees the old or the new state. Rows that are as they were are not touched: a
load of what is there already writes nothing. Loaders wait for each other at one lock of the server, held until commit.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import sqlalchemy as sa

from connectors.errors import WrongUsage
from connectors.failpoints import failpoint
from connectors.warehouse.binary_copy import binary_copy
from connectors.warehouse.loading import WarehouseUnavailable
from connectors.warehouse.mart_changes import LOADED, mart_changes
from connectors.warehouse.postgresql_layout import columns_of, has_tables, prepare, quoted
from connectors.warehouse.postgresql_refusals import plain_errors
from schemas.marts import MART_PARTITIONS
from schemas.tables import (
    SESSION_HISTORY,
    SLEEP_HYPNOGRAMS,
    SLEEP_SESSIONS,
    SLEEP_STAGE_INTERVALS,
    Table,
)

if TYPE_CHECKING:
    import psycopg

SCHEMA = "nightshift"
CONNECT_TIMEOUT_S = 10

_OF_NIGHTS = (SESSION_HISTORY, SLEEP_SESSIONS, SLEEP_HYPNOGRAMS, SLEEP_STAGE_INTERVALS)
_SESSION = SLEEP_SESSIONS.key

_SETTINGS = """
SET LOCAL TimeZone = 'UTC';
SET LOCAL jit = off;
SET LOCAL work_mem = '64MB';
SET LOCAL tcp_keepalives_idle = 60;
SET LOCAL idle_in_transaction_session_timeout = '10min';
SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') = 'off'
"""
"""A loader that is cut off must not hold its lock for hours, and what is called loaded must outlive a power cut."""


class PostgresWarehouse:
    """The warehouse in ``schema`` of the database at ``url`` (an SQLAlchemy URL); nothing is opened before it is used.

    Raises: WrongUsage if the address cannot be used or the driver is not installed.
    """

    def __init__(self, url: str, schema: str = SCHEMA) -> None:
        self._schema = schema
        self._arguments = _connection_arguments(url)

    def __repr__(self) -> str:
        return "PostgresWarehouse(…)"

    def load_nights(self, nights: Mapping[date, Mapping[str, pa.Table]]) -> None:
        """Replace the sessions, hypnograms, stage intervals and history of these UTC dates: tables by name, by date.

        A session is under one date: one that has moved to these is taken from where it was.

        Raises: WarehouseUnavailable.
        """
        with self._load() as connection:
            arriving = {
                table: _fitting(table, (tables[table.name] for tables in nights.values())) for table in _OF_NIGHTS
            }
            self._take_sessions(connection, list(nights), arriving.values())
            for table, rows in arriving.items():
                self._replace(connection, table, rows, _OF_TAKEN)

    def load_partitions(self, table: Table, partitions: Mapping[date, pa.Table]) -> None:
        """Replace these partitions of a table that has a partition column. Raises: WarehouseUnavailable."""
        self.load_tables({table: partitions})

    def load_tables(self, tables: Mapping[Table, Mapping[date, pa.Table]]) -> None:
        """The same of several tables, in one step. Raises: WarehouseUnavailable."""
        with self._load() as connection:
            for table, partitions in tables.items():
                rows = _fitting(table, partitions.values())
                self._replace(connection, table, rows, _of_dates(table), list(partitions))

    def load_whole(self, table: Table, rows: pa.Table) -> None:
        """Replace all rows of a table that has no partitions. Raises: WarehouseUnavailable."""
        with self._load() as connection:
            self._replace(connection, table, _fitting(table, [rows]), "true")

    def load_marts(self, marts: Mapping[str, pa.Table], partitions: pa.Table) -> dict[str, int]:
        """Replace the partitions of the marts that are not as they were loaded last; how many, by mart.

        Raises: WarehouseUnavailable.
        """
        with self._load() as connection:
            connection.execute(f"SET LOCAL search_path = {quoted(self._schema)}")
            changes = mart_changes(marts, partitions, connection.execute(LOADED).fetchall())
            for change in changes:
                rows = _fitting(change.table, [change.rows])
                self._replace(connection, change.table, rows, _of_dates(change.table), change.dates)
            keys = [(change.table.name, day) for change in changes for day in change.dates]
            noted = _fitting(MART_PARTITIONS, (change.partitions for change in changes))
            names, dates = [name for name, _ in keys], [day for _, day in keys]
            self._replace(connection, MART_PARTITIONS, noted, _OF_PARTITIONS, names, dates)
        return {change.table.name: len(change.dates) for change in changes}

    @property
    def query_errors(self) -> tuple[type[Exception], ...]:
        """What a query that cannot be run raises."""
        import psycopg

        return (psycopg.Error,)

    def exists(self) -> bool:
        """Whether there is anything to read; False before the first load. Raises: WarehouseUnavailable."""
        with plain_errors(), closing(self._connect()) as connection:
            return has_tables(connection, self._schema)

    @contextmanager
    def read(self) -> "Iterator[psycopg.Connection[Any]]":
        """A read-only connection to the present state, which stays the same in all of the block; the schema is found.

        Raises: WarehouseUnavailable if there is no warehouse yet or the server is away; psycopg.Error from queries.
        """
        import psycopg

        with plain_errors():
            connection = self._connect()
        with closing(connection):
            with plain_errors():
                # Of the session, too: a query that ends the transaction would be free to write in the next one.
                connection.autocommit = True
                connection.execute("SET default_transaction_read_only = on")
                connection.autocommit = False
                connection.read_only = True
                connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
                connection.execute(f"SET LOCAL TimeZone = 'UTC'; SET LOCAL search_path = {quoted(self._schema)}")
                is_there = has_tables(connection, self._schema)
            if not is_there:
                raise WarehouseUnavailable("There is no warehouse yet: run `nightshift sync` first.")
            yield connection

    def _connect(self) -> "psycopg.Connection[Any]":
        import psycopg

        return psycopg.connect(**self._arguments)

    @contextmanager
    def _load(self) -> "Iterator[psycopg.Connection[Any]]":
        """A transaction that holds the warehouse's lock and finds the tables as they should be."""
        import psycopg

        with plain_errors():
            # Closed and not rolled back: that leaves nothing either, and has nothing to say of a server that is gone.
            with closing(self._connect()) as connection:
                # What another loader has committed while this one waited must be seen.
                connection.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
                connection.execute(_SETTINGS)
                connection.execute(
                    "SELECT pg_advisory_xact_lock(hashtextextended('nightshift warehouse ' || %s, 0))", [self._schema]
                )
                prepare(connection, self._schema)
                yield connection
                failpoint("warehouse.merged")
                connection.commit()
            failpoint("warehouse.committed")

    def _take_sessions(
        self, connection: "psycopg.Connection[Any]", days: list[date], arriving: Iterable[pa.Table]
    ) -> None:
        """Note the sessions to be replaced: those under these dates, and those that arrive, wherever they lie."""
        keys = ", ".join(_SESSION)
        connection.execute(
            f"CREATE TEMP TABLE taken ON COMMIT DROP AS SELECT {keys} "  # noqa: S608 - ours
            f"FROM {self._place(SLEEP_SESSIONS)} WITH NO DATA"
        )
        arriving_keys = pa.concat_tables([rows.select(_SESSION) for rows in arriving])
        _copy(connection, "taken", arriving_keys.group_by(list(_SESSION)).aggregate([]))
        starts = [datetime.combine(day, time(), UTC) for day in days]
        for table in (SLEEP_SESSIONS, SLEEP_HYPNOGRAMS):
            connection.execute(
                f"INSERT INTO taken SELECT {_listed('t', _SESSION)} FROM {self._place(table)} AS t "  # noqa: S608 - names are ours
                "JOIN unnest(%s::timestamptz[]) AS day(begins) "
                "ON t.start_time >= begins AND t.start_time < begins + interval '24 hours' "
                f"EXCEPT SELECT {keys} FROM taken",
                [starts],
            )
        # A deletion has no start time, only the date it lies under.
        connection.execute(
            f"INSERT INTO taken SELECT {keys} FROM {self._place(SESSION_HISTORY)} "  # noqa: S608 - names are ours
            "WHERE start_date = ANY(%s) "
            f"EXCEPT SELECT {keys} FROM taken",
            [days],
        )
        connection.execute("ANALYZE taken")

    def _replace(
        self, connection: "psycopg.Connection[Any]", table: Table, rows: pa.Table, scope: str, *values: object
    ) -> None:
        """Have these rows, and no other, in the part of a table that a condition on it (as ``t``) is true for."""
        place = self._place(table)
        is_there = f"SELECT FROM {place} AS t WHERE {scope}"
        is_new = connection.execute(f"SELECT NOT EXISTS ({is_there})", values).fetchone()
        if is_new == (True,):
            # Whatever arrives lies in this part, so there is nothing to merge with.
            _copy(connection, place, rows)
            failpoint("warehouse.copied")
            return
        incoming = f"incoming_{table.name}"
        connection.execute(
            f"CREATE TEMP TABLE {incoming} ON COMMIT DROP AS SELECT {columns_of(table)} "  # noqa: S608 - ours
            f"FROM {place} WITH NO DATA"
        )
        _copy(connection, incoming, rows)
        connection.execute(f"ANALYZE {incoming} ({', '.join(table.key)})")
        failpoint("warehouse.copied")
        same = " AND ".join(f"t.{name} = i.{name}" for name in table.key)
        changing = [name for name in table.schema.names if name not in table.key]
        connection.execute(
            f"DELETE FROM {place} AS t WHERE {scope} "  # noqa: S608 - names are ours
            f"AND NOT EXISTS (SELECT FROM {incoming} AS i WHERE {same})",
            values,
        )
        # Compared to the bit: that 0.0 became -0.0 or a null became NaN is a change as well.
        connection.execute(
            f"UPDATE {place} AS t SET {', '.join(f'{name} = i.{name}' for name in changing)} "  # noqa: S608 - ours
            f"FROM {incoming} AS i WHERE {scope} AND {same} "
            f"AND ROW({_listed('t', changing)})::record *<> ROW({_listed('i', changing)})::record",
            values,
        )
        connection.execute(
            f"INSERT INTO {place} ({columns_of(table)}) "  # noqa: S608 - names are ours
            f"SELECT {columns_of(table)} FROM {incoming} AS i "
            f"WHERE NOT EXISTS (SELECT FROM {place} AS t WHERE {scope} AND {same})",
            values,
        )

    def _place(self, table: Table) -> str:
        return f"{quoted(self._schema)}.{table.name}"


_OF_TAKEN = "EXISTS (SELECT FROM taken WHERE " + " AND ".join(f"taken.{name} = t.{name}" for name in _SESSION) + ")"


_OF_PARTITIONS = "(t.mart, t.partition_date) IN (SELECT * FROM unnest(%s::text[], %s::date[]))"


def _of_dates(table: Table) -> str:
    return f"t.{table.partition_column} = ANY(%s)"


def _listed(table: str, names: Iterable[str]) -> str:
    return ", ".join(f"{table}.{name}" for name in names)


def _copy(connection: "psycopg.Connection[Any]", place: str, rows: pa.Table) -> None:
    columns = ", ".join(rows.column_names)
    with connection.cursor().copy(f"COPY {place} ({columns}) FROM STDIN (FORMAT BINARY)") as copy:
        for part in binary_copy(rows):
            copy.write(part)


def _fitting(table: Table, parts: Iterable[pa.Table]) -> pa.Table:
    """The parts in one, with the columns and types of the table; whether nulls are allowed is the server's to say."""
    schema = pa.schema([column.with_nullable(True).remove_metadata() for column in table.schema])
    fitting = [schema.empty_table()]
    for part in parts:
        if sorted(part.column_names) != sorted(schema.names):
            raise pa.ArrowInvalid("other columns")
        fitting.append(part.select(schema.names).cast(schema))
    # In the order of the key its index grows at one end, and one chunk is encoded at once instead of one a partition.
    return pa.concat_tables(fitting).sort_by([(name, "ascending") for name in table.key])


def _connection_arguments(url: str) -> dict[str, Any]:
    try:
        parsed = sa.make_url(url).set(drivername="postgresql+psycopg")
        dialect: Any = parsed.get_dialect()()
        dialect.import_dbapi()
        _, arguments = dialect.create_connect_args(parsed)
    except (sa.exc.ArgumentError, ValueError):
        problem = "is no address such as postgresql+psycopg://user@host:5432/database"
    except ImportError:
        problem = "is of PostgreSQL, whose driver is not installed: install nightshift[postgres]"
    else:
        # Connections through a pooler do not keep prepared statements.
        own = {"connect_timeout": CONNECT_TIMEOUT_S, "application_name": "nightshift", "prepare_threshold": None}
        return {**own, **arguments}
    raise WrongUsage(f"NIGHTSHIFT_WAREHOUSE_URL {problem}.")
