"""When a cron line last came due, as the scheduler itself sees it."""

from datetime import UTC, datetime, timedelta

import pytest
from dagster._utils.schedules import reverse_cron_string_iterator
from hypothesis import example, given
from hypothesis import strategies as st

from pipelines.command.doctor.cron import last_tick

MINUTE = timedelta(minutes=1)
NOW = datetime(2026, 11, 22, 7, 0, tzinfo=UTC)
MOMENTS = st.integers(0, 9 * 366 * 1440).map(lambda minutes: datetime(2021, 1, 1, tzinfo=UTC) + minutes * MINUTE)
FIELDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 6))


def fields(lowest: int, highest: int) -> st.SearchStrategy[str]:
    """What people write: every value, every so many, lists of numbers and ranges."""
    numbers = st.integers(lowest, highest)
    ranges = st.lists(numbers, min_size=2, max_size=2, unique=True).map(sorted).map(lambda ends: f"{ends[0]}-{ends[1]}")
    lists = st.lists(numbers.map(str) | ranges, min_size=1, max_size=3).map(",".join)
    return st.just("*") | st.integers(2, max(2, highest // 2)).map(lambda step: f"*/{step}") | lists


@given(
    st.tuples(*(fields(*bounds) for bounds in FIELDS)).map(" ".join),
    MOMENTS,
)
@example("0 4 * * *", NOW)
@example("30 3 * * mon-fri", NOW)
@example("0 0 * * 7", NOW)
@example("0 0 * * fri-mon", NOW)
@example("0 22-2 * * *", NOW)
@example("0 0 29 2 *", NOW)
@example("0 4 1 jan,jul *", NOW)
@example("0 0 13 * 5", NOW)
@example("0 0 */2 * 1", NOW)
@example("0 0 */3 2 0-6", NOW)
def test_it_is_the_tick_of_the_scheduler(cron: str, now: datetime) -> None:
    """The newest moment the scheduler would have ticked at, for every kind of line."""
    just_after = now + timedelta(seconds=30)
    try:
        expected = next(reverse_cron_string_iterator(just_after.timestamp(), cron, "UTC"))
    except ValueError:  # a date that is in no calendar
        expected = None
    assert last_tick(cron, just_after) == expected


@given(MOMENTS)
def test_a_tick_of_this_very_minute_counts(now: datetime) -> None:
    """A daily line is due at its minute, and never more than a day ago."""
    cron = f"{now.minute} {now.hour} * * *"
    assert last_tick(cron, now) == now
    assert last_tick(cron, now - timedelta(seconds=1)) == now - timedelta(days=1)


@pytest.mark.parametrize("cron", ["0 0 30 2 *", "0 0 31 4,6 *"])
def test_a_line_that_never_ticks(cron: str) -> None:
    """A date that no year has gives nothing, not an error."""
    assert last_tick(cron, NOW) is None
