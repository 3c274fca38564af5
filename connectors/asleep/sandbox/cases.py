"""Every special session there is, by name: how its times differ from the usual night's, and what is odd about it.

A case is data. ``World.add_case`` and ``World.add_all_cases`` put them into a world; nothing here happens by itself.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from connectors.asleep.sandbox.hypnogram import (
    asleep_to_the_end,
    awake,
    in_two_stages,
    mostly_unknown,
    with_a_gap_before_sleep,
    with_a_long_gap,
    with_code,
    with_short_gaps,
)
from connectors.asleep.sandbox.oddity import NOTHING_ODD, Oddity
from connectors.asleep.sandbox.people import Person
from connectors.asleep.sandbox.schedule import Plan, around_midnight, in_full_chunks, lasting, later

InProgress = Literal["OPEN", "CLOSED"]
Times = Callable[[Person, Plan], Sequence[Plan]]
"""The times of a case's sessions, made from the person's usual night."""

_UTC = ZoneInfo("UTC")
_HOUR, _MINUTE = timedelta(hours=1), timedelta(minutes=1)


def _as_usual(_: Person, night: Plan) -> Sequence[Plan]:
    return [night]


def _full_chunks(_: Person, night: Plan) -> Sequence[Plan]:
    return [in_full_chunks(night)]


def _after(duration: timedelta) -> Times:
    return lambda person, night: [lasting(night, duration)]


def _broken_off(_: Person, night: Plan) -> Sequence[Plan]:
    return [in_full_chunks(lasting(night, (night.end - night.start) * 3 // 5))]


def _twice(_: Person, night: Plan) -> Sequence[Plan]:
    """The second session, of another phone, starts while the first is running and ends after it."""
    return [night, later(night, 96 * _MINUTE, 31 * _MINUTE)]


def _twice_at_once(_: Person, night: Plan) -> Sequence[Plan]:
    """The second session starts in the very second of the first and ends well before it."""
    return [night, later(night, timedelta(0), -107 * _MINUTE)]


def _utc_midnight(person: Person, night: Plan) -> Sequence[Plan]:
    return around_midnight(night, _UTC, ZoneInfo(person.timezone))


def _local_midnight(person: Person, night: Plan) -> Sequence[Plan]:
    home = ZoneInfo(person.timezone)
    return around_midnight(night, home, home)


@dataclass(frozen=True, slots=True)
class Case:
    """A kind of special session, planned for a night, or around the world's time where it is in progress."""

    about: str
    oddity: Oddity = NOTHING_ODD
    times: Times = _as_usual
    in_progress: InProgress | None = None
    home: str | None = None
    """Zone of the person it is shown on, where that matters."""


