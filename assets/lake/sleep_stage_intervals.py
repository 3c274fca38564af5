"""``sleep_stage_intervals``: one row an unbroken stage, the form that SQL likes best."""

from collections.abc import Iterable

import dagster as dg
import numpy as np
import pyarrow as pa

from assets.builds import Built, build_partitions
from assets.lake.partition import build_session_table
from assets.partitions import BACKFILL, DAILY
from assets.results import OWNERS, built, table_check_results, table_checks, table_metadata
from assets.sources.source import RecordedSession
from connectors.home import Home
from schemas.stages import EPOCH_S, STAGE_NAMES
from schemas.tables import SLEEP_STAGE_INTERVALS

NAME = "sleep_stage_intervals"
KEY = dg.AssetKey(["lake", NAME])

_EPOCH = np.timedelta64(EPOCH_S, "s")


def interval_rows(sessions: Iterable[RecordedSession]) -> pa.Table:
    """The rows of all sessions in order, in columns: there are thirty to a night."""
    with_stages = [(s.ids, s.start, s.stages.sleep.tobytes()) for s in sessions if s.stages.sleep]
    if not with_stages:
        return SLEEP_STAGE_INTERVALS.schema.empty_table()
    ids, starts, stages = zip(*with_stages, strict=True)
    codes = np.frombuffer(b"".join(stages), np.int8)
    ends = np.cumsum([len(epochs) for epochs in stages])
    # Of all epochs one after the other: where an interval begins, in which session, and where that one begins.
    first = np.union1d(np.flatnonzero(np.diff(codes)) + 1, [0, *ends[:-1]])
    session = np.searchsorted(ends, first, side="right")
    first_epoch = first - (ends - [len(epochs) for epochs in stages])[session]
    epochs = np.diff(first, append=ends[-1])
    start_time = np.array([start.replace(tzinfo=None) for start in starts], "datetime64[us]")[session]
    start_time += first_epoch * _EPOCH
    columns = {
        **{
            name: pa.array([of[name] for of in ids]).take(pa.array(session))
            for name in ("source", "user_id", "session_id")
        },
        "stage": pa.array([STAGE_NAMES[code] for code in codes[first].tolist()]),
        "start_time": start_time,
        "end_time": start_time + epochs * _EPOCH,
        "first_epoch": first_epoch,
        "epochs": epochs,
    }
    return pa.table(columns).cast(SLEEP_STAGE_INTERVALS.schema)


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
