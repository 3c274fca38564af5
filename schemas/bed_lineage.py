"""Which fields of Eight Sleep's answers a column of the tables of beds is made from, as JSON paths."""

from schemas.bed_tables import BED_NIGHTS, BED_PRESENCE, BED_SAMPLES, BED_STATUS
from schemas.columns import Table
from schemas.lineage import Lineage, Origin

PULLED, POLLED = "bed_sessions", "bed_status"
"""The raw assets, as Dagster has them: a pull brings pages of intervals, and trends."""

_INTERVAL, _DAY, _STATUS = "$.intervals[]", "$.days[]", "$"

SERIES: dict[str, str] = {
    "heart_rate_bpm": "heartRate",
    "hrv_ms": "hrv",
    "rmssd_ms": "rmssd",
    "respiratory_rate_bpm": "respiratoryRate",
    "nemean_respiratory_rate_bpm": "nemeanRespiratoryRate",
    "nemean_respiratory_rate_nightly_bpm": "nemeanRespiratoryRateNightly",
    "bed_temperature_c": "tempBedC",
    "room_temperature_c": "tempRoomC",
    "toss_and_turns": "tnt",
}
"""The series of an interval by the column of ``bed_samples`` that holds it."""

_FITNESS = ("score", "sleepFitnessScore.total", "health.sleepFitnessScore")
_OF_DAYS: dict[str, tuple[str, ...]] = {
    "day": ("day",),
    "is_final": ("incomplete", "processing"),
    "presence_start": ("presenceStart",),
    "presence_end": ("presenceEnd",),
    "sleep_start": ("sleepStart",),
    "sleep_end": ("sleepEnd",),
    "presence_duration_s": ("presenceDuration",),
    "sleep_duration_s": ("sleepDuration",),
    "all_sessions_sleep_duration_s": (
        "sleepFitnessScore.sleepDurationSeconds.current",
        "sleepQualityScore.sleepDurationSeconds.current",
    ),
    "light_sleep_s": ("lightDuration",),
    "deep_sleep_s": ("deepDuration",),
    "rem_sleep_s": ("remDuration",),
    "deep_fraction": ("deepPercent",),
    "rem_fraction": ("remPercent",),
    "snoring_s": ("snoreDuration",),
    "heavy_snoring_s": ("heavySnoreDuration",),
    "snoring_fraction": ("snorePercent",),
    "heavy_snoring_fraction": ("heavySnorePercent",),
    "toss_and_turns": ("tnt",),
    "asleep_latency_s": (
        "latencyAsleepSeconds",
        "sleepFitnessScore.latencyAsleepSeconds.current",
        "sleepRoutineScore.latencyAsleepSeconds.current",
    ),
    "out_latency_s": (
        "latencyOutSeconds",
        "sleepFitnessScore.latencyOutSeconds.current",
        "sleepRoutineScore.latencyOutSeconds.current",
    ),
    "score": ("score",),
    "sleep_fitness_score": _FITNESS,
    "sleep_fitness_score_place": _FITNESS,
    "sleep_fitness_score_total": ("sleepFitnessScore.total",),
    "sleep_quality_score": ("sleepQualityScore.total",),
    "sleep_routine_score": ("sleepRoutineScore.total",),
    "heart_rate_bpm": ("sleepQualityScore.heartRate.current",),
    "hrv_ms": ("sleepQualityScore.hrv.current",),
    "respiratory_rate_bpm": ("sleepQualityScore.respiratoryRate.current",),
    "waso_fraction": ("sleepQualityScore.waso.current",),
    "bed_temperature_c": ("sleepQualityScore.tempBedC.current",),
    "room_temperature_c": ("sleepQualityScore.tempRoomC.current",),
    "main_session_id": ("mainSessionId",),
    "session_ids": ("sessionIds",),
}


def _both(field: str) -> tuple[str, ...]:
    return f"left.{field}", f"right.{field}"


_OF_POLLS: dict[str, tuple[str, ...]] = {
    "bed_id": ("deviceId",),
    "side": _both("side"),
    "online": ("online",),
    "presence": ("online", *_both("presence")),
    "target_level": ("online", *_both("tempTarget")),
    "level": ("online", *_both("tempBed")),
    "solo": (*_both("userId"), *_both("side")),
    "user_id": _both("userId"),
}


def _from(asset: str, parent: str, paths: dict[str, tuple[str, ...]]) -> Lineage:
    return {name: tuple(Origin("raw", asset, f"{parent}.{path}") for path in mine) for name, mine in paths.items()}


_LINEAGES: dict[str, Lineage] = {
    BED_SAMPLES.name: _from(
        PULLED,
        _INTERVAL,
        {
            "session_id": ("id",),
            "start_date": ("ts",),
            "time": tuple(f"timeseries.{series}[][0]" for series in SERIES.values()),
            **{name: (f"timeseries.{series}[][1]",) for name, series in SERIES.items()},
        },
    ),
    BED_NIGHTS.name: _from(PULLED, _DAY, _OF_DAYS),
    BED_STATUS.name: _from(POLLED, _STATUS, _OF_POLLS),
    BED_PRESENCE.name: {
        **{
            name: (Origin("lake", BED_STATUS.name, name),)
            for name in ("source", "bed_id", "side", "utc_date", "user_id")
        },
        **{
            name: tuple(Origin("lake", BED_STATUS.name, of) for of in ("time", "presence", "user_id"))
            for name in ("start_time", "end_time", "starts_unseen", "ends_unseen", "polls")
        },
    },
}


def bed_lineage(table: Table) -> Lineage:
    """The vendor's fields, or the columns of ``bed_status``, that the columns of a table of beds come from."""
    return _LINEAGES[table.name]
