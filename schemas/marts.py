"""Schemas of the marts: what analysts ask for, computed from the lake tables by ``assets/marts/*.sql``.

Columns, types, units, descriptions, key and order, in the manner of ``schemas.tables``. The rules behind the columns
(which session is the main sleep, what overlaps) stand in plain words at the top of each SQL file.
"""

from typing import Any

import pyarrow as pa

from schemas.asleep import ASLEEP
from schemas.eight_sleep import EIGHT_SLEEP
from schemas.metrics import METRICS
from schemas.night_verdicts import INACTIVE, USER_GONE, VERDICTS
from schemas.tables import CLOCK_TIME, LAKE_TABLES, LIVE_SESSIONS, SLEEP_SESSIONS, UTC_TIME, Table

SOURCE_PRECEDENCE: tuple[str, ...] = (ASLEEP, EIGHT_SLEEP)
"""Whose main sleep is the night's where several sources have one: the phone before the bed."""

_NOT_FOLLOWED = (USER_GONE, INACTIVE)
VERDICT_PRECEDENCE: tuple[str, ...] = (*(one for one in VERDICTS if one not in _NOT_FOLLOWED), *_NOT_FOLLOWED)
"""Whose verdict is the night's where no source has a main sleep: that of the first of these.

It is the order of ``VERDICTS``; only that one source does not follow the person any more says nothing against another.
"""

AGREEMENT_FIGURES: tuple[str, ...] = ("total_sleep_time_s", "sleep_onset_latency_s", "wake_after_sleep_onset_s")
"""The figures of which two sources are compared, bed minus phone."""

AGREEMENT_METRICS: tuple[str, ...] = (*AGREEMENT_FIGURES, "sleep_wake", "stages")
"""What ``source_agreement`` has a row of: figures, and two comparisons epoch by epoch."""

EVERYBODY = ""
"""The ``user_id`` of the rows of ``source_agreement`` that are of everybody."""

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
_USER = _column("user_id", pa.string(), "The person: the same id whichever source tells of them.", required=True)
_NIGHT_OF = _column("night_of", pa.date32(), "Local date of the evening.", required=True)

