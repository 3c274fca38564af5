"""Schemas of the marts: what analysts ask for, computed from the lake tables by ``assets/marts/*.sql``.

Columns, types, units, descriptions, key and order, in the manner of ``schemas.tables``. The rules behind the columns
(which session is the main sleep, what overlaps) stand in plain words at the top of each SQL file.
"""

from typing import Any

import pyarrow as pa

from schemas.metrics import METRICS
from schemas.night_verdicts import VERDICTS
from schemas.tables import CLOCK_TIME, LAKE_TABLES, LIVE_SESSIONS, SLEEP_SESSIONS, UTC_TIME, Table

QUANTILES: tuple[int, ...] = (10, 25, 50, 75, 90)
"""The percentiles of a cohort's figures."""

COHORT_FIGURES: tuple[str, ...] = (
    "total_sleep_time_s",
    "time_in_bed_s",
    "sleep_efficiency",
    "sleep_onset_latency_s",
    "wake_after_sleep_onset_s",
    "mid_sleep_after_noon_s",
)
"""The figures of the main sleep of which a cohort has quantiles."""

AVERAGED_FIGURES: tuple[str, ...] = tuple(metric.name for metric in METRICS if metric.kind != "text")
"""The figures of the main sleep of which weeks and months have means."""

_IDS = pa.list_(pa.string())


def _column(
    name: str, arrow_type: pa.DataType, description: str, unit: str = "", *, required: bool = False
) -> "pa.Field[Any]":
    return pa.field(name, arrow_type, nullable=not required, metadata={"description": description, "unit": unit})


def _count(name: str, description: str, unit: str = "count") -> "pa.Field[Any]":
    return _column(name, pa.int64(), description, unit, required=True)


def _seconds(name: str, description: str, *, required: bool = False) -> "pa.Field[Any]":
    return _column(name, pa.float64(), description, "s", required=required)


def _clock(name: str, description: str) -> "pa.Field[Any]":
    return _column(name, CLOCK_TIME, description)


def _of_main(name: str) -> "pa.Field[Any]":
    field = SLEEP_SESSIONS.schema.field(name)
    description = f"Of the main sleep. {SLEEP_SESSIONS.description(name)}"
    return _column(name, field.type, description, SLEEP_SESSIONS.unit(name))


_ORG = _column("org_id", pa.string(), "Label of the organisation in the roster.", required=True)
_SOURCE = _column("source", pa.string(), "Where the data comes from: asleep.", required=True)
_USER = _column("user_id", pa.string(), "The user's id at the source.", required=True)
_NIGHT_OF = _column("night_of", pa.date32(), "Local date of the evening.", required=True)

NIGHTS = Table(
    "nights",
    "a user's night that is expected, or has a complete session",
    ("source", "user_id", "night_of"),
    ("source", "user_id", "night_of"),
    pa.schema(
        [
            _ORG,
            _SOURCE,
            _USER,
            _NIGHT_OF,
            _column("wake_date", pa.date32(), "Local date on which the main sleep ended; null without one."),
            _column("timezone", pa.string(), "Zone of the local dates and clock times; null if it is not known."),
            _column(
                "verdict",
                pa.string(),
                f"The ledger's: {', '.join(VERDICTS)}; null where the night is not over or not expected.",
            ),
            _column("reason", pa.string(), "The verdict in a sentence; null for complete."),
            _column(
                "late_days",
                pa.int64(),
                "Whole days between the end of the night and the first sight of its data; null without data.",
                "days",
            ),
            _column("revised", pa.bool_(), "A session of the night changed, or was deleted, after it came."),
            _column(
                "in_means",
                pa.bool_(),
                "Weeks, months and cohorts use its figures: it has a main sleep, which is no longer than 24 hours and "
                "not, for more than half of it, within another night's longer one.",
                required=True,
            ),
            _column("main_session_id", pa.string(), "The main sleep; null if the night has none."),
            _column("start_time", UTC_TIME, "Of the main sleep. Start of tracking."),
            _of_main("end_time"),
            _of_main("sleep_onset"),
            _of_main("final_wake"),
            _clock("bedtime_clock", "Local clock time of the main sleep's start of tracking."),
            _clock("sleep_onset_clock", "Local clock time of the main sleep's onset."),
            _clock("mid_sleep_clock", "Local clock time halfway between the main sleep's onset and final wake."),
            _clock("final_wake_clock", "Local clock time of the main sleep's final wake."),
            _clock("out_of_bed_clock", "Local clock time of the main sleep's end of tracking."),
            _seconds(
                "mid_sleep_after_noon_s", "From noon of night_of to mid_sleep_clock on the wall clock; never wraps."
            ),
            _of_main("has_stages"),
            _of_main("missing_data_ratio"),
            *(_of_main(metric.name) for metric in METRICS),
            _count("sessions", "Complete sessions of the night."),
            _seconds(
                "recorded_s",
                "Time that at least one session of the night covers: that of the counted ones and overlapped_only_s.",
                required=True,
            ),
            _seconds("main_tracked_s", "Start to end of the main sleep; 0 if there is none.", required=True),
            _count("further_sleeps", "Further sleeps at night that overlap no counted session: a split night's parts."),
            _seconds("further_tracked_s", "Start to end of the further sleeps, together.", required=True),
            _column("further_sleep_s", pa.int64(), "Sleep in them; null if one of them has no figure.", "s"),
            _count("naps", "Naps: under 3 hours and mostly outside of 21:00 to 09:00."),
            _seconds("nap_tracked_s", "Start to end of the naps, together.", required=True),
            _column("nap_sleep_s", pa.int64(), "Sleep in the naps; null if one of them has no figure.", "s"),
            _count("without_sleep", "Sessions in which nobody slept, or too short to analyse."),
            _seconds("without_sleep_tracked_s", "Start to end of the sessions without sleep, together.", required=True),
            _count("overlapped", "Sessions left out because they overlap a counted one: recorded twice."),
            _seconds("overlapped_only_s", "Time that only overlapped sessions of the night cover.", required=True),
            _column(
                "asleep_s",
                pa.int64(),
                "Sleep in the main sleep, further sleeps and naps together; null without any or if one has no figure.",
                "s",
            ),
            _column("further_session_ids", _IDS, "The further sleeps, by start.", required=True),
            _column("nap_session_ids", _IDS, "The naps, by start.", required=True),
            _column("without_sleep_session_ids", _IDS, "The sessions without sleep, by start.", required=True),
            _column("overlapped_session_ids", _IDS, "The overlapped sessions, by start.", required=True),
        ]
    ),
    partition_column="night_of",
)


