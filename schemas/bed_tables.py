"""Arrow schemas of what beds tell besides sleep sessions: measured values, scored nights, polls, stays in bed.

The vendor publishes no API; fields are named after what community clients read (GET /v1/users/{userId}/intervals and
/trends) and after the status of the SmartBedAPI reference. How a table is described is said in ``columns``.

Measured values are wide, a column a series, because each has its own unit in its name: nobody can average beats with
degrees, a mean needs no condition, and columns of nothing cost nothing in Parquet.
"""

import pyarrow as pa

from schemas.columns import ORG, SESSION, SOURCE, USER, UTC_TIME, Table, column

_BED = column("bed_id", pa.string(), "The bed's id at the source.", required=True)
_SIDE = column("side", pa.string(), "left or right; who has the whole bed stands on the left.", required=True)
_SLEEPER = column(
    "user_id",
    pa.string(),
    "The rostered user whose side it is; null if nobody rostered and followed that night has it.",
)
_UTC_DATE = column("utc_date", pa.date32(), "UTC date of the polls: the partition.", required=True)


def _score(name: str, description: str) -> "pa.Field[float]":
    return column(name, pa.float64(), f"{description} Null until the night is final.", "score")


def _seconds(name: str, description: str) -> "pa.Field[int]":
    return column(name, pa.int64(), description, "s")


def _fraction(name: str, description: str) -> "pa.Field[float]":
    return column(name, pa.float64(), description, "fraction")


def _mean(name: str, description: str, unit: str) -> "pa.Field[float]":
    return column(name, pa.float64(), f"{description} Null until the night is final.", unit)


def _moment(name: str, description: str) -> "pa.Field[object]":
    return column(name, UTC_TIME, description)


BED_SAMPLES = Table(
    "bed_samples",
    "a moment of a complete session at which its bed measured something",
    ("source", "user_id", "session_id", "start_date", "time"),
    ("source", "user_id", "session_id", "start_date", "time"),
    pa.schema(
        [
            SOURCE,
            USER,
            SESSION,
            column("start_date", pa.date32(), "UTC date of the session's start: the partition.", required=True),
            column(
                "time",
                UTC_TIME,
                "When it was measured, or its stretch begins: temperatures may begin before the session.",
                required=True,
            ),
            column("heart_rate_bpm", pa.float64(), "Heart rate; a lost beat (0) is null.", "beats/min"),
            column("hrv_ms", pa.float64(), "Heart rate variability; the vendor does not say by which algorithm.", "ms"),
            column("rmssd_ms", pa.float64(), "Heart rate variability as RMSSD.", "ms"),
            column("respiratory_rate_bpm", pa.float64(), "Respiratory rate.", "breaths/min"),
            column("nemean_respiratory_rate_bpm", pa.float64(), "Respiratory rate, the newer series.", "breaths/min"),
            column(
                "nemean_respiratory_rate_nightly_bpm",
                pa.float64(),
                "Respiratory rate, the newer series over the night.",
                "breaths/min",
            ),
            column("bed_temperature_c", pa.float64(), "Temperature of the bed's surface.", "°C"),
            column("room_temperature_c", pa.float64(), "Temperature of the room.", "°C"),
            column("toss_and_turns", pa.int64(), "Times the sleeper tossed or turned at that moment.", "count"),
        ]
    ),
    partition_column="start_date",
)

