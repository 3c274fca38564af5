"""Which fields of the vendor a column of the lake is made from, and which columns of the lake a column of a mart.

A column's own name stands for what it is taken from unchanged; what only decides which row is meant (joins, the choice
of the main sleep) is not told. Columns that come from the roster or from us have no origin.
"""

from collections.abc import Mapping
from typing import NamedTuple

from schemas.marts import (
    AGREEMENT_FIGURES,
    COHORT_DAYS,
    COHORT_FIGURES,
    MART_PARTITIONS,
    NIGHTS,
    QUANTILES,
    SOURCE_AGREEMENT,
    SOURCE_AGREEMENT_NIGHTS,
    USER_MONTHS,
    USER_WEEKS,
)
from schemas.metrics import METRICS
from schemas.tables import (
    AVERAGE_STATS,
    LIVE_SESSIONS,
    NIGHT_LEDGER,
    SESSION_HISTORY,
    SLEEP_HYPNOGRAMS,
    SLEEP_SESSIONS,
    SLEEP_STAGE_INTERVALS,
    USERS,
    Table,
)

SESSIONS_DOCUMENT, AVERAGES_DOCUMENT, USER_DOCUMENT = "sessions", "average_stats", "users"
"""The kinds of raw documents, as Dagster's assets are named."""


class Origin(NamedTuple):
    """A field of a raw document as a JSON path, or a column of a table; ``layer`` is raw, lake or marts."""

    layer: str
    name: str
    column: str


Lineage = Mapping[str, tuple[Origin, ...]]
"""What each column comes from; those without an origin are not in it."""

_SESSION, _STAT = "$.result.session", "$.result.stat"
_ZONE = f"{_SESSION}.created_timezone"
_RATIOS = {
    "sleep_efficiency": ("total_sleep_time_s", "time_in_bed_s"),
    "sleep_maintenance_efficiency": ("total_sleep_time_s", "sleep_period_s"),
}


def _from(document: str, *paths: str) -> tuple[Origin, ...]:
    return tuple(Origin("raw", document, path) for path in paths)


def _figures(document: str, parent: str) -> dict[str, tuple[Origin, ...]]:
    fields = {metric.name: metric.asleep_field for metric in METRICS}
    paths = {
        name: [f"{parent}.{fields[part]}" for part in _RATIOS.get(name, (name,))] for name in (m.name for m in METRICS)
    }
    return {name: _from(document, *mine) for name, mine in paths.items()}


_OF_SESSIONS: dict[str, tuple[Origin, ...]] = {
    "session_id": _from(SESSIONS_DOCUMENT, f"{_SESSION}.id"),
    "start_time": _from(SESSIONS_DOCUMENT, f"{_SESSION}.start_time"),
    "end_time": _from(SESSIONS_DOCUMENT, f"{_SESSION}.end_time"),
    "sleep_onset": _from(SESSIONS_DOCUMENT, f"{_STAT}.sleep_time"),
    "final_wake": _from(SESSIONS_DOCUMENT, f"{_STAT}.wake_time"),
    "unexpected_end_time": _from(SESSIONS_DOCUMENT, f"{_SESSION}.unexpected_end_time"),
    "created_timezone": _from(SESSIONS_DOCUMENT, _ZONE),
    "timezone": _from(SESSIONS_DOCUMENT, _ZONE),
    "night_of": _from(SESSIONS_DOCUMENT, f"{_SESSION}.start_time", _ZONE),
    "wake_date": _from(SESSIONS_DOCUMENT, f"{_STAT}.wake_time", f"{_SESSION}.end_time", _ZONE),
    "peculiarities": _from(SESSIONS_DOCUMENT, "$.result.peculiarities"),
    "missing_data_ratio": _from(SESSIONS_DOCUMENT, "$.result.missing_data_ratio"),
    "has_stages": _from(SESSIONS_DOCUMENT, f"{_SESSION}.sleep_stages"),
    **_figures(SESSIONS_DOCUMENT, _STAT),
}
_STAGES = _from(SESSIONS_DOCUMENT, f"{_SESSION}.sleep_stages")
_AVERAGES = "$.result.average_stats"
_CLOCKS = {"bedtime": "start_time", "sleep_onset": "sleep_time", "final_wake": "wake_time", "out_of_bed": "end_time"}

