"""Instants and dates of the lake as FHIR times: every one with an explicit offset.

Nothing here reads a clock. A zone is an IANA name; an unknown one raises ``zoneinfo.ZoneInfoNotFoundError``.
"""

from datetime import UTC, date, datetime, time, timedelta

from schemas.fhir.codes import Resource
from schemas.nights import zone_named

_LAST_SECOND = timedelta(seconds=1)
_ONE_DAY = timedelta(days=1)


def instant(moment: datetime) -> str:
    """An instant in UTC, written with ``Z``."""
    return moment.astimezone(UTC).isoformat().removesuffix("+00:00") + "Z"


def local_time(moment: datetime, timezone: str) -> str:
    """A dateTime on the zone's clock, with the offset that holds at that moment."""
    return moment.astimezone(zone_named(timezone)).isoformat()


def period(start: datetime, end: datetime, timezone: str) -> Resource:
    """A Period on the zone's clock; over a change of the clock its two offsets differ."""
    return {"start": local_time(start, timezone), "end": local_time(end, timezone)}


def whole_days(first: date, last: date, timezone: str) -> Resource:
    """A Period from the first second of the first day to the last second of the last day on the zone's clock.

    FHIR counts the second named as the end in, so the end is 23:59:59 and not the next midnight.
    """
    return period(_day_begins(first, timezone), _day_begins(last + _ONE_DAY, timezone) - _LAST_SECOND, timezone)


def _day_begins(day: date, timezone: str) -> datetime:
    """In UTC, where a day's first moment is sound also in zones whose clock changes at midnight."""
    return datetime.combine(day, time(), zone_named(timezone)).astimezone(UTC)
