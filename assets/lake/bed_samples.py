"""``bed_samples``: one row a moment of a session at which its bed measured something, a column a series.

A value that cannot be true is null and noted, as is a lost heart beat, which the vendor sends as 0. Of two values of
one series at one moment the later one of the answer counts; tosses and turns are counts, and add up.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import dagster as dg
import pyarrow as pa

from assets.builds import Built, build_partitions
from assets.lake.partition import build_session_table
from assets.partitions import BACKFILL, DAILY
from assets.results import OWNERS, built, drift_result, drift_spec, table_check_results, table_checks, table_metadata
from assets.sources.decoding import readable_instant
from assets.sources.source import RecordedSession
from connectors.home import Home
from schemas.bed_lineage import SERIES, bed_lineage
from schemas.bed_tables import BED_SAMPLES
from schemas.documents import SESSION
from schemas.eight_sleep import EIGHT_SLEEP, Point, Timeseries
from schemas.nights import utc_date
from schemas.quirks import IMPOSSIBLE_VALUE, Notes

NAME = "bed_samples"
KEY = dg.AssetKey(["lake", NAME])

_AROUND = timedelta(days=1)
"""How far from its session a sample may be; the first hour of a temperature may begin before it."""


class _Series(NamedTuple):
    field: str
    lowest: float
    highest: float


_COUNTED = "toss_and_turns"
_ALIVE = 1.0
_POSSIBLE: dict[str, _Series] = {
    "heart_rate_bpm": _Series("heart_rate", _ALIVE, 400),
    "hrv_ms": _Series("hrv", 0, 5_000),
    "rmssd_ms": _Series("rmssd", 0, 5_000),
    "respiratory_rate_bpm": _Series("respiratory_rate", _ALIVE, 200),
    "nemean_respiratory_rate_bpm": _Series("nemean_respiratory_rate", _ALIVE, 200),
    "nemean_respiratory_rate_nightly_bpm": _Series("nemean_respiratory_rate_nightly", _ALIVE, 200),
    "bed_temperature_c": _Series("temp_bed_c", -60, 100),
    "room_temperature_c": _Series("temp_room_c", -60, 100),
    _COUNTED: _Series("tnt", 0, 10_000),
}
"""The fields of ``Timeseries`` by column, each with the range of what can be true in the unit of the column."""


def sample_rows(session: RecordedSession) -> Iterator[dict[str, Any]]:
    """The rows of a session; what had to be left out is added to its notes."""
    decoded = session.decoded
    timeseries: Timeseries = decoded.content.timeseries
    within = (session.start - _AROUND, session.end + _AROUND)
    rows: dict[datetime, dict[str, Any]] = {}
    for column, series in _POSSIBLE.items():
        path = f"$.timeseries.{SERIES[column]}[]"
        for time, value in _points(getattr(timeseries, series.field), series, column, path, within, decoded.notes):
            row = rows.setdefault(time, {})
            row[column] = row.get(column, 0) + int(value) if column == _COUNTED else float(value)
    ids = session.ids | {"start_date": utc_date(session.start)}
    for time, values in rows.items():
        yield {**ids, "time": time, **values}


def _points(
    points: Iterable[Point], series: _Series, column: str, path: str, within: tuple[datetime, datetime], notes: Notes
) -> Iterator[tuple[datetime, float]]:
    for text, value in points:
        if value is None:
            continue
        time = readable_instant(text, f"{path}[0]", notes)
        if time is None:
            continue
        if not within[0] <= time <= within[1]:
            notes.add(IMPOSSIBLE_VALUE, f"{path}[0]")
        elif not series.lowest <= value <= series.highest or (column == _COUNTED and value != int(value)):
            notes.add(IMPOSSIBLE_VALUE, f"{path}[1]")
        else:
            yield time, value


def build_bed_samples(home: Home, partition: str) -> Built:
    """Build one UTC date of session starts; what is refused there is in quarantine under ``sleep_sessions``."""

    def rows(sessions: Iterable[RecordedSession]) -> pa.Table:
        found = [row for session in sessions for row in sample_rows(session)]
        return pa.Table.from_pylist(found, BED_SAMPLES.schema)

    return build_session_table(home, BED_SAMPLES, partition, rows, [EIGHT_SLEEP])[0]


@dg.asset(
    key=KEY,
    partitions_def=DAILY,
    backfill_policy=BACKFILL,
    deps=[dg.AssetKey(["raw", "bed_sessions"])],
    group_name="lake",
    kinds={"parquet"},
    owners=OWNERS,
    metadata=table_metadata(BED_SAMPLES, bed_lineage(BED_SAMPLES)),
    check_specs=table_checks(KEY, drift_spec(KEY)),
)
def bed_samples(context: dg.AssetExecutionContext, home: dg.ResourceParam[Home]) -> dg.MaterializeResult:
    """One row a moment at which a bed measured something: beats, breaths, ms, °C, tosses and turns."""
    report = build_partitions(home, NAME, context.partition_keys, lambda day: build_bed_samples(home, day))
    return built(report, [*table_check_results(report), drift_result(home, SESSION, report)])
