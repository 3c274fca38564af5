"""When the people of the sandbox sleep: nights, naps and rests as plans with a start and an end in UTC.

A night belongs to the local date of its evening (noon to noon). A plan depends on (seed, person, that date) alone; only
the two sessions that are in progress when a world opens are moved to its ``now``. What a recording contains is in
``hypnogram``.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from random import Random
from typing import Literal
from zoneinfo import ZoneInfo

from connectors.asleep.sandbox.hypnogram import EPOCH_S
from connectors.asleep.sandbox.people import Person
from connectors.asleep.sandbox.seeding import odd_second, stream

Kind = Literal["main", "nap", "rest"]
"""``main``: the night's sleep. ``nap``: 30-110 min in the afternoon. ``rest``: lay down and never slept."""

_DAY = timedelta(days=1)
_NOON = timedelta(hours=12)
_SKIP_CHANCE = 0.03
_REST_PERIOD_DAYS = 31
_SHORTEST_IN_BED = timedelta(minutes=285)
_LONGEST_IN_BED = timedelta(minutes=630)
_LONG_AGO = timedelta(minutes=90)
_IN_PROGRESS = timedelta(minutes=30)
_STILL_TO_GO = timedelta(minutes=40)
_SHORT_SLEEP = timedelta(minutes=48)
_HOURS_AGO = timedelta(minutes=200)


@dataclass(frozen=True, slots=True)
class Plan:
    """A session of a person: ``night_of`` is the local date of its noon-to-noon day, the times are UTC."""

    kind: Kind
    night_of: date
    start: datetime
    end: datetime


def night_at(person: Person, moment: datetime) -> date:
    """The noon-to-noon day a person is in at ``moment``."""
    return (moment.astimezone(ZoneInfo(person.timezone)).replace(tzinfo=None) - _NOON).date()


def main_night(seed: int, person: Person, night_of: date) -> Plan:
    """The night's sleep: bedtime by the wall clock, duration in true elapsed time, a last chunk cut short."""
    rng = stream(seed, person.index, night_of, "main")
    weekend = night_of.weekday() in (4, 5)
    bedtime = person.bedtime + timedelta(minutes=rng.gauss(40 if weekend else 0, 22))
    start = _wall_clock(rng, person, night_of, min(max(bedtime, timedelta(hours=9)), timedelta(hours=13.5)))
    in_bed = person.time_in_bed + timedelta(minutes=rng.gauss(25 if weekend else 0, 30))
    in_bed = min(max(in_bed, _SHORTEST_IN_BED), _LONGEST_IN_BED)
    return Plan("main", night_of, start, start + _partial_chunk(rng, in_bed))


def skips(seed: int, person: Person, night_of: date) -> bool:
    """Whether the phone stays off that night."""
    return stream(seed, person.index, night_of, "skip").random() < _SKIP_CHANCE


def daytime(seed: int, person: Person, night_of: date) -> Plan | None:
    """The afternoon's session, if any: a nap, or on one day a month the rest of a person who lies awake."""
    rng = stream(seed, person.index, night_of, "day")
    start = _wall_clock(rng, person, night_of, timedelta(minutes=rng.uniform(60, 270)))
    if person.lies_awake and (night_of.toordinal() + 7 * seed + 11 * person.index) % _REST_PERIOD_DAYS == 0:
        # Ended on a full chunk: the vendor reports time in bed as sleep latency, and latencies are whole chunks.
        return Plan("rest", night_of, start, start + EPOCH_S * timedelta(seconds=rng.randint(44, 110)))
    if rng.random() < person.nap_chance:
        nap = timedelta(minutes=rng.triangular(30, 109, 50))
        return Plan("nap", night_of, start, start + _partial_chunk(rng, nap))
    return None


def afternoon(seed: int, person: Person, night_of: date) -> Plan:
    """A nap of 40-100 min in the afternoon before that night, whoever the person is."""
    rng = stream(seed, person.index, night_of, "afternoon")
    start = _wall_clock(rng, person, night_of, timedelta(minutes=rng.uniform(60, 270)))
    return Plan("nap", night_of, start, start + _partial_chunk(rng, timedelta(minutes=rng.uniform(40, 99))))


def history(seed: int, person: Person, nights: int, now: datetime) -> list[Plan]:
    """Everything that has begun by ``now`` in a person's last ``nights`` nights, by start."""
    tonight = night_at(person, now)
    last = tonight if main_night(seed, person, tonight).start <= now else tonight - _DAY
    dates = [last - number * _DAY for number in range(nights)]
    mains = [main_night(seed, person, night) for night in dates if not skips(seed, person, night)]
    naps = [plan for night in {*dates, tonight} if (plan := daytime(seed, person, night)) and plan.start <= now]
    return sorted(mains + naps, key=_start)


