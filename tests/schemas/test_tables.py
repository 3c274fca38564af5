"""The contract of the lake, written out: columns, order, types, keys, and that every column is explained."""

import pyarrow as pa
import pytest

from schemas.metrics import AVERAGED_METRICS, METRICS
from schemas.tables import (
    AVERAGE_STATS,
    LAKE_TABLES,
    NIGHT_LEDGER,
    SESSION_HISTORY,
    SLEEP_HYPNOGRAMS,
    SLEEP_SESSIONS,
    SLEEP_STAGE_INTERVALS,
    USERS,
    Table,
)

UTC_TIME = "timestamp[us, tz=UTC]"
each_table = pytest.mark.parametrize("table", LAKE_TABLES, ids=[table.name for table in LAKE_TABLES])

SESSIONS = {
    "org_id": "string",
    "source": "string",
    "user_id": "string",
    "session_id": "string",
    "start_time": UTC_TIME,
    "end_time": UTC_TIME,
    "sleep_onset": UTC_TIME,
    "final_wake": UTC_TIME,
    "unexpected_end_time": UTC_TIME,
    "created_timezone": "string",
    "timezone": "string",
    "night_of": "date32[day]",
    "wake_date": "date32[day]",
    "peculiarities": "list<string>",
    "missing_data_ratio": "double",
    "has_stages": "string",
    "revision": "int64",
    "content_hash": "string",
    "fetched_at": UTC_TIME,
    "time_in_bed_s": "int64",
    "sleep_period_s": "int64",
    "total_sleep_time_s": "int64",
    "wake_after_sleep_onset_s": "int64",
    "sleep_onset_latency_s": "int64",
    "wakeup_latency_s": "int64",
    "light_sleep_s": "int64",
    "deep_sleep_s": "int64",
    "rem_sleep_s": "int64",
    "latency_to_light_s": "int64",
    "latency_to_deep_s": "int64",
    "latency_to_rem_s": "int64",
    "snoring_s": "int64",
    "sleep_efficiency": "double",
    "sleep_maintenance_efficiency": "double",
    "awakenings": "int64",
    "longest_awakening_s": "int64",
    "sleep_cycles": "int64",
    "sleep_cycle_mean_s": "double",
    "snoring_episodes": "int64",
    "stable_breath_s": "int64",
    "unstable_breath_s": "int64",
    "unstable_breath_episodes": "int64",
    "breathing_index": "double",
    "breathing_pattern": "string",
    "sleep_index": "double",
    "provider_agreement": "string",
    "provider_differences": "list<string>",
}

_WHAT_IT_IS = ("org_id", "source", "user_id", "session_id", "revision", "content_hash", "fetched_at")

HISTORY = {
    "org_id": "string",
    "source": "string",
    "user_id": "string",
    "session_id": "string",
    "start_date": "date32[day]",
    "revision": "int64",
    "reason": "string",
    "seen_at": UTC_TIME,
    "analysed_at": UTC_TIME,
    "valid_from": UTC_TIME,
    "valid_to": UTC_TIME,
    "content_hash": "string",
    **{name: kind for name, kind in SESSIONS.items() if name not in _WHAT_IT_IS},
}

HYPNOGRAMS = {
    "source": "string",
    "user_id": "string",
    "session_id": "string",
    "start_time": UTC_TIME,
    "epoch_s": "int64",
    "sleep_stages": "list<int8>",
    "breath_stages": "list<int8>",
    "snoring_stages": "list<int8>",
}

INTERVALS = {
    "source": "string",
    "user_id": "string",
    "session_id": "string",
    "stage": "string",
    "start_time": UTC_TIME,
    "end_time": UTC_TIME,
    "first_epoch": "int64",
    "epochs": "int64",
}

NIGHTS = {
    "org_id": "string",
    "source": "string",
    "user_id": "string",
    "night_of": "date32[day]",
    "verdict": "string",
    "reason": "string",
    "session_ids": "list<string>",
    "main_session_id": "string",
    "late_days": "int64",
    "revised": "bool",
    "path": "string",
    "first_seen_at": UTC_TIME,
    "checked_at": UTC_TIME,
}

AVERAGES = {
    "org_id": "string",
    "source": "string",
    "user_id": "string",
    "period_start": "date32[day]",
    "period_end": "date32[day]",
    "timezone": "string",
    "bedtime": "time32[ms]",
    "sleep_onset": "time32[ms]",
    "final_wake": "time32[ms]",
    "out_of_bed": "time32[ms]",
    "time_in_bed_s": "double",
    "sleep_period_s": "double",
    "total_sleep_time_s": "double",
    "wake_after_sleep_onset_s": "double",
    "sleep_onset_latency_s": "double",
    "wakeup_latency_s": "double",
    "light_sleep_s": "double",
    "deep_sleep_s": "double",
    "rem_sleep_s": "double",
    "snoring_s": "double",
    "sleep_efficiency": "double",
    "sleep_maintenance_efficiency": "double",
    "awakenings": "double",
    "longest_awakening_s": "double",
    "sleep_cycles": "double",
    "sleep_cycle_mean_s": "double",
    "snoring_episodes": "double",
    "stable_breath_s": "double",
    "unstable_breath_s": "double",
    "unstable_breath_episodes": "double",
    "slept_sessions": "int64",
    "never_slept_sessions": "int64",
    "slept_session_ids": "list<string>",
    "provider_agreement": "string",
    "provider_differences": "list<string>",
}

