"""Local dates of a session: which night it belongs to, on which date it ended. Pure functions of instant and zone."""

from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

HALF_DAY = timedelta(hours=12)

zone_named = cache(ZoneInfo)
"""The zone of this name; zoneinfo itself remembers only the last eight and reads the file of every other one anew."""

FIRST_DAY = date(2020, 1, 1)
"""UTC date before which no session is kept: the first partition."""


def is_iana_zone(name: str) -> bool:
    """Whether the tz database knows the zone."""
    return name in _known_zones()


@cache
def _known_zones() -> set[str]:
    return available_timezones()


def night_of(start: datetime, zone: str) -> date:
    """The local date of the evening: the date of the wall-clock start minus 12 hours.

    23:50 and 00:10 belong to one night, and a start at noon opens the next; wall-clock arithmetic, so that a clock
    change in the night does not matter.
    """
    return (start.astimezone(zone_named(zone)).replace(tzinfo=None) - HALF_DAY).date()


def local_date(instant: datetime, zone: str) -> date:
    """The calendar date that a clock in the zone shows."""
    return instant.astimezone(zone_named(zone)).date()


def utc_date(instant: datetime) -> date:
    """The UTC date of an instant: the partition a session belongs to, by its start."""
    return instant.astimezone(UTC).date()
