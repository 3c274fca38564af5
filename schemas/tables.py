"""Arrow schemas of the lake tables (contract of the lake): column, type, unit and meaning.

The only place that says what a column is; Parquet files, the warehouse, Dagster's column schema and ``docs/tables.md``
come from it. Times are UTC with microseconds; dates of a night are local.
"""

from typing import Any

import pyarrow as pa

from schemas.bed_tables import BED_TABLES
from schemas.columns import CLOCK_TIME, ORG, SESSION, SOURCE, STAGES, USER, UTC_TIME, Table
from schemas.columns import column as _column
from schemas.metrics import AVERAGED_METRICS, METRICS, Metric
from schemas.night_verdicts import VERDICTS

__all__ = [
    "AVERAGE_STATS",
    "CLOCK_TIME",
    "LAKE_TABLES",
    "LIVE_SESSIONS",
    "NIGHT_LEDGER",
    "SESSION_HISTORY",
    "SLEEP_HYPNOGRAMS",
    "SLEEP_SESSIONS",
    "SLEEP_STAGE_INTERVALS",
    "STAGES",
    "USERS",
    "UTC_TIME",
    "Table",
]

_ARROW_TYPES: dict[str, pa.DataType] = {"integer": pa.int64(), "decimal": pa.float64(), "text": pa.string()}


def _metric_column(metric: Metric) -> "pa.Field[Any]":
    arrow_type = _ARROW_TYPES[metric.kind]
    return _column(metric.name, arrow_type, metric.description, metric.unit)


def _average_column(metric: Metric) -> "pa.Field[Any]":
    how = "Average over the slept sessions." if metric.asleep_field else "From the averages over the slept sessions."
    return _column(metric.name, pa.float64(), f"{how} {metric.description}", metric.unit)


def _agreement(compared_with: str) -> "list[pa.Field[Any]]":
    return [
        _column(
            "provider_agreement",
            pa.string(),
            f"exact, within_tolerance or differs: the vendor's figures against {compared_with}.",
        ),
        _column("provider_differences", pa.list_(pa.string()), "The figures that differ, by column name."),
    ]


_START = _column("start_time", UTC_TIME, "Start of tracking.", required=True)

SLEEP_SESSIONS = Table(
    "sleep_sessions",
    "a complete session: one tracking, from start to end",
    ("source", "user_id", "session_id"),
    ("start_time", "source", "user_id", "session_id"),
    pa.schema(
        [
            ORG,
            SOURCE,
            USER,
            SESSION,
            _START,
            _column("end_time", UTC_TIME, "End of tracking.", required=True),
            _column("sleep_onset", UTC_TIME, "First epoch that is not wake; null if never slept."),
            _column("final_wake", UTC_TIME, "Start of the final wake; null if never slept."),
            _column(
                "unexpected_end_time",
                UTC_TIME,
                "When a session that ended abnormally was closed late; null for a normal end.",
            ),
            _column("created_timezone", pa.string(), "Zone of the phone when the session was made."),
            _column("timezone", pa.string(), "IANA zone used for the local dates of this row.", required=True),
            _column(
                "night_of",
                pa.date32(),
                "Local date of the evening the session belongs to: date of the wall-clock start minus 12 hours.",
                required=True,
            ),
            _column(
                "wake_date", pa.date32(), "Local date of the final wake; of the end if never slept.", required=True
            ),
            _column("peculiarities", pa.list_(pa.string()), "The vendor's remarks, as sent.", required=True),
            _column("missing_data_ratio", pa.float64(), "Share of audio that is missing.", "fraction"),
            _column("has_stages", pa.string(), "4-stage, 2-stage (sleep not told apart) or none.", required=True),
            _column("revision", pa.int64(), "1 for the first version seen, one more for each change.", required=True),
            _column("content_hash", pa.string(), "SHA-256 of the canonical content (no transport).", required=True),
            _column("fetched_at", UTC_TIME, "When this version was first fetched.", required=True),
            *(_metric_column(metric) for metric in METRICS),
            *_agreement("the figures counted from the hypnogram; null without stages or figures"),
        ]
    ),
)

_OF_SESSIONS = {field.name: field for field in SLEEP_SESSIONS.schema}
_OF_VERSIONS = ("org_id", "source", "user_id", "session_id", "revision", "content_hash", "fetched_at")

