"""The pieces variants of answers are made of: where in a body something changes, and what becomes of it.

A place finds the objects of a body that change, a change works on one object, in place. Which of them make which
variant is in ``variants``.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from datetime import date
from itertools import pairwise
from typing import Any

Json = dict[str, Any]
Place = Callable[[Json], Iterable[Json]]
"""The objects of a body that a variant changes; none where there is nothing to change."""
Change = Callable[[Json], None]
"""Changes an object in place."""
Changes = Sequence[tuple[str, Place, Change]]
"""Each in the answers of one endpoint."""

ENDPOINTS = ("list", "detail", "stats", "user", "create_user", "update_user")
"""The answers there are variants of."""

_STAGES = ("light", "deep", "rem")
_OF_PERIOD = {
    "sleep_ratio": "time_in_sleep",
    "wake_ratio": "time_in_wake",
    "light_ratio": "time_in_light",
    "deep_ratio": "time_in_deep",
    "rem_ratio": "time_in_rem",
    "stable_breath_ratio": "time_in_stable_breath",
    "unstable_breath_ratio": "time_in_unstable_breath",
    "snoring_ratio": "time_in_snoring",
    "no_snoring_ratio": "time_in_no_snoring",
}
_ALWAYS_IN_ROWS = (
    *("id", "created_timezone", "start_time", "end_time", "completed_time", "sleep_efficiency", "time_in_wake"),
    *("time_in_sleep_period", "time_in_sleep", "time_in_bed", "wake_ratio", "sleep_ratio"),
)
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(Z|[+-]\d\d:\d\d)")
_ADDED: Json = {
    "added_text": "new",
    "added_whole": 7,
    "added_decimal": 0.5,
    "added_flag": True,
    "added_null": None,
    "added_list": [1, "two", None, {"three": [3.5, False]}],
    "added_object": {"inner": {"list": [[], {}], "text": ""}},
}


def envelope(body: Json) -> list[Json]:
    """The body itself."""
    return [body]


def result(body: Json) -> list[Json]:
    """Its result."""
    return [body["result"]]


def session(body: Json) -> list[Json]:
    """The session of a session's answer."""
    return [body["result"]["session"]]


def stat(body: Json) -> list[Json]:
    """The figures of a session's answer."""
    return _present(body["result"]["stat"])


def means(body: Json) -> list[Json]:
    """The means of average stats."""
    return _present(body["result"]["average_stats"])


def period(body: Json) -> list[Json]:
    """The period of average stats."""
    return [body["result"]["period"]]


def slept_rows(body: Json) -> list[Json]:
    """The sessions average stats are of."""
    return list(body["result"]["slept_sessions"])


def list_rows(body: Json) -> list[Json]:
    """The rows of the session list."""
    return list(body["result"]["sleep_session_list"])


def last_session(body: Json) -> list[Json]:
    """What a user's answer says about the last session."""
    return _present(body["result"]["last_session_info"])


def of_sessions(change: Change) -> Changes:
    """To the figures of a session, in its own answer and in its row beside the means."""
    return [("detail", stat, change), ("stats", slept_rows, change)]


def of_sessions_and_means(change: Callable[[int], Change]) -> Changes:
    """To the means as well, which have three decimals where sessions have two."""
    return [*of_sessions(change(2)), ("stats", means, change(3))]


def everywhere(change: Change) -> Changes:
    """To the body of every answer."""
    return [(endpoint, envelope, change) for endpoint in ENDPOINTS]


def without(*names: str) -> Change:
    """Leave these fields out."""

    def change(place: Json) -> None:
        for name in names:
            place.pop(name, None)

    return change


def having(**values: Any) -> Change:
    """Set these fields."""
    return lambda place: place.update(deepcopy(values))


def three_decimals(figures: Json) -> None:
    """Ratios of the durations, to a thousandth."""
    figures["sleep_efficiency"] = _quotient(figures["time_in_sleep"], figures["time_in_bed"], 3)
    for ratio, part in _OF_PERIOD.items():
        if figures[part] is not None:
            figures[ratio] = _quotient(figures[part], figures["time_in_sleep_period"], 3)


def percent_efficiency(figures: Json) -> None:
    """Efficiency of 88.24, not 0.88."""
    figures["sleep_efficiency"] = _quotient(100 * figures["time_in_sleep"], figures["time_in_bed"], 2)


def duration_as_sleep_time(figures: Json) -> None:
    """How long was slept, as ``HH:MM:SS``, where the onset of sleep should be."""
    seconds = figures["time_in_sleep"]
    figures["sleep_time"] = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def stages_over_sleep(decimals: int) -> Change:
    """Stage ratios of the time asleep."""

    def change(figures: Json) -> None:
        for stage in _STAGES:
            if figures[f"time_in_{stage}"] is not None:
                ratio = _quotient(figures[f"time_in_{stage}"], figures["time_in_sleep"], decimals)
                figures[f"{stage}_ratio"] = ratio

    return change


def snoring_over_sleep(decimals: int) -> Change:
    """Snoring ratios of the time asleep; the time without snoring is time asleep too, so that both add up to it."""

    def change(figures: Json) -> None:
        if figures["time_in_snoring"] is not None:
            figures["time_in_no_snoring"] = max(0, figures["time_in_sleep"] - figures["time_in_snoring"])
            for name in ("snoring", "no_snoring"):
                figures[f"{name}_ratio"] = _quotient(figures[f"time_in_{name}"], figures["time_in_sleep"], decimals)

    return change


