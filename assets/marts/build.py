"""Computing the marts: the SQL files of this folder over relations of a DuckDB connection, in the schemas' types."""

from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import duckdb
import pyarrow as pa

from assets.marts.checks import MartCheck, check_marts
from assets.marts.clocks import night_clocks, zone_offsets
from connectors.errors import NightshiftError
from schemas.marts import (
    MART_PARTITIONS,
    MART_TABLES,
    NIGHTS,
    SOURCE_AGREEMENT,
    SOURCE_AGREEMENT_NIGHTS,
    SOURCE_PRECEDENCE,
    USER_WEEKS,
    VERDICT_PRECEDENCE,
)
from schemas.tables import NIGHT_LEDGER, SLEEP_SESSIONS, SLEEP_STAGE_INTERVALS, USERS, Table

MART_INPUTS: tuple[Table, ...] = (SLEEP_SESSIONS, NIGHT_LEDGER, USERS, SLEEP_STAGE_INTERVALS)
"""The lake tables that the marts are computed from; relations of these names must be in the connection.

Of the stage intervals only those of people with two sources are read.
"""

_RULES = ("night_clocks", "zone_offsets", "source_precedence", "verdict_precedence")
SHARED_QUERIES: dict[str, tuple[str, ...]] = {
    NIGHTS.name: ("judged_sessions",),
    USER_WEEKS.name: ("user_periods",),
    SOURCE_AGREEMENT_NIGHTS.name: ("source_pairs", "source_kappas"),
}
"""What marts have in common, by the first mart that reads it: queries of their own, in files of these names."""


COMPARING = (SOURCE_AGREEMENT_NIGHTS, SOURCE_AGREEMENT)
"""Marts of what two sources tell of one night: empty, and not worth asking for, where everybody has one source."""


class MartsUnavailable(NightshiftError):
    """The marts cannot be computed."""


@dataclass(frozen=True, slots=True)
class Marts:
    """The marts by name, in the order of ``MART_TABLES``, and what was found when they were checked.

    ``partitions`` (``MART_PARTITIONS``) has a fingerprint of each partition: it is the same as long as its rows are.
    """

    tables: dict[str, pa.Table]
    partitions: pa.Table
    checks: list[MartCheck]

    def __repr__(self) -> str:
        return f"Marts(checks={self.checks})"

    @property
    def sound(self) -> bool:
        """Whether they may be loaded: keys, nulls and sums are right. Odd figures of the vendor's do not count."""
        return all(check.passed for check in self.checks if check.ours)


def mart_sql(name: str) -> str:
    """The query of a mart or of what marts share, opening with the comment that says what one row is."""
    return (Path(__file__).parent / f"{name}.sql").read_text(encoding="utf-8")


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
            _offer_precedence(connection)
            tables = {}
            compares = _has_pairs(connection)
            wanted = [table for table in MART_TABLES if compares or table not in COMPARING]
            for table in MART_TABLES:
                if table in wanted:
                    for name in SHARED_QUERIES.get(table.name, ()):
                        connection.register(name, connection.sql(mart_sql(name)).to_arrow_table())
                    tables[table.name] = mart(connection, table)
                else:
                    tables[table.name] = table.schema.empty_table()
                connection.register(table.name, tables[table.name])
            return Marts(tables, _partitions(connection), check_marts(connection, wanted))
        finally:
            for name in (*_RULES, *chain(*SHARED_QUERIES.values()), *(table.name for table in MART_TABLES)):
                connection.unregister(name)
    except (duckdb.Error, pa.ArrowException) as error:
        kind = type(error).__name__
    # Only its kind is told, and no cause is carried along: their own words can quote values.
    raise MartsUnavailable(f"The marts cannot be computed ({kind}): rebuild the lake and run again.")


def _has_pairs(connection: duckdb.DuckDBPyConnection) -> bool:
    return bool(
        connection.execute(
            "SELECT 1 FROM sleep_sessions GROUP BY user_id HAVING min(source) < max(source) LIMIT 1"
        ).fetchall()
    )


def mart(connection: duckdb.DuckDBPyConnection, table: Table) -> pa.Table:
    """One mart from the relations that its file reads, sorted, in the types of its schema. Raises: duckdb.Error."""
    columns, order = ", ".join(table.schema.names), ", ".join(table.sort_by)
    query = f"SELECT {columns} FROM (\n{mart_sql(table.name)}\n) ORDER BY {order}"  # noqa: S608 - names are ours
    return connection.sql(query).to_arrow_table().cast(table.schema)


def _partitions(connection: duckdb.DuckDBPyConnection) -> pa.Table:
    # A sum and an exclusive or of the rows' hashes: neither depends on the order of the rows.
    queries = [
        f"SELECT '{table.name}' AS mart, {table.partition_column} AS partition_date, count(*) AS rows, "  # noqa: S608
        f"sum(hash(t)::HUGEINT)::VARCHAR || ' ' || bit_xor(hash(t))::VARCHAR AS fingerprint FROM {table.name} AS t "
        f"GROUP BY {table.partition_column}"
        for table in MART_TABLES
    ]
    ordered = f"{' UNION ALL '.join(queries)} ORDER BY mart, partition_date"
    return connection.sql(ordered).to_arrow_table().cast(MART_PARTITIONS.schema)


def _offer_clocks(connection: duckdb.DuckDBPyConnection) -> None:
    nights = connection.execute("SELECT DISTINCT timezone, night_of FROM sleep_sessions ORDER BY ALL").fetchall()
    connection.register("night_clocks", night_clocks(nights))
    # sleep_onset and final_wake may lie a minute outside of their session.
    spans = connection.execute(
        "SELECT timezone, epoch_us(min(least(start_time, sleep_onset))), epoch_us(max(greatest(end_time, final_wake))) "
        "FROM sleep_sessions GROUP BY timezone ORDER BY timezone"
    ).fetchall()
    connection.register("zone_offsets", zone_offsets(spans))


def _offer_precedence(connection: duckdb.DuckDBPyConnection) -> None:
    for column, names in (("source", SOURCE_PRECEDENCE), ("verdict", VERDICT_PRECEDENCE)):
        places = pa.table(
            {column: pa.array(names, pa.string()), "place": pa.array(range(1, len(names) + 1), pa.int64())}
        )
        connection.register(f"{column}_precedence", places)
