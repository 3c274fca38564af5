"""Which runs drain what is dirty: few, contiguous, short enough, covering exactly that; told apart by generation."""

from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.builds import ALL_USERS, BACKFILL_DAYS, DAILY_INPUTS, MONTHLY_INPUTS, USER_INPUTS
from pipelines.dirty_runs import RANGE_END, RANGE_START, BuildRun, marts_runs, runs_for
from pipelines.jobs import JOBS

Dirty = dict[str, dict[str, str]]

START = date(2020, 1, 1)
DAYS = [(START + timedelta(days=number)).isoformat() for number in range(400)]
MONTHS = [f"{year}-{month:02}" for year in range(2020, 2036) for month in range(1, 13)]

generations = st.sampled_from(["g1", "g2", "g3"])


def dirty_of(assets: list[str], partitions: list[str]) -> st.SearchStrategy[Dirty]:
    """Some partitions of some assets: alone, in stretches, or long stretches with holes."""
    stretches = st.lists(st.tuples(st.integers(0, len(partitions)), st.integers(0, 120)), max_size=4)
    some = stretches.map(lambda found: [p for start, length in found for p in partitions[start : start + length]])
    marked = some.flatmap(lambda found: st.fixed_dictionaries(dict.fromkeys(sorted(set(found)), generations)))
    return st.dictionaries(st.sampled_from(assets), marked, max_size=3)


def covered(run: BuildRun, partitions: list[str]) -> list[str]:
    """The partitions between the first and the last of a run."""
    assert run.first is not None
    assert run.last is not None
    return partitions[partitions.index(run.first) : partitions.index(run.last) + 1]


def waiting_for(dirty: Dirty, partition: str) -> frozenset[str]:
    """The assets that are dirty in a partition."""
    return frozenset(asset for asset, marked in dirty.items() if partition in marked)


@pytest.mark.parametrize(
    ("assets", "partitions", "job"),
    [(sorted(DAILY_INPUTS), DAYS, "sleep"), (sorted(MONTHLY_INPUTS), MONTHS, "average_stats")],
    ids=["days", "months"],
)
@given(data=st.data())
def test_ranges_cover_exactly_what_is_dirty(
    assets: list[str], partitions: list[str], job: str, data: st.DataObject
) -> None:
    """Each partition once, in order, nothing clean, only what waits for the same assets, and as few as are allowed."""
    dirty = data.draw(dirty_of(assets, partitions))
    runs = runs_for(dirty)
    assert {run.job for run in runs} <= {job}
    ranges = [covered(run, partitions) for run in runs]
    wanted = sorted({partition for marked in dirty.values() for partition in marked})
    assert [partition for members in ranges for partition in members] == wanted
    assert all(len(members) <= BACKFILL_DAYS for members in ranges)
    assert all(len({waiting_for(dirty, partition) for partition in members}) == 1 for members in ranges)
    for one, other in pairwise(ranges):
        touching = partitions.index(one[-1]) + 1 == partitions.index(other[0])
        alike = waiting_for(dirty, one[-1]) == waiting_for(dirty, other[0])
        assert not (touching and alike) or len(one) == BACKFILL_DAYS
    assert [run.tags for run in runs] == [{RANGE_START: run.first, RANGE_END: run.last} for run in runs]


@given(dirty_of(sorted(DAILY_INPUTS), DAYS), st.data())
def test_a_mark_changes_with_what_it_covers_and_with_nothing_else(dirty: Dirty, data: st.DataObject) -> None:
    """A new generation of one partition of one asset changes the mark of its run, and of no other run."""
    changed = sorted((asset, day) for asset, marked in dirty.items() for day in marked)
    before = runs_for(dirty)
    assert runs_for(dict(reversed(dirty.items()))) == before
    if not changed:
        return
    asset, day = data.draw(st.sampled_from(changed))
    after = runs_for({**dirty, asset: {**dirty[asset], day: "a new generation"}})
    different = [run for run, other in zip(before, after, strict=True) if run != other]
    assert len(different) == 1
    assert day in covered(different[0], DAYS)


def test_a_range_goes_over_months_years_and_leap_days() -> None:
    """Neighbours in the calendar are neighbours in a range."""
    days = ["2023-12-31", "2024-01-01", "2024-02-28", "2024-02-29", "2024-03-01", "2023-02-28", "2023-03-01"]
    months = ["2025-12", "2026-01", "2026-03"]
    runs = runs_for({"sleep_sessions": dict.fromkeys(days, "g"), "average_stats": dict.fromkeys(months, "g")})
    assert [(run.job, run.first, run.last) for run in runs] == [
        ("sleep", "2023-02-28", "2023-03-01"),
        ("sleep", "2023-12-31", "2024-01-01"),
        ("sleep", "2024-02-28", "2024-03-01"),
        ("average_stats", "2025-12", "2026-01"),
        ("average_stats", "2026-03", "2026-03"),
    ]


def test_a_date_that_failed_holds_no_other_back() -> None:
    """Its neighbours are clean in the layer that failed, and have runs of their own."""
    days = ["2026-11-19", "2026-11-20", "2026-11-21", "2026-11-22"]
    dirty = {"sleep_sessions": {days[1]: "g"}, "warehouse_sleep": dict.fromkeys(days, "g")}
    assert [(run.first, run.last) for run in runs_for(dirty)] == [
        (days[0], days[0]),
        (days[1], days[1]),
        (days[2], days[3]),
    ]


def test_users_are_one_run_without_a_range() -> None:
    """However many of the assets over all users are dirty."""
    runs = runs_for({asset: {ALL_USERS: "g"} for asset in USER_INPUTS})
    assert [(run.job, run.first, run.last, run.tags) for run in runs] == [("users", None, None, {})]
    assert runs != runs_for({"users": {ALL_USERS: "g"}})


def test_marts_are_a_run_of_their_own() -> None:
    """They come after the builds, which do not know of them."""
    dirty = {"marts": {ALL_USERS: "g"}, "night_ledger": {"2026-11-22": "g"}}
    assert [run.job for run in runs_for(dirty)] == ["nights"]
    assert [(run.job, run.first, run.tags) for run in marts_runs(dirty)] == [("marts", None, {})]
    assert marts_runs({"night_ledger": {"2026-11-22": "g"}}) == []


def test_nothing_dirty_is_nothing_to_run() -> None:
    """Neither an empty queue nor assets without partitions give a run."""
    assert runs_for({}) == []
    assert runs_for({"sleep_sessions": {}, "users": {}}) == []


def test_what_asks_the_vendor_nothing_comes_first_and_jobs_exist() -> None:
    """Nights, then months, then users, each by a job that is defined."""
    runs = runs_for(
        {"warehouse_users": {ALL_USERS: "g"}, "average_stats": {"2026-11": "g"}, "sleep_sessions": {"2026-11-22": "g"}}
    )
    assert [run.job for run in runs] == ["sleep", "average_stats", "users"]
    assert {run.job for run in runs} <= {job.name for job in JOBS}
