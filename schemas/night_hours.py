"""The hours of a night in a zone: from local noon to local noon, which UTC dates that touches, what a main sleep is.

Pure functions of a night's date, instants and an IANA zone; which night an instant belongs to is in ``nights``.
"""

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache

from schemas.nights import night_of, utc_date, zone_named

DAY = timedelta(days=1)
MAIN_SLEEP = timedelta(hours=3)
"""So long in bed is a night's sleep, whatever the hour: people also work at night."""

EVENING, MORNING = time(21), time(9)
"""The wall-clock hours in which a shorter recording is a night's sleep, too, and not a nap."""


@lru_cache(maxsize=65_536)
def night_hours(night: date, zone: str) -> tuple[datetime, datetime]:
    """When a night begins and when it is over, in UTC: noon of its date, and noon of the next, on the zone's clocks."""
    return _instant(night, time(12), zone), _instant(night + DAY, time(12), zone)


@lru_cache(maxsize=65_536)
def night_dates(night: date, zone: str) -> tuple[date, ...]:
    """The UTC dates on which a session of the night may start, in order: one or two."""
    return _dates(*night_hours(night, zone))


@lru_cache(maxsize=65_536)
def settles_at(day: date, zone: str) -> datetime:
    """When every night that has hours on a UTC date is over in the zone."""
    last_moment = datetime(day.year, day.month, day.day, tzinfo=UTC) + DAY - timedelta(microseconds=1)
    return night_hours(night_of(last_moment, zone), zone)[1]


def first_night_from(day: date, zone: str) -> date:
    """The first night that has no hour before a UTC date."""
    return next(night for night in (day - DAY, day, day + DAY) if night_dates(night, zone)[0] >= day)


def last_night_over(now: datetime, zone: str) -> date:
    """The newest night that is over in the zone."""
    return night_of(now, zone) - DAY


def is_main_sleep(start: datetime, end: datetime, zone: str) -> bool:
    """Whether a recording is a night's sleep and not a nap.

    It is if it lasts 3 hours or more, or if more than half of it lies between 21:00 and 09:00 on the zone's clocks.
    """
    in_bed = end - start
    if in_bed >= MAIN_SLEEP:
        return True
    # Shorter than from morning to evening, so it can touch only one of the two.
    night = night_of(start, zone)
    evening, morning = _instant(night, EVENING, zone), _instant(night + DAY, MORNING, zone)
    return 2 * (min(end, morning) - max(start, evening)) > in_bed


def _dates(first: datetime, after: datetime) -> tuple[date, ...]:
    start, end = utc_date(first), utc_date(after - timedelta(microseconds=1))
    return tuple(start + number * DAY for number in range((end - start).days + 1))


def _instant(day: date, clock: time, zone: str) -> datetime:
    return datetime.combine(day, clock, zone_named(zone)).astimezone(UTC)
