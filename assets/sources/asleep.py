"""Asleep as a source: from a session document to its row in the lake: times, local dates, figures, stages in our codes.

Nothing is read or written here. Figures that cannot be true become null and are noted, times that cannot be read refuse
the document; the rules are those of ``schemas.quirks``.
"""

import re
from array import array
from datetime import datetime, timedelta
from typing import Any

import msgspec

from assets.sources.asleep_documents import decode_session, is_complete
from assets.sources.decoding import Decoded, instant, readable_instant
from assets.sources.source import (
    Head,
    RecordedSession,
    SleepSession,
    SleepSource,
    Stages,
    check_identity,
    check_order,
    sleep_session,
    with_efficiencies,
)
from connectors.answer import Answer
from connectors.errors import UnreadableAnswer
from schemas.agreement import LOST_CHUNKS_S, night_agreement
from schemas.asleep import ASLEEP, BREATHING_PATTERNS, COMPLETE, PECULIARITIES, Envelope, Session, SessionDetail
from schemas.canonical import session_hash
from schemas.hypnogram_statistics import HypnogramStatistics, hypnogram_statistics
from schemas.identities import violations
from schemas.metrics import METRICS, Metric
from schemas.nights import is_iana_zone
from schemas.quirks import (
    CLOCK_TIME_FOR_INSTANT,
    EFFICIENCY_IN_PERCENT,
    HIGHEST,
    IMPOSSIBLE_VALUE,
    UNKNOWN_CODE,
    ZONE_INSIDE_SESSION,
    Notes,
    efficiency_fraction,
    latencies_from_onset,
    mean_cycle,
    possible,
    whole_number,
    whole_seconds,
)
from schemas.stages import (
    ASLEEP_BINARY_CODES,
    ASLEEP_STAGE_CODES,
    FOUR_STAGE,
    NO_STAGES,
    TWO_STAGE,
    UNKNOWN,
    packed_asleep_codes,
    packed_asleep_marks,
)

_CLOCK_TIME = re.compile(r"\d{1,2}:\d\d(:\d\d(\.\d+)?)?Z?")
_UNKNOWN_BYTE = array("b", [UNKNOWN]).tobytes()
_LOST_CHUNKS = timedelta(seconds=LOST_CHUNKS_S)
_STAGE_LATENCIES = {
    "light_latency": "latency_to_light_s",
    "deep_latency": "latency_to_deep_s",
    "rem_latency": "latency_to_rem_s",
}
_SESSION = "$.result.session"
_STAT = "$.result.stat"


class _Needed(msgspec.Struct):
    id: str
    state: str
    start_time: str
    end_time: str | None = None


class _Detail(msgspec.Struct):
    session: _Needed


def head(answer: Answer[Any]) -> Head | None:
    """What a pull has to know of a session detail; None where no session can be read in it."""
    try:
        detail: SessionDetail = answer.result()
    except UnreadableAnswer:
        session = _needed_in(answer.body)
        return _head(session, has_figures=False) if session else None
    return _head(detail.session, has_figures=detail.stat is not None)


def _needed_in(body: bytes) -> _Needed | None:
    try:
        return msgspec.convert(msgspec.json.decode(body), Envelope[_Detail]).result.session
    except (ValueError, RecursionError):
        return None


def _head(session: Session | _Needed, *, has_figures: bool) -> Head:
    complete = session.state == COMPLETE
    return Head(session.id, session.start_time, session.end_time, complete, has_figures)


def recorded_session(decoded: Decoded[SessionDetail]) -> RecordedSession:
    """What every table needs of a complete session. Only here, and never for a figure, is one refused.

    What a tolerant rule had to read is added to ``decoded.notes``. Raises: Refused.
    """
    session, document = decoded.content.session, decoded.current.document
    start = instant(session.start_time, f"{_SESSION}.start_time")
    end = instant(session.end_time, f"{_SESSION}.end_time")
    check_identity(session.id, document.document_id, f"{_SESSION}.id")
    check_order(start, end, document.date, f"{_SESSION}.start_time", f"{_SESSION}.end_time")
    return RecordedSession(decoded, start, end, _stages(decoded.content, decoded.notes))


def with_figures(recorded: RecordedSession, org_id: str, roster_zone: str) -> SleepSession:
    """Make the row of ``sleep_sessions``; ``roster_zone`` is used when the phone's zone is unusable.

    What a tolerant rule had to read is added to the notes of the document; nothing refuses it any more.
    """
    decoded: Decoded[SessionDetail] = recorded.decoded
    start, end, stages = recorded.start, recorded.end, recorded.stages
    detail, notes = decoded.content, decoded.notes
    session, stat = detail.session, detail.stat
    within = (start - _LOST_CHUNKS, end + _LOST_CHUNKS)
    onset = _moment(stat.sleep_time if stat else None, within, f"{_STAT}.sleep_time", notes)
    final_wake = _moment(stat.wake_time if stat else None, within, f"{_STAT}.wake_time", notes)
    phone_zone = _phone_zone(detail, notes)
    zone = phone_zone if is_iana_zone(phone_zone or "") else roster_zone
    counted = _counted(stages)
    metrics = _metrics(detail, counted, notes)
    return sleep_session(
        recorded,
        org_id,
        str(zone),
        metrics,
        (onset, final_wake),
        counted,
        night_agreement(metrics, counted) if counted else None,
        unexpected_end_time=readable_instant(session.unexpected_end_time, f"{_SESSION}.unexpected_end_time", notes),
        created_timezone=phone_zone,
        peculiarities=_known_words(detail.peculiarities or [], PECULIARITIES, "$.result.peculiarities", notes),
        missing_data_ratio=possible(
            detail.missing_data_ratio, HIGHEST["fraction"], "$.result.missing_data_ratio", notes
        ),
    )


