"""Local dates of instants, checked by hand: zones, both clock changes, noon, midnight and the date line."""

from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.nights import is_iana_zone, local_date, night_of, utc_date

BERLIN, NEW_YORK, LORD_HOWE = "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"
KATHMANDU, APIA, KIRITIMATI, NIUE = "Asia/Kathmandu", "Pacific/Apia", "Pacific/Kiritimati", "Pacific/Niue"

# zone, instant in UTC, night it belongs to, date on the calendar; the wall clock is in the comment
BY_HAND = [
    (BERLIN, "2026-11-21T22:50:00", "2026-11-21", "2026-11-21"),  # 23:50 and 00:10 are one night
    (BERLIN, "2026-11-21T23:10:00", "2026-11-21", "2026-11-22"),
    (BERLIN, "2026-11-21T22:59:59", "2026-11-21", "2026-11-21"),  # 23:59:59
    (BERLIN, "2026-11-21T23:00:00", "2026-11-21", "2026-11-22"),  # 00:00:00
    (BERLIN, "2026-11-22T10:59:59", "2026-11-21", "2026-11-22"),  # 11:59:59
    (BERLIN, "2026-11-22T11:00:00", "2026-11-22", "2026-11-22"),  # 12:00:00
    (BERLIN, "2026-03-29T00:59:59", "2026-03-28", "2026-03-29"),  # 01:59:59, the next second is 03:00:00
    (BERLIN, "2026-03-29T01:00:00", "2026-03-28", "2026-03-29"),
    (BERLIN, "2026-03-29T09:59:59", "2026-03-28", "2026-03-29"),  # 11:59:59 after a night of 23 hours
    (BERLIN, "2026-03-29T10:00:00", "2026-03-29", "2026-03-29"),  # 12:00:00
    (BERLIN, "2026-10-25T00:30:00", "2026-10-24", "2026-10-25"),  # 02:30 for the first time
    (BERLIN, "2026-10-25T01:30:00", "2026-10-24", "2026-10-25"),  # 02:30 for the second time
    (BERLIN, "2026-10-25T10:59:59", "2026-10-24", "2026-10-25"),  # 11:59:59 after a night of 25 hours
    (BERLIN, "2026-10-25T11:00:00", "2026-10-25", "2026-10-25"),  # 12:00:00
    (NEW_YORK, "2026-03-08T04:59:59", "2026-03-07", "2026-03-07"),  # 23:59:59
    (NEW_YORK, "2026-03-08T06:59:59", "2026-03-07", "2026-03-08"),  # 01:59:59, the next second is 03:00:00
    (NEW_YORK, "2026-03-08T07:00:00", "2026-03-07", "2026-03-08"),
    (NEW_YORK, "2026-03-08T15:59:59", "2026-03-07", "2026-03-08"),  # 11:59:59
    (NEW_YORK, "2026-03-08T16:00:00", "2026-03-08", "2026-03-08"),  # 12:00:00
    (NEW_YORK, "2026-11-01T05:30:00", "2026-10-31", "2026-11-01"),  # 01:30 for the first time
    (NEW_YORK, "2026-11-01T06:30:00", "2026-10-31", "2026-11-01"),  # 01:30 for the second time
    (NEW_YORK, "2026-11-01T16:59:59", "2026-10-31", "2026-11-01"),  # 11:59:59
    (NEW_YORK, "2026-11-01T17:00:00", "2026-11-01", "2026-11-01"),  # 12:00:00
    (LORD_HOWE, "2026-04-04T14:59:59", "2026-04-04", "2026-04-05"),  # 01:59:59, the next second is 01:30:00
    (LORD_HOWE, "2026-04-04T15:00:00", "2026-04-04", "2026-04-05"),
    (LORD_HOWE, "2026-04-05T01:29:59", "2026-04-04", "2026-04-05"),  # 11:59:59
    (LORD_HOWE, "2026-04-05T01:30:00", "2026-04-05", "2026-04-05"),  # 12:00:00
    (LORD_HOWE, "2026-10-03T15:29:59", "2026-10-03", "2026-10-04"),  # 01:59:59, the next second is 02:30:00
    (LORD_HOWE, "2026-10-03T15:30:00", "2026-10-03", "2026-10-04"),
    (LORD_HOWE, "2026-10-04T00:59:59", "2026-10-03", "2026-10-04"),  # 11:59:59
    (LORD_HOWE, "2026-10-04T01:00:00", "2026-10-04", "2026-10-04"),  # 12:00:00
    (KATHMANDU, "2026-06-15T06:14:59", "2026-06-14", "2026-06-15"),  # 11:59:59
    (KATHMANDU, "2026-06-15T06:15:00", "2026-06-15", "2026-06-15"),  # 12:00:00
    (KATHMANDU, "2026-06-15T18:14:59", "2026-06-15", "2026-06-15"),  # 23:59:59
    (KATHMANDU, "2026-06-15T18:15:00", "2026-06-15", "2026-06-16"),  # 00:00:00
    (APIA, "2026-11-21T22:59:59", "2026-11-21", "2026-11-22"),  # 11:59:59
    (APIA, "2026-11-21T23:00:00", "2026-11-22", "2026-11-22"),  # 12:00:00
    (APIA, "2011-12-30T09:59:59", "2011-12-29", "2011-12-29"),  # 23:59:59, the next second is two dates later
    (APIA, "2011-12-30T10:00:00", "2011-12-30", "2011-12-31"),  # the evening before it was never on a calendar
    (KIRITIMATI, "2026-11-21T09:59:59", "2026-11-21", "2026-11-21"),  # 23:59:59
    (KIRITIMATI, "2026-11-21T10:00:00", "2026-11-21", "2026-11-22"),  # 00:00:00
    (KIRITIMATI, "2026-12-31T22:00:00", "2027-01-01", "2027-01-01"),  # 12:00:00 of a year that is still to come in UTC
    (NIUE, "2026-11-22T10:59:59", "2026-11-21", "2026-11-21"),  # 23:59:59, on the other side of the date line
    (NIUE, "2026-11-22T11:00:00", "2026-11-21", "2026-11-22"),  # 00:00:00
]

