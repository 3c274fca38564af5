"""Where the columns of a night come from in a session of Eight Sleep, for a night told field by field."""

from dataclasses import replace

from schemas.bed_lineage import SERIES
from schemas.explanation import DERIVED, IN_UTC, OUR_CODES, RECOMPUTED, SECONDS, UNCHANGED, Line, Origin

FROM_STAGES = "summed up from the stages"
NOT_TOLD = "a bed tells nothing of it"
ANOTHER_DEFINITION = "another vendor's own definition"

_SUMMARY = "stageSummary"
_SAMPLES = {f"timeseries.{series}": column for column, series in SERIES.items()}

_SOURCES: dict[str, Origin] = {
    "session_id": ("id", UNCHANGED),
    "start_time": ("ts", IN_UTC),
    "end_time": ("stages", "the start and all stages up to the last one in bed"),
    "created_timezone": ("timezone", "the bed's zone"),
    "sleep_onset": ("sleepStart", IN_UTC),
    "final_wake": ("sleepEnd", IN_UTC),
    "sleep_stages": ("stages", f"{OUR_CODES}, that at its middle"),
    "snoring_stages": ("snoring", f"{OUR_CODES}, that at its middle"),
    "snoring_s": ("snoring", "summed up from the snoring"),
    "snoring_episodes": ("snoring", "summed up from the snoring"),
    "total_sleep_time_s": (f"{_SUMMARY}.sleepDuration", SECONDS),
    "wake_after_sleep_onset_s": (f"{_SUMMARY}.wasoDuration", SECONDS),
    "sleep_onset_latency_s": (f"{_SUMMARY}.awakeBeforeSleepDuration", SECONDS),
    "wakeup_latency_s": (f"{_SUMMARY}.awakeAfterSleepDuration", SECONDS),
    "light_sleep_s": (f"{_SUMMARY}.lightDuration", SECONDS),
    "deep_sleep_s": (f"{_SUMMARY}.deepDuration", SECONDS),
    "rem_sleep_s": (f"{_SUMMARY}.remDuration", SECONDS),
}

_NOT_TOLD = (
    *("unexpected_end_time", "peculiarities", "missing_data_ratio", "breath_stages", "sleep_index"),
    *("stable_breath_s", "unstable_breath_s", "unstable_breath_episodes", "breathing_index", "breathing_pattern"),
)

_OTHERWISE: dict[str, str] = {
    **DERIVED,
    **RECOMPUTED,
    "timezone": "the bed's, or the roster's where that is no IANA zone",
    "time_in_bed_s": "end minus start",
    "sleep_cycles": ANOTHER_DEFINITION,
    "sleep_cycle_mean_s": ANOTHER_DEFINITION,
    **dict.fromkeys(_NOT_TOLD, NOT_TOLD),
}


def bed_origin(column: str) -> Origin:
    """Where a column comes from; figures that the vendor does not sum itself are made from its stages."""
    return _SOURCES.get(column) or ("", _OTHERWISE.get(column, FROM_STAGES))


def with_samples(line: Line) -> Line:
    """The line, saying so where its field is a series that goes on into ``bed_samples``."""
    column = _SAMPLES.get(line.field)
    return replace(line, rule=f"rows of bed_samples: {column}") if column else line
