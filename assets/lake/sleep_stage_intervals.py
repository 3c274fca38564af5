"""``sleep_stage_intervals``: one row an unbroken stage, the form that SQL likes best."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import dagster as dg

from assets.builds import Built, build_partitions
from assets.lake.normalise import SleepSession
from assets.lake.partition import build_session_table
from assets.partitions import BACKFILL, DAILY
from assets.results import OWNERS, built, table_check_results, table_checks, table_metadata
from connectors.home import Home
from schemas.stages import EPOCH_S, STAGE_NAMES, stage_intervals
from schemas.tables import SLEEP_STAGE_INTERVALS

NAME = "sleep_stage_intervals"
KEY = dg.AssetKey(["lake", NAME])


def interval_rows(session: SleepSession) -> Iterator[dict[str, Any]]:
    """The rows of a session in order; none if it has no sleep stages."""
    for interval in stage_intervals(session.sleep_stages or []):
        start = session.row["start_time"] + timedelta(seconds=EPOCH_S * interval.first_epoch)
        yield {
            "source": session.row["source"],
            "user_id": session.row["user_id"],
            "session_id": session.row["session_id"],
            "stage": STAGE_NAMES[interval.stage],
            "start_time": start,
            "end_time": start + timedelta(seconds=EPOCH_S * interval.epochs),
            "first_epoch": interval.first_epoch,
            "epochs": interval.epochs,
        }


def build_sleep_stage_intervals(home: Home, partition: str) -> Built:
    """Build one UTC date."""
    result, _ = build_session_table(home, SLEEP_STAGE_INTERVALS, partition, interval_rows)
    return result


@dg.asset(
    key=KEY,
    partitions_def=DAILY,
    backfill_policy=BACKFILL,
    deps=[dg.AssetKey(["raw", "sessions"])],
    group_name="lake",
    kinds={"parquet"},
    owners=OWNERS,
    metadata=table_metadata(SLEEP_STAGE_INTERVALS),
    check_specs=table_checks(KEY),
)
def sleep_stage_intervals(context: dg.AssetExecutionContext, home: dg.ResourceParam[Home]) -> dg.MaterializeResult:
    """One row an unbroken stage of a session, with its start, end and number of epochs."""
    report = build_partitions(home, NAME, context.partition_keys, lambda day: build_sleep_stage_intervals(home, day))
    return built(report, table_check_results(report))