def cycle_list(number: str, first: int) -> Change:
    """``sleep_cycle`` as a list of objects numbered from ``first``, and no ``sleep_cycle_time``; once is enough."""

    def change(figures: Json) -> None:
        if "sleep_cycle_time" in figures:
            figures["sleep_cycle"] = [
                {number: place, "start_time": start, "end_time": end}
                for place, (start, end) in enumerate(pairwise(figures.pop("sleep_cycle_time")), first)
            ]

    return change


def latencies_from_start(figures: Json) -> None:
    """Stage latencies with the sleep latency in them."""
    for stage in _STAGES:
        if figures[f"{stage}_latency"] is not None:
            figures[f"{stage}_latency"] += figures["sleep_latency"]


def decimal_sleep_index(figures: Json) -> None:
    """50-100 spread over 0-100, and half a point off."""
    figures["sleep_index"] = max(0.0, 2 * (figures["sleep_index"] - 50) - 0.5)


def breath_stages_always(recorded: Json) -> None:
    """Zeros where breathing was not analysed."""
    if recorded["breath_stages"] is None:
        recorded["breath_stages"] = [0] * len(recorded["sleep_stages"] or ())


def flag_breathing(found: Json) -> None:
    """NO_BREATHING_STABILITY, whatever the breath figures are."""
    if "NO_BREATHING_STABILITY" not in found["peculiarities"]:
        found["peculiarities"].append("NO_BREATHING_STABILITY")


def zone_in_session(found: Json) -> None:
    """The phone's zone as ``session.timezone``, and no other."""
    del found["timezone"]
    found["session"]["timezone"] = found["session"].pop("created_timezone")


def no_time_in_bed_yet(row: Json) -> None:
    """Null until the session is COMPLETE."""
    if row["state"] == "CLOSED":
        row["time_in_bed"] = None


def session_times_in_last(info: Json) -> None:
    """Id, state, ``session_start_time`` and ``session_end_time`` with an offset, and no more."""
    times = {name: info[name] and info[name].replace("Z", "+00:00") for name in ("start_time", "end_time")}
    old = {"session_id": info["session_id"], "state": info["state"]}
    _become(info, old | {f"session_{name}": time for name, time in times.items()})


def days_of_period(asked: Json) -> None:
    """``days``, both ends counted, in place of the zone."""
    first, last = (date.fromisoformat(asked[name]) for name in ("start_date", "end_date"))
    del asked["timezone"]
    asked["days"] = (last - first).days + 1


def lean_row(row: Json) -> None:
    """Null for every field that need not be there."""
    row.update({name: None for name in row if name not in _ALWAYS_IN_ROWS})


def short_row(row: Json) -> None:
    """``session_id`` and ``session_start_time``, and no more."""
    _become(row, {"session_id": row["id"], "session_start_time": row["start_time"]})


def misspelt(body: Json) -> None:
    """``sucess`` and ``gendar``."""
    body["detail"] = "sucess"
    metadata = body["result"]["metadata"] or {}
    _become(metadata, {"gendar" if name == "gender" else name: value for name, value in metadata.items()})


def leave_out_nulls(body: Json) -> None:
    """No field of any object is null."""
    _of_every_object(body, lambda place: _become(place, {n: value for n, value in place.items() if value is not None}))


def add_unknown_fields(body: Json) -> None:
    """Fields of every type of JSON, nested ones too, in every object."""
    _of_every_object(body, having(**_ADDED))


def whole_numbers_as_decimal(body: Json) -> None:
    """3.0 for 3."""
    _rewrite(body, lambda value: float(value) if isinstance(value, int) and not isinstance(value, bool) else value)


def decimal_numbers_as_whole(body: Json) -> None:
    """3 for 3.0."""
    _rewrite(body, lambda value: int(value) if isinstance(value, float) and value.is_integer() else value)


def times_in_z(body: Json) -> None:
    """``Z`` for ``+00:00``."""
    _rewrite(body, lambda value: _moment(value, lambda at, offset: at + ("Z" if offset == "+00:00" else offset)))


def times_in_milliseconds(body: Json) -> None:
    """Three zeros after each second."""
    _rewrite(body, lambda value: _moment(value, lambda at, offset: f"{at}.000{offset}"))


def _present(part: Json | None) -> list[Json]:
    return [] if part is None else [part]


def _become(place: Json, content: Json) -> None:
    place.clear()
    place.update(content)


def _quotient(part: float, whole: float, decimals: int) -> float:
    return round(part / whole, decimals) if whole else 0.0


def _of_every_object(value: Any, change: Change) -> None:
    """Of those inside first, so that what a change adds is left alone."""
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _of_every_object(inner, change)
    if isinstance(value, dict):
        change(value)


def _rewrite(body: Json, written: Callable[[Any], Any]) -> None:
    """Every text, number, flag and null of a body."""

    def rewritten(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: rewritten(inner) for name, inner in value.items()}
        return [rewritten(inner) for inner in value] if isinstance(value, list) else written(value)

    body.update(rewritten(body))


def _moment(value: Any, written: Callable[[str, str], str]) -> Any:
    match = _MOMENT.fullmatch(value) if isinstance(value, str) else None
    return value if match is None else written(match[1], match[2])
