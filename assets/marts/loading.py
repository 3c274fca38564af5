"""The marts as assets: computed from all of the lake, checked, and loaded into the warehouse where they differ."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import dagster as dg
import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from assets.builds import ALL_USERS, MARTS, claim_partitions
from assets.marts.build import MART_INPUTS, Marts, build_marts
from assets.marts.checks import CHECK_NAMES, MartCheck
from assets.results import OWNERS, table_metadata
from connectors.errors import NightshiftError
from connectors.home import Home
from connectors.state.dirty import clear
from connectors.warehouse.loading import Warehouse
from schemas.lineage import mart_lineage
from schemas.marts import MART_TABLES, NIGHTS, SOURCE_AGREEMENT, SOURCE_AGREEMENT_NIGHTS
from schemas.tables import NIGHT_LEDGER, SLEEP_SESSIONS, SLEEP_STAGE_INTERVALS, USERS, Table

FEW_ROWS = 20_000
"""Fewer rows are done before other threads would have begun."""


class MartsUnsound(NightshiftError):
    """A check of ours failed: the marts were not loaded."""


@dataclass(frozen=True, slots=True)
class LoadedMarts:
    """The marts, and how many partitions of each were replaced; none if they are not sound."""

    marts: Marts
    replaced: dict[str, int]


def load_marts(home: Home, warehouse: Warehouse) -> LoadedMarts:
    """Compute the marts from the lake as it is now, and load those partitions that differ.

    Raises: LakeDamaged, DiskUnavailable, MartsUnavailable, WarehouseUnavailable.
    """
    with home.lock("warehouse"):
        claims = claim_partitions(home, MARTS, [ALL_USERS])
        marts = lake_marts(home)
        if not marts.sound:
            return LoadedMarts(marts, {})
        replaced = warehouse.load_marts(marts.tables, marts.partitions)
        clear(home.state, claims)
    return LoadedMarts(marts, replaced)


def lake_marts(home: Home) -> Marts:
    """The marts of the lake as it is now. Raises: LakeDamaged, DiskUnavailable, MartsUnavailable."""
    inputs = {table.name: home.lake.read_all(table) for table in MART_INPUTS if table is not SLEEP_STAGE_INTERVALS}
    with duckdb.connect() as connection:
        if max(rows.num_rows for rows in inputs.values()) < FEW_ROWS:
            connection.execute("SET threads = 1")
        for name, rows in inputs.items():
            connection.register(name, rows)
        connection.register(SLEEP_STAGE_INTERVALS.name, _stages_to_compare(home, connection))
        return build_marts(connection)


def _stages_to_compare(home: Home, connection: duckdb.DuckDBPyConnection) -> pa.Table:
    """The stage intervals of people with two sources: none is read where everybody has one."""
    people = "SELECT user_id FROM sleep_sessions GROUP BY user_id HAVING count(DISTINCT source) > 1"
    nights = connection.execute(
        f"SELECT DISTINCT CAST(timezone('UTC', start_time) AS DATE) FROM sleep_sessions WHERE user_id IN ({people}) "  # noqa: S608 - ours
        "ORDER BY ALL"
    ).fetchall()
    users: Any = pa.array([user for (user,) in connection.execute(people).fetchall()], pa.string())
    parts = [home.lake.read(SLEEP_STAGE_INTERVALS, f"date={night}") for (night,) in nights]
    mine = [part.filter(pc.is_in(part["user_id"], value_set=users)) for part in parts]
    return pa.concat_tables([SLEEP_STAGE_INTERVALS.schema.empty_table(), *mine], promote_options="permissive")


def _key(table: Table) -> dg.AssetKey:
    return dg.AssetKey([MARTS, table.name])


MART_KEYS = [_key(table) for table in MART_TABLES]


def _lake(*tables: Table) -> list[dg.AssetKey]:
    return [dg.AssetKey(["lake", table.name]) for table in tables]


_READ_BY = {
    NIGHTS.name: _lake(SLEEP_SESSIONS, NIGHT_LEDGER, USERS),
    SOURCE_AGREEMENT_NIGHTS.name: _lake(SLEEP_SESSIONS, NIGHT_LEDGER, SLEEP_STAGE_INTERVALS),
    SOURCE_AGREEMENT.name: [_key(SOURCE_AGREEMENT_NIGHTS)],
}
"""What a mart is made from, where it is not the nights alone."""


def _spec(table: Table) -> dg.AssetSpec:
    return dg.AssetSpec(
        _key(table),
        deps=_READ_BY.get(table.name, [_key(NIGHTS)]),
        description=f"One row is {table.row}.",
        group_name=MARTS,
        kinds={"sql", "duckdb"},
        owners=OWNERS,
        metadata={**table_metadata(table, mart_lineage(table)), "dagster/table_name": table.name},
    )


@dg.multi_asset(
    name="mart_tables",
    specs=[_spec(table) for table in MART_TABLES],
    check_specs=[
        dg.AssetCheckSpec(name, asset=_key(table)) for table in MART_TABLES for name in CHECK_NAMES[table.name]
    ],
)
def mart_tables(
    home: dg.ResourceParam[Home], warehouse: dg.ResourceParam[Warehouse]
) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
    """What analysts ask for: nights, weeks and months of people, days of cohorts, how phone and bed agree."""
    loaded = load_marts(home, warehouse)
    yield from map(_result, loaded.marts.checks)
    failed = Counter(check.mart for check in loaded.marts.checks if check.ours and not check.passed)
    if failed:
        raise MartsUnsound(
            f"The marts were not loaded because checks failed ({', '.join(sorted(failed))}): run `nightshift rebuild`; "
            "if they fail again, report it with the names of the checks in Dagster's UI."
        )
    for table in MART_TABLES:
        rows = loaded.marts.tables[table.name]
        yield dg.MaterializeResult(
            asset_key=_key(table),
            metadata={
                "dagster/row_count": rows.num_rows,
                "partitions_replaced": loaded.replaced.get(table.name, 0),
            },
        )


def _result(check: MartCheck) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        asset_key=dg.AssetKey([MARTS, check.mart]),
        check_name=check.name,
        passed=check.passed,
        severity=dg.AssetCheckSeverity.ERROR if check.ours else dg.AssetCheckSeverity.WARN,
        metadata={"rows_wrong": check.wrong},
    )