NIGHTS = Table(
    "nights",
    "a person's night that is expected, or has a complete session, whichever sources tell of it",
    ("user_id", "night_of"),
    ("user_id", "night_of"),
    pa.schema(
        [
            _ORG,
            _column(
                "source",
                pa.string(),
                f"Where the main sleep comes from ({', '.join(SOURCE_PRECEDENCE)}; of two that have one, the first); "
                "without one, where the verdict does, or else the first session.",
                required=True,
            ),
            _column("sources", _IDS, "The sources with a complete session in the night, sorted.", required=True),
            _USER,
            _NIGHT_OF,
            _column("wake_date", pa.date32(), "Local date on which the main sleep ended; null without one."),
            _column("timezone", pa.string(), "Zone of the local dates and clock times; null if it is not known."),
            _column(
                "verdict",
                pa.string(),
                f"The ledger's: {', '.join(VERDICTS)}; null where the night is not over or not expected. Of several "
                "sources that of the main sleep's, else the one that tells most.",
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
                "does not share more than half of the shorter with another night's main sleep that comes before it.",
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
            _count("overlapped", "Sessions left out because they overlap a counted one: recorded twice, maybe by two."),
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
    "a person's ISO week (Monday to Sunday by night_of) with a row in nights",
    ("user_id", "week_start"),
    ("user_id", "week_start"),
    pa.schema(
        [
            _ORG,
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
    "a person's calendar month (by night_of) with a row in nights",
    ("user_id", "month_start"),
    ("user_id", "month_start"),
    pa.schema(
        [
            _ORG,
            _USER,
            _column("month_start", pa.date32(), "The first of the month.", required=True),
            *_of_a_period(),
        ]
    ),
    partition_column="month_start",
)

COHORT_DAYS = Table(
    "cohort_days",
    "a night of an organisation, over the persons whose night was expected",
    ("org_id", "night_of"),
    ("org_id", "night_of"),
    pa.schema(
        [
            _ORG,
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


def _compared(figure: str) -> "list[pa.Field[Any]]":
    meaning = SLEEP_SESSIONS.description(figure)
    return [
        _column(f"{figure}_phone", pa.int64(), f"Of the phone's session. {meaning}", "s"),
        _column(f"{figure}_bed", pa.int64(), f"Of the bed's session. {meaning}", "s"),
        _column(f"{figure}_difference", pa.int64(), f"Bed minus phone. {meaning}", "s"),
    ]


def _share(name: str, description: str) -> "pa.Field[Any]":
    return _column(name, pa.float64(), description, "fraction")


_KAPPA = "1 is the same, 0 what chance gives; null where both name but one stage."

SOURCE_AGREEMENT_NIGHTS = Table(
    "source_agreement_nights",
    "a person's night that phone and bed both recorded",
    ("user_id", "night_of"),
    ("user_id", "night_of"),
    pa.schema(
        [
            _ORG,
            _USER,
            _column("night_of", pa.date32(), "Local date of the evening, by the phone's session.", required=True),
            _column("phone_session_id", pa.string(), "The phone's main sleep of the night.", required=True),
            _column("bed_session_id", pa.string(), "The bed's main sleep of the night.", required=True),
            _seconds("common_s", "Time that both sessions cover.", required=True),
            _count("epochs", "Epochs of 30 s of which both know sleep or wake.", "epochs"),
            _count("unknown_epochs", "Epochs that both recorded and one of them does not know.", "epochs"),
            _share("sleep_wake_agreement", "Share of these epochs that both call sleep, or both wake."),
            _column("sleep_wake_kappa", pa.float64(), f"Cohen's kappa of sleep and wake. {_KAPPA}"),
            _count("stage_epochs", "Epochs of which both know the stage: wake, light, deep or REM.", "epochs"),
            _share("stage_agreement", "Share of these epochs to which both give the same stage."),
            _column("stage_kappa", pa.float64(), f"Cohen's kappa of the four stages. {_KAPPA}"),
            *(field for figure in AGREEMENT_FIGURES for field in _compared(figure)),
        ]
    ),
    partition_column="night_of",
)

SOURCE_AGREEMENT = Table(
    "source_agreement",
    "a metric of a person, or of everybody of an organisation, over all nights that phone and bed both recorded",
    ("org_id", "user_id", "metric"),
    ("org_id", "user_id", "metric"),
    pa.schema(
        [
            _ORG,
            _column("user_id", pa.string(), "The person; an empty text for everybody.", required=True),
            _column("metric", pa.string(), f"One of {', '.join(AGREEMENT_METRICS)}.", required=True),
            _column("first_night", pa.date32(), "The first night that both recorded.", required=True),
            _column("last_night", pa.date32(), "The last night that both recorded.", required=True),
            _count("users", "Persons with a night that counts.", "users"),
            _count("nights", "Nights that count: with the figure, or an epoch to compare, of both.", "nights"),
            _seconds("bias_s", "Mean of the differences, bed minus phone; null for sleep_wake and stages."),
            _seconds("difference_sd_s", "Sample standard deviation of the differences; null under two nights."),
            _seconds("lower_limit_s", "Bias minus 1.96 standard deviations; null under two nights."),
            _seconds("upper_limit_s", "Bias plus 1.96 standard deviations; null under two nights."),
            _column("epochs", pa.int64(), "Epochs of all nights that were compared; null for figures.", "epochs"),
            _share("observed_agreement", "Share of these epochs on which both say the same; null for figures."),
            _column("kappa", pa.float64(), "Cohen's kappa over the epochs of all nights together; null for figures."),
        ]
    ),
    partition_column="first_night",
)

MART_TABLES: tuple[Table, ...] = (
    NIGHTS,
    USER_WEEKS,
    USER_MONTHS,
    COHORT_DAYS,
    SOURCE_AGREEMENT_NIGHTS,
    SOURCE_AGREEMENT,
)
"""Every mart, in the order in which they are computed: later ones read earlier ones."""

MART_PARTITIONS = Table(
    "mart_partitions",
    "a partition of a mart as it was loaded last, so that only those that differ are loaded",
    ("mart", "partition_date"),
    ("mart", "partition_date"),
    pa.schema(
        [
            _column("mart", pa.string(), "Name of the mart.", required=True),
            _column("partition_date", pa.date32(), "The (first) night, Monday or first of the month.", required=True),
            _count("rows", "Rows of the partition."),
            _column("fingerprint", pa.string(), "Two partitions with the same one hold the same rows.", required=True),
        ]
    ),
)

WAREHOUSE_TABLES: tuple[Table, ...] = (*LAKE_TABLES, LIVE_SESSIONS, *MART_TABLES, MART_PARTITIONS)
"""Every table that a warehouse has."""