ZONES = st.sampled_from((BERLIN, NEW_YORK, LORD_HOWE, KATHMANDU, APIA, KIRITIMATI, NIUE, "UTC"))
INSTANTS = st.integers(0, 60 * 365 * 86_400).map(
    lambda seconds: datetime(1990, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
)


@pytest.mark.parametrize(("zone", "instant", "night", "on_calendar"), BY_HAND)
def test_dates_checked_by_hand(zone: str, instant: str, night: str, on_calendar: str) -> None:
    """Which night an instant belongs to and which date a clock there shows, over clock changes and the date line."""
    moment = datetime.fromisoformat(f"{instant}+00:00")
    assert (night_of(moment, zone), local_date(moment, zone)) == (
        date.fromisoformat(night),
        date.fromisoformat(on_calendar),
    )


@settings(deadline=None)
@given(INSTANTS, ZONES, st.integers(-14 * 60, 14 * 60))
def test_the_offset_an_instant_is_written_with_does_not_matter(instant: datetime, zone: str, offset_min: int) -> None:
    """The same instant at another offset has the same dates."""
    same = instant.astimezone(timezone(timedelta(minutes=offset_min)))
    assert (night_of(same, zone), local_date(same, zone), utc_date(same)) == (
        night_of(instant, zone),
        local_date(instant, zone),
        instant.date(),
    )


@settings(deadline=None)
@given(INSTANTS, ZONES)
def test_noon_on_the_wall_clock_divides_the_nights(instant: datetime, zone: str) -> None:
    """In the afternoon the night has the date of the day, in the morning that of the day before."""
    days_back = (local_date(instant, zone) - night_of(instant, zone)).days
    assert days_back == (0 if instant.astimezone(ZoneInfo(zone)).hour >= 12 else 1)


def test_only_names_of_the_tz_database_are_zones() -> None:
    """Offsets, abbreviations in lower case, nothing, and paths are none."""
    assert all(map(is_iana_zone, ("UTC", "Asia/Seoul", "America/Argentina/Buenos_Aires")))
    assert not any(map(is_iana_zone, ("", "+09:00", "asia/seoul", "Mars/Olympus", "../etc/passwd", "Seoul")))
