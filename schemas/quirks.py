"""Where the vendor's answers differ from one documented form, and the one rule by which each difference is read.

A rule here never guesses: it either knows what was meant, or gives null and keeps the night. Whatever it had to do is
noted as ``Drift``, which names the kind and the field and never a value. The same rules, with the vendor's
contradicting pages, are told in ``docs/vendor-quirks.md``.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

UNKNOWN_FIELD = "unknown_field"
UNKNOWN_CODE = "unknown_code"
IMPOSSIBLE_VALUE = "impossible_value"
UNREADABLE_VALUE = "unreadable_value"
PART_OF_A_SECOND = "part_of_a_second"
EFFICIENCY_IN_PERCENT = "efficiency_in_percent"
CLOCK_TIME_FOR_INSTANT = "clock_time_for_instant"
LIST_OF_CYCLES = "list_of_cycles"
LATENCY_FROM_START = "latency_from_start"
ZONE_INSIDE_SESSION = "zone_inside_session"

QUIRKS: dict[str, str] = {
    UNKNOWN_FIELD: "A field that is not documented; it stays in the raw document and is not read.",
    UNKNOWN_CODE: "A code that is not documented; a stage becomes unknown (-1), a word is kept as it is.",
    IMPOSSIBLE_VALUE: "A number or moment that cannot be true (negative, or beyond its range); it is null.",
    UNREADABLE_VALUE: "A value of another type or form than documented; it is null, an epoch unknown (-1).",
    PART_OF_A_SECOND: "A duration with parts of a second; rounded to whole seconds.",
    EFFICIENCY_IN_PERCENT: "A sleep efficiency over 1.5 is in percent; ours is computed from seconds.",
    CLOCK_TIME_FOR_INSTANT: "A bare clock time where a moment is documented; it is ambiguous and not used.",
    LIST_OF_CYCLES: "Sleep cycles as a list; count and mean length are taken from it.",
    LATENCY_FROM_START: "Stage latencies that the hypnogram shows to be from the start; counted from sleep onset.",
    ZONE_INSIDE_SESSION: "The phone's zone under another name, inside the session.",
}
"""Every kind of difference, with the rule that reads it."""

LONGEST_S = 31 * 86_400
"""No duration of a session is longer than this (seconds)."""

HIGHEST: dict[str, float] = {"s": LONGEST_S, "count": 100_000, "events/h": 10_000, "score": 100, "fraction": 1}
"""The highest value that can be true, by the unit of a metric; the lowest is 0."""


class Drift(NamedTuple):
    """One kind of difference at one place: ``path`` is a JSON path without values or indexes."""

    kind: str
    path: str


class Notes:
    """The differences met while one document is read."""

    def __init__(self) -> None:
        self.drift: set[Drift] = set()

    def add(self, kind: str, path: str) -> None:
        """Note that the rule ``kind`` was needed at ``path``."""
        self.drift.add(Drift(kind, path))


def possible(value: float | None, highest: float, path: str, notes: Notes) -> float | None:
    """The number if it lies in 0..``highest``, else null."""
    if value is not None and not 0 <= value <= highest:
        notes.add(IMPOSSIBLE_VALUE, path)
        return None
    return value


def whole_seconds(value: float | None, path: str, notes: Notes) -> int | None:
    """A duration in whole seconds; a half is rounded to the even second."""
    seconds = possible(value, LONGEST_S, path, notes)
    if seconds is None:
        return None
    if seconds != int(seconds):
        notes.add(PART_OF_A_SECOND, path)
    return round(seconds)


def whole_number(value: float | None, highest: float, path: str, notes: Notes) -> int | None:
    """A count; half of something that is counted cannot be, and becomes null."""
    number = possible(value, highest, path, notes)
    if number is None:
        return None
    if number != int(number):
        notes.add(IMPOSSIBLE_VALUE, path)
        return None
    return int(number)


def efficiency_fraction(value: float) -> float:
    """Sleep efficiency as a fraction: no fraction exceeds 1, so more than 1.5 can only be percent."""
    return value / 100 if value > 1.5 else value


def mean_cycle(
    cycle: float | Sequence[Mapping[str, Any]] | None, count: float | None, path: str, notes: Notes
) -> tuple[float | None, float | None]:
    """Mean length (s) and number of sleep cycles, whether the vendor sends the mean or the cycles themselves."""
    if not isinstance(cycle, Sequence):
        return cycle, count
    notes.add(LIST_OF_CYCLES, path)
    lengths = [_length_s(item) for item in cycle]
    known = [length for length in lengths if length is not None]
    mean = sum(known) / len(known) if known and len(known) == len(lengths) else None
    return mean, len(cycle) if count is None else count


def _length_s(cycle: Mapping[str, Any]) -> float | None:
    try:
        start, end = (datetime.fromisoformat(cycle[name]) for name in ("start_time", "end_time"))
        return (end - start).total_seconds()
    except (KeyError, TypeError, ValueError):  # absent, not text, no time, or only one of them with an offset
        return None


def latencies_from_onset(
    latencies: Mapping[str, float | None],
    from_onset: Mapping[str, float | None],
    onset_latency_s: float | None,
    path: str,
    notes: Notes,
) -> dict[str, float | None]:
    """Stage latencies (s) counted from sleep onset.

    ``from_onset`` is what the hypnogram says; only where every latency sent is exactly that plus the onset latency are
    they known to be counted from the start of tracking. Whatever else they are, they are left as sent.
    """
    sent = {name: latency for name, latency in latencies.items() if latency is not None}
    shifted = {name: own + (onset_latency_s or 0) for name, own in from_onset.items() if own is not None}
    if not onset_latency_s or not sent or sent != shifted:
        return dict(latencies)
    notes.add(LATENCY_FROM_START, path)
    return dict(from_onset)
