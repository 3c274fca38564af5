"""Loading the lake into the warehouse: whole partitions, all dirty ones of a range in one load."""

from collections.abc import Callable, Iterator, Sequence
from datetime import date

import dagster as dg

from assets.builds import ALL_USERS, claim_partitions
from assets.partitions import BACKFILL, DAILY, MONTHLY
from assets.results import OWNERS, table_metadata
from connectors.home import Home
from connectors.state.dirty import clear
from connectors.warehouse.loading import Warehouse
from schemas.bed_tables import BED_TABLES
from schemas.lineage import same_columns
from schemas.tables import (
    AVERAGE_STATS,
    NIGHT_LEDGER,
    SESSION_HISTORY,
    SLEEP_HYPNOGRAMS,
    SLEEP_SESSIONS,
    SLEEP_STAGE_INTERVALS,
    USERS,
    Table,
)

SLEEP = "warehouse_sleep"
BEDS = "warehouse_beds"
LEDGER = "warehouse_night_ledger"
MONTHS = "warehouse_average_stats"
PEOPLE = "warehouse_users"
NIGHT_TABLES = (SLEEP_SESSIONS, SLEEP_HYPNOGRAMS, SLEEP_STAGE_INTERVALS, SESSION_HISTORY)


def load_nights(home: Home, warehouse: Warehouse, partitions: Sequence[str]) -> dict[str, int]:
    """Load UTC dates; gives rows by table."""

    def load() -> dict[str, int]:
        nights = {
            date.fromisoformat(day): {table.name: home.lake.read(table, f"date={day}") for table in NIGHT_TABLES}
            for day in partitions
        }
        warehouse.load_nights(nights)
        return {table.name: sum(night[table.name].num_rows for night in nights.values()) for table in NIGHT_TABLES}

    return _load(home, SLEEP, partitions, load)


def load_beds(home: Home, warehouse: Warehouse, partitions: Sequence[str]) -> dict[str, int]:
    """Load dates of the tables of beds, in one step; gives rows by table."""

    def load() -> dict[str, int]:
        tables = {
            table: {date.fromisoformat(day): home.lake.read(table, f"date={day}") for day in partitions}
            for table in BED_TABLES
        }
        warehouse.load_tables(tables)
        return {table.name: sum(rows.num_rows for rows in days.values()) for table, days in tables.items()}

    return _load(home, BEDS, partitions, load)


def load_night_ledger(home: Home, warehouse: Warehouse, partitions: Sequence[str]) -> dict[str, int]:
    """Load the ledger of nights (``YYYY-MM-DD``); gives rows by table."""

    def load() -> dict[str, int]:
        nights = {date.fromisoformat(night): home.lake.read(NIGHT_LEDGER, f"date={night}") for night in partitions}
        warehouse.load_partitions(NIGHT_LEDGER, nights)
        return {NIGHT_LEDGER.name: sum(rows.num_rows for rows in nights.values())}

    return _load(home, LEDGER, partitions, load)


def load_average_stats(home: Home, warehouse: Warehouse, partitions: Sequence[str]) -> dict[str, int]:
    """Load months (``YYYY-MM``); gives rows by table."""

    def load() -> dict[str, int]:
        months = {
            date.fromisoformat(f"{month}-01"): home.lake.read(AVERAGE_STATS, f"month={month}") for month in partitions
        }
        warehouse.load_partitions(AVERAGE_STATS, months)
        return {AVERAGE_STATS.name: sum(rows.num_rows for rows in months.values())}

    return _load(home, MONTHS, partitions, load)


def load_users(home: Home, warehouse: Warehouse) -> dict[str, int]:
    """Load the users; gives rows by table."""

    def load() -> dict[str, int]:
        rows = home.lake.read(USERS, "")
        warehouse.load_whole(USERS, rows)
        return {USERS.name: rows.num_rows}

    return _load(home, PEOPLE, [ALL_USERS], load)


def _load(home: Home, asset: str, partitions: Sequence[str], load: Callable[[], dict[str, int]]) -> dict[str, int]:
    with home.lock("warehouse"):
        claims = claim_partitions(home, asset, partitions)
        rows = load()
        clear(home.state, claims)
    return rows


def _spec(table: Table, *deps: Table) -> dg.AssetSpec:
    return dg.AssetSpec(
        dg.AssetKey(["warehouse", table.name]),
        deps=[dg.AssetKey(["lake", dep.name]) for dep in (table, *deps)],
        description=f"One row is {table.row}.",
        group_name="warehouse",
        kinds={"sql"},
        owners=OWNERS,
        metadata={**table_metadata(table, same_columns(table, "lake")), "dagster/table_name": table.name},
    )


def _results(rows: dict[str, int]) -> Iterator[dg.MaterializeResult]:
    for name, count in rows.items():
        yield dg.MaterializeResult(asset_key=dg.AssetKey(["warehouse", name]), metadata={"dagster/row_count": count})


@dg.multi_asset(
    name=SLEEP,
    specs=[_spec(table) for table in NIGHT_TABLES],
    partitions_def=DAILY,
    backfill_policy=BACKFILL,
)
def warehouse_sleep(
    context: dg.AssetExecutionContext,
    home: dg.ResourceParam[Home],
    warehouse: dg.ResourceParam[Warehouse],
) -> Iterator[dg.MaterializeResult]:
    """Sessions, hypnograms, stage intervals and history of a range of dates, loaded in one transaction."""
    yield from _results(load_nights(home, warehouse, context.partition_keys))


@dg.multi_asset(name=BEDS, specs=[_spec(table) for table in BED_TABLES], partitions_def=DAILY, backfill_policy=BACKFILL)
def warehouse_beds(
    context: dg.AssetExecutionContext,
    home: dg.ResourceParam[Home],
    warehouse: dg.ResourceParam[Warehouse],
) -> Iterator[dg.MaterializeResult]:
    """What beds tell of a range of dates: samples, scored nights, polls, stays."""
    yield from _results(load_beds(home, warehouse, context.partition_keys))


@dg.multi_asset(name=LEDGER, specs=[_spec(NIGHT_LEDGER)], partitions_def=DAILY, backfill_policy=BACKFILL)
def warehouse_night_ledger(
    context: dg.AssetExecutionContext,
    home: dg.ResourceParam[Home],
    warehouse: dg.ResourceParam[Warehouse],
) -> Iterator[dg.MaterializeResult]:
    """The ledger of a range of nights."""
    yield from _results(load_night_ledger(home, warehouse, context.partition_keys))


@dg.multi_asset(name=MONTHS, specs=[_spec(AVERAGE_STATS)], partitions_def=MONTHLY, backfill_policy=BACKFILL)
def warehouse_average_stats(
    context: dg.AssetExecutionContext,
    home: dg.ResourceParam[Home],
    warehouse: dg.ResourceParam[Warehouse],
) -> Iterator[dg.MaterializeResult]:
    """Averages of a range of months."""
    yield from _results(load_average_stats(home, warehouse, context.partition_keys))


@dg.multi_asset(name=PEOPLE, specs=[_spec(USERS)])
def warehouse_users(
    home: dg.ResourceParam[Home], warehouse: dg.ResourceParam[Warehouse]
) -> Iterator[dg.MaterializeResult]:
    """The rostered users."""
    yield from _results(load_users(home, warehouse))
