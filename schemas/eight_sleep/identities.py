"""Identities that the bed's own figures of one sleep session must satisfy, by the numbers of the API notes (B4.2).

They check the vendor, not us: a violation is reported and never costs the row. Identities over fields that are missing
do not apply. Number 6, stages that last until the presence ends, is known to fail by the time out of bed after it, and
number 8, snoring as long as the session, has been seen in no data: neither is checked.
"""

from collections.abc import Callable, Iterator
from datetime import datetime

from schemas.eight_sleep.nights import Interval, StageSummary
from schemas.eight_sleep.reading import Number

_ROUNDED = 0.005 + 1e-9
"""How far a fraction with two decimals may be from the exact one."""


class _Missing(Exception):
    """A field the identity needs is not there."""


def _given(*values: Number | None) -> list[float]:
    if any(value is None for value in values):
        raise _Missing
    return [float(value) for value in values if value is not None]


def _apart_s(first: str | None, second: str | None) -> float:
    """Seconds from one time to another."""
    try:
        return (datetime.fromisoformat(second or "") - datetime.fromisoformat(first or "")).total_seconds()
    except (ValueError, TypeError):
        raise _Missing from None


def _stages_are_the_total(interval: Interval, summary: StageSummary) -> bool:
    total, stages = _given(summary.total_duration)[0], sum(float(stage.duration) for stage in interval.stages)
    if interval.duration is not None and interval.duration != total:
        return False
    return not interval.stages or stages == total


def _sleep_is_its_stages(_: Interval, summary: StageSummary) -> bool:
    light, deep, rem, sleep = _given(
        summary.light_duration, summary.deep_duration, summary.rem_duration, summary.sleep_duration
    )
    return light + deep + rem == sleep


def _total_is_its_parts(_: Interval, summary: StageSummary) -> bool:
    sleep, awake, out, total = _given(
        summary.sleep_duration, summary.awake_duration, summary.out_duration, summary.total_duration
    )
    return sleep + awake + out == total


def _awake_is_its_parts(_: Interval, summary: StageSummary) -> bool:
    before, between, after, awake = _given(
        summary.awake_before_sleep_duration,
        summary.awake_between_sleep_duration,
        summary.awake_after_sleep_duration,
        summary.awake_duration,
    )
    return before + between + after == awake


def _shares_are_of_sleep(_: Interval, summary: StageSummary) -> bool:
    (sleep,) = _given(summary.sleep_duration)
    shares = (
        (summary.light_duration, summary.light_percent_of_sleep),
        (summary.deep_duration, summary.deep_percent_of_sleep),
        (summary.rem_duration, summary.rem_percent_of_sleep),
    )
    told = [(part, share) for part, share in shares if part is not None and share is not None]
    if not told or not sleep:
        raise _Missing
    return all(abs(part / sleep - share) <= _ROUNDED for part, share in told)


def _times_are_the_latencies(interval: Interval, summary: StageSummary) -> bool:
    before, after = _given(summary.awake_before_sleep_duration, summary.awake_after_sleep_duration)
    asleep_s, out_s = (
        _apart_s(interval.ts, interval.sleep_start),
        _apart_s(interval.sleep_end, interval.presence_end),
    )
    return (asleep_s, out_s) == (before, after)


def _waso_is_its_parts(_: Interval, summary: StageSummary) -> bool:
    between, waso = _given(summary.awake_between_sleep_duration, summary.waso_duration)
    return waso in (between, between + (summary.out_between_sleep_duration or 0))


IDENTITIES: dict[str, Callable[[Interval, StageSummary], bool]] = {
    "eight_sleep_1_stages_are_the_total": _stages_are_the_total,
    "eight_sleep_2_sleep_is_its_stages": _sleep_is_its_stages,
    "eight_sleep_3_total_is_its_parts": _total_is_its_parts,
    "eight_sleep_4_awake_is_its_parts": _awake_is_its_parts,
    "eight_sleep_5_shares_are_of_sleep": _shares_are_of_sleep,
    "eight_sleep_7_times_are_the_latencies": _times_are_the_latencies,
    "eight_sleep_9_waso_is_its_parts": _waso_is_its_parts,
}
"""Each with whether it holds (seconds, fractions)."""


def violations(interval: Interval) -> Iterator[str]:
    """The names of the identities that a session breaks."""
    if interval.stage_summary is None:
        return
    for name, holds in IDENTITIES.items():
        try:
            if not holds(interval, interval.stage_summary):
                yield name
        except _Missing:
            continue
