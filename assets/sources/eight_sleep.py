"""Eight Sleep as a source: from an interval to its row in the lake: times, local dates, figures, stages in our codes.

Nothing is read or written here. Stages are stretches of seconds that follow each other from the bed entry; an epoch has
the stage at its middle. What follows the last sleep out of bed is no part of the session: the bed was left. Figures are
the vendor's where it has them, else those that its own stages make by the definitions of ``hypnogram_statistics``.
"""

from array import array
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from assets.sources.decoding import Decoded, Refused, instant, optional_instant, readable_instant
from assets.sources.eight_sleep_documents import decode_interval, is_final
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
from schemas.agreement import night_agreement
from schemas.canonical import interval_hash
from schemas.eight_sleep import EIGHT_SLEEP, Interval, StageSummary
from schemas.eight_sleep.identities import violations
from schemas.hypnogram_statistics import HypnogramStatistics, hypnogram_statistics
from schemas.metrics import METRICS
from schemas.nights import is_iana_zone
from schemas.quirks import IMPOSSIBLE_VALUE, LONGEST_S, UNKNOWN_CODE, Notes, whole_seconds
from schemas.stages import EIGHT_SLEEP_STAGE_CODES, EPOCH_S, FOUR_STAGE, NO_STAGES, UNKNOWN

_OUT = "out"
_QUIET = "none"
_SUMMED = {
    "total_sleep_time_s": "sleep_duration",
    "wake_after_sleep_onset_s": "waso_duration",
    "sleep_onset_latency_s": "awake_before_sleep_duration",
    "wakeup_latency_s": "awake_after_sleep_duration",
    "light_sleep_s": "light_duration",
    "deep_sleep_s": "deep_duration",
    "rem_sleep_s": "rem_duration",
}
_OF_ANOTHER_VENDOR = frozenset({"sleep_cycles", "sleep_cycle_mean_s"})
"""Metrics of the lake that are another vendor's own definition."""

_SLEEP_PATHS = ("$.sleepStart", "$.sleepEnd")

Stretch = tuple[str, float]
"""A word of the vendor, and for how many seconds it held."""


def head(answer: Answer[Any]) -> Head | None:
    """What a pull has to know of an interval; None where it cannot be read."""
    try:
        interval: Interval = answer.result()
        end = _end(interval, datetime.fromisoformat(interval.ts))
    except (UnreadableAnswer, ValueError, OverflowError):
        return None
    return Head(
        interval.id,
        interval.ts,
        end.isoformat() if end else None,
        complete=interval.is_final,
        has_figures=interval.stage_summary is not None,
    )


def recorded_interval(decoded: Decoded[Interval]) -> RecordedSession:
    """What every table needs of a session. Only here, and never for a figure, is one refused.

    What a tolerant rule had to read is added to ``decoded.notes``. Raises: Refused.
    """
    interval, document, notes = decoded.content, decoded.current.document, decoded.notes
    start = instant(interval.ts, "$.ts")
    end = _end(interval, start)
    if end is None:
        raise Refused("time_missing", "$.presenceEnd", "A complete session must have stages, or a time at its end.")
    check_identity(interval.id, document.document_id, "$.id")
    check_order(start, end, document.date, "$.ts", "$.presenceEnd")
    return RecordedSession(decoded, start, end.astimezone(UTC), _stages(interval, notes))


def with_figures(recorded: RecordedSession, org_id: str, roster_zone: str) -> SleepSession:
    """Make the row of ``sleep_sessions``; ``roster_zone`` is used when the bed's zone is unusable.

    What a tolerant rule had to read is added to the notes of the document; nothing refuses it any more.
    """
    decoded: Decoded[Interval] = recorded.decoded
    interval, notes = decoded.content, decoded.notes
    start, end, stages = recorded.start, recorded.end, recorded.stages
    if interval.timezone is not None and not is_iana_zone(interval.timezone):
        notes.add(UNKNOWN_CODE, "$.timezone")
    zone = interval.timezone if interval.timezone and is_iana_zone(interval.timezone) else roster_zone
    counted = hypnogram_statistics(stages.sleep, snoring=stages.snoring) if stages.sleep else None
    counted_by_us = asdict(counted) if counted else {}
    told = _told(interval.stage_summary, notes)
    agreement = night_agreement(counted_by_us | told, counted) if counted and told else None
    figures = counted_by_us | told | {"time_in_bed_s": round((end - start).total_seconds())}
    metrics = with_efficiencies(
        {m.name: None if m.name in _OF_ANOTHER_VENDOR else figures.get(m.name) for m in METRICS}
    )
    return sleep_session(
        recorded,
        org_id,
        zone,
        metrics,
        _sleep_within(interval, (start, end), counted, notes),
        counted,
        agreement,
        created_timezone=interval.timezone,
    )


