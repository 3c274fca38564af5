"""When people sleep: by the wall clock of their zone, for true elapsed time, also when the clocks change."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.asleep.sandbox import World
from connectors.asleep.sandbox.people import ZONES, Person, inhabitant
from connectors.asleep.sandbox.schedule import Plan, history, main_night, next_night, night_at
from tests.connectors.asleep.sandbox.clients import MOMENTS, NOW, listed, vendor_of

days = st.dates(date(2024, 1, 1), date(2028, 12, 31))
indices = st.integers(0, 200)


def local(moment: datetime, person: Person) -> datetime:
    """Wall clock of a person."""
    return moment.astimezone(ZoneInfo(person.timezone)).replace(tzinfo=None)


@given(indices, days)
@settings(deadline=None, max_examples=200)
def test_bedtime_is_the_same_on_every_wall_clock(index: int, night: date) -> None:
    """Moved to a zone without clock changes, a person goes to bed at the same local time and stays as long."""
    person = inhabitant(1, index)
    there, at_utc = main_night(1, person, night), main_night(1, replace(person, timezone="UTC"), night)
    jumped = timedelta(hours=1) if local(there.start, person) != local(at_utc.start, at_home(person)) else timedelta(0)
    assert local(there.start, person) - jumped == local(at_utc.start, at_home(person))
    assert there.end - there.start == at_utc.end - at_utc.start
    assert not jumped or person.timezone == "Africa/Cairo"


def at_home(person: Person) -> Person:
    """The same person in zone UTC."""
    return replace(person, timezone="UTC")


@given(indices, days)
@settings(deadline=None, max_examples=200)
def test_a_night_is_a_night(index: int, night: date) -> None:
    """People go to bed between 21:00 and 02:30 for 4.7 to 10.5 hours, and the last chunk is cut short."""
    person = inhabitant(1, index)
    plan = main_night(1, person, night)
    noon = datetime.combine(night, time(12))
    assert timedelta(hours=9) <= local(plan.start, person) - noon <= timedelta(hours=14.5)
    assert timedelta(hours=4.7) < plan.end - plan.start <= timedelta(hours=10.51)
    assert plan.start.second % 2 == 1
    assert (plan.end - plan.start).seconds % 30


@pytest.mark.parametrize(
    ("now", "zone", "shift_min"),
    [
        (datetime(2026, 3, 8, 20, tzinfo=UTC), "America/New_York", 60),
        (datetime(2026, 3, 8, 20, tzinfo=UTC), "America/Los_Angeles", 60),
        (datetime(2026, 3, 29, 12, tzinfo=UTC), "Europe/Berlin", 60),
        (datetime(2026, 4, 5, 2, tzinfo=UTC), "Australia/Lord_Howe", -30),
        (datetime(2026, 4, 5, 2, tzinfo=UTC), "Pacific/Auckland", -60),
        (datetime(2026, 4, 24, 12, tzinfo=UTC), "Africa/Cairo", 60),
        (datetime(2026, 9, 27, 2, tzinfo=UTC), "Pacific/Auckland", 60),
        (datetime(2026, 10, 4, 2, tzinfo=UTC), "Australia/Lord_Howe", 30),
        (datetime(2026, 10, 25, 12, tzinfo=UTC), "Europe/Berlin", -60),
        (datetime(2026, 11, 1, 20, tzinfo=UTC), "America/New_York", -60),
    ],
)
def test_nights_across_a_clock_change(now: datetime, zone: str, shift_min: int) -> None:
    """Somebody's night spans the change: offsets differ by it, and the time in bed is true elapsed time."""
    world = World(users=40, nights=3, now=now)
    with vendor_of(world) as vendor:
        rows = [
            row
            for user in world.users()
            if user.person.timezone == zone
            for row in listed(vendor, user.user_id, zone)
            if row["state"] == "COMPLETE"
        ]
    times = [
        (datetime.fromisoformat(row["session_start_time"]), datetime.fromisoformat(row["session_end_time"]))
        for row in rows
    ]
    assert [int((end - start).total_seconds()) for start, end in times] == [row["time_in_bed"] for row in rows]
    shifts = {minutes(end) - minutes(start) for start, end in times}
    assert shifts in ({0, shift_min}, {shift_min})


def minutes(moment: datetime) -> int:
    """Offset from UTC in minutes."""
    offset = moment.utcoffset()
    assert offset is not None
    return offset // timedelta(minutes=1)


@given(indices, MOMENTS, st.integers(1, 12))
@settings(deadline=None, max_examples=150)
def test_history_is_one_main_night_a_date_and_nothing_overlaps(index: int, now: datetime, nights: int) -> None:
    """A date has at most one main night, sessions have begun by now and follow each other."""
    plans = history(1, inhabitant(1, index), nights, now)
    mains = [plan.night_of for plan in plans if plan.kind == "main"]
    assert len(mains) == len(set(mains)) <= nights
    assert all(plan.start <= now for plan in plans)
    assert all(earlier.end < later.start for earlier, later in pairwise(plans))


@given(indices, MOMENTS)
@settings(deadline=None, max_examples=150)
def test_the_next_night_follows_the_last(index: int, now: datetime) -> None:
    """The next night begins after now, within a day and a half, on the date after the current one at most."""
    person = inhabitant(1, index)
    upcoming = next_night(1, person, now)
    assert now < upcoming.start < now + timedelta(hours=36)
    assert upcoming.night_of - night_at(person, now) in (timedelta(0), timedelta(days=1))


def test_naps_are_in_the_afternoon() -> None:
    """Naps of 30-110 minutes begin between 13:00 and 16:30, rests without sleep last less than an hour."""
    people = [inhabitant(1, index) for index in range(24)]
    plans: list[tuple[Person, Plan]] = [(person, plan) for person in people for plan in history(1, person, 60, NOW)]
    naps = [(person, plan) for person, plan in plans if plan.kind != "main"]
    assert {plan.kind for _, plan in naps} == {"nap", "rest"}
    assert all(13 <= local(plan.start, person).hour < 17 for person, plan in naps)
    assert all(timedelta(minutes=30) <= p.end - p.start <= timedelta(minutes=110) for _, p in naps if p.kind == "nap")
    assert all(timedelta(minutes=20) <= p.end - p.start < timedelta(hours=1) for _, p in naps if p.kind == "rest")


def test_a_night_is_skipped_now_and_then() -> None:
    """Between one and six of a hundred nights are missing."""
    nights = [plan for index in range(24) for plan in history(1, inhabitant(1, index), 60, NOW) if plan.kind == "main"]
    assert 0.94 < len(nights) / (24 * 60) < 0.99


def test_the_population_covers_odd_zones() -> None:
    """At least eight zones, with half and quarter hours among them, cycle through the users."""
    assert len(set(ZONES)) >= 8
    assert [inhabitant(1, index).timezone for index in range(2 * len(ZONES))] == [*ZONES, *ZONES]
    assert {"Asia/Kathmandu", "Australia/Lord_Howe", "UTC"} <= set(ZONES)