BED_NIGHTS = Table(
    "bed_nights",
    "a user's day at the vendor of the bed: the night that ends that morning, with the vendor's scores",
    ("source", "user_id", "day"),
    ("source", "user_id", "day"),
    pa.schema(
        [
            ORG,
            SOURCE,
            USER,
            column("day", pa.date32(), "Local date of the morning on which the night ends.", required=True),
            column(
                "timezone", pa.string(), "The user's zone in the roster, in which days were asked for.", required=True
            ),
            column(
                "is_final",
                pa.bool_(),
                "Whether the vendor has analysed all of it (incomplete, processing).",
                required=True,
            ),
            _moment("presence_start", "Into bed."),
            _moment("presence_end", "Out of bed."),
            _moment("sleep_start", "Fell asleep."),
            _moment("sleep_end", "Woke up."),
            _seconds(
                "presence_duration_s",
                "Presence as the vendor counts it: presence_start to presence_end, and the time out of bed once more. "
                "NOT the time between the two.",
            ),
            _seconds("sleep_duration_s", "Sleep of the main session alone."),
            _seconds(
                "all_sessions_sleep_duration_s", "Sleep of all sessions of the day. Null until the night is final."
            ),
            _seconds("light_sleep_s", "Light sleep of the main session."),
            _seconds("deep_sleep_s", "Deep sleep of the main session."),
            _seconds("rem_sleep_s", "REM sleep of the main session."),
            _fraction("deep_fraction", "Deep sleep of all sleep of the main session."),
            _fraction("rem_fraction", "REM sleep of all sleep of the main session."),
            _seconds("snoring_s", "Snoring of any intensity."),
            _seconds("heavy_snoring_s", "Heavy snoring."),
            _fraction("snoring_fraction", "Snoring of any intensity; sent in whole percents."),
            _fraction("heavy_snoring_fraction", "Heavy snoring; sent in whole percents."),
            column("toss_and_turns", pa.int64(), "Times the sleeper tossed or turned.", "count"),
            _seconds("asleep_latency_s", "From presence_start to sleep_start."),
            _seconds("out_latency_s", "From sleep_end to presence_end."),
            _score("score", "`score` as sent; in answers of 2022 another figure than the sleep fitness score."),
            _score("sleep_fitness_score", "Sleep fitness score: the first that is there of three places."),
            column("sleep_fitness_score_place", pa.string(), "The field in which the sleep fitness score stood."),
            _score("sleep_fitness_score_total", "`sleepFitnessScore.total` as sent."),
            _score("sleep_quality_score", "Sleep quality score."),
            _score("sleep_routine_score", "Sleep routine score."),
            _mean("heart_rate_bpm", "Heart rate of the night, as scored.", "beats/min"),
            _mean("hrv_ms", "Heart rate variability of the night, as scored; algorithm not stated.", "ms"),
            _mean("respiratory_rate_bpm", "Respiratory rate of the night, as scored.", "breaths/min"),
            _mean("waso_fraction", "Wake after sleep onset, as scored: a fraction, not seconds.", "fraction"),
            _mean("bed_temperature_c", "Temperature of the bed's surface over the night, as scored.", "°C"),
            _mean("room_temperature_c", "Temperature of the room over the night, as scored.", "°C"),
            column("main_session_id", pa.string(), "The main session, as in `sleep_sessions`."),
            column("session_ids", pa.list_(pa.string()), "Every session of the day.", required=True),
            column("revision", pa.int64(), "1 for the first version seen, one more for each change.", required=True),
            column(
                "final_versions",
                pa.int64(),
                "Versions seen that were final; more than one: the vendor changed what had been final.",
                required=True,
            ),
            column("fetched_at", UTC_TIME, "When this version was first fetched.", required=True),
        ]
    ),
    partition_column="day",
)

BED_STATUS = Table(
    "bed_status",
    "one side of a bed as one poll found it",
    ("source", "bed_id", "side", "time"),
    ("source", "bed_id", "side", "time"),
    pa.schema(
        [
            SOURCE,
            _BED,
            _SIDE,
            column("time", UTC_TIME, "When the bed was polled.", required=True),
            _UTC_DATE,
            _SLEEPER,
            column(
                "online", pa.bool_(), "Whether the vendor hears the bed; if not, nothing is known of it.", required=True
            ),
            column("presence", pa.bool_(), "Whether somebody lies there; null while the bed is not online."),
            column(
                "target_level", pa.int64(), "Level aimed at, -100 to 100; 0 is neutral or off. Not degrees.", "level"
            ),
            column("level", pa.float64(), "Level reached, -100 to 100. Not degrees.", "level"),
            column("solo", pa.bool_(), "Whether one person has both sides: one row, on the left.", required=True),
        ]
    ),
    partition_column="utc_date",
)

BED_PRESENCE = Table(
    "bed_presence",
    "an unbroken stay on one side of a bed within a UTC date, as polls saw it",
    ("source", "bed_id", "side", "start_time"),
    ("source", "bed_id", "side", "start_time"),
    pa.schema(
        [
            column("org_id", pa.string(), "Label of the user's organisation in the roster; null without a user."),
            SOURCE,
            _BED,
            _SIDE,
            column("start_time", UTC_TIME, "First poll that saw somebody there.", required=True),
            column(
                "end_time",
                UTC_TIME,
                "First poll that saw nobody, or somebody else; where ends_unseen, the last one that saw somebody.",
                required=True,
            ),
            _UTC_DATE,
            _SLEEPER,
            column("timezone", pa.string(), "The user's zone in the roster; null without a user."),
            column(
                "starts_unseen",
                pa.bool_(),
                "Nobody saw it begin: no poll of the ten minutes before, on this date, saw the side empty.",
                required=True,
            ),
            column(
                "ends_unseen",
                pa.bool_(),
                "Nobody saw it end: no poll of the next ten minutes, on this date, or the date ended.",
                required=True,
            ),
            column("polls", pa.int64(), "Polls that saw somebody there.", "count", required=True),
        ]
    ),
    partition_column="utc_date",
)

BED_TABLES: tuple[Table, ...] = (BED_SAMPLES, BED_NIGHTS, BED_STATUS, BED_PRESENCE)
"""Every table of beds, in the order of the documentation."""
