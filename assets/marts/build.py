"""Computing the marts: each SQL file of this folder over the relations of a DuckDB connection, in its schema's types.

The connection is the warehouse's own, or one to which the lake was offered as Arrow tables or Parquet files.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa

from assets.marts.checks import MartCheck, check_marts
from assets.marts.clocks import night_clocks, zone_offsets
from connectors.errors import NightshiftError
from schemas.marts import MART_TABLES
from schemas.tables import NIGHT_LEDGER, SLEEP_SESSIONS, USERS, Table

MART_INPUTS: tuple[Table, ...] = (SLEEP_SESSIONS, NIGHT_LEDGER, USERS)
"""The lake tables that the marts are computed from; relations of these names must be in the connection."""

_CLOCKS = ("night_clocks", "zone_offsets")


class MartsUnavailable(NightshiftError):
    """The marts cannot be computed."""


@dataclass(frozen=True, slots=True)
class Marts:
    """The marts by name, in the order of ``MART_TABLES``, and what was found when they were checked."""

    tables: dict[str, pa.Table]
    checks: list[MartCheck]

    def __repr__(self) -> str:
        return f"Marts(checks={self.checks})"

    @property
    def sound(self) -> bool:
        """Whether they may be loaded: keys, nulls and sums are right. Odd figures of the vendor's do not count."""
        return all(check.passed for check in self.checks if check.ours)


def mart_sql(table: Table) -> str:
    """The query of a mart, opening with the comment that says what one row is."""
    return (Path(__file__).parent / f"{table.name}.sql").read_text(encoding="utf-8")


def offer(connection: duckdb.DuckDBPyConnection, table: Table, rows: pa.Table | Sequence[Path]) -> None:
    """Make a lake table a relation of the connection: from an Arrow table, or from Parquet files that are read later.

    Files of an older release may lack columns, which are null; no files are no rows.
    """
    if isinstance(rows, pa.Table):
        connection.register(table.name, rows)
        return
    connection.register(f"no_{table.name}", table.schema.empty_table())
    query = f"SELECT * FROM no_{table.name}"  # noqa: S608 - names are ours
    if rows:
        files = ", ".join("'" + str(path).replace("'", "''") + "'" for path in rows)
        read = f"read_parquet([{files}], union_by_name=true, hive_partitioning=false)"
        query += f" UNION ALL BY NAME SELECT * FROM {read}"  # noqa: S608 - paths are quoted
    connection.execute(f"CREATE OR REPLACE TEMP VIEW {table.name} AS {query}")


def build_marts(connection: duckdb.DuckDBPyConnection) -> Marts:
    """Compute and check every mart from the connection's ``MART_INPUTS``; sets the connection's zone to UTC.

    Rows are in the order of the mart's ``sort_by`` and do not depend on the order of the inputs. Nothing is written;
    relations of the marts' names are hidden while it works.

    Raises: MartsUnavailable.
    """
    try:
        connection.execute("SET TimeZone = 'UTC'")
        try:
            _offer_clocks(connection)
            tables = {}
            for table in MART_TABLES:
                tables[table.name] = mart(connection, table)
                connection.register(table.name, tables[table.name])
            return Marts(tables, check_marts(connection))
        finally:
            for name in (*_CLOCKS, *(table.name for table in MART_TABLES)):
                connection.unregister(name)
    except (duckdb.Error, pa.ArrowException) as error:
        kind = type(error).__name__
    # Only its kind is told, and no cause is carried along: their own words can quote values.
    raise MartsUnavailable(f"The marts cannot be computed ({kind}): rebuild the lake and run again.")


def mart(connection: duckdb.DuckDBPyConnection, table: Table) -> pa.Table:
    """One mart from the relations that its file reads, sorted, in the types of its schema. Raises: duckdb.Error."""
    columns, order = ", ".join(table.schema.names), ", ".join(table.sort_by)
    query = f"SELECT {columns} FROM (\n{mart_sql(table)}\n) ORDER BY {order}"  # noqa: S608 - names are ours
    return connection.sql(query).to_arrow_table().cast(table.schema)


def _offer_clocks(connection: duckdb.DuckDBPyConnection) -> None:
    nights = connection.execute("SELECT DISTINCT timezone, night_of FROM sleep_sessions ORDER BY ALL").fetchall()
    connection.register("night_clocks", night_clocks(nights))
    # sleep_onset and final_wake may lie a minute outside of their session.
    spans = connection.execute(
        "SELECT timezone, epoch_us(min(least(start_time, sleep_onset))), epoch_us(max(greatest(end_time, final_wake))) "
        "FROM sleep_sessions GROUP BY timezone ORDER BY timezone"
    ).fetchall()
    connection.register("zone_offsets", zone_offsets(spans))
