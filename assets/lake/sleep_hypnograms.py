"""``sleep_hypnograms``: one row a session that has stages, with one value for each 30-second epoch."""

from array import array
from collections.abc import Iterable
from typing import Any

import dagster as dg
import numpy as np
import numpy.typing as npt

from assets.builds import Built, build_partitions
from assets.lake.partition import build_session_table
from assets.partitions import BACKFILL, DAILY
from assets.results import OWNERS, built, table_check_results, table_checks, table_metadata
from assets.sources.source import RecordedSession
from connectors.home import Home
from schemas.stages import EPOCH_S
from schemas.tables import SLEEP_HYPNOGRAMS

NAME = "sleep_hypnograms"
KEY = dg.AssetKey(["lake", NAME])


def hypnogram_rows(sessions: Iterable[RecordedSession]) -> list[dict[str, Any]]:
    """The rows of those that have stages at all."""
    return [
        {
            **session.ids,
            "start_time": session.start,
            "epoch_s": EPOCH_S,
            "sleep_stages": _for_arrow(session.stages.sleep),
            "breath_stages": _for_arrow(session.stages.breath),
            "snoring_stages": _for_arrow(session.stages.snoring),
        }
        for session in sessions
        if session.stages.sleep or session.stages.breath or session.stages.snoring
    ]


def _for_arrow(codes: "array[int] | None") -> "npt.NDArray[np.int8] | None":
    return np.frombuffer(codes, np.int8) if codes is not None else None


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