def next_night(seed: int, person: Person, now: datetime) -> Plan:
    """The first night that begins after ``now``, skipped or not."""
    tonight = main_night(seed, person, night_at(person, now))
    return tonight if tonight.start > now else main_night(seed, person, tonight.night_of + _DAY)


def just_closed(plans: Sequence[Plan], now: datetime, end: datetime, night_of: date) -> list[Plan]:
    """``plans`` changed so that one session ended at ``end``, just before ``now``.

    Whoever slept within the last hour and a half got up at ``end``; everyone else took a nap.
    """
    begun = _odd_start(end - _SHORT_SLEEP)
    if plans and plans[-1].end > now - _LONG_AGO:
        return [*plans[:-1], _slept(plans[-1], min(plans[-1].start, begun), end)]
    return [*plans, _slept(Plan("nap", night_of, begun, end), begun, end)]


def still_open(plans: Sequence[Plan], upcoming: Plan, now: datetime, night_of: date) -> list[Plan]:
    """``plans`` changed so that one session began at least half an hour ago and goes on for at least 40 minutes.

    Whoever is asleep or got up within the last hour and a half sleeps on; whoever goes to bed within the hour has done
    so already; everyone else takes a nap.
    """
    recent, until = now - _IN_PROGRESS, now + _STILL_TO_GO
    if plans and plans[-1].end > now - _LONG_AGO:
        last = plans[-1]
        return [*plans[:-1], _slept(last, min(last.start, _odd_start(recent)), max(last.end, until))]
    if upcoming.start <= now + 2 * _IN_PROGRESS:
        return [*plans, _slept(upcoming, _odd_start(recent), upcoming.end)]
    return [*plans, _slept(Plan("nap", night_of, recent, until), _odd_start(recent), until)]


def in_progress(moment: datetime, night_of: date, ended: bool) -> Plan:
    """A session around ``moment``: begun hours ago and either just over or to go on for hours."""
    plan = Plan("main", night_of, _odd_start(moment - _HOURS_AGO), moment if ended else moment + _HOURS_AGO)
    whole = (plan.end - plan.start).seconds % EPOCH_S == 0
    return replace(plan, start=plan.start - timedelta(seconds=2)) if whole else plan


def in_full_chunks(plan: Plan) -> Plan:
    """The plan without its partial last chunk."""
    chunk = timedelta(seconds=EPOCH_S)
    return replace(plan, end=plan.start + (plan.end - plan.start) // chunk * chunk)


def lasting(plan: Plan, duration: timedelta) -> Plan:
    """The plan ended after ``duration``."""
    return replace(plan, end=plan.start + duration)


def later(plan: Plan, start: timedelta, end: timedelta) -> Plan:
    """The plan with start and end put off."""
    return replace(plan, start=plan.start + start, end=plan.end + end)


def around_midnight(plan: Plan, zone: ZoneInfo, home: ZoneInfo) -> list[Plan]:
    """Two sessions as long as ``plan`` around midnights of ``zone``, each less than a minute away from it.

    The first starts before the midnight in the plan's noon-to-noon day at ``home``, the second after the next one.
    """
    today = datetime.combine(plan.night_of, time(12), home).astimezone(zone).date()
    near = timedelta(seconds=plan.start.second // 2 + 1)
    starts = [_midnight(today + _DAY, zone) - near, _midnight(today + 2 * _DAY, zone) + near]
    return [
        Plan(plan.kind, plan.night_of + number * _DAY, start, start + (plan.end - plan.start))
        for number, start in enumerate(starts)
    ]


def _start(plan: Plan) -> datetime:
    return plan.start


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    """UTC instant at which ``day`` begins."""
    return datetime.combine(day, time(0), zone).astimezone(UTC)


def _slept(plan: Plan, start: datetime, end: datetime) -> Plan:
    """The plan at other times, a second shorter where it would be made of full chunks; a rest becomes a nap."""
    if (end - start).seconds % EPOCH_S == 0:
        end -= timedelta(seconds=1)
    return replace(plan, kind="nap" if plan.kind == "rest" else plan.kind, start=start, end=end)


def _wall_clock(rng: Random, person: Person, day: date, after_noon: timedelta) -> datetime:
    """UTC instant of a local clock time, at an odd second; a time the clock jumps over counts from before the jump."""
    local = datetime.combine(day, time(12)) + timedelta(minutes=after_noon // timedelta(minutes=1))
    aware = local.replace(second=odd_second(rng), tzinfo=ZoneInfo(person.timezone))
    return aware.astimezone(UTC)


def _partial_chunk(rng: Random, duration: timedelta) -> timedelta:
    """About ``duration``, with a last 30 s chunk that is not full."""
    chunk = timedelta(seconds=EPOCH_S)
    return duration // chunk * chunk + timedelta(seconds=rng.randint(1, EPOCH_S - 1))


def _odd_start(start: datetime) -> datetime:
    """``start``, or the odd second before it."""
    return start if start.second % 2 else start - timedelta(seconds=1)