PEOPLE = {
    "org_id": "string",
    "source": "string",
    "user_id": "string",
    "timezone": "string",
    "birth_year": "int64",
    "birth_month": "int64",
    "birth_day": "int64",
    "gender": "string",
    "height_cm": "double",
    "weight_kg": "double",
    "to_be_deleted": "bool",
    "active_from": "date32[day]",
    "active_to": "date32[day]",
}


def type_name(kind: pa.DataType) -> str:
    """The name of an Arrow type, that of a list without its member's name."""
    return f"list<{kind.value_type}>" if pa.types.is_list(kind) else str(kind)


@pytest.mark.parametrize(
    ("table", "columns", "key"),
    [
        (SLEEP_SESSIONS, SESSIONS, ("source", "user_id", "session_id")),
        (SLEEP_HYPNOGRAMS, HYPNOGRAMS, ("source", "user_id", "session_id")),
        (SLEEP_STAGE_INTERVALS, INTERVALS, ("source", "user_id", "session_id", "first_epoch")),
        (SESSION_HISTORY, HISTORY, ("source", "user_id", "session_id", "revision")),
        (NIGHT_LEDGER, NIGHTS, ("source", "user_id", "night_of")),
        (AVERAGE_STATS, AVERAGES, ("source", "user_id", "period_start")),
        (USERS, PEOPLE, ("source", "user_id")),
    ],
    ids=lambda value: value.name if isinstance(value, Table) else "",
)
def test_columns_and_key_are_those_of_the_contract(table: Table, columns: dict[str, str], key: tuple[str, ...]) -> None:
    """Name, order and type of every column, and what makes a row unique."""
    assert [(field.name, type_name(field.type)) for field in table.schema] == list(columns.items())
    assert table.key == key


def test_the_tables_are_those_of_the_contract() -> None:
    """Seven of every source and four of beds, by the names of their folders."""
    assert [table.name for table in LAKE_TABLES] == [
        "sleep_sessions",
        "sleep_hypnograms",
        "sleep_stage_intervals",
        "session_history",
        "night_ledger",
        "average_stats",
        "users",
        "bed_samples",
        "bed_nights",
        "bed_status",
        "bed_presence",
    ]


@each_table
def test_every_column_is_explained(table: Table) -> None:
    """A sentence for each; the row of the table itself too."""
    assert all(table.description(name).endswith(".") for name in table.schema.names)
    assert table.row


@each_table
def test_keys_are_never_null_and_decide_the_order(table: Table) -> None:
    """Rows sort by at least their key, so that the same rows always give the same bytes."""
    assert set(table.key) <= set(table.sort_by)
    assert not any(table.schema.field(name).nullable for name in table.sort_by)


def test_metrics_may_all_be_null() -> None:
    """A session without statistics has no numbers, and no zeros in their place."""
    for table, metrics in ((SLEEP_SESSIONS, METRICS), (SESSION_HISTORY, METRICS), (AVERAGE_STATS, AVERAGED_METRICS)):
        assert all(table.schema.field(metric.name).nullable for metric in metrics)


def test_units_of_metrics_are_those_of_the_columns() -> None:
    """The one table of metrics speaks for both lake tables."""
    assert {metric.name: SLEEP_SESSIONS.unit(metric.name) for metric in METRICS} == {m.name: m.unit for m in METRICS}
    assert {m.name: AVERAGE_STATS.unit(m.name) for m in AVERAGED_METRICS} == {m.name: m.unit for m in AVERAGED_METRICS}
    assert AVERAGE_STATS.description("snoring_s").startswith("Average over the slept sessions.")
    assert AVERAGE_STATS.description("sleep_efficiency").startswith("From the averages")


def test_a_version_is_explained_as_the_session_it_is_a_version_of() -> None:
    """A column of the sessions means the same in the history, and may be null there because sessions are deleted."""
    kept = {"org_id", "source", "user_id", "session_id", "revision"}
    for name in set(SESSION_HISTORY.schema.names) & set(SLEEP_SESSIONS.schema.names) - {"content_hash"}:
        assert SESSION_HISTORY.description(name) == SLEEP_SESSIONS.description(name)
        assert SESSION_HISTORY.unit(name) == SLEEP_SESSIONS.unit(name)
        assert SESSION_HISTORY.schema.field(name).nullable != (name in kept)
