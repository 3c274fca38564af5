"""Times: the right offset at each end, also on the nights when the clock changes."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from schemas.fhir.times import instant, local_time, period, whole_days


@pytest.mark.parametrize(
    ("zone", "start", "end"),
    [
        ("Europe/Berlin", "2026-10-24T23:10:00+02:00", "2026-10-25T07:00:00+01:00"),
        ("Europe/Berlin", "2026-10-25T02:30:00+02:00", "2026-10-25T02:30:00+01:00"),
        ("Europe/Berlin", "2026-03-28T23:10:00+01:00", "2026-03-29T07:00:00+02:00"),
        ("America/New_York", "2026-10-31T22:45:30-04:00", "2026-11-01T06:15:00-05:00"),
        ("Australia/Lord_Howe", "2026-04-04T23:00:00+11:00", "2026-04-05T06:00:00+10:30"),
        ("Australia/Lord_Howe", "2026-10-03T23:00:00+10:30", "2026-10-04T06:00:00+11:00"),
        ("Asia/Seoul", "2026-10-24T23:10:00+09:00", "2026-10-25T07:00:00+09:00"),
        ("UTC", "2026-10-24T23:10:00+00:00", "2026-10-25T07:00:00+00:00"),
    ],
)
def test_each_end_of_a_period_has_its_own_offset(zone: str, start: str, end: str) -> None:
    """From UTC instants to the zone's clock, one offset before the change and another one after it."""
    in_utc = [datetime.fromisoformat(text).astimezone(UTC) for text in (start, end)]
    assert period(in_utc[0], in_utc[1], zone) == {"start": start, "end": end}


@pytest.mark.parametrize(
    ("zone", "first", "last", "start", "end"),
    [
        ("Europe/Berlin", "2026-10-01", "2026-10-31", "2026-10-01T00:00:00+02:00", "2026-10-31T23:59:59+01:00"),
        ("Asia/Seoul", "2026-02-01", "2026-02-28", "2026-02-01T00:00:00+09:00", "2026-02-28T23:59:59+09:00"),
        ("UTC", "2026-02-01", "2026-02-01", "2026-02-01T00:00:00+00:00", "2026-02-01T23:59:59+00:00"),
        # the clock goes from 00:00 to 01:00: the day begins at 01:00, and the one before ends as always
        ("Africa/Cairo", "2026-04-24", "2026-04-24", "2026-04-24T01:00:00+03:00", "2026-04-24T23:59:59+03:00"),
        ("Africa/Cairo", "2026-04-23", "2026-04-23", "2026-04-23T00:00:00+02:00", "2026-04-23T23:59:59+02:00"),
        # the clock goes from 24:00 back to 23:00: the day ends the second time it is 23:59:59
        ("Africa/Cairo", "2026-10-29", "2026-10-29", "2026-10-29T00:00:00+03:00", "2026-10-29T23:59:59+02:00"),
        # the clock goes from 01:00 back to 00:00: the day begins the first time it is 00:00
        ("America/Havana", "2025-11-02", "2025-11-02", "2025-11-02T00:00:00-04:00", "2025-11-02T23:59:59-05:00"),
    ],
)
def test_whole_days_run_from_first_to_last_second(zone: str, first: str, last: str, start: str, end: str) -> None:
    """Days of the zone's own calendar, also where the clock changes at midnight."""
    days = whole_days(date.fromisoformat(first), date.fromisoformat(last), zone)
    assert days == {"start": start, "end": end}


def test_an_instant_is_written_in_utc() -> None:
    """Whatever the zone it comes in, and with its fraction of a second."""
    moment = datetime(2026, 10, 25, 9, 30, 0, 250000, tzinfo=ZoneInfo("Asia/Seoul"))
    assert instant(moment) == "2026-10-25T00:30:00.250000Z"


def test_a_time_is_written_on_the_zones_clock() -> None:
    """With the offset that holds at that moment."""
    assert local_time(datetime(2026, 7, 1, 12, tzinfo=UTC), "Asia/Kathmandu") == "2026-07-01T17:45:00+05:45"
