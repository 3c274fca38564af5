"""The DuckDB warehouse: one file that analysts open while the night is loaded.

A load works on a copy and renames it into place, so a reader sees the old or the new state and locks nobody out.
Tables, types and comments come from ``schemas``. What is loaded and when is not decided here.
"""

import os
import shutil
from collections.abc import Iterator, Mapping, Set
from contextlib import contextmanager, suppress
from datetime import date, timedelta
from errno import EDQUOT, ENOSPC
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from connectors.failpoints import failpoint
from connectors.lake.publish import TEMPORARY
from connectors.warehouse.loading import WarehouseUnavailable as WarehouseUnavailable
from connectors.warehouse.mart_changes import LOADED, mart_changes
from schemas.documents import DELETED
from schemas.marts import MART_PARTITIONS, MART_TABLES, WAREHOUSE_TABLES
from schemas.stages import STAGE_NAMES
from schemas.tables import (
    SESSION_HISTORY,
    SLEEP_HYPNOGRAMS,
    SLEEP_SESSIONS,
    SLEEP_STAGE_INTERVALS,
    Table,
)

_TYPES: dict[pa.DataType, str] = {
    pa.string(): "VARCHAR",
    pa.int64(): "BIGINT",
    pa.float64(): "DOUBLE",
    pa.bool_(): "BOOLEAN",
    pa.date32(): "DATE",
    pa.time32("ms"): "TIME",
    pa.timestamp("us", tz="UTC"): "TIMESTAMPTZ",
    pa.list_(pa.int8()): "TINYINT[]",
    pa.list_(pa.string()): "VARCHAR[]",
}


_OF_NIGHTS = (SLEEP_SESSIONS, SLEEP_HYPNOGRAMS, SLEEP_STAGE_INTERVALS, SESSION_HISTORY)


