"""Rows for the FHIR tests: one plain night, month and user, and a strategy for any row the lake's schema allows.

Every row goes through Arrow and back, so that it has exactly the columns and types the mapping will meet.
"""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

from schemas.fhir import FhirContext, Pseudonymizer
from schemas.metrics import METRICS
from schemas.tables import AVERAGE_STATS, SLEEP_HYPNOGRAMS, SLEEP_SESSIONS, USERS, Table

CONTEXT = FhirContext(Pseudonymizer(b"key for the tests of FHIR mapping"))

USER_ID = "G-20250101000000-CANARYCANARYCANARYCA"
SESSION_ID = "20250310141208_canry"
ORG_ID = "canary-clinic"

ZONES = ("UTC", "Asia/Seoul", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu")

NIGHT: dict[str, Any] = {
    "org_id": ORG_ID,
    "source": "asleep",
    "user_id": USER_ID,
    "session_id": SESSION_ID,
    "start_time": datetime(2025, 3, 10, 14, 12, 8, tzinfo=UTC),
    "end_time": datetime(2025, 3, 10, 21, 52, 51, tzinfo=UTC),
    "sleep_onset": datetime(2025, 3, 10, 14, 24, 8, tzinfo=UTC),
    "final_wake": datetime(2025, 3, 10, 21, 15, 51, tzinfo=UTC),
    "unexpected_end_time": None,
    "created_timezone": "Asia/Seoul",
    "timezone": "Asia/Seoul",
    "night_of": date(2025, 3, 10),
    "wake_date": date(2025, 3, 11),
    "peculiarities": [],
    "missing_data_ratio": 0.013,
    "has_stages": "4-stage",
    "revision": 1,
    "content_hash": "canary-hash",
    "fetched_at": datetime(2025, 3, 11, 4, 0, 0, 250000, tzinfo=UTC),
    "time_in_bed_s": 27643,
    "sleep_period_s": 24690,
    "total_sleep_time_s": 24240,
    "wake_after_sleep_onset_s": 450,
    "sleep_onset_latency_s": 720,
    "wakeup_latency_s": 2220,
    "light_sleep_s": 16680,
    "deep_sleep_s": 3060,
    "rem_sleep_s": 4500,
    "latency_to_light_s": 0,
    "latency_to_deep_s": 600,
    "latency_to_rem_s": 3000,
    "snoring_s": 1410,
    "sleep_efficiency": 24240 / 27643,
    "sleep_maintenance_efficiency": 24240 / 24690,
    "awakenings": 4,
    "longest_awakening_s": 180,
    "sleep_cycles": 4,
    "sleep_cycle_mean_s": 4980.0,
    "snoring_episodes": 6,
    "stable_breath_s": 24390,
    "unstable_breath_s": 300,
    "unstable_breath_episodes": 5,
    "breathing_index": 0.74,
    "breathing_pattern": "STABLE_BREATH",
    "sleep_index": 88.0,
    "provider_agreement": "exact",
    "provider_differences": [],
}

MONTH: dict[str, Any] = {
    "org_id": ORG_ID,
    "source": "asleep",
    "user_id": USER_ID,
    "period_start": date(2026, 10, 1),
    "period_end": date(2026, 10, 31),
    "timezone": "Europe/Berlin",
    "bedtime": time(22, 47, 58),
    "sleep_onset": time(23, 3, 17),
    "final_wake": time(4, 49, 29),
    "out_of_bed": time(5, 0),
    "time_in_bed_s": 22351.0,
    "sleep_period_s": 20760.0,
    "total_sleep_time_s": 20490.0,
    "wake_after_sleep_onset_s": 270.0,
    "sleep_onset_latency_s": 920.0,
    "wakeup_latency_s": 660.0,
    "light_sleep_s": 14130.0,
    "deep_sleep_s": 2860.0,
    "rem_sleep_s": 3500.0,
    "snoring_s": 400.0,
    "sleep_efficiency": 0.917,
    "sleep_maintenance_efficiency": 0.987,
    "awakenings": 1.7,
    "longest_awakening_s": 200.0,
    "sleep_cycles": 3.0,
    "sleep_cycle_mean_s": 6097.0,
    "snoring_episodes": 2.0,
    "stable_breath_s": None,
    "unstable_breath_s": None,
    "unstable_breath_episodes": None,
    "slept_sessions": 3,
    "never_slept_sessions": 1,
    "slept_session_ids": [SESSION_ID],
    "provider_agreement": "within_tolerance",
    "provider_differences": [],
}

USER: dict[str, Any] = {
    "org_id": ORG_ID,
    "source": "asleep",
    "user_id": USER_ID,
    "timezone": "Asia/Seoul",
    "birth_year": 1987,
    "birth_month": 6,
    "birth_day": 5,
    "gender": "female",
    "height_cm": 171.5,
    "weight_kg": 64.2,
    "to_be_deleted": False,
    "active_from": date(2025, 1, 1),
    "active_to": None,
}

NO_METRICS: dict[str, Any] = dict.fromkeys((metric.name for metric in METRICS), None)
NO_BREATHING: dict[str, Any] = {metric.name: None for metric in METRICS if metric.needs == "breathing"}
NEVER_SLEPT: dict[str, Any] = {
    "peculiarities": ["NEVER_SLEPT"],
    "sleep_onset": None,
    "final_wake": None,
    **{metric.name: 0 for metric in METRICS if metric.unit in ("s", "count")},
    "time_in_bed_s": 27643,
    "sleep_onset_latency_s": 27643,
    "latency_to_light_s": None,
    "latency_to_deep_s": None,
    "latency_to_rem_s": None,
    "sleep_efficiency": 0.0,
    "sleep_maintenance_efficiency": None,
    "sleep_cycle_mean_s": None,
}


def _as_lake_row(table: Table, row: dict[str, Any]) -> dict[str, Any]:
    assert set(row) == set(table.schema.names)
    rows: list[dict[str, Any]] = pa.Table.from_pylist([row], schema=table.schema).to_pylist()
    return rows[0]


def night(**changes: Any) -> dict[str, Any]:
    """A row of ``sleep_sessions``: the plain night with changes."""
    return _as_lake_row(SLEEP_SESSIONS, NIGHT | changes)


def epochs(**changes: Any) -> dict[str, Any]:
    """A row of ``sleep_hypnograms`` of the plain night, with changes."""
    row = {key: NIGHT[key] for key in ("source", "user_id", "session_id", "start_time")}
    stages = {"sleep_stages": [0, 1, 2, 3, -1], "breath_stages": [0, 0, 1, 0, -1], "snoring_stages": [0, 1, 1, 0, -1]}
    return _as_lake_row(SLEEP_HYPNOGRAMS, row | {"epoch_s": 30} | stages | changes)


def month(**changes: Any) -> dict[str, Any]:
    """A row of ``average_stats``: the plain month with changes."""
    return _as_lake_row(AVERAGE_STATS, MONTH | changes)


def user(**changes: Any) -> dict[str, Any]:
    """A row of ``users``: the plain user with changes."""
    return _as_lake_row(USERS, USER | changes)


_VALUES: dict[pa.DataType, st.SearchStrategy[Any]] = {
    pa.int64(): st.none() | st.integers(0, 2_000_000),
    pa.float64(): st.none() | st.floats(0, 1e6),
    pa.string(): st.none() | st.text(max_size=20),
}
_REMARKS = st.lists(st.sampled_from(("NEVER_SLEPT", "NO_BREATHING_STABILITY", "SOMETHING_NEW")) | st.text(max_size=9))


@st.composite
def any_night(draw: st.DrawFn) -> dict[str, Any]:
    """Any row that the schema of ``sleep_sessions`` allows: every metric of any value or null, in any zone."""
    start = draw(st.datetimes(datetime(2016, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
    length = timedelta(seconds=draw(st.integers(0, 100_000)))
    moments = st.none() | st.timedeltas(timedelta(), length).map(lambda after: start + after)
    metrics = {metric.name: draw(_VALUES[SLEEP_SESSIONS.schema.field(metric.name).type]) for metric in METRICS}
    return night(
        start_time=start,
        end_time=start + length,
        sleep_onset=draw(moments),
        final_wake=draw(moments),
        timezone=draw(st.sampled_from(ZONES)),
        peculiarities=draw(_REMARKS),
        missing_data_ratio=draw(st.none() | st.floats(0, 1)),
        has_stages=draw(st.sampled_from(("4-stage", "2-stage", "none"))),
        **(metrics if draw(st.integers(0, 5)) else NO_METRICS),
    )