def _moment(text: str | None, within: tuple[datetime, datetime], path: str, notes: Notes) -> datetime | None:
    if text and _CLOCK_TIME.fullmatch(text):
        notes.add(CLOCK_TIME_FOR_INSTANT, path)
        return None
    moment = readable_instant(text, path, notes)
    if moment is not None and not within[0] <= moment <= within[1]:
        notes.add(IMPOSSIBLE_VALUE, path)
        return None
    return moment


def _phone_zone(detail: SessionDetail, notes: Notes) -> str | None:
    """The zone the phone says: the documented name, or the other one where that is missing or no zone at all."""
    session = detail.session
    if is_iana_zone(session.timezone or "") and not is_iana_zone(session.created_timezone or ""):
        notes.add(ZONE_INSIDE_SESSION, f"{_SESSION}.timezone")
        return session.timezone
    if session.created_timezone is not None and not is_iana_zone(session.created_timezone):
        notes.add(UNKNOWN_CODE, f"{_SESSION}.created_timezone")
    return session.created_timezone


def _known_words(words: list[str], known: frozenset[str], path: str, notes: Notes) -> list[str]:
    if not known.issuperset(words):
        notes.add(UNKNOWN_CODE, path)
    return words


def _stages(detail: SessionDetail, notes: Notes) -> Stages:
    session, has_stages = detail.session, _has_stages(detail)
    stages = Stages(
        has_stages,
        packed_asleep_codes(session.sleep_stages, has_stages) if session.sleep_stages else None,
        packed_asleep_marks(session.breath_stages) if session.breath_stages else None,
        packed_asleep_marks(session.snoring_stages) if session.snoring_stages else None,
    )
    for name, sent, packed, known in (
        ("sleep_stages", session.sleep_stages, stages.sleep, ASLEEP_STAGE_CODES),
        ("breath_stages", session.breath_stages, stages.breath, ASLEEP_BINARY_CODES),
        ("snoring_stages", session.snoring_stages, stages.snoring, ASLEEP_BINARY_CODES),
    ):
        # A code that is not known is an unknown epoch of ours; where there is none, there is no need to look further.
        if packed and _UNKNOWN_BYTE in packed.tobytes() and not known.issuperset(sent or ()):
            notes.add(UNKNOWN_CODE, f"{_SESSION}.{name}")
    return stages


def _has_stages(detail: SessionDetail) -> str:
    """Which plan it is: only one with four stages has deep or REM epochs, or a total of light sleep."""
    stages, stat = detail.session.sleep_stages, detail.stat
    if not stages:
        return NO_STAGES
    if not {2, 3}.isdisjoint(stages):
        return FOUR_STAGE
    if stat is not None:
        totals = (stat.time_in_light, stat.time_in_deep, stat.time_in_rem)
        return TWO_STAGE if all(total is None for total in totals) else FOUR_STAGE
    return TWO_STAGE if 1 in stages else FOUR_STAGE


def _metrics(detail: SessionDetail, counted: HypnogramStatistics | None, notes: Notes) -> dict[str, Any]:
    stat: dict[str, Any] = msgspec.to_builtins(detail.stat) if detail.stat else {}
    cycle_path = f"{_STAT}.sleep_cycle"
    stat["sleep_cycle"], stat["sleep_cycle_count"] = mean_cycle(
        stat.get("sleep_cycle"), stat.get("sleep_cycle_count"), cycle_path, notes
    )
    if counted and not counted.unknown_epochs:
        latencies = {name: stat.get(name) for name in _STAGE_LATENCIES}
        own = {name: getattr(counted, metric) for name, metric in _STAGE_LATENCIES.items()}
        stat |= latencies_from_onset(latencies, own, stat.get("sleep_latency"), f"{_STAT}.light_latency", notes)
    efficiency = stat.get("sleep_efficiency")
    if efficiency is not None and efficiency_fraction(efficiency) != efficiency:
        notes.add(EFFICIENCY_IN_PERCENT, f"{_STAT}.sleep_efficiency")
    return with_efficiencies({metric.name: _figure(metric, stat, notes) for metric in METRICS})


def _figure(metric: Metric, stat: dict[str, Any], notes: Notes) -> Any:
    value, path = stat.get(metric.asleep_field or ""), f"{_STAT}.{metric.asleep_field}"
    if metric.kind == "text":
        return _known_words([value], BREATHING_PATTERNS, path, notes)[0] if value is not None else None
    if metric.kind == "decimal":
        return possible(value, HIGHEST[metric.unit], path, notes)
    if metric.unit == "s":
        return whole_seconds(value, path, notes)
    return whole_number(value, HIGHEST[metric.unit], path, notes)


def _counted(stages: Stages) -> HypnogramStatistics | None:
    """What the stages themselves say, if there are any."""
    if stages.sleep is None:
        return None
    two_stage = stages.has_stages == TWO_STAGE
    return hypnogram_statistics(stages.sleep, two_stage=two_stage, snoring=stages.snoring, breath=stages.breath)


SOURCE = SleepSource(
    name=ASLEEP,
    head=head,
    session_hash=session_hash,
    decode=decode_session,
    is_complete=is_complete,
    record=recorded_session,
    figures=with_figures,
    violations=violations,
)
"""The phone that listens."""