_LAKE: dict[str, dict[str, tuple[Origin, ...]]] = {
    SLEEP_SESSIONS.name: _OF_SESSIONS,
    SESSION_HISTORY.name: {**_OF_SESSIONS, "start_date": _OF_SESSIONS["start_time"]},
    SLEEP_HYPNOGRAMS.name: {
        "session_id": _OF_SESSIONS["session_id"],
        "start_time": _OF_SESSIONS["start_time"],
        **{
            name: _from(SESSIONS_DOCUMENT, f"{_SESSION}.{name}")
            for name in ("sleep_stages", "breath_stages", "snoring_stages")
        },
    },
    SLEEP_STAGE_INTERVALS.name: {
        "session_id": _OF_SESSIONS["session_id"],
        "start_time": (*_OF_SESSIONS["start_time"], *_STAGES),
        "end_time": (*_OF_SESSIONS["start_time"], *_STAGES),
        **dict.fromkeys(("stage", "first_epoch", "epochs"), _STAGES),
    },
    AVERAGE_STATS.name: {
        "period_start": _from(AVERAGES_DOCUMENT, "$.result.period.start_date"),
        "period_end": _from(AVERAGES_DOCUMENT, "$.result.period.end_date"),
        "timezone": _from(AVERAGES_DOCUMENT, "$.result.period.timezone"),
        **{name: _from(AVERAGES_DOCUMENT, f"{_AVERAGES}.{field}") for name, field in _CLOCKS.items()},
        **_figures(AVERAGES_DOCUMENT, _AVERAGES),
        "slept_sessions": _from(AVERAGES_DOCUMENT, "$.result.slept_sessions"),
        "never_slept_sessions": _from(AVERAGES_DOCUMENT, "$.result.never_slept_sessions"),
        "slept_session_ids": _from(AVERAGES_DOCUMENT, "$.result.slept_sessions[].id"),
    },
    USERS.name: {
        "to_be_deleted": _from(USER_DOCUMENT, "$.result.to_be_deleted"),
        "height_cm": _from(USER_DOCUMENT, "$.result.metadata.height"),
        "weight_kg": _from(USER_DOCUMENT, "$.result.metadata.weight"),
        **{
            name: _from(USER_DOCUMENT, f"$.result.metadata.{name}")
            for name in ("birth_year", "birth_month", "birth_day", "gender")
        },
    },
    NIGHT_LEDGER.name: {
        "session_ids": _OF_SESSIONS["session_id"],
        "main_session_id": _OF_SESSIONS["session_id"],
    },
}


def lake_lineage(table: Table) -> Lineage:
    """The vendor's fields that the columns of a lake table come from (GET answers as Asleep documents them)."""
    known = _LAKE.get(table.name, {})
    return {name: known[name] for name in table.schema.names if name in known}


def _of(table: Table, layer: str, *names: str) -> tuple[Origin, ...]:
    return tuple(Origin(layer, table.name, name) for name in names)


def _of_sessions(*names: str) -> tuple[Origin, ...]:
    return _of(SLEEP_SESSIONS, "lake", *names)


def _of_nights(*names: str) -> tuple[Origin, ...]:
    return _of(NIGHTS, "marts", *names)


_TRACKED = _of_sessions("start_time", "end_time")
_KIND = (*_TRACKED, *_of_sessions("total_sleep_time_s", "peculiarities"))
_MID_SLEEP = _of_sessions("sleep_onset", "final_wake", "timezone")

_NIGHTS: dict[str, tuple[Origin, ...]] = {
    "org_id": (*_of_sessions("org_id"), *_of(NIGHT_LEDGER, "lake", "org_id")),
    "timezone": (*_of_sessions("timezone"), *_of(USERS, "lake", "timezone")),
    **{name: _of(NIGHT_LEDGER, "lake", name) for name in ("verdict", "reason", "late_days", "revised")},
    **{name: (*_of_sessions(name), *_of(NIGHT_LEDGER, "lake", name)) for name in ("source", "user_id", "night_of")},
    "sources": _of_sessions("source"),
    "in_means": _TRACKED,
    "main_session_id": _of_sessions("session_id"),
    "bedtime_clock": _of_sessions("start_time", "timezone"),
    "sleep_onset_clock": _of_sessions("sleep_onset", "timezone"),
    "mid_sleep_clock": _MID_SLEEP,
    "final_wake_clock": _of_sessions("final_wake", "timezone"),
    "out_of_bed_clock": _of_sessions("end_time", "timezone"),
    "mid_sleep_after_noon_s": (*_MID_SLEEP, *_of_sessions("night_of")),
    "sessions": _of_sessions("session_id"),
    "recorded_s": _TRACKED,
    "main_tracked_s": _TRACKED,
    **{f"{kind}_tracked_s": _TRACKED for kind in ("further", "nap", "without_sleep")},
    "overlapped_only_s": _TRACKED,
    **dict.fromkeys(("further_sleep_s", "nap_sleep_s", "asleep_s"), _of_sessions("total_sleep_time_s")),
    **dict.fromkeys(("further_sleeps", "naps", "without_sleep", "overlapped"), _KIND),
    **{f"{kind}_session_ids": _of_sessions("session_id") for kind in ("further", "nap", "without_sleep", "overlapped")},
}
_NIGHTS |= {
    name: _of_sessions(name)
    for name in NIGHTS.schema.names
    if name not in _NIGHTS and name in SLEEP_SESSIONS.schema.names
}

