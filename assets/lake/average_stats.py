"""``average_stats``: one row a user and month, as the vendor averaged it."""

from datetime import date

import dagster as dg

from assets.builds import Built, build_partitions
from assets.lake.partition import quarantine, read_average_stats
from assets.partitions import BACKFILL, MONTHLY
from assets.results import OWNERS, built, doubled_keys, table_check_results, table_checks, table_metadata
from connectors.home import Home
from schemas.tables import AVERAGE_STATS

NAME = "average_stats"
KEY = dg.AssetKey(["lake", NAME])


def build_average_stats(home: Home, partition: str) -> Built:
    """Build one month (``YYYY-MM``)."""
    rows, refused = read_average_stats(home, date.fromisoformat(f"{partition}-01"))
    quarantine(home, NAME, partition, refused)
    return Built(
        documents=len(rows) + len(refused),
        rows=len(rows),
        quarantined=len(refused),
        files=int(home.lake.replace(AVERAGE_STATS, f"month={partition}", rows)),
        findings=doubled_keys(AVERAGE_STATS, rows),
    )


@dg.asset(
    key=KEY,
    partitions_def=MONTHLY,
    backfill_policy=BACKFILL,
    deps=[dg.AssetKey(["raw", "average_stats"])],
    group_name="lake",
    kinds={"parquet"},
    owners=OWNERS,
    metadata=table_metadata(AVERAGE_STATS),
    check_specs=table_checks(KEY),
)
def average_stats(context: dg.AssetExecutionContext, home: dg.ResourceParam[Home]) -> dg.MaterializeResult:
    """One row a user and calendar month in the user's zone: the vendor's averages over the slept sessions."""
    report = build_partitions(home, NAME, context.partition_keys, lambda month: build_average_stats(home, month))
    return built(report, table_check_results(report))
