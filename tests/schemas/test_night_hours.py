"""When a night begins and is over in a zone, on which UTC dates, and which recordings are a night's sleep."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.night_hours import (
    first_night_from,
    is_main_sleep,
    last_night_over,
    night_dates,
    night_hours,
    settles_at,
)
from schemas.nights import night_of, utc_date

NIGHT = date(2026, 11, 3)
MINUTE = timedelta(minutes=1)
ZONES = ["UTC", "Asia/Seoul", "America/New_York", "Pacific/Kiritimati", "Pacific/Niue", "Asia/Kathmandu", "Etc/GMT+12"]
zones = st.sampled_from([*ZONES, "Europe/Berlin", "Australia/Lord_Howe", "America/St_Johns"])
nights = st.dates(date(2020, 1, 2), date(2030, 12, 30))
moments = st.integers(0, 10 * 365 * 24 * 60).map(lambda number: datetime(2020, 1, 3, tzinfo=UTC) + number * MINUTE)


def utc(text: str) -> datetime:
    """A UTC time of November 2026, as ``03T12:00``."""
    return datetime.fromisoformat(f"2026-11-{text}:00+00:00")


@pytest.mark.parametrize(
    ("zone", "begins", "over", "dates"),
    [
        ("UTC", "03T12:00", "04T12:00", (3, 4)),
        ("Asia/Seoul", "03T03:00", "04T03:00", (3, 4)),
        ("America/New_York", "03T17:00", "04T17:00", (3, 4)),
        ("Pacific/Kiritimati", "02T22:00", "03T22:00", (2, 3)),
        ("Etc/GMT+12", "04T00:00", "05T00:00", (4,)),
    ],
)
def test_the_hours_and_dates_of_a_night(zone: str, begins: str, over: str, dates: tuple[int, ...]) -> None:
    """The night of 3 November from noon to noon, and the UTC dates it touches."""
    assert night_hours(NIGHT, zone) == (utc(begins), utc(over))
    assert night_dates(NIGHT, zone) == tuple(date(2026, 11, number) for number in dates)


@pytest.mark.parametrize(("night", "hours"), [(date(2026, 3, 28), 23), (date(2026, 10, 24), 25), (NIGHT, 24)])
def test_a_night_is_as_long_as_the_clocks_make_it(night: date, hours: int) -> None:
    """In Berlin the clocks change in the nights of 28 March and 24 October 2026."""
    begins, over = night_hours(night, "Europe/Berlin")
    assert over - begins == timedelta(hours=hours)


@given(nights, zones, st.floats(0, 0.999_999))
def test_what_starts_in_a_night_starts_on_its_dates_and_belongs_to_it(night: date, zone: str, part: float) -> None:
    """Every moment of a night is of that night and on one of its UTC dates, which settle when it is over or later."""
    begins, over = night_hours(night, zone)
    moment = begins + (over - begins) * part
    assert night_of(moment, zone) == night
    assert utc_date(moment) in night_dates(night, zone)
    assert all(settles_at(day, zone) >= over for day in night_dates(night, zone))


@given(moments, zones)
def test_the_last_night_over_is_over_and_the_next_is_not(now: datetime, zone: str) -> None:
    """By the hours of the nights themselves."""
    night = last_night_over(now, zone)
    assert night_hours(night, zone)[1] <= now < night_hours(night + timedelta(days=1), zone)[1]


@given(nights, zones)
def test_the_first_night_from_a_date_is_the_first_that_lies_after_its_midnight(day: date, zone: str) -> None:
    """It has no UTC date before; the night before it has."""
    night = first_night_from(day, zone)
    assert night_dates(night, zone)[0] >= day
    assert night_dates(night - timedelta(days=1), zone)[0] < day


@pytest.mark.parametrize(
    ("start", "minutes", "main"),
    [
        ("03 23:00", 480, True),
        ("03 13:00", 180, True),  # three hours are a night's sleep at any hour
        ("03 13:00", 179, False),
        ("03 14:00", 55, False),
        ("03 22:10", 40, True),  # short, but all of it at night
        ("03 20:00", 120, False),  # half of it is not most of it
        ("03 20:00", 121, True),
        ("03 20:30", 45, False),
        ("04 08:00", 120, False),
        ("04 08:00", 119, True),
        ("04 11:30", 60, False),
        ("04 03:00", 1, True),
        ("04 03:00", 0, False),
        ("03 21:00", 10, True),
        ("04 09:00", 10, False),
    ],
)
@pytest.mark.parametrize("zone", ["Asia/Seoul", "America/New_York"])
def test_naps_and_nights_by_hand(start: str, minutes: int, main: bool, zone: str) -> None:
    """Three hours or more, or more than half between 21:00 and 09:00 on the wall clock of the zone."""
    began = datetime.strptime(f"2026-11-{start}", "%Y-%m-%d %H:%M").replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    assert is_main_sleep(began, began + timedelta(minutes=minutes), zone) is main