_VERDICTS = ("nights_expected", "nights_complete", "nights_open", "completeness", "coverage")
_REGULARITY = ("sleep_onset", "mid_sleep", "final_wake")


def _of_period(table: Table) -> dict[str, tuple[Origin, ...]]:
    found = {name: _of_nights(name) for name in ("org_id", "user_id", "naps", "nap_tracked_s")}
    found |= {name: _of_nights("night_of") for name in (table.partition_column, "iso_year", "iso_week")}
    found |= dict.fromkeys(_VERDICTS, _of_nights("verdict"))
    found |= {"nights_with_data": _of_nights("main_session_id"), "nights_in_means": _of_nights("in_means")}
    found |= {f"{metric.name}_mean": _of_nights(metric.name, "in_means") for metric in METRICS}
    found["total_sleep_time_sd_s"] = _of_nights("total_sleep_time_s", "in_means")
    for clock in _REGULARITY:
        found[f"{clock}_clock_mean"] = found[f"{clock}_sd_s"] = _of_nights(f"{clock}_clock", "in_means")
    return {name: found[name] for name in table.schema.names}


_COMPARED_STAGES = _of(SLEEP_STAGE_INTERVALS, "lake", "stage", "start_time", "end_time")
_COMPARED_EPOCHS = ("epochs", "unknown_epochs", "sleep_wake_agreement", "sleep_wake_kappa")
_STAGE_EPOCHS = ("stage_epochs", "stage_agreement", "stage_kappa")


def _of_pairs(*names: str) -> tuple[Origin, ...]:
    return _of(SOURCE_AGREEMENT_NIGHTS, "marts", *names)


_PAIRS: dict[str, tuple[Origin, ...]] = {
    **{name: _of_sessions(name) for name in ("org_id", "user_id", "night_of")},
    **dict.fromkeys(("phone_session_id", "bed_session_id"), _of_sessions("session_id")),
    "common_s": _TRACKED,
    **dict.fromkeys(_COMPARED_EPOCHS, _COMPARED_STAGES),
    **dict.fromkeys(_STAGE_EPOCHS, (*_COMPARED_STAGES, *_of_sessions("has_stages"))),
    **{f"{figure}_{of}": _of_sessions(figure) for figure in AGREEMENT_FIGURES for of in ("phone", "bed", "difference")},
}
_DIFFERENCES = _of_pairs(*(f"{figure}_difference" for figure in AGREEMENT_FIGURES))
_COUNTED = (*_DIFFERENCES, *_of_pairs("epochs", "stage_epochs"))
_AGREEMENT: dict[str, tuple[Origin, ...]] = {
    "org_id": _of_pairs("org_id"),
    "user_id": _of_pairs("user_id"),
    **dict.fromkeys(("first_night", "last_night"), _of_pairs("night_of")),
    "metric": _COUNTED,
    "users": (*_of_pairs("user_id"), *_COUNTED),
    "nights": _COUNTED,
    **dict.fromkeys(("bias_s", "difference_sd_s", "lower_limit_s", "upper_limit_s"), _DIFFERENCES),
    "epochs": _of_pairs("epochs", "stage_epochs"),
    "observed_agreement": _of_pairs("epochs", "sleep_wake_agreement", "stage_epochs", "stage_agreement"),
    "kappa": (*_COMPARED_STAGES, *_of_sessions("has_stages")),
}

_MARTS: dict[str, dict[str, tuple[Origin, ...]]] = {
    NIGHTS.name: _NIGHTS,
    **{table.name: _of_period(table) for table in (USER_WEEKS, USER_MONTHS)},
    SOURCE_AGREEMENT_NIGHTS.name: _PAIRS,
    SOURCE_AGREEMENT.name: _AGREEMENT,
    MART_PARTITIONS.name: {},
    LIVE_SESSIONS.name: {},
    COHORT_DAYS.name: {
        **{name: _of_nights(name) for name in ("org_id", "night_of")},
        **dict.fromkeys(("users_expected", "users_complete", "users_open"), _of_nights("verdict")),
        "users_in_means": _of_nights("in_means"),
        **{
            f"{figure}_p{quantile}": _of_nights(figure, "in_means")
            for figure in COHORT_FIGURES
            for quantile in QUANTILES
        },
    },
}


def mart_lineage(table: Table) -> Lineage:
    """The columns of lake tables, and of the mart ``nights``, that the columns of a mart come from."""
    return _MARTS[table.name]


def same_columns(table: Table, layer: str) -> Lineage:
    """A table that is loaded as it is: each column from the one of the same name."""
    return {name: _of(table, layer, name) for name in table.schema.names}
