"""Identities that the bed's own figures of one scored night must satisfy, by the numbers of the API notes (B5.2).

They check the vendor, not us: a violation is reported and never costs the row. Identities over fields that are missing
do not apply. Number 5 is checked as far as one answer can tell: the vendor's presence counts the time out of bed once
more, so that it is never shorter than the time between its ends. Number 7 is about another answer, number 9 is none.
"""

from collections.abc import Callable, Iterator
from datetime import datetime

from schemas.eight_sleep.reading import Number
from schemas.eight_sleep.trends import TrendDay
from schemas.nights import zone_named

_ROUNDED = 0.005 + 1e-9
"""How far a fraction with two decimals may be from the exact one."""


class _Missing(Exception):
    """A field the identity needs is not there."""


def _given(*values: Number | str | None) -> list[float]:
    if not all(isinstance(value, int | float) for value in values):
        raise _Missing
    return [float(value) for value in values if isinstance(value, int | float)]


def _time(text: str | None) -> datetime:
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        raise _Missing from None
    if moment.tzinfo is None:
        raise _Missing
    return moment


def _apart_s(first: str | None, second: str | None) -> float:
    return (_time(second) - _time(first)).total_seconds()


def _asleep_latency(night: TrendDay, _: str) -> bool:
    return _given(night.asleep_latency_s) == [_apart_s(night.presence_start, night.sleep_start)]


def _out_latency(night: TrendDay, _: str) -> bool:
    return _given(night.out_latency_s) == [_apart_s(night.sleep_end, night.presence_end)]


def _waking_clock(night: TrendDay, zone: str) -> bool:
    clocks = (score.wakeup_consistency.current for score in (night.sleep_fitness_score, night.sleep_routine_score))
    clock = next((text for text in clocks if isinstance(text, str)), None)
    if clock is None:
        raise _Missing
    return f"{_time(night.sleep_end).astimezone(zone_named(zone)):%H:%M:%S}" == clock


def _sleep_of_all_sessions(night: TrendDay, _: str) -> bool:
    every, main = _given(night.all_sleep_s, night.sleep_duration)
    return every == main if len(night.session_ids) == 1 else every >= main


def _presence_covers_its_span(night: TrendDay, _: str) -> bool:
    (presence,) = _given(night.presence_duration)
    return presence >= _apart_s(night.presence_start, night.presence_end)


def _sleep_is_its_stages(night: TrendDay, _: str) -> bool:
    light, deep, rem, sleep = _given(
        night.light_duration, night.deep_duration, night.rem_duration, night.sleep_duration
    )
    return light + deep + rem == sleep


def _deep_share(night: TrendDay, _: str) -> bool:
    deep, sleep, share = _given(night.deep_duration, night.sleep_duration, night.deep_percent)
    if not sleep:
        raise _Missing
    return abs(deep / sleep - share) <= _ROUNDED


TREND_IDENTITIES: dict[str, tuple[str, Callable[[TrendDay, str], bool]]] = {
    "bed_night_1_asleep_latency": ("sleepStart - presenceStart is the latency of sleep.", _asleep_latency),
    "bed_night_2_out_latency": ("presenceEnd - sleepEnd is the latency of getting up.", _out_latency),
    "bed_night_3_waking_clock": ("wakeupConsistency has sleepEnd as a local clock time.", _waking_clock),
    "bed_night_4_sleep_of_all_sessions": (
        "sleepDurationSeconds is sleepDuration for one session, and no less for several.",
        _sleep_of_all_sessions,
    ),
    "bed_night_5_presence_covers_its_span": (
        "presenceDuration is no less than presenceEnd - presenceStart.",
        _presence_covers_its_span,
    ),
    "bed_night_6_sleep_is_its_stages": ("light + deep + rem is sleepDuration.", _sleep_is_its_stages),
    "bed_night_8_deep_share": ("deepPercent is deepDuration / sleepDuration to two decimals.", _deep_share),
}
"""What each says, and whether it holds for a night in a zone."""


def trend_violations(night: TrendDay, zone: str) -> Iterator[str]:
    """The names of the identities that a night breaks; ``zone`` is the one its days were asked for in."""
    for name, (_, holds) in TREND_IDENTITIES.items():
        try:
            if not holds(night, zone):
                yield name
        except _Missing:
            continue