class DuckDbWarehouse:
    """The warehouse at ``path``; loads replace whole partitions, so loading twice changes nothing."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __repr__(self) -> str:
        return "DuckDbWarehouse(…)"

    def load_nights(self, nights: Mapping[date, Mapping[str, pa.Table]]) -> None:
        """Replace the sessions, hypnograms, stage intervals and history of these UTC dates: tables by name, by date.

        A session is under one date: one that has moved to these is taken from where it was.

        Raises: WarehouseUnavailable.
        """
        with self._copy() as connection:
            for day in nights:
                _delete_night(connection, day)
            for tables in nights.values():
                _take_from_other_dates(connection, tables[SESSION_HISTORY.name])
                for table in _OF_NIGHTS:
                    _insert(connection, table, tables[table.name])

    def load_partitions(self, table: Table, partitions: Mapping[date, pa.Table]) -> None:
        """Replace these partitions of a table that has a partition column. Raises: WarehouseUnavailable."""
        self.load_tables({table: partitions})

    def load_tables(self, tables: Mapping[Table, Mapping[date, pa.Table]]) -> None:
        """The same of several tables, in one step. Raises: WarehouseUnavailable."""
        with self._copy() as connection:
            for table, partitions in tables.items():
                _delete_partitions(connection, table, list(partitions))
                for rows in partitions.values():
                    _insert(connection, table, rows)

    def load_whole(self, table: Table, rows: pa.Table) -> None:
        """Replace all rows of a table that has no partitions. Raises: WarehouseUnavailable."""
        with self._copy() as connection:
            connection.execute(f"DELETE FROM {table.name}")  # noqa: S608 - names are ours
            _insert(connection, table, rows)

    def load_marts(self, marts: Mapping[str, pa.Table], partitions: pa.Table) -> dict[str, int]:
        """Replace the partitions of the marts that are not as they were loaded last; how many, by mart.

        Raises: WarehouseUnavailable.
        """
        changes = mart_changes(marts, partitions, self._loaded_partitions())
        if changes or not self.exists():
            with self._copy() as connection:
                for change in changes:
                    _delete_partitions(connection, change.table, change.dates)
                    connection.execute(
                        f"DELETE FROM {MART_PARTITIONS.name} WHERE mart = ? AND list_contains(?, partition_date)",  # noqa: S608 - names are ours
                        [change.table.name, change.dates],
                    )
                    _insert(connection, change.table, change.rows)
                    _insert(connection, MART_PARTITIONS, change.partitions)
        return {change.table.name: len(change.dates) for change in changes}

    @property
    def query_errors(self) -> tuple[type[Exception], ...]:
        """What a query that cannot be run raises."""
        return (duckdb.Error,)

    def exists(self) -> bool:
        """Whether there is anything to read; False before the first load."""
        return self.path.exists()

    @contextmanager
    def read(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A read-only connection to the present state.

        Raises: WarehouseUnavailable if there is no warehouse yet; duckdb.Error from queries.
        """
        if not self.exists():
            raise WarehouseUnavailable("There is no warehouse yet: run `nightshift sync` first.")
        try:
            connection = duckdb.connect(self.path, read_only=True)
        except duckdb.Error:
            connection = None
        if connection is None:
            raise WarehouseUnavailable("The warehouse file cannot be opened: another program holds it for writing.")
        with connection:
            connection.execute("SET TimeZone = 'UTC'")
            yield connection

    def _loaded_partitions(self) -> list[Any]:
        if not self.exists():
            return []
        with self.read() as connection:
            try:
                return connection.execute(LOADED).fetchall()
            except duckdb.CatalogException:  # an older release made it
                return []

    @contextmanager
    def _copy(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection to a copy, which replaces the warehouse at the end of the block."""
        copy = self.path.with_name(f"{TEMPORARY}{os.getpid()}-{self.path.name}")
        try:
            self._sweep()
            if self.path.exists():
                shutil.copyfile(self.path, copy)
            with duckdb.connect(copy) as connection:
                connection.execute("SET TimeZone = 'UTC'")
                connection.begin()
                _create(connection)
                yield connection
                connection.commit()
                connection.execute("CHECKPOINT")
            _sync(copy)
            failpoint("warehouse.loaded")
            copy.replace(self.path)
            # The log of a reader that wrote and died would be replayed over the new file.
            self.path.with_name(f"{self.path.name}.wal").unlink(missing_ok=True)
            failpoint("warehouse.renamed")
            _sync(self.path.parent)
        except OSError as error:
            raise _cannot_load(error.strerror or type(error).__name__, full=error.errno in (ENOSPC, EDQUOT)) from None
        except duckdb.Error as error:
            # Only its kind is told, and no cause is carried along: DuckDB's own words can quote values.
            raise _cannot_load(type(error).__name__, full=os.strerror(ENOSPC) in str(error)) from None
        finally:
            with suppress(OSError):
                self._sweep()

    def _sweep(self) -> None:
        # The caller holds the warehouse's lock, so whatever lies here is ours or from a killed load.
        for left in self.path.parent.glob(f"{TEMPORARY}*-{self.path.name}*"):
            if left.is_dir():
                shutil.rmtree(left)  # where DuckDB puts what memory does not hold
            else:
                left.unlink(missing_ok=True)


def _cannot_load(reason: str, *, full: bool) -> WarehouseUnavailable:
    if full:
        return WarehouseUnavailable(
            "The warehouse cannot be loaded because the disk is full (a load needs room for a copy of it): make room, "
            "then run again."
        )
    return WarehouseUnavailable(f"The warehouse cannot be loaded ({reason}): check space and permissions.")


def _create(connection: duckdb.DuckDBPyConnection) -> None:
    known = _columns(connection)
    for table in WAREHOUSE_TABLES:
        if table.name not in known:
            columns = ", ".join(
                f"{field.name} {_TYPES[field.type]}{'' if field.nullable else ' NOT NULL'}" for field in table.schema
            )
            connection.execute(f"CREATE TABLE {table.name} ({columns})")
            _comment(connection, table)
        else:
            _add_columns(connection, table, known[table.name])
            if table in MART_TABLES:
                _drop_columns(connection, table, known[table.name])
    connection.execute(_EPOCHS_VIEW)
    connection.execute(_AS_OF_MACRO)


def _columns(connection: duckdb.DuckDBPyConnection) -> dict[str, set[str]]:
    """The columns there are, by table."""
    known: dict[str, set[str]] = {}
    for table, column in connection.execute("SELECT table_name, column_name FROM duckdb_columns()").fetchall():
        known.setdefault(table, set()).add(column)
    return known


def _add_columns(connection: duckdb.DuckDBPyConnection, table: Table, known: Set[str]) -> None:
    """Columns that a newer release has; they are null until their rows are loaded again."""
    missing = [field for field in table.schema if field.name not in known]
    for field in missing:
        connection.execute(f"ALTER TABLE {table.name} ADD COLUMN {field.name} {_TYPES[field.type]}")
    if missing:
        _comment(connection, table)


def _drop_columns(connection: duckdb.DuckDBPyConnection, table: Table, known: Set[str]) -> None:
    """Columns of a mart that an older release had: where they take no nulls, no row of today could be loaded."""
    for name in sorted(known - set(table.schema.names)):
        connection.execute(f"ALTER TABLE {table.name} DROP COLUMN {_name(name)}")


def _name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _comment(connection: duckdb.DuckDBPyConnection, table: Table) -> None:
    connection.execute(f"COMMENT ON TABLE {table.name} IS {_quoted(f'One row is {table.row}.')}")
    for name in table.schema.names:
        unit = table.unit(name)
        text = table.description(name) + (f" Unit: {unit}." if unit else "")
        connection.execute(f"COMMENT ON COLUMN {table.name}.{name} IS {_quoted(text)}")


def _delete_night(connection: duckdb.DuckDBPyConnection, day: date) -> None:
    first, after = f"{day.isoformat()} 00:00:00+00", f"{(day + timedelta(days=1)).isoformat()} 00:00:00+00"
    mine = "start_time >= ?::TIMESTAMPTZ AND start_time < ?::TIMESTAMPTZ"
    # An interval may start on the next date; its session tells which partition it belongs to.
    connection.execute(
        "DELETE FROM sleep_stage_intervals USING sleep_sessions "
        "WHERE sleep_stage_intervals.source = sleep_sessions.source "
        "AND sleep_stage_intervals.user_id = sleep_sessions.user_id "
        "AND sleep_stage_intervals.session_id = sleep_sessions.session_id "
        "AND sleep_sessions.start_time >= ?::TIMESTAMPTZ AND sleep_sessions.start_time < ?::TIMESTAMPTZ",
        [first, after],
    )
    for name in (SLEEP_HYPNOGRAMS.name, SLEEP_SESSIONS.name):
        connection.execute(f"DELETE FROM {name} WHERE {mine}", [first, after])  # noqa: S608 - names are ours
    # A deletion has no start time, only the date it lies under.
    connection.execute("DELETE FROM session_history WHERE start_date = ?", [day])


def _delete_partitions(connection: duckdb.DuckDBPyConnection, table: Table, dates: list[date]) -> None:
    mine = f"list_contains(?, {table.partition_column})"
    connection.execute(f"DELETE FROM {table.name} WHERE {mine}", [dates])  # noqa: S608 - names are ours


def _take_from_other_dates(connection: duckdb.DuckDBPyConnection, history: pa.Table) -> None:
    """Delete the sessions of this history wherever they are; every session of a date has one."""
    if not history.num_rows:
        return
    connection.register("arriving", history)
    # Nearly always there are none, so that only one table is looked through.
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE moved AS SELECT DISTINCT source, user_id, session_id FROM session_history "
        "SEMI JOIN arriving USING (source, user_id, session_id)"
    )
    connection.unregister("arriving")
    if connection.execute("SELECT count(*) FROM moved").fetchall() != [(0,)]:
        for table in _OF_NIGHTS:
            connection.execute(
                f"DELETE FROM {table.name} USING moved WHERE {table.name}.source = moved.source "  # noqa: S608 - ours
                f"AND {table.name}.user_id = moved.user_id AND {table.name}.session_id = moved.session_id"
            )


def _insert(connection: duckdb.DuckDBPyConnection, table: Table, rows: pa.Table) -> None:
    if rows.num_rows:
        connection.register("incoming", rows)
        connection.execute(f"INSERT INTO {table.name} BY NAME SELECT * FROM incoming")  # noqa: S608 - names are ours
        connection.unregister("incoming")


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


_STAGE_CASES = " ".join(f"WHEN {code} THEN {_quoted(name)}" for code, name in STAGE_NAMES.items())

_EPOCHS_VIEW = f"""
CREATE OR REPLACE VIEW sleep_epochs AS
WITH numbered AS (
    SELECT h.*, unnest(range(len(sleep_stages))) AS epoch FROM sleep_hypnograms AS h
)
SELECT
    source,
    user_id,
    session_id,
    epoch,
    start_time + to_seconds(epoch * epoch_s) AS start_time,
    sleep_stages[epoch + 1] AS sleep_stage,
    CASE sleep_stages[epoch + 1] {_STAGE_CASES} END AS stage,
    breath_stages[epoch + 1] AS breath_stage,
    snoring_stages[epoch + 1] AS snoring_stage
FROM numbered
"""  # noqa: S608 - every name in it is ours

_AS_OF_COLUMNS = ", ".join(
    "seen_at AS fetched_at" if name == "fetched_at" else name for name in SLEEP_SESSIONS.schema.names
)

_AS_OF_MACRO = f"""
CREATE OR REPLACE MACRO sleep_sessions_as_of(moment) AS TABLE
SELECT {_AS_OF_COLUMNS}
FROM session_history
WHERE valid_from <= moment::TIMESTAMPTZ
  AND (valid_to IS NULL OR valid_to > moment::TIMESTAMPTZ)
  AND reason <> {_quoted(DELETED)}
"""  # noqa: S608 - every name in it is ours
