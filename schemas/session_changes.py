"""The history of a session in words: why a version is there, what it was at a moment, how it differs from the last one.

Rows are those of ``session_history`` as dicts. A difference reads "deep +12 min", "efficiency -2 points",
"wake 06:51 -> 06:42"; clock times are those of the row's zone, and null is "not known", never nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from schemas.documents import COMPLETED, DELETED, FIRST_SEEN, RE_ANALYSED
from schemas.metrics import METRICS

RESTORED = "restored"
"""Why a version is in the history: the vendor has the session again after it was deleted."""

NOT_KNOWN = "not known"

WORDS: dict[str, str] = {
    "total_sleep_time_s": "total sleep",
    "light_sleep_s": "light",
    "deep_sleep_s": "deep",
    "rem_sleep_s": "REM",
    "sleep_efficiency": "efficiency",
    "sleep_maintenance_efficiency": "maintenance efficiency",
    "sleep_index": "sleep score",
    "time_in_bed_s": "time in bed",
    "sleep_period_s": "sleep period",
    "sleep_onset_latency_s": "time to fall asleep",
    "wakeup_latency_s": "time to get up",
    "wake_after_sleep_onset_s": "awake after onset",
    "awakenings": "awakenings",
    "longest_awakening_s": "longest awakening",
    "latency_to_light_s": "onset to light",
    "latency_to_deep_s": "onset to deep",
    "latency_to_rem_s": "onset to REM",
    "sleep_cycles": "sleep cycles",
    "sleep_cycle_mean_s": "mean cycle",
    "snoring_s": "snoring",
    "snoring_episodes": "snoring episodes",
    "stable_breath_s": "stable breathing",
    "unstable_breath_s": "unstable breathing",
    "unstable_breath_episodes": "unstable breathing episodes",
    "breathing_index": "breathing index",
    "breathing_pattern": "breathing pattern",
    "missing_data_ratio": "missing audio",
    "has_stages": "stages",
    "start_time": "start",
    "sleep_onset": "asleep",
    "final_wake": "wake",
    "end_time": "end",
    "unexpected_end_time": "closed late",
    "created_timezone": "zone of the phone",
    "timezone": "zone",
    "night_of": "night of",
    "wake_date": "wake date",
    "peculiarities": "remarks",
    "provider_agreement": "agreement with the stages",
    "provider_differences": "figures that disagree with the stages",
}
"""Columns that are compared, in the order of telling, with the words for them."""

_UNITS = {metric.name: metric.unit for metric in METRICS} | {"missing_data_ratio": "fraction"}
_CLOCKS = ("%H:%M", "%H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S")


def reason_of(kept_because: str | None, *, revision: int, deleted: bool, after_deletion: bool) -> str:
    """Why a version is there: the word it was kept with, unless what lies around it in raw says otherwise.

    ``kept_because`` is None in files of older releases. A home whose state was lost calls a later version the first.
    """
    if deleted:
        return DELETED
    if after_deletion:
        return RESTORED
    if revision > 1 and kept_because in (None, FIRST_SEEN, COMPLETED):
        return RE_ANALYSED
    return kept_because or FIRST_SEEN


def as_known_at(versions: Iterable[Mapping[str, Any]], moment: datetime) -> list[dict[str, Any]]:
    """The versions that had been seen by then, as they stood then: what was replaced later still counts."""
    return [
        {**version, "valid_to": version["valid_to"] if _ended(version, moment) else None}
        for version in versions
        if version["valid_from"] <= moment
    ]


def _ended(version: Mapping[str, Any], moment: datetime) -> bool:
    return version["valid_to"] is not None and version["valid_to"] <= moment


def told(versions: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """For each version of one session, oldest first, how it differs from the last one before it that had content.

    Nothing is told of the first version and of deletions.
    """
    stories: list[list[str]] = []
    before: Mapping[str, Any] | None = None
    for version in versions:
        gone = version["reason"] == DELETED
        stories.append([] if gone or before is None else differences(before, version))
        before = before if gone else version
    return stories


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """What differs between two versions with content, a short text each; empty if no figure and no time does."""
    return [
        f"{word} {_change(column, before, after)}" for column, word in WORDS.items() if before[column] != after[column]
    ]


def _change(column: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    old, new = before[column], after[column]
    if isinstance(old, datetime) and isinstance(new, datetime):
        return _moved(old.astimezone(ZoneInfo(before["timezone"])), new.astimezone(ZoneInfo(after["timezone"])))
    if isinstance(old, int | float) and isinstance(new, int | float):
        return ("+" if new > old else "-") + _amount(abs(new - old), _UNITS[column], difference=True)
    return f"{_text(column, old, before['timezone'])} -> {_text(column, new, after['timezone'])}"


def _moved(old: datetime, new: datetime) -> str:
    # As short as tells them apart; what looks the same on every clock differs in its offset or in microseconds.
    clocks = _CLOCKS if old.date() == new.date() else _CLOCKS[2:]
    for clock in clocks:
        if (shown := f"{old:{clock}}") != f"{new:{clock}}":
            return f"{shown} -> {new:{clock}}"
    return f"{old.isoformat(' ')} -> {new.isoformat(' ')}"


def _text(column: str, value: Any, zone: str) -> str:
    match value:
        case None:
            return NOT_KNOWN
        case datetime():
            return f"{value.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M}"
        case date():
            return value.isoformat()
        case int() | float():
            return _amount(value, _UNITS[column], difference=False)
        case list():
            return ", ".join(map(str, value)) or "none"
    return str(value)


def _amount(value: float, unit: str, *, difference: bool) -> str:
    if unit == "s":
        return _duration(value)
    if unit == "fraction":
        points = _number(value * 100)
        return f"{points} {'point' if points == '1' else 'points'}" if difference else f"{points} %"
    return f"{_number(value)} per h" if unit == "events/h" else _number(value)


def _duration(seconds: float) -> str:
    whole = round(seconds)
    if not whole:
        return f"{_number(seconds)} s"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    parts = ((hours, "h"), (minutes, "min"), (rest, "s"))
    return " ".join(f"{number} {unit}" for number, unit in parts if number)


def _number(value: float) -> str:
    """With one decimal at most; what would be rounded away keeps its first digit."""
    rounded = round(value, 1)
    return f"{rounded:.1f}".removesuffix(".0") if rounded or not value else f"{value:.1g}"
