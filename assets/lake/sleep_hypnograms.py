"""``sleep_hypnograms``: one row a session that has stages, with one value for each 30-second epoch."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from assets.builds import Built, build_partitions
from assets.lake.normalise import SleepSession
from assets.lake.partition import build_session_table
from assets.partitions import BACKFILL, DAILY
from assets.results import OWNERS, built, table_check_results, table_checks, table_metadata
from connectors.home import Home
from schemas.stages import EPOCH_S
from schemas.tables import SLEEP_HYPNOGRAMS

NAME = "sleep_hypnograms"
KEY = dg.AssetKey(["lake", NAME])


def hypnogram_rows(session: SleepSession) -> Iterator[dict[str, Any]]:
    """The row of a session, or none if it has no stages at all."""
    if session.sleep_stages or session.breath_stages or session.snoring_stages:
        yield {
            "source": session.row["source"],
            "user_id": session.row["user_id"],
            "session_id": session.row["session_id"],
            "start_time": session.row["start_time"],
            "epoch_s": EPOCH_S,
            "sleep_stages": session.sleep_stages,
            "breath_stages": session.breath_stages,
            "snoring_stages": session.snoring_stages,
        }


def build_sleep_hypnograms(home: Home, partition: str) -> Built:
    """Build one UTC date."""
    result, _ = build_session_table(home, SLEEP_HYPNOGRAMS, partition, hypnogram_rows)
    return result


@dg.asset(
    key=KEY,
    partitions_def=DAILY,
    backfill_policy=BACKFILL,
    deps=[dg.AssetKey(["raw", "sessions"])],
    group_name="lake",
    kinds={"parquet"},
    owners=OWNERS,
    metadata=table_metadata(SLEEP_HYPNOGRAMS),
    check_specs=table_checks(KEY),
)
def sleep_hypnograms(context: dg.AssetExecutionContext, home: dg.ResourceParam[Home]) -> dg.MaterializeResult:
    """One row a session with stages: sleep, breathing and snoring, one code an epoch."""
    report = build_partitions(home, NAME, context.partition_keys, lambda day: build_sleep_hypnograms(home, day))
    return built(report, table_check_results(report))