def _of_a_period() -> "list[pa.Field[Any]]":
    means = [
        _column(
            f"{name}_mean",
            pa.float64(),
            f"Mean over the nights in means that have it. {SLEEP_SESSIONS.description(name)}",
            SLEEP_SESSIONS.unit(name),
        )
        for name in AVERAGED_FIGURES
    ]
    return [
        _count("nights_expected", "Nights with a row in the ledger.", "nights"),
        _count("nights_complete", "Expected nights with the verdict complete.", "nights"),
        _count("nights_open", "Expected nights of which it is not known, or not usable, what they were.", "nights"),
        _column("completeness", pa.float64(), "Share of the expected nights that are accounted for.", "fraction"),
        _column("coverage", pa.float64(), "Share of the expected nights that are complete.", "fraction"),
        _count("nights_with_data", "Nights with a main sleep, expected or not.", "nights"),
        _count("nights_in_means", "Nights whose main sleep the means are over.", "nights"),
        _count("naps", "Naps of all nights."),
        _seconds("nap_tracked_s", "Start to end of these naps, together.", required=True),
        *means,
        _seconds("total_sleep_time_sd_s", "Sample standard deviation of total sleep time; null under two nights."),
        _clock("sleep_onset_clock_mean", "Circular mean of the local clock time of sleep onset."),
        _clock("mid_sleep_clock_mean", "Circular mean of the local clock time of mid-sleep."),
        _clock("final_wake_clock_mean", "Circular mean of the local clock time of the final wake."),
        _seconds("sleep_onset_sd_s", "Circular standard deviation of sleep onset; null under two nights."),
        _seconds("mid_sleep_sd_s", "Circular standard deviation of mid-sleep; null under two nights."),
        _seconds("final_wake_sd_s", "Circular standard deviation of the final wake; null under two nights."),
    ]


USER_WEEKS = Table(
    "user_weeks",
    "a user's ISO week (Monday to Sunday by night_of) with a row in nights",
    ("source", "user_id", "week_start"),
    ("source", "user_id", "week_start"),
    pa.schema(
        [
            _ORG,
            _SOURCE,
            _USER,
            _column("week_start", pa.date32(), "The Monday.", required=True),
            _count("iso_year", "The ISO year: that of the week's Thursday.", "year"),
            _count("iso_week", "The ISO week, 1 to 53.", "week"),
            *_of_a_period(),
        ]
    ),
    partition_column="week_start",
)

USER_MONTHS = Table(
    "user_months",
    "a user's calendar month (by night_of) with a row in nights",
    ("source", "user_id", "month_start"),
    ("source", "user_id", "month_start"),
    pa.schema(
        [
            _ORG,
            _SOURCE,
            _USER,
            _column("month_start", pa.date32(), "The first of the month.", required=True),
            *_of_a_period(),
        ]
    ),
    partition_column="month_start",
)

COHORT_DAYS = Table(
    "cohort_days",
    "a night of an organisation, over the users whose night was expected",
    ("source", "org_id", "night_of"),
    ("source", "org_id", "night_of"),
    pa.schema(
        [
            _ORG,
            _SOURCE,
            _NIGHT_OF,
            _count("users_expected", "Users with a row in the ledger.", "users"),
            _count("users_complete", "Users of them with the verdict complete.", "users"),
            _count("users_open", "Users of them of whose night it is not known, or not usable, what it was.", "users"),
            _count("users_in_means", "Users of them whose main sleep the quantiles are over.", "users"),
            *(
                _column(
                    f"{figure}_p{quantile}",
                    pa.float64(),
                    f"Percentile {quantile}, interpolated between users. {NIGHTS.description(figure)}",
                    NIGHTS.unit(figure),
                )
                for figure in COHORT_FIGURES
                for quantile in QUANTILES
            ),
        ]
    ),
    partition_column="night_of",
)

MART_TABLES: tuple[Table, ...] = (NIGHTS, USER_WEEKS, USER_MONTHS, COHORT_DAYS)
"""Every mart, in the order in which they are computed: later ones read earlier ones."""

MART_PARTITIONS = Table(
    "mart_partitions",
    "a partition of a mart as it was loaded last, so that only those that differ are loaded",
    ("mart", "partition_date"),
    ("mart", "partition_date"),
    pa.schema(
        [
            _column("mart", pa.string(), "Name of the mart.", required=True),
            _column("partition_date", pa.date32(), "The night, Monday or first of the month.", required=True),
            _count("rows", "Rows of the partition."),
            _column("fingerprint", pa.string(), "Two partitions with the same one hold the same rows.", required=True),
        ]
    ),
)

WAREHOUSE_TABLES: tuple[Table, ...] = (*LAKE_TABLES, LIVE_SESSIONS, *MART_TABLES, MART_PARTITIONS)
"""Every table that a warehouse has."""
