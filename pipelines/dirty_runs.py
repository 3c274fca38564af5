"""Which runs drain the dirty partitions: contiguous ranges of days, ranges of months, the users, the marts.

The sensor and the command line both take their runs from here.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from hashlib import sha256
from itertools import chain

from assets.builds import (
    ALL_USERS,
    BACKFILL_DAYS,
    BED_INPUTS,
    DAILY_INPUTS,
    LIVE_INPUTS,
    MARTS_INPUTS,
    MONTHLY_INPUTS,
    NIGHT_INPUTS,
    USER_INPUTS,
)

RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"

SLEEP_JOB = "sleep"
BEDS_JOB = "beds"
NIGHTS_JOB = "nights"
AVERAGE_STATS_JOB = "average_stats"
USERS_JOB = "users"
LIVE_JOB = "live"
MARTS_JOB = "marts"


@dataclass(frozen=True, slots=True)
class BuildRun:
    """A run of a build job over a range of partitions (None: not partitioned). ``mark`` is new when raw is."""

    job: str
    first: str | None
    last: str | None
    mark: str

    @property
    def tags(self) -> dict[str, str]:
        """The tags that make Dagster run the range as one run."""
        return {RANGE_START: self.first, RANGE_END: self.last} if self.first and self.last else {}


def runs_for(dirty: Mapping[str, Mapping[str, str]]) -> list[BuildRun]:
    """The runs that build what is dirty (asset to partition to generation), in the order they should run.

    The partitions of a run wait for the same assets. A run ends where a layer fails for one of its partitions: the
    others are clean in that layer then, and go on in a run of their own.
    """
    return [
        *_ranges(BEDS_JOB, _waiting(dirty, BED_INPUTS), _next_day),
        *_ranges(SLEEP_JOB, _waiting(dirty, DAILY_INPUTS), _next_day),
        *_ranges(NIGHTS_JOB, _waiting(dirty, NIGHT_INPUTS), _next_day),
        *_ranges(AVERAGE_STATS_JOB, _waiting(dirty, MONTHLY_INPUTS), _next_month),
        *(
            BuildRun(USERS_JOB, None, None, _mark(waiting.values()))
            for partition, waiting in _waiting(dirty, USER_INPUTS).items()
            if partition == ALL_USERS
        ),
    ]


def live_runs(dirty: Mapping[str, Mapping[str, str]]) -> list[BuildRun]:
    """The run that loads the running sessions, if they are dirty: all night long, so that nothing else waits for it."""
    return [
        BuildRun(LIVE_JOB, None, None, _mark(waiting.values())) for waiting in _waiting(dirty, LIVE_INPUTS).values()
    ]


def marts_runs(dirty: Mapping[str, Mapping[str, str]]) -> list[BuildRun]:
    """The run that computes the marts, if they are dirty: once the builds of ``runs_for`` have run, for they read them.

    They do not wait for builds that fail, and are dirty still after such a run.
    """
    return [
        BuildRun(MARTS_JOB, None, None, _mark(waiting.values())) for waiting in _waiting(dirty, MARTS_INPUTS).values()
    ]


def day_ranges(first: date, last: date) -> Iterator[tuple[date, date]]:
    """Cut ``first``..``last`` (inclusive) into ranges of at most ``BACKFILL_DAYS`` days."""
    while first <= last:
        end = min(last, first + timedelta(days=BACKFILL_DAYS - 1))
        yield first, end
        first = end + timedelta(days=1)


def _waiting(dirty: Mapping[str, Mapping[str, str]], assets: Iterable[str]) -> dict[str, dict[str, str]]:
    """The assets that each partition waits for, with the generation each is to reach."""
    partitions: dict[str, dict[str, str]] = {}
    for asset in assets:
        for partition, generation in dirty.get(asset, {}).items():
            partitions.setdefault(partition, {})[asset] = generation
    return partitions


def _ranges(job: str, waiting: Mapping[str, dict[str, str]], after: Callable[[str], str]) -> Iterator[BuildRun]:
    group: list[str] = []
    for partition in sorted(waiting):
        goes_on = group and partition == after(group[-1]) and waiting[partition].keys() == waiting[group[-1]].keys()
        if not goes_on or len(group) == BACKFILL_DAYS:
            yield from _run(job, group, waiting)
            group = []
        group.append(partition)
    yield from _run(job, group, waiting)


def _run(job: str, group: Sequence[str], waiting: Mapping[str, dict[str, str]]) -> Iterator[BuildRun]:
    if group:
        yield BuildRun(job, group[0], group[-1], _mark(chain.from_iterable(waiting[one].values() for one in group)))


def _next_day(day: str) -> str:
    return (date.fromisoformat(day) + timedelta(days=1)).isoformat()


def _next_month(month: str) -> str:
    return f"{date.fromisoformat(f'{month}-01') + timedelta(days=31):%Y-%m}"


def _mark(generations: Iterable[str]) -> str:
    return sha256("".join(sorted(generations)).encode()).hexdigest()[:16]
