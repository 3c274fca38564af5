"""From a raw document to a typed, checked record of the lake; what cannot be used is refused with a reason.

Nothing is read or written here, and nothing is guessed: a document either becomes a record or a ``Refused`` that names
the field and the rule. Tables are made from the records by the assets beside this file.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import MAXYEAR, MINYEAR, UTC, date, datetime, time
from typing import Any, Generic, TypeVar

import msgspec

from connectors.lake.raw import CurrentDocument
from schemas.asleep import COMPLETE, AverageStats, Envelope, ListedSession, SessionDetail, User
from schemas.metrics import AVERAGED_METRICS, METRICS
from schemas.nights import is_iana_zone, local_date, night_of, utc_date
from schemas.stages import FOUR_STAGE, NO_STAGES, TWO_STAGE, from_asleep_codes

ResultT = TypeVar("ResultT")

_CLOCK_TIME = re.compile(r"\d\d:\d\d(:\d\d)?")


class Refused(Exception):
    """A document that cannot be normalised: a fixed word, the JSON path of the field, one sentence without values."""

    def __init__(self, reason: str, path: str, explanation: str) -> None:
        super().__init__(explanation)
        self.reason = reason
        self.path = path
        self.explanation = explanation


@dataclass(frozen=True, slots=True)
class Decoded(Generic[ResultT]):
    """A raw document with its typed content."""

    current: CurrentDocument
    content: ResultT


@dataclass(frozen=True, slots=True)
class SleepSession:
    """A complete session: its row of ``sleep_sessions`` and its stages in lake codes."""

    row: dict[str, Any]
    sleep_stages: list[int] | None
    breath_stages: list[int] | None
    snoring_stages: list[int] | None


def decode_session(current: CurrentDocument) -> Decoded[SessionDetail]:
    """Type a session document. Raises: Refused."""
    return Decoded(current, _decode(current, SessionDetail))


def decode_average_stats(current: CurrentDocument) -> Decoded[AverageStats]:
    """Type an average-stats document. Raises: Refused."""
    return Decoded(current, _decode(current, AverageStats))


def decode_user(current: CurrentDocument) -> Decoded[User]:
    """Type a user document. Raises: Refused."""
    return Decoded(current, _decode(current, User))


def is_complete(decoded: Decoded[SessionDetail]) -> bool:
    """Whether the vendor has ended and analysed the session."""
    return decoded.content.session.state == COMPLETE


def normalise_session(decoded: Decoded[SessionDetail], org_id: str, roster_zone: str) -> SleepSession:
    """Make the lake's record of a complete session; ``roster_zone`` is used when the phone's zone is unusable.

    Raises: Refused.
    """
    detail, document = decoded.content, decoded.current.document
    session, stat = detail.session, detail.stat
    start = _instant(session.start_time, "$.result.session.start_time")
    end = _instant(session.end_time, "$.result.session.end_time")
    _check_identity(session.id, document.document_id)
    _check_order(start, end, document.date)
    onset = _moment(stat.sleep_time if stat else None, "$.result.stat.sleep_time")
    final_wake = _moment(stat.wake_time if stat else None, "$.result.stat.wake_time")
    zone = session.created_timezone if is_iana_zone(session.created_timezone or "") else roster_zone
    has_stages = _has_stages(detail)
    metrics = _metrics(detail)
    if metrics["total_sleep_time_s"] == 0:
        onset = final_wake = None
    row = {
        "org_id": org_id,
        "source": document.source,
        "user_id": document.user_id,
        "session_id": session.id,
        "start_time": start,
        "end_time": end,
        "sleep_onset": onset,
        "final_wake": final_wake,
        "unexpected_end_time": _optional_instant(session.unexpected_end_time, "$.result.session.unexpected_end_time"),
        "created_timezone": session.created_timezone,
        "timezone": zone,
        "night_of": night_of(start, str(zone)),
        "wake_date": local_date(final_wake or end, str(zone)),
        "peculiarities": detail.peculiarities,
        "missing_data_ratio": detail.missing_data_ratio,
        "has_stages": has_stages,
        "revision": decoded.current.revision,
        "content_hash": document.content_hash,
        "fetched_at": decoded.current.fetched_at,
        **metrics,
    }
    return SleepSession(
        row,
        from_asleep_codes(session.sleep_stages, has_stages) if session.sleep_stages else None,
        _binary_codes(session.breath_stages),
        _binary_codes(session.snoring_stages),
    )


def normalise_average_stats(decoded: Decoded[AverageStats], org_id: str, roster_zone: str) -> dict[str, Any]:
    """Make the row of ``average_stats``; averages are null when no session had sleep.

    Raises: Refused.
    """
    stats, document = decoded.content, decoded.current.document
    averages = msgspec.to_builtins(stats.average_stats) if stats.average_stats else {}
    zone = stats.period.timezone if is_iana_zone(stats.period.timezone or "") else roster_zone
    metrics = {metric.name: _number(averages.get(metric.asleep_field or "")) for metric in AVERAGED_METRICS}
    return {
        "org_id": org_id,
        "source": document.source,
        "user_id": document.user_id,
        "period_start": _period_start(stats, document.date),
        "period_end": _day(stats.period.end_date, "$.result.period.end_date"),
        "timezone": zone,
        "bedtime": _clock(averages.get("start_time"), "$.result.average_stats.start_time"),
        "sleep_onset": _clock(averages.get("sleep_time"), "$.result.average_stats.sleep_time"),
        "final_wake": _clock(averages.get("wake_time"), "$.result.average_stats.wake_time"),
        "out_of_bed": _clock(averages.get("end_time"), "$.result.average_stats.end_time"),
        **_with_ratios(metrics),
        "slept_sessions": _count(stats.slept_sessions),
        "never_slept_sessions": _count(stats.never_slept_sessions),
        "slept_session_ids": _ids(stats.slept_sessions),
    }


def _decode(current: CurrentDocument, kind: type[ResultT]) -> ResultT:
    try:
        return msgspec.json.decode(current.document.body, type=Envelope[kind]).result  # type: ignore[valid-type]
    except msgspec.ValidationError as error:
        # msgspec names types and the path, never the value.
        rule, _, path = str(error).partition(" - at `")
        raise Refused("wrong_shape", path.rstrip("`") or "$", rule + ".") from None
    except (ValueError, RecursionError):  # no JSON, not UTF-8, or nested without end
        raise Refused("not_json", "$", "The document is not valid JSON.") from None


def _check_identity(session_id: str, asked_for: str) -> None:
    if session_id != asked_for:
        raise Refused("other_session", "$.result.session.id", "The document is of another session than asked for.")


def _check_order(start: datetime, end: datetime, partition: date) -> None:
    if end < start:
        raise Refused("times_reversed", "$.result.session.end_time", "The session ends before it starts.")
    if utc_date(start) != partition:
        raise Refused(
            "start_moved",
            "$.result.session.start_time",
            "The session starts on another UTC date than the one it was listed under.",
        )


def _instant(text: str | None, path: str) -> datetime:
    instant = _optional_instant(text, path)
    if instant is None:
        raise Refused("time_missing", path, "A complete session must have this time.")
    return instant


def _optional_instant(text: str | None, path: str) -> datetime | None:
    if text is None:
        return None
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise Refused("bad_time", path, "Not an ISO 8601 time.") from None
    if instant.tzinfo is None:
        raise Refused("time_without_offset", path, "The time has no UTC offset.")
    if instant.year in (MINYEAR, MAXYEAR):
        raise Refused("bad_time", path, "Not a time that has a date in every zone.")
    return instant.astimezone(UTC)


def _moment(text: str | None, path: str) -> datetime | None:
    # An old variant sends a bare clock time here, and it is not known what it means.
    return None if text and _CLOCK_TIME.fullmatch(text) else _optional_instant(text, path)


def _period_start(stats: AverageStats, month: date) -> date:
    start = _day(stats.period.start_date, "$.result.period.start_date")
    if start != month:
        raise Refused(
            "period_moved", "$.result.period.start_date", "The averages are of another period than was asked for."
        )
    return start


def _count(sessions: Sequence[ListedSession] | None) -> int | None:
    return len(sessions) if sessions is not None else None


def _ids(sessions: Sequence[ListedSession] | None) -> list[str | None] | None:
    return [listed.id or listed.session_id for listed in sessions] if sessions is not None else None


def _day(text: str, path: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Refused("bad_date", path, "Not a date like 2026-11-22.") from None


def _clock(text: str | None, path: str) -> time | None:
    if text is None:
        return None
    try:
        clock = time.fromisoformat(text)
    except ValueError:
        clock = None
    if clock is None or clock.tzinfo is not None:
        raise Refused("bad_clock_time", path, "Not a clock time like 23:15:00.")
    return clock


def _has_stages(detail: SessionDetail) -> str:
    stages, stat = detail.session.sleep_stages, detail.stat
    if not stages:
        return NO_STAGES
    if any(stage in (2, 3) for stage in stages):
        return FOUR_STAGE
    if stat is not None and stat.time_in_light is not None:
        return FOUR_STAGE
    return TWO_STAGE if 1 in stages else FOUR_STAGE


def _metrics(detail: SessionDetail) -> dict[str, Any]:
    stat = msgspec.to_builtins(detail.stat) if detail.stat else {}
    return _with_ratios({metric.name: stat.get(metric.asleep_field or "") for metric in METRICS})


def _with_ratios(metrics: dict[str, Any]) -> dict[str, Any]:
    asleep_s = metrics["total_sleep_time_s"]
    metrics["sleep_efficiency"] = _share(asleep_s, metrics["time_in_bed_s"])
    metrics["sleep_maintenance_efficiency"] = _share(asleep_s, metrics["sleep_period_s"])
    return metrics


def _share(part_s: float | None, whole_s: float | None) -> float | None:
    return part_s / whole_s if part_s is not None and whole_s else None


def _number(value: float | None) -> float | None:
    return float(value) if value is not None else None


def _binary_codes(codes: Sequence[int] | None) -> list[int] | None:
    return [code if code in (0, 1) else -1 for code in codes] if codes else None
