"""The marts as assets: computed from all of the lake, checked, and loaded into the warehouse where they differ."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import dagster as dg
import duckdb

from assets.builds import ALL_USERS, MARTS, claim_partitions
from assets.marts.build import MART_INPUTS, Marts, build_marts
from assets.marts.checks import CHECK_NAMES, MartCheck
from assets.results import OWNERS, table_metadata
from connectors.errors import NightshiftError
from connectors.home import Home
from connectors.state.dirty import clear
from connectors.warehouse.loading import Warehouse
from schemas.lineage import mart_lineage
from schemas.marts import MART_TABLES, NIGHTS
from schemas.tables import Table


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
    with duckdb.connect() as connection:
        for table in MART_INPUTS:
            connection.register(table.name, home.lake.read_all(table))
        return build_marts(connection)


def _key(table: Table) -> dg.AssetKey:
    return dg.AssetKey([MARTS, table.name])


MART_KEYS = [_key(table) for table in MART_TABLES]


def _spec(table: Table) -> dg.AssetSpec:
    return dg.AssetSpec(
        _key(table),
        deps=[dg.AssetKey(["lake", read.name]) for read in MART_INPUTS] if table is NIGHTS else [_key(NIGHTS)],
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
    """What analysts ask for: nights, weeks and months of users, days of cohorts."""
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
