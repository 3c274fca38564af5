"""The answers to ``examples/questions``, worked out in Python from what the simulated people really slept."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from statistics import fmean, linear_regression, stdev
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import pytest

from tests.examples.truth import DAY, NOON, Night, Sleep, mains_of

Rows = list[tuple[Any, ...]]
People = Mapping[str, dict[date, Night]]


class Changed(NamedTuple):
    """A session that the vendor changed: of whom, as it was, and as it is now, if it still is."""

    user_id: str
    was: Sleep
    now: Sleep | None


@dataclass(frozen=True)
class Lived:
    """What is true of everybody by now, in the nights in which they are followed.

    ``zones`` and ``orgs`` are those of the roster, by user id.
    """

    people: People
    changed: list[Changed]
    zones: Mapping[str, str]
    orgs: Mapping[str, str]
    first: date
    now: datetime

    def last_night_over(self, user_id: str) -> date:
        """The newest night whose last noon has come where the user is."""
        return (self.now.astimezone(ZoneInfo(self.zones[user_id])).replace(tzinfo=None) - NOON).date() - DAY


def hours_asleep_by_week(of: Lived) -> Rows:
    """Mean hours asleep of a user and ISO week."""
    rows = []
    for user, nights in of.people.items():
        weeks: defaultdict[tuple[int, int], list[float]] = defaultdict(list)
        for main in mains_of(nights):
            weeks[main.night_of.isocalendar()[:2]].append(main.hours_asleep)
        rows += [(user, *week, len(hours), fmean(hours)) for week, hours in weeks.items()]
    return rows


def short_sleepers(of: Lived) -> Rows:
    """Users with three nights under six hours in their last fourteen that are over."""
    rows = []
    for user, nights in of.people.items():
        last = of.last_night_over(user)
        hours = [main.hours_asleep for main in mains_of(nights) if last - 14 * DAY < main.night_of <= last]
        short = [each for each in hours if each < 6]
        if len(short) >= 3:
            rows.append((user, len(hours), len(short), min(hours)))
    return rows


def social_jetlag(of: Lived) -> Rows:
    """Mid-sleep after Friday and Saturday evening against that after the others."""
    rows = []
    for user, nights in of.people.items():
        mains = mains_of(nights)
        week = [main.mid_sleep_h for main in mains if main.night_of.weekday() not in (4, 5)]
        weekend = [main.mid_sleep_h for main in mains if main.night_of.weekday() in (4, 5)]
        difference = fmean(weekend) - fmean(week)
        rows.append((user, len(week), len(weekend), fmean(week), fmean(weekend), difference))
    return rows


def regularity(of: Lived) -> Rows:
    """The deviation of mid-sleep in minutes."""
    rows = []
    for user, nights in of.people.items():
        middles = [60 * main.mid_sleep_h for main in mains_of(nights)]
        rows.append((user, len(middles), stdev(middles)))
    return rows


def missing_nights(of: Lived) -> Rows:
    """Every night that is over and has no main sleep, with the verdict."""
    rows = []
    deleted = {(change.user_id, change.was.night_of) for change in of.changed if not change.now}
    for user, nights in of.people.items():
        night = of.first
        while night <= of.last_night_over(user):
            recorded = nights.get(night, Night(None, [], []))
            if not recorded.main:
                rows.append((user, night, verdict(recorded, (user, night) in deleted)))
            night += DAY
    return rows


def verdict(recorded: Night, was_deleted: bool) -> str:
    """Why a night has no main sleep."""
    if recorded.naps:
        return "nap_only"
    if recorded.rests:
        return "never_slept"
    return "deleted" if was_deleted else "no_recording"


def stage_shares(of: Lived) -> Rows:
    """Percent of all sleep."""
    rows = []
    for user, nights in of.people.items():
        stats = [main.stat for main in mains_of(nights)]
        asleep = sum(stat.time_in_sleep for stat in stats)
        parts = [(stat.time_in_light, stat.time_in_deep, stat.time_in_rem) for stat in stats]
        shares = [100 * sum(part[number] or 0 for part in parts) / asleep for number in range(3)]
        assert sum(shares) == pytest.approx(100)
        rows.append((user, len(stats), *shares))
    return rows


def revised_nights(of: Lived) -> Rows:
    """The sessions that were changed, as first seen and now."""
    return [
        (
            change.user_id,
            change.was.night_of,
            change.was.session_id,
            2,
            "re_analysed" if change.now else "deleted",
            change.was.hours_asleep * 60,
            change.now.hours_asleep * 60 if change.now else None,
        )
        for change in of.changed
    ]


def first_night(of: Lived) -> Rows:
    """How the first night differs from the six after it, by organisation."""
    by_org: defaultdict[str, list[tuple[float, float]]] = defaultdict(list)
    for user, nights in of.people.items():
        first, *after = mains_of(nights)[:7]
        of_first, of_after = first_figures(first), [first_figures(main) for main in after]
        by_org[of.orgs[user]].append(
            (of_first[0] - fmean(latency for latency, _ in of_after), of_first[1] - fmean(part for _, part in of_after))
        )
    return [
        (org, len(users), fmean(latency for latency, _ in users), fmean(points for _, points in users))
        for org, users in sorted(by_org.items())
    ]


def first_figures(main: Sleep) -> tuple[float, float]:
    """Latency in minutes, efficiency in percent."""
    return main.stat.sleep_latency / 60, 100 * main.stat.time_in_sleep / main.stat.time_in_bed


def latency_trend(of: Lived) -> Rows:
    """The line through all latencies."""
    rows = []
    for user, nights in of.people.items():
        mains = mains_of(nights)
        minutes = [main.stat.sleep_latency / 60 for main in mains]
        weeks = [(main.night_of - mains[0].night_of).days / 7 for main in mains]
        rows.append((user, len(mains), fmean(minutes), linear_regression(weeks, minutes).slope))
    return rows


def nap_habit(of: Lived) -> Rows:
    """Days with naps, and the nights after them."""
    rows = []
    for user, nights in of.people.items():
        days = [night for night in nights.values() if night.main or night.naps]
        naps = [nap.length / timedelta(minutes=1) for day in days for nap in day.naps]
        if naps:
            after = [day.main.hours_asleep for day in days if day.main and day.naps]
            without = [day.main.hours_asleep for day in days if day.main and not day.naps]
            share = 100 * sum(bool(day.naps) for day in days) / len(days)
            rows.append((user, len(days), share, fmean(naps), fmean(after) if after else None, fmean(without)))
    return rows


@dataclass(frozen=True)
class Question:
    """How a question is answered from the truth; ``keys`` columns name a row, ``order`` is that of the answer."""

    truth: Callable[[Lived], Rows]
    keys: int
    order: Callable[[tuple[Any, ...]], Any]


TRUTHS: dict[str, Question] = {
    "hours_asleep_by_week": Question(hours_asleep_by_week, 3, lambda row: row[:3]),
    "short_sleepers": Question(short_sleepers, 1, lambda row: (-row[2], row[0])),
    "social_jetlag": Question(social_jetlag, 1, lambda row: (-row[5], row[0])),
    "regularity": Question(regularity, 1, lambda row: (row[2], row[0])),
    "missing_nights": Question(missing_nights, 2, lambda row: row[:2]),
    "stage_shares": Question(stage_shares, 1, lambda row: row[0]),
    "revised_nights": Question(revised_nights, 3, lambda row: row[:3]),
    "first_night": Question(first_night, 1, lambda row: row[0]),
    "latency_trend": Question(latency_trend, 1, lambda row: (-row[3], row[0])),
    "nap_habit": Question(nap_habit, 1, lambda row: (-row[2], row[0])),
}
"""By the name of the file."""