_DEFINED = {
    "open": Case("Recording goes on: no end, no time in bed, no stat, the stages so far.", in_progress="OPEN"),
    "closed": Case("Just ended, analysis is running: end and time in bed are set, stat is null.", in_progress="CLOSED"),
    "unexpected_end": Case(
        "The app died in the night and closed the session hours later: unexpected_end_time lies after end_time, which "
        "follows the last chunk received.",
        Oddity(heard=asleep_to_the_end, closed_late=5 * _HOUR + 19 * _MINUTE + timedelta(seconds=12)),
        _broken_off,
    ),
    "unknown_epochs": Case(
        "Some minutes are missing: a few -1 in sleep_stages, missing_data_ratio above 0, -1 in no sum.",
        Oddity(heard=with_short_gaps),
    ),
    "long_unknown_gap": Case(
        "More than an hour is missing in the middle of the night, so that the ratios of the period no longer add up.",
        Oddity(heard=with_a_long_gap),
    ),
    "onset_at_unknown": Case(
        "Unknown epochs before sleep, and figures that take the first of them for the onset of sleep.",
        Oddity(heard=with_a_gap_before_sleep, onset_at_unknown=True),
    ),
    "short_arrays": Case(
        "The last full chunk never arrived: arrays one epoch shorter than the time in bed.", Oddity(lost_chunks=1)
    ),
    "short_arrays_by_two": Case(
        "The last two full chunks never arrived, so that a minute or more of the time in bed is nobody's.",
        Oddity(lost_chunks=2),
    ),
    "two_stage": Case(
        "Basic plan: stages are 0 and 1 only, every light, deep and REM field is null.",
        Oddity(heard=in_two_stages, two_stage=True),
    ),
    "two_stage_never_slept": Case(
        "Basic plan and no sleep at all: NEVER_SLEPT, light, deep and REM fields null, other times 0.",
        Oddity(heard=awake, two_stage=True),
        _full_chunks,
    ),
    "no_breathing": Case(
        "Contract without breathing analysis: NO_BREATHING_STABILITY, every breath field null.", Oddity(breathing=False)
    ),
    "breathing": Case("Contract with breathing analysis: every breath field is set.", Oddity(breathing=True)),
    "no_snoring": Case("Snoring was not analysed: every snoring field is null.", Oddity(snoring=False)),
    "never_slept": Case(
        "NEVER_SLEPT with a stat: the latency is the time in bed, the rest 0 or null.",
        Oddity(heard=awake),
        _full_chunks,
    ),
    "never_slept_without_stat": Case(
        "NEVER_SLEPT, and stat is null.", Oddity(heard=awake, sends_stat=False), _full_chunks
    ),
    "too_short": Case(
        "TOO_SHORT_FOR_ANALYSIS after less than 20 minutes: no stat, arrays are empty.",
        Oddity(found=("TOO_SHORT_FOR_ANALYSIS",), arrays="empty"),
        _after(17 * _MINUTE + timedelta(seconds=13)),
    ),
    "too_short_without_arrays": Case(
        "TOO_SHORT_FOR_ANALYSIS after less than 5 minutes: no stat, arrays are null.",
        Oddity(found=("TOO_SHORT_FOR_ANALYSIS",), arrays="null"),
        _after(4 * _MINUTE + timedelta(seconds=8)),
    ),
    "too_long": Case(
        "TOO_LONG_FOR_ANALYSIS: more than 24 hours, with a stat.",
        Oddity(found=("TOO_LONG_FOR_ANALYSIS",)),
        _after(26 * _HOUR + timedelta(seconds=7)),
    ),
    "too_many_defects": Case(
        "TOO_MANY_DEFECTS_IN_SLEEP_STAGES: most epochs are -1, stat is null.",
        Oddity(heard=mostly_unknown, found=("TOO_MANY_DEFECTS_IN_SLEEP_STAGES",)),
    ),
    "no_realtime_polling": Case(
        "NO_REALTIME_POLLING, COMPLETE: the arrays are there, stat is null.",
        Oddity(contract=("NO_REALTIME_POLLING",), arrays="null until complete"),
    ),
    "no_realtime_polling_closed": Case(
        "NO_REALTIME_POLLING, CLOSED: arrays and stat are null.",
        Oddity(contract=("NO_REALTIME_POLLING",), arrays="null until complete"),
        in_progress="CLOSED",
    ),
    "overlapping": Case("Two sessions; the second starts before the first has ended.", times=_twice),
    "same_start": Case("Two sessions that start in the same second, one inside the other.", times=_twice_at_once),
    "at_utc_midnight": Case(
        "Two sessions that start within a minute before and after midnight UTC, on two days.", times=_utc_midnight
    ),
    "at_local_midnight": Case(
        "Two sessions that start within a minute before and after local midnight, on two days.",
        times=_local_midnight,
        home="Asia/Kathmandu",
    ),
    "abroad": Case(
        "Recorded on a journey: created_timezone is not the user's usual zone.", Oddity(timezone="Pacific/Kiritimati")
    ),
    "no_audio": Case(
        "OPEN for hours and nothing uploaded: last_received_seq_num is null, arrays are empty.",
        Oddity(uploads=False, found=("TOO_SHORT_FOR_ANALYSIS",)),
        in_progress="OPEN",
    ),
    "no_audio_closed": Case(
        "CLOSED with nothing uploaded: last_received_seq_num is null, arrays are empty.",
        Oddity(uploads=False, found=("TOO_SHORT_FOR_ANALYSIS",)),
        in_progress="CLOSED",
    ),
    "empty": Case(
        "COMPLETE, closed in the second it was opened: time in bed 0, nothing uploaded, no stat.",
        Oddity(uploads=False, found=("TOO_SHORT_FOR_ANALYSIS",)),
        _after(timedelta(0)),
    ),
    "several_peculiarities": Case(
        "Over 24 hours, most of it missing, no breathing analysis: three peculiarities, stat is null.",
        Oddity(
            heard=mostly_unknown,
            breathing=False,
            found=("TOO_LONG_FOR_ANALYSIS", "TOO_MANY_DEFECTS_IN_SLEEP_STAGES"),
        ),
        _after(25 * _HOUR + timedelta(seconds=19)),
    ),
    "unknown_peculiarity": Case(
        "A peculiarity that is not documented, with a stat.", Oddity(found=("LOW_SIGNAL_QUALITY",))
    ),
    "unknown_stage_code": Case(
        "Four epochs have the stage 7, which is not documented and in no sum.", Oddity(heard=with_code(7))
    ),
    "unknown_breathing_pattern": Case(
        "A breathing_pattern that is not documented.", Oddity(breathing=True, breathing_pattern="PERIODIC_BREATH")
    ),
    "unknown_state": Case(
        "A state that is not documented, after CLOSED: ANALYSING, no stat.", Oddity(state="ANALYSING")
    ),
}

CASES: dict[str, str] = {name: case.about for name, case in _DEFINED.items()}
"""Every case by name, with one sentence about what it shows."""


def case_named(name: str) -> Case:
    """The case of this name.

    Raises:
        ValueError: there is none.
    """
    if name not in _DEFINED:
        raise ValueError(f"There is no case {name!r}; the cases are {', '.join(_DEFINED)}.")
    return _DEFINED[name]
