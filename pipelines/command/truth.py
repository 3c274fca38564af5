"""What the simulators know against what the pipeline made, figure by figure, for the demo and the system tests.

The pairs are written out here, not taken from ``schemas.metrics``: a wrong mapping there must not agree with itself.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

FIGURES = {
    "time_in_bed_s": "time_in_bed",
    "sleep_period_s": "time_in_sleep_period",
    "total_sleep_time_s": "time_in_sleep",
    "wake_after_sleep_onset_s": "time_in_wake",
    "sleep_onset_latency_s": "sleep_latency",
    "wakeup_latency_s": "wakeup_latency",
    "light_sleep_s": "time_in_light",
    "deep_sleep_s": "time_in_deep",
    "rem_sleep_s": "time_in_rem",
    "latency_to_light_s": "light_latency",
    "latency_to_deep_s": "deep_latency",
    "latency_to_rem_s": "rem_latency",
    "snoring_s": "time_in_snoring",
    "awakenings": "waso_count",
    "longest_awakening_s": "longest_waso",
    "sleep_cycles": "sleep_cycle_count",
    "sleep_cycle_mean_s": "sleep_cycle",
    "snoring_episodes": "snoring_count",
    "stable_breath_s": "time_in_stable_breath",
    "unstable_breath_s": "time_in_unstable_breath",
    "unstable_breath_episodes": "unstable_breath_count",
    "breathing_index": "breathing_index",
    "breathing_pattern": "breathing_pattern",
    "sleep_index": "sleep_index",
}
"""Column of ``sleep_sessions`` to field of the vendor's ``stat``."""

STAYS = {
    "total_sleep_time_s": ("light", "deep", "rem"),
    "light_sleep_s": ("light",),
    "deep_sleep_s": ("deep",),
    "rem_sleep_s": ("rem",),
}
"""Column of ``sleep_sessions`` to the stages of a stay in bed whose seconds it sums."""

Expected = Mapping[tuple[str, str], Mapping[str, Any]]
"""What is known of sessions, by (user id, session id)."""


def expected_sessions(truth: Mapping[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    """The complete sessions of ``GET /_control/truth``, by (user id, session id)."""
    return {
        (user["user_id"], session["id"]): session
        for user in truth["users"]
        for session in user["sessions"]
        if session["state"] == "COMPLETE"
    }


def expected_stays(truth: Mapping[str, Any], user_ids: Mapping[str, str]) -> dict[tuple[str, str], dict[str, Any]]:
    """The final stays of ``GET /_control/bed/truth``, by (user id, session id); ``user_ids`` by those of the vendor."""
    return {
        (user_ids[user["user_id"]], stay["id"]): stay
        for user in truth["users"]
        for stay in user["intervals"]
        if stay["final"]
    }


def differences(expected: Expected, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Names of what is wrong: ``rows`` (a session missing, doubled or unknown) or columns; empty if all is equal."""
    return _differences(expected, rows, _wrong_columns)


def stay_differences(expected: Expected, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """As ``differences``, for sessions of beds."""
    return _differences(expected, rows, _wrong_columns_of_stay)


def _differences(
    expected: Expected,
    rows: Sequence[Mapping[str, Any]],
    wrong_columns: Callable[[Mapping[str, Any], Mapping[str, Any]], Iterable[str]],
) -> list[str]:
    keys = [(row["user_id"], row["session_id"]) for row in rows]
    if sorted(keys) != sorted(expected):
        return ["rows"]
    return [name for key, row in zip(keys, rows, strict=True) for name in wrong_columns(expected[key], row)]


def _wrong_columns_of_stay(stay: Mapping[str, Any], row: Mapping[str, Any]) -> Iterable[str]:
    for column, field in (("start_time", "start"), ("end_time", "end")):
        if datetime.fromisoformat(stay[field]) != row[column]:
            yield column
    for column, stages in STAYS.items():
        if sum(stay["seconds"][stage] for stage in stages) != row[column]:
            yield column


def _wrong_columns(session: Mapping[str, Any], row: Mapping[str, Any]) -> Iterable[str]:
    for column in ("start_time", "end_time"):
        if datetime.fromisoformat(session[column]) != row[column]:
            yield column
    stat = session["stat"] or {}
    for column, field in FIGURES.items():
        if stat.get(field) != row[column]:
            yield column
    for column, part, whole in (
        ("sleep_efficiency", "time_in_sleep", "time_in_bed"),
        ("sleep_maintenance_efficiency", "time_in_sleep", "time_in_sleep_period"),
    ):
        wanted = stat[part] / stat[whole] if stat.get(whole) else None
        if wanted != row[column]:
            yield column
