"""A schedule acts at local times: each entry once, also when a clock skips it or shows it twice, for real hours."""

from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from schemas.bed_schedule import (
    EVERY_DAY,
    LONGEST_DURATION_S,
    PRESETS,
    Action,
    BedSchedule,
    Entry,
    Order,
    Preset,
    actions_between,
    check_levels,
    first_moment,
    in_force,
)

MINUTE = timedelta(minutes=1)
ZONES = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "Asia/Kathmandu", "Africa/Cairo"]


def schedule_of(zone: str, *entries: Entry) -> BedSchedule:
    """A schedule without presets."""
    return BedSchedule(zone, entries, {})


def both(clock: str, level: int, days: frozenset[int] = EVERY_DAY, bed: str | None = None) -> Entry:
    """The same level on both sides."""
    return Entry(time.fromisoformat(clock), level, level, days, bed)


def utc(text: str) -> datetime:
    """An instant of a UTC time."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def seconds(order: Order) -> int:
    """How long an order lasts from its beginning."""
    return order.seconds_from(order.since)


NIGHT = (both("22:00", -20), both("01:45", -30), both("02:15", -10), both("06:00", 10))
CLOCK_CHANGES = {
    "Berlin, an hour is skipped": (
        "Europe/Berlin",
        ["2026-03-28 21:00", "2026-03-29 00:45", "2026-03-29 01:00", "2026-03-29 04:00"],
        7.0,
    ),
    "Berlin, an hour comes twice": (
        "Europe/Berlin",
        ["2026-10-24 20:00", "2026-10-24 23:45", "2026-10-25 00:15", "2026-10-25 05:00"],
        9.0,
    ),
    "New York, an hour is skipped": (
        "America/New_York",
        ["2026-03-08 03:00", "2026-03-08 06:45", "2026-03-08 07:00", "2026-03-08 10:00"],
        7.0,
    ),
    "New York, an hour comes twice": (
        "America/New_York",
        ["2026-11-01 02:00", "2026-11-01 05:45", "2026-11-01 07:15", "2026-11-01 11:00"],
        9.0,
    ),
    "Lord Howe, half an hour is skipped": (
        "Australia/Lord_Howe",
        ["2026-10-03 11:30", "2026-10-03 15:15", "2026-10-03 15:30", "2026-10-03 19:00"],
        7.5,
    ),
    "Lord Howe, half an hour comes twice": (
        "Australia/Lord_Howe",
        ["2026-04-04 11:00", "2026-04-04 14:45", "2026-04-04 15:45", "2026-04-04 19:30"],
        8.5,
    ),
}


@pytest.mark.parametrize("name", CLOCK_CHANGES)
def test_a_night_with_a_clock_change(name: str) -> None:
    """What is skipped acts when the clock jumps, what comes twice acts the first time; it lasts real hours."""
    zone, instants, hours = CLOCK_CHANGES[name]
    evening = utc(instants[0])
    found = actions_between(schedule_of(zone, *NIGHT), evening, evening + timedelta(hours=10))
    assert [action.at for action in found] == [utc(instant) for instant in instants]
    assert [action.left.level for action in found if action.left] == [-20, -30, -10, 10]
    assert sum(seconds(action.left) for action in found[:3] if action.left) == hours * 3600
    assert all(action.left == action.right for action in found)


def test_a_day_that_a_zone_skips() -> None:
    """Samoa had no 2011-12-30: its entries act at the one moment it could have been, and the last of them holds."""
    entries = (both("22:00", -20), both("06:00", 10), both("08:00", 0))
    found = actions_between(schedule_of("Pacific/Apia", *entries), utc("2011-12-30 00:00"), utc("2011-12-31 08:00"))
    assert [(action.at, action.left.level, seconds(action.left)) for action in found if action.left] == [
        (utc("2011-12-30 08:00"), -20, 7_200),  # Thursday 22:00
        (utc("2011-12-30 10:00"), -20, 21_600),  # the jump from Thursday to Saturday
        (utc("2011-12-30 16:00"), 10, 7_200),  # Saturday 06:00
        (utc("2011-12-30 18:00"), 0, 50_400),
    ]
    fridays = schedule_of("Pacific/Apia", both("22:00", -20, frozenset({4})))
    found = actions_between(fridays, utc("2011-12-20 00:00"), utc("2012-01-10 00:00"))
    assert [action.at for action in found] == [
        utc("2011-12-24 08:00"),
        utc("2011-12-30 10:00"),
        utc("2012-01-06 08:00"),
    ]


def test_the_schedule_of_the_reference() -> None:
    """22:00 -20, 06:00 +10, 08:00 0: eight hours, two hours, fourteen hours."""
    entries = (both("22:00", -20), both("06:00", 10), both("08:00", 0))
    found = actions_between(schedule_of("UTC", *entries), utc("2026-03-01 22:00"), utc("2026-03-02 22:00"))
    assert [(action.at.hour, action.left.level, seconds(action.left)) for action in found if action.left] == [
        (22, -20, 28_800),
        (6, 10, 7_200),
        (8, 0, 50_400),
    ]


def test_a_side_that_is_not_named_goes_on() -> None:
    """It lasts until an entry names it again."""
    only_left = Entry(time(23), left=-40)
    found = actions_between(
        schedule_of("UTC", both("22:00", -20), only_left, both("07:00", 0)),
        utc("2026-03-01 20:00"),
        utc("2026-03-02 00:00"),
    )
    begin, end = utc("2026-03-01 22:00"), utc("2026-03-02 07:00")
    middle = utc("2026-03-01 23:00")
    assert found == [
        Action(begin, Order(-20, begin, middle), Order(-20, begin, end)),
        Action(middle, Order(-40, middle, end), None),
    ]
    never_right = schedule_of("UTC", only_left)
    assert in_force(never_right, begin).right is None


def test_weekdays_are_local_ones() -> None:
    """Monday in Auckland is still Sunday in UTC; a single weekly entry lasts a week."""
    monday = schedule_of("Pacific/Auckland", both("06:00", 10, frozenset({0})))
    found = actions_between(monday, utc("2026-06-01 00:00"), utc("2026-06-15 00:00"))
    assert [action.at for action in found] == [utc("2026-06-07 18:00"), utc("2026-06-14 18:00")]
    assert found[0].left is not None
    assert seconds(found[0].left) == 7 * 86_400


def test_a_bed_has_its_own_entries_beside_those_of_every_bed() -> None:
    """Its own wins at the same time; other beds know nothing of it."""
    schedule = schedule_of("UTC", both("22:00", -40, bed="POD1"), both("22:00", -20), both("23:00", -30, bed="POD2"))
    now = utc("2026-03-01 23:30")
    levels = {name: in_force(schedule.of_bed(name), now).left for name in ("POD1", "POD2", "POD3")}
    assert {name: order.level for name, order in levels.items() if order} == {"POD1": -40, "POD2": -30, "POD3": -20}
    assert schedule.named_beds() == ["POD1", "POD2"]
    assert "POD1" not in repr(schedule)


def test_what_is_in_force_lasts_as_long_as_is_left() -> None:
    """Rounded up to a whole second, so that it never ends before the next entry; none without an entry."""
    schedule = schedule_of("UTC", both("22:00", -20), both("06:00", 10))
    now = utc("2026-03-02 05:59:58.5")
    left, right = in_force(schedule, now)
    assert left == right
    assert left is not None
    assert (left.level, left.since, left.seconds_from(now)) == (-20, utc("2026-03-01 22:00"), 2)
    assert left.seconds_from(utc("2026-03-02 06:00:01")) == 0
    assert in_force(schedule_of("UTC"), now) == (None, None)


def test_the_presets_are_those_of_the_reference() -> None:
    """Levels and seconds."""
    assert {
        "sleep": Preset(-40, -40, 28_800),
        "wake": Preset(15, 15, 1_800),
        "off": Preset(0, 0, 0),
    } == PRESETS


@pytest.mark.parametrize(
    ("command", "wrong"),
    [
        ((-100, 100, 0), None),
        ((None, 0, LONGEST_DURATION_S), None),
        ((None, None, 60), "no side"),
        ((-101, 0, 60), "level"),
        ((0, 101, 60), "level"),
        ((0, 0, -1), "duration"),
        ((0, 0, LONGEST_DURATION_S + 1), "duration"),
    ],
)
def test_what_may_be_sent(command: tuple[int | None, int | None, int], wrong: str | None) -> None:
    """Levels of -100 to 100 for a side at least, and a duration that is none less than nothing."""
    found = check_levels(*command)
    assert found is None if wrong is None else found is not None and wrong in found


minutes = st.integers(0, 1439).map(lambda minute: time(minute // 60, minute % 60))
entries_of_a_week = st.lists(
    st.builds(
        Entry,
        minutes | st.sampled_from([time(1, 30), time(2, 0), time(2, 30), time(0, 0), time(3, 0)]),
        st.integers(-100, 100),
        st.none() | st.integers(-100, 100),
        st.frozensets(st.integers(0, 6), min_size=1),
    ),
    min_size=1,
    max_size=5,
    unique_by=lambda entry: entry.at,
)
moments = st.datetimes(datetime(2000, 1, 1), datetime(2035, 1, 1)).map(  # noqa: DTZ001
    lambda moment: moment.replace(second=0, microsecond=0)
)
zones = st.sampled_from(ZONES) | st.sampled_from(sorted(available_timezones() - {"Factory", "localtime"}))
near_changes = st.sampled_from(
    [utc(text) for text in ("2026-03-29 01:00", "2026-10-25 01:00", "2026-03-08 07:00", "2026-11-01 06:00",
                            "2026-04-04 15:00", "2026-10-03 15:30", "2011-12-30 10:00")]
)  # fmt: skip


@given(zone=zones, local=moments)
@example(zone="Pacific/Apia", local=datetime(2011, 12, 30, 12))  # noqa: DTZ001
@example(zone="Africa/Monrovia", local=datetime(1972, 1, 7, 0, 20))  # noqa: DTZ001
@example(zone="Pacific/Kwajalein", local=datetime(1993, 8, 21, 12))  # noqa: DTZ001
def test_the_first_moment_is_the_first(zone: str, local: datetime) -> None:
    """Then the clock shows that time or more, and a second, an hour or a day before it showed less."""
    moment, tz = first_moment(local, zone), ZoneInfo(zone)
    assert moment.astimezone(tz).replace(tzinfo=None) >= local
    for earlier in (1, 60, 1_800, 3_600, 86_400):
        assert (moment - timedelta(seconds=earlier)).astimezone(tz).replace(tzinfo=None) < local


def fired(schedule: BedSchedule, start: datetime, end: datetime) -> dict[datetime, dict[str, int]]:
    """What somebody does who looks at the clock of the zone every minute and does each time's entry once."""
    tz, moment = ZoneInfo(schedule.zone), start - timedelta(days=3)
    shown = moment.astimezone(tz).replace(tzinfo=None)
    done: dict[datetime, dict[str, int]] = {}
    while moment < end:
        before, shown = shown, max(shown, moment.astimezone(tz).replace(tzinfo=None))
        while before < shown:
            before += MINUTE
            for entry in schedule.entries:
                if entry.at == before.time() and before.weekday() in entry.days and moment >= start:
                    levels = {"left": entry.left, "right": entry.right}
                    done.setdefault(moment, {}).update({s: level for s, level in levels.items() if level is not None})
        moment += MINUTE
    return done