def _end(interval: Interval, start: datetime) -> datetime | None:
    """When the bed was left for good: after the last stage in it, else as the vendor says; None if nothing tells."""
    in_bed = _in_bed(interval)
    if in_bed:
        return start + timedelta(seconds=sum(seconds for _, seconds in in_bed))
    if (told := _moment(interval.presence_end)) is not None:
        return told
    seconds = interval.duration
    return start + timedelta(seconds=seconds) if seconds is not None and 0 <= seconds <= LONGEST_S else None


def _moment(text: str | None) -> datetime | None:
    try:
        return optional_instant(text, "$.presenceEnd")
    except Refused:
        return None


def _in_bed(interval: Interval) -> list[Stretch]:
    """The stages up to the last one in bed; none if their durations cannot be true."""
    stretches = [(stage.stage, float(stage.duration)) for stage in interval.stages]
    while stretches and stretches[-1][0] == _OUT:
        stretches.pop()
    seconds = [duration for _, duration in stretches]
    return stretches if all(0 <= s <= LONGEST_S for s in seconds) and sum(seconds) <= LONGEST_S else []


def _stages(interval: Interval, notes: Notes) -> Stages:
    in_bed = _in_bed(interval)
    if interval.stages and not in_bed and any(stage.stage != _OUT for stage in interval.stages):
        notes.add(IMPOSSIBLE_VALUE, "$.stages[].duration")
    if any(name not in EIGHT_SLEEP_STAGE_CODES for name, _ in in_bed):
        notes.add(UNKNOWN_CODE, "$.stages[].stage")
    sleep = _epochs([(EIGHT_SLEEP_STAGE_CODES.get(name, UNKNOWN), seconds) for name, seconds in in_bed])
    if not sleep:
        return Stages(NO_STAGES, None, None, None)
    snored = [(int(snoring.intensity != _QUIET), float(snoring.duration)) for snoring in interval.snoring]
    if any(not 0 <= seconds <= LONGEST_S for _, seconds in snored):
        notes.add(IMPOSSIBLE_VALUE, "$.snoring[].duration")
        snored = []
    return Stages(FOUR_STAGE, sleep, None, _epochs(snored)[: len(sleep)] if snored else None)


def _epochs(stretches: Sequence[tuple[int, float]]) -> "array[int]":
    """A code an epoch: that of the stretch which holds its middle."""
    codes = np.array([code for code, _ in stretches], np.int8)
    ends = np.cumsum([seconds for _, seconds in stretches])
    middles = np.arange(EPOCH_S / 2, ends[-1] if len(ends) else 0, EPOCH_S)
    return array("b", codes[np.searchsorted(ends, middles, side="right")].tobytes())


def _told(summary: StageSummary | None, notes: Notes) -> dict[str, int]:
    """The vendor's own figures, where it sent any."""
    told = {
        metric: whole_seconds(getattr(summary, field), f"$.stageSummary.{field}", notes)
        for metric, field in _SUMMED.items()
        if summary is not None
    }
    return {metric: seconds for metric, seconds in told.items() if seconds is not None}


def _sleep_within(
    interval: Interval, session: tuple[datetime, datetime], counted: HypnogramStatistics | None, notes: Notes
) -> tuple[datetime | None, datetime | None]:
    """Sleep onset and final wake: as the vendor says if that lies within the session, else as the stages have them."""
    epochs = (counted.onset_epoch, counted.final_wake_epoch) if counted else (None, None)
    found: list[datetime | None] = []
    for text, path, epoch in zip((interval.sleep_start, interval.sleep_end), _SLEEP_PATHS, epochs, strict=True):
        moment = readable_instant(text, path, notes)
        if moment is not None and not session[0] <= moment <= session[1]:
            notes.add(IMPOSSIBLE_VALUE, path)
            moment = None
        by_stages = session[0] + timedelta(seconds=epoch * EPOCH_S) if epoch is not None else None
        found.append(moment or (min(by_stages, session[1]) if by_stages else None))
    return found[0], found[1]


SOURCE = SleepSource(
    name=EIGHT_SLEEP,
    head=head,
    session_hash=interval_hash,
    decode=decode_interval,
    is_complete=is_final,
    record=recorded_interval,
    figures=with_figures,
    violations=violations,
)
"""The bed."""
