"""Every change of every zone's clock from 2020 to 2030, sessions around it, and their dates by arithmetic on offsets.

All in whole seconds since 1970, UTC; a wall clock is such a number plus the offset. Dates come from division by the
day, not from ``datetime``, so that the functions under test are not asked about themselves.
"""

from bisect import bisect_right
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import product
from typing import NamedTuple
from zoneinfo import ZoneInfo, available_timezones

HOUR = 3600
HALF_DAY = 12 * HOUR
DAY = 24 * HOUR

FIRST = int(datetime(2020, 1, 1, tzinfo=UTC).timestamp())
LAST = int(datetime(2031, 1, 1, tzinfo=UTC).timestamp())
_LOOK_EVERY = 7 * DAY
"""Oftener than any zone has changed since 2020: Fiji's last summer had four weeks."""


class Change(NamedTuple):
    """The first second of a new offset, the offset before and the offset from then on."""

    at: int
    before: int
    after: int


def zones() -> list[str]:
    """All names of the tz database."""
    return sorted(available_timezones())


@cache
def changes_of(zone: str) -> tuple[Change, ...]:
    """Each change of the zone's offset, found by bisection."""
    found = []
    for start in range(FIRST, LAST, _LOOK_EVERY):
        end = min(start + _LOOK_EVERY, LAST)
        before, after = _offset(zone, start), _offset(zone, end)
        if before != after:
            found.append(Change(_first_second(zone, start, end, after), before, after))
    return tuple(found)


def moments_of(zone: str) -> tuple[Change, ...]:
    """The zone's changes; where the clock never changes, a summer and a winter moment."""
    offset = _offset(zone, FIRST)
    quiet = (datetime(2024, 2, 29, 3, 4, 5, tzinfo=UTC), datetime(2026, 7, 1, 18, tzinfo=UTC))
    return changes_of(zone) or tuple(Change(int(moment.timestamp()), offset, offset) for moment in quiet)


def starts_around(change: Change) -> Iterator[int]:
    """Starts before, in and after the skipped or repeated time, and within a minute of noon and of midnight."""
    gap = abs(change.after - change.before)
    anchors = {change.at, change.at - gap // 2, change.at + gap // 2, change.at - gap, change.at + gap}
    anchors |= {change.at - 4 * HOUR, change.at + 4 * HOUR}
    for offset, clock in product((change.before, change.after), (0, HALF_DAY)):
        wall = (change.at + offset - clock) // DAY * DAY + clock
        anchors |= {wall - offset, wall + DAY - offset}
    anchors |= {change.at // DAY * DAY, change.at // DAY * DAY + DAY}
    for anchor in sorted(anchors):
        yield from (anchor - 59, anchor - 1, anchor, anchor + 1, anchor + 59)


def offset_at(zone: str, second: int) -> int:
    """The offset of the zone's clock, from the changes alone."""
    changes = moments_of(zone)
    past = bisect_right(changes, second, key=lambda change: change.at)
    return changes[past - 1].after if past else changes[0].before


def date_at(second: int, offset: int = 0) -> date:
    """The date on a clock with this offset."""
    return date.fromordinal(_EPOCH + (second + offset) // DAY)


def night_at(second: int, offset: int) -> date:
    """The date of the evening: that of the clock, or the one before until noon."""
    return date.fromordinal(_EPOCH + (second + offset - HALF_DAY) // DAY)


def moment(second: int) -> datetime:
    """The second as the lake has it."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=second)


_EPOCH = date(1970, 1, 1).toordinal()


def _first_second(zone: str, start: int, end: int, after: int) -> int:
    return start + 1 + bisect_right(range(start + 1, end), False, key=lambda second: _offset(zone, second) == after)


def _offset(zone: str, second: int) -> int:
    offset = datetime.fromtimestamp(second, ZoneInfo(zone)).utcoffset()
    assert offset is not None
    return int(offset.total_seconds())
