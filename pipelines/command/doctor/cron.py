"""When a cron line last came due. The line is one that ``pipelines.settings`` has accepted; times are UTC.

The rules are those of the scheduler that runs it: where both a day of the month and a weekday are given, either does.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta

LONGEST_GAP_DAYS = 8 * 366 + 1
"""A line that ticks at all ticks within eight years: February 29th is missing in 2100."""

_NAMES = {
    name: str(number)
    for names, start in (
        (("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), 1),
        (("sun", "mon", "tue", "wed", "thu", "fri", "sat"), 0),
    )
    for number, name in enumerate(names, start)
}
_MONTH = 31
_WEEK = 7


def last_tick(cron: str, now: datetime) -> datetime | None:
    """The newest moment at or before ``now`` (aware) at which the line was due; None if it never is."""
    minutes, hours, days, months, weekdays = cron.lower().split()
    times = sorted(time(h, m, tzinfo=UTC) for h in _values(hours, 0, 23) for m in _values(minutes, 0, 59))
    now = now.astimezone(UTC)
    for day in _days_before(now.date()):
        if day.month in _values(months, 1, 12) and _is_day(day, days, weekdays):
            due = [moment for clock in times if (moment := datetime.combine(day, clock)) <= now]
            if due:
                return due[-1]
    return None


def _days_before(day: date) -> Iterator[date]:
    return (day - timedelta(days=back) for back in range(LONGEST_GAP_DAYS))


def _is_day(day: date, days: str, weekdays: str) -> bool:
    of_month = _values(days, 1, _MONTH)
    of_week = {number % _WEEK for number in _values(weekdays, 0, _WEEK - 1)}
    on_day, on_weekday = day.day in of_month, day.isoweekday() % _WEEK in of_week
    # "0-6" beside "*/3" is as good as "*", beside "13" it is a choice of its own: so reads the scheduler.
    any_day = days == "*" or (len(of_month) == _MONTH and "*" in weekdays)
    any_weekday = weekdays == "*" or (len(of_week) == _WEEK and "*" in days)
    return on_day and on_weekday if any_day or any_weekday else on_day or on_weekday


def _values(field: str, lowest: int, highest: int) -> set[int]:
    return {value for part in field.split(",") for value in _values_of_part(part, lowest, highest)}


def _values_of_part(part: str, lowest: int, highest: int) -> Iterator[int]:
    span, _, step = part.partition("/")
    first, _, last = span.partition("-")
    start = lowest if span == "*" else int(_NAMES.get(first, first))
    end = highest if span == "*" or (step and not last) else int(_NAMES.get(last or first, last or first))
    if start <= end:
        yield from range(start, end + 1, int(step or 1))
    else:  # fri-mon: round the end
        size = highest - lowest + 1
        yield from (lowest + (number - lowest) % size for number in range(start, end + size + 1, int(step or 1)))