SESSION_HISTORY = Table(
    "session_history",
    "a version of a session, as it was, is or no longer is in `sleep_sessions`",
    ("source", "user_id", "session_id", "revision"),
    ("source", "user_id", "session_id", "revision"),
    pa.schema(
        [
            ORG,
            SOURCE,
            USER,
            SESSION,
            _column("start_date", pa.date32(), "UTC date of the session's start: the partition.", required=True),
            _OF_SESSIONS["revision"],
            _column(
                "reason",
                pa.string(),
                "first_seen, completed, re_analysed, webhook, deleted (gone at the vendor; times and figures are null) "
                "or restored (back after a deletion).",
                required=True,
            ),
            _column("seen_at", UTC_TIME, "When this version was first fetched or received.", required=True),
            _column("analysed_at", UTC_TIME, "When the vendor analysed it; null where it does not say (Asleep)."),
            _column("valid_from", UTC_TIME, "Since when this version counts: when it was seen.", required=True),
            _column("valid_to", UTC_TIME, "When the next version was seen, readable or not; null: it counts now."),
            _column(
                "content_hash",
                pa.string(),
                "SHA-256 of the canonical content (no transport); of a deletion, of the answer, after `tombstone:`.",
                required=True,
            ),
            *(field.with_nullable(True) for name, field in _OF_SESSIONS.items() if name not in _OF_VERSIONS),
        ]
    ),
)

SLEEP_HYPNOGRAMS = Table(
    "sleep_hypnograms",
    "a session's stages, one value an epoch",
    ("source", "user_id", "session_id"),
    ("start_time", "source", "user_id", "session_id"),
    pa.schema(
        [
            SOURCE,
            USER,
            SESSION,
            _START,
            _column("epoch_s", pa.int64(), "Length of one epoch.", "s", required=True),
            _column(
                "sleep_stages",
                STAGES,
                "-1 unknown, 0 wake, 1 light, 2 deep, 3 REM, 4 asleep (stage not told apart), 5 out of bed.",
            ),
            _column("breath_stages", STAGES, "-1 unknown, 0 stable, 1 unstable; null without breathing analysis."),
            _column("snoring_stages", STAGES, "-1 unknown, 0 no snoring, 1 snoring; null without snoring analysis."),
        ]
    ),
)

SLEEP_STAGE_INTERVALS = Table(
    "sleep_stage_intervals",
    "an unbroken stretch of one stage",
    ("source", "user_id", "session_id", "first_epoch"),
    ("source", "user_id", "session_id", "first_epoch"),
    pa.schema(
        [
            SOURCE,
            USER,
            SESSION,
            _column("stage", pa.string(), "unknown, wake, light, deep, rem, asleep or out_of_bed.", required=True),
            _column("start_time", UTC_TIME, "Start of the first epoch.", required=True),
            _column("end_time", UTC_TIME, "End of the last epoch.", required=True),
            _column("first_epoch", pa.int64(), "Index of the first epoch, counted from 0.", required=True),
            _column("epochs", pa.int64(), "Number of 30-second epochs.", "epochs", required=True),
        ]
    ),
)

NIGHT_LEDGER = Table(
    "night_ledger",
    "a rostered user's expected night that is over",
    ("source", "user_id", "night_of"),
    ("source", "user_id", "night_of"),
    pa.schema(
        [
            ORG,
            SOURCE,
            USER,
            _column("night_of", pa.date32(), "Local date of the evening, in the roster's zone.", required=True),
            _column("verdict", pa.string(), f"Why there is data or not: {', '.join(VERDICTS)}.", required=True),
            _column("reason", pa.string(), "The verdict in a sentence; null for complete."),
            _column(
                "session_ids",
                pa.list_(pa.string()),
                "The night's sessions that the vendor has, by start: built, still to come, or in quarantine.",
                required=True,
            ),
            _column("main_session_id", pa.string(), "The main sleep: the longest one; null if the night has none."),
            _column(
                "late_days",
                pa.int64(),
                "Whole days between the end of the night and the first sight of its data; null without data.",
                "days",
            ),
            _column("revised", pa.bool_(), "A session of the night changed, or was deleted, after it came."),
            _column("path", pa.string(), "How its data came first: poll or webhook; null as long as none has come."),
            _column("first_seen_at", UTC_TIME, "When its data was first seen; null without data."),
            _column(
                "checked_at",
                UTC_TIME,
                "When the vendor had first answered about all of the night since it was over; null if it has not.",
            ),
        ]
    ),
    partition_column="night_of",
)

