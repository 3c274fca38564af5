"""What the vendor sends: sessions, figures, averages and users of the world as JSON-ready dicts.

Every timestamp is shifted to the zone asked for, with the offset that holds at that instant; the zone in which the
session was made stays beside it. Checks and status codes are in ``app``.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from connectors.asleep.sandbox.hypnogram import UNKNOWN
from connectors.asleep.sandbox.sessions import Session, User
from connectors.asleep.sandbox.statistics import Stat, averages, mean_clock

Json = dict[str, Any]

_STAT_FIELDS = tuple(field.name for field in fields(Stat))
_STAND_AGAINST_STAT = {"TOO_SHORT_FOR_ANALYSIS", "TOO_MANY_DEFECTS_IN_SLEEP_STAGES", "NO_REALTIME_POLLING"}
_NOT_IN_ROWS = ("sleep_index", "sleep_cycle_time")


def list_row(session: Session, now: datetime, zone: ZoneInfo) -> Json:
    """A row of the session list; the end and the time in bed are null while the session is OPEN."""
    ended = session.state(now) != "OPEN"
    chunks = session.chunks_received(now)
    return {
        "session_id": session.id,
        "state": session.state(now),
        "session_start_time": _stamp(session.start, zone),
        "session_end_time": _stamp(session.end, zone) if ended else None,
        "created_timezone": session.timezone,
        "unexpected_end_time": _unexpected_end(session, now, zone),
        "last_received_seq_num": chunks - 1 if chunks else None,
        "time_in_bed": session.time_in_bed_s if ended else None,
    }


def session_list(sessions: Iterable[Session], now: datetime, zone: ZoneInfo) -> Json:
    """Result of the session list."""
    return {"timezone": zone.key, "sleep_session_list": [list_row(session, now, zone) for session in sessions]}


def session_detail(session: Session, now: datetime, zone: ZoneInfo) -> Json:
    """Result of the session endpoint: stages so far, and the figures once COMPLETE."""
    recorded = _recorded(session, now, zone)
    return {
        "timezone": zone.key,
        "peculiarities": peculiarities(session, now),
        "missing_data_ratio": _missing(session, now),
        "session": recorded,
        "stat": stat(session, zone) if session.state(now) == "COMPLETE" and _sends_stat(session) else None,
    }


def peculiarities(session: Session, now: datetime) -> list[str]:
    """What is special about a session at ``now``."""
    special = _findings(session) if session.state(now) == "COMPLETE" else ["IN_PROGRESS", *session.oddity.contract]
    return special if session.breathing else [*special, "NO_BREATHING_STABILITY"]


def stat(session: Session, zone: ZoneInfo) -> Json:
    """The figures of a session, moments as timestamps."""
    figures: Json = {name: getattr(session.stat, name) for name in _STAT_FIELDS}
    for name in ("sleep_time", "wake_time"):
        figures[name] = _moment(session, figures[name], zone)
    figures["sleep_cycle_time"] = [_moment(session, seconds, zone) for seconds in figures["sleep_cycle_time"]]
    return figures


def average_stats(user: User, sessions: Sequence[Session], first: date, last: date, zone: ZoneInfo) -> Json:
    """Result of the average-stats endpoint over COMPLETE ``sessions`` of the period."""
    slept = [session for session in sessions if _sends_stat(session) and session.stat.slept]
    never_slept = [session for session in sessions if "NEVER_SLEPT" in _findings(session)]
    breathing = any(session.breathing for session in sessions) if sessions else user.person.breathing
    return {
        "period": {"timezone": zone.key, "start_date": first.isoformat(), "end_date": last.isoformat()},
        "peculiarities": [] if breathing else ["NO_BREATHING_STABILITY"],
        "average_stats": _mean_clocks(slept, zone) | averages([session.stat for session in slept]) if slept else None,
        "never_slept_sessions": [_finished(session, zone) for session in never_slept],
        "slept_sessions": [_slept_row(session, zone) for session in slept],
    }


def user_detail(user: User, now: datetime) -> Json:
    """Result of the user endpoint."""
    return {
        "user_id": user.user_id,
        "to_be_deleted": user.to_be_deleted,
        "last_session_info": _last_session(user.sessions[-1], now) if user.sessions else None,
        "metadata": user.metadata,
    }


def _stamp(moment: datetime, zone: ZoneInfo) -> str:
    return moment.astimezone(zone).isoformat()


def _stamp_z(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _moment(session: Session, seconds: int, zone: ZoneInfo) -> str:
    return _stamp(session.start + timedelta(seconds=seconds), zone)


def _findings(session: Session) -> list[str]:
    """Peculiarities of a COMPLETE session but for breathing."""
    special = [*session.oddity.contract, *session.oddity.found]
    judged = not _STAND_AGAINST_STAT.intersection(special)
    return [*special, "NEVER_SLEPT"] if judged and not session.stat.slept else special


def _sends_stat(session: Session) -> bool:
    """Whether a session has figures once it is COMPLETE."""
    return session.oddity.sends_stat and not _STAND_AGAINST_STAT.intersection(_findings(session))


def _unexpected_end(session: Session, now: datetime, zone: ZoneInfo) -> str | None:
    known = session.unexpected_end is not None and session.state(now) != "OPEN"
    return _stamp(session.closed, zone) if known else None


def _missing(session: Session, now: datetime) -> float:
    """Share of the audio that is missing: all of it where nothing was uploaded, else the share of unknown epochs."""
    if not session.oddity.uploads:
        return 1.0
    staged = session.recording.stages[: session.chunks_staged(now)]
    return round(staged.count(UNKNOWN) / max(1, len(staged)), 3)


def _recorded(session: Session, now: datetime, zone: ZoneInfo) -> Json:
    recording = session.recording
    return {
        "id": session.id,
        "state": session.state(now),
        "start_time": _stamp(session.start, zone),
        "end_time": None if session.state(now) == "OPEN" else _stamp(session.end, zone),
        "unexpected_end_time": _unexpected_end(session, now, zone),
        "created_timezone": session.timezone,
        "sleep_stages": _array(recording.stages, session, now),
        "breath_stages": _array(recording.breath, session, now),
        "snoring_stages": _array(recording.snoring, session, now),
    }


def _array(values: Sequence[int] | None, session: Session, now: datetime) -> list[int] | None:
    """What is sent of an array at ``now``."""
    sent = session.oddity.arrays
    hidden = sent == "null" or (sent == "null until complete" and session.state(now) != "COMPLETE")
    if values is None or hidden:
        return None
    return [] if sent == "empty" else list(values[: session.chunks_staged(now)])


def _finished(session: Session, zone: ZoneInfo) -> Json:
    return {
        "id": session.id,
        "start_time": _stamp(session.start, zone),
        "end_time": _stamp(session.end, zone),
        "completed_time": _stamp(session.completes, zone),
    }


def _slept_row(session: Session, zone: ZoneInfo) -> Json:
    figures = stat(session, zone)
    row = _finished(session, zone) | {name: figures[name] for name in _STAT_FIELDS if name not in _NOT_IN_ROWS}
    return {"id": row.pop("id"), "created_timezone": session.timezone} | row


def _mean_clocks(slept: Sequence[Session], zone: ZoneInfo) -> Json:
    """Mean clock times in the zone, as ``hh:mm:ss``."""
    moments: dict[str, Callable[[Session], datetime]] = {
        "start_time": lambda session: session.start,
        "end_time": lambda session: session.end,
        "sleep_time": lambda session: session.start + timedelta(seconds=session.stat.sleep_time),
        "wake_time": lambda session: session.start + timedelta(seconds=session.stat.wake_time),
    }
    return {
        name: _clock(mean_clock(_second_of_day(moment(session).astimezone(zone)) for session in slept))
        for name, moment in moments.items()
    }


def _second_of_day(local: datetime) -> int:
    return local.hour * 3600 + local.minute * 60 + local.second


def _clock(second: int) -> str:
    return f"{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}"


def _last_session(session: Session, now: datetime) -> Json:
    state = session.state(now)
    return {
        "session_id": session.id,
        "inference_type": "MELSPECTROGRAM",
        "service": "NOSERVICE",
        "start_time": _stamp_z(session.start),
        "end_time": None if state == "OPEN" else _stamp_z(session.end),
        "state": state,
        "complete_time": _stamp_z(session.completes) if state == "COMPLETE" else None,
    }
