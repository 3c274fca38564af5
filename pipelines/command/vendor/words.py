"""What the vendor says of sessions, as words for a person: durations in h/min, moments on the phone's clock.

Pure. Whatever cannot be read is shown as it came, without what a terminal would obey.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from schemas.nights import is_iana_zone

if TYPE_CHECKING:
    from schemas.asleep import SessionDetail, Stat

NOTHING = "–"

STATES = {
    "OPEN": "OPEN (recording)",
    "CLOSED": "CLOSED (ended, being analysed)",
    "COMPLETE": "COMPLETE (ended and analysed)",
}

PECULIARITIES = {
    "IN_PROGRESS": "not analysed yet",
    "NEVER_SLEPT": "no sleep was found",
    "TOO_SHORT_FOR_ANALYSIS": "too short to be analysed",
    "TOO_LONG_FOR_ANALYSIS": "over 24 h, hard to trust",
    "TOO_MANY_DEFECTS_IN_SLEEP_STAGES": "too much audio is missing",
    "NO_BREATHING_STABILITY": "the contract has no breathing analysis",
    "NO_REALTIME_POLLING": "the contract has no real-time access",
}
"""What the documented peculiarities mean."""

DURATIONS = (
    ("in bed", "time_in_bed"),
    ("asleep", "time_in_sleep"),
    ("light", "time_in_light"),
    ("deep", "time_in_deep"),
    ("REM", "time_in_rem"),
    ("awake in between", "time_in_wake"),
    ("until asleep", "sleep_latency"),
    ("awake before the end", "wakeup_latency"),
    ("snoring", "time_in_snoring"),
)
"""Words to fields of ``stat`` in seconds."""


def plain(value: object) -> str:
    """A value of the vendor's as text that a terminal only prints."""
    return "".join(letter if letter.isprintable() else "?" for letter in str(value))


def duration(seconds: float | None) -> str:
    """Seconds as ``7 h 05 min``; under a minute as ``40 s``."""
    if seconds is None:
        return NOTHING
    if not 60 <= seconds < 1e9:
        return f"{seconds:g} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min"


def moment(text: object, zone: str | None) -> str:
    """A timestamp on the clock of the zone, or with its own offset if there is no such zone."""
    instant = _instant(text)
    if instant is None:
        return NOTHING if text is None else plain(text)
    if zone is not None and is_iana_zone(zone):
        return f"{instant.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M} {zone}"
    return f"{instant:%Y-%m-%d %H:%M %Z}"


def last_session(info: Mapping[str, Any] | None) -> str:
    """The user answer's last session, in either documented shape, in one line."""
    if info is None:
        return "none, the user has never tracked"
    # One page of the documentation calls them start_time and end_time, another session_start_time and so on.
    start, end = (info.get(f"{name}_time", info.get(f"session_{name}_time")) for name in ("start", "end"))
    until = f" to {moment(end, 'UTC')} ({_between(start, end)})" if end else ""
    analysed = f", analysed {moment(info['complete_time'], 'UTC')}" if info.get("complete_time") else ""
    state = plain(info.get("state"))
    return f"{plain(info.get('session_id'))}: {STATES.get(state, state)}, {moment(start, 'UTC')}{until}{analysed}"


def session_lines(detail: "SessionDetail") -> Iterator[tuple[str, str]]:
    """A session's state, times and figures."""
    session = detail.session
    zone = session.created_timezone
    yield "state", STATES.get(session.state, plain(session.state))
    yield "start", moment(session.start_time, zone)
    yield "end", moment(session.end_time, zone)
    if session.unexpected_end_time is not None:
        yield "ended late", f"{moment(session.unexpected_end_time, zone)}: the app could not end it properly"
    if detail.missing_data_ratio is not None:
        yield "missing audio", f"{detail.missing_data_ratio:.0%}"
    for peculiarity in detail.peculiarities or []:
        yield "peculiarity", f"{plain(peculiarity)} ({PECULIARITIES.get(peculiarity, 'not documented')})"
    if detail.stat is None:
        yield "figures", "none"
    else:
        yield from _figures(detail.stat)


def _figures(stat: "Stat") -> Iterator[tuple[str, str]]:
    for name, field in DURATIONS:
        yield name, duration(getattr(stat, field))
    if stat.time_in_sleep is not None and stat.time_in_bed:
        yield "efficiency", f"{stat.time_in_sleep / stat.time_in_bed:.0%} of the time in bed"
    if stat.waso_count is not None:
        yield "awakenings", f"{stat.waso_count:g}, the longest {duration(stat.longest_waso)}"
    if stat.sleep_cycle_count is not None:
        yield "sleep cycles", f"{stat.sleep_cycle_count:g}"
    if stat.sleep_index is not None:
        yield "sleep index", f"{stat.sleep_index:g}"


def _instant(text: object) -> datetime | None:
    try:
        instant = datetime.fromisoformat(text) if isinstance(text, str) else None
        return instant.astimezone() and instant if instant and instant.tzinfo else None
    except (ValueError, OverflowError):
        return None


def _between(start: object, end: object) -> str:
    first, last = _instant(start), _instant(end)
    return duration((last - first).total_seconds()) if first and last else NOTHING