AVERAGE_STATS = Table(
    "average_stats",
    "a user's averages over a calendar month in the user's zone, as the vendor computed them",
    ("source", "user_id", "period_start"),
    ("source", "user_id", "period_start"),
    pa.schema(
        [
            ORG,
            SOURCE,
            USER,
            _column("period_start", pa.date32(), "First day asked for: the first of the month.", required=True),
            _column("period_end", pa.date32(), "Last day asked for.", required=True),
            _column("timezone", pa.string(), "Zone the averages were asked for in.", required=True),
            _column("bedtime", CLOCK_TIME, "Average clock time of the start of tracking."),
            _column("sleep_onset", CLOCK_TIME, "Average clock time of sleep onset."),
            _column("final_wake", CLOCK_TIME, "Average clock time of the final wake."),
            _column("out_of_bed", CLOCK_TIME, "Average clock time of the end of tracking."),
            *(_average_column(metric) for metric in AVERAGED_METRICS),
            _column("slept_sessions", pa.int64(), "Sessions with sleep that the averages are over.", "count"),
            _column("never_slept_sessions", pa.int64(), "Sessions without sleep, left out of the averages.", "count"),
            _column("slept_session_ids", pa.list_(pa.string()), "The sessions that the averages are over."),
            *_agreement("the averages over our rows of these sessions; null when there is nothing to compare"),
        ]
    ),
    partition_column="period_start",
)

USERS = Table(
    "users",
    "a rostered user",
    ("source", "user_id"),
    ("source", "user_id"),
    pa.schema(
        [
            ORG,
            SOURCE,
            USER,
            _column("timezone", pa.string(), "The user's zone in the roster.", required=True),
            _column("birth_year", pa.int64(), "Year of birth.", "year"),
            _column("birth_month", pa.int64(), "Month of birth.", "month"),
            _column("birth_day", pa.int64(), "Day of birth.", "day"),
            _column("gender", pa.string(), "As the vendor has it: male, female, non_binary, other, prefer_not_to_say."),
            _column("height_cm", pa.float64(), "Height.", "cm"),
            _column("weight_kg", pa.float64(), "Weight.", "kg"),
            _column("to_be_deleted", pa.bool_(), "The vendor has marked the user for deletion."),
            _column("active_from", pa.date32(), "First night the user is followed, by its evening, from the roster."),
            _column("active_to", pa.date32(), "Last night the user is followed, by its evening, from the roster."),
        ]
    ),
)

LIVE_SESSIONS = Table(
    "live_sessions",
    "a session that runs at this moment, as far as webhooks have told of it; nothing in it is final",
    ("source", "user_id", "session_id"),
    ("source", "user_id", "session_id"),
    pa.schema(
        [
            SOURCE,
            USER,
            SESSION,
            _column("start_time", UTC_TIME, "Start of tracking, from the session's id; null if it does not tell."),
            _column("epoch_s", pa.int64(), "Length of one epoch.", "s", required=True),
            _column("epochs", pa.int64(), "Epochs from the start to the last one told.", "epochs", required=True),
            _column("batches", pa.int64(), "Batches that have come.", "count", required=True),
            _column("first_received_at", UTC_TIME, "When the first of them came.", required=True),
            _column("last_received_at", UTC_TIME, "When the last of them came.", required=True),
            _column(
                "sleep_stages",
                STAGES,
                "-1 unknown, 0 wake, 1 light, 2 deep, 3 REM, 4 asleep (stage not told apart, or not yet).",
                required=True,
            ),
            _column("breath_stages", STAGES, "-1 unknown or not analysed, 0 stable, 1 unstable.", required=True),
            _column("snoring_stages", STAGES, "-1 unknown or not analysed, 0 no snoring, 1 snoring.", required=True),
        ]
    ),
)
"""Only the warehouse has it: what becomes of a session is in the tables of the lake."""

LAKE_TABLES: tuple[Table, ...] = (
    SLEEP_SESSIONS,
    SLEEP_HYPNOGRAMS,
    SLEEP_STAGE_INTERVALS,
    SESSION_HISTORY,
    NIGHT_LEDGER,
    AVERAGE_STATS,
    USERS,
    *BED_TABLES,
)
"""Every lake table, in the order of the documentation."""