@settings(max_examples=60)
@given(
    zone=zones,
    entries=entries_of_a_week,
    start=near_changes | moments.map(lambda moment: moment.replace(tzinfo=UTC)),
    before=st.integers(0, 48),
)
def test_the_schedule_does_what_a_watchful_person_would_do(
    zone: str, entries: list[Entry], start: datetime, before: int
) -> None:
    """In any zone, around clock changes and elsewhere: the same levels at the same instants."""
    schedule = schedule_of(zone, *entries)
    start -= timedelta(hours=before)
    end = start + timedelta(days=3)
    found = {
        action.at: {side: order.level for side in ("left", "right") if (order := getattr(action, side)) is not None}
        for action in actions_between(schedule, start, end)
    }
    assert found == fired(schedule, start, end)


@given(zone=zones, entries=entries_of_a_week, start=near_changes | moments.map(lambda m: m.replace(tzinfo=UTC)))
def test_each_entry_lasts_until_the_next(zone: str, entries: list[Entry], start: datetime) -> None:
    """No gap and no overlap on either side; any moment is in exactly the order that holds; parts make the whole."""
    schedule = schedule_of(zone, *entries)
    middle, end = start + timedelta(hours=40), start + timedelta(days=8)
    found = actions_between(schedule, start, end)
    assert [action.at for action in found] == sorted({action.at for action in found})
    for side in ("left", "right"):
        orders = [order for action in found if (order := getattr(action, side))]
        assert all(one.until == other.since for one, other in pairwise(orders))
        assert all(seconds(order) > 0 for order in orders)
        for order in orders:
            assert getattr(in_force(schedule, order.since), side) == order
            assert getattr(in_force(schedule, order.until - MINUTE), side) == order
    assert found == actions_between(schedule, start, middle) + actions_between(schedule, middle, end)
