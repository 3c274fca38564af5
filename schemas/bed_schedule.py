"""When a bed is told what: entries at local times of day, and the instants and durations that come of them.

An entry lasts until the next one that names the same side, in real elapsed time: a night with a clock change is an hour
shorter or longer. A local time that a clock skips acts at the moment it jumps, one that it shows twice acts the first
time. Levels are -100 to 100, never degrees.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import NamedTuple

from schemas.eight_sleep import HIGHEST_LEVEL, LOWEST_LEVEL
from schemas.nights import zone_named

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
EVERY_DAY = frozenset(range(7))
LONGEST_DURATION_S = 366 * 86_400
"""More seconds than that are a mistake; the vendor states no limit."""

_DAY = timedelta(days=1)
_SECOND = timedelta(seconds=1)
_REACH = 10 * _DAY
"""An entry comes once a week at least, and a day that a zone skips moves it by less than two."""


class Preset(NamedTuple):
    """Levels by name; None leaves a side as it is. ``duration_s`` 0 is until told otherwise."""

    left: int | None
    right: int | None
    duration_s: int = 0


PRESETS: Mapping[str, Preset] = {
    "sleep": Preset(-40, -40, 28_800),
    "wake": Preset(15, 15, 1_800),
    "off": Preset(0, 0),
}
"""Those of the SmartBedAPI reference."""


@dataclass(frozen=True, slots=True)
class Entry:
    """At this local time, on these weekdays (0 is Monday), these levels; ``bed`` None is every bed."""

    at: time
    left: int | None = None
    right: int | None = None
    days: frozenset[int] = EVERY_DAY
    bed: str | None = None

    def __repr__(self) -> str:
        return "Entry(…)"  # a bed's name is an id


@dataclass(frozen=True, slots=True)
class BedSchedule:
    """Entries in local time of ``zone``, an IANA name, and the presets that a person has named."""

    zone: str
    entries: tuple[Entry, ...]
    presets: Mapping[str, Preset]

    def of_bed(self, *names: str | None) -> "BedSchedule":
        """What holds for the bed of these names: its own entries and those of every bed."""
        return replace(self, entries=tuple(entry for entry in self.entries if entry.bed is None or entry.bed in names))

    def named_beds(self) -> list[str]:
        """The beds that have entries of their own, as the schedule names them, in its order."""
        return list(dict.fromkeys(entry.bed for entry in self.entries if entry.bed is not None))


@dataclass(frozen=True, slots=True)
class Order:
    """The level of one side from ``since`` until ``until`` (UTC), when the next entry takes over."""

    level: int
    since: datetime
    until: datetime

    def seconds_from(self, moment: datetime) -> int:
        """Whole seconds that are left of it at ``moment``, rounded up; 0 when it is over."""
        return seconds_between(moment, self.until)


@dataclass(frozen=True, slots=True)
class Action:
    """What happens at one instant (UTC); a side that is None goes on as it was."""

    at: datetime
    left: Order | None
    right: Order | None


class InForce(NamedTuple):
    """The order that holds for each side at some moment; None when the schedule never names the side."""

    left: Order | None
    right: Order | None


def actions_between(schedule: BedSchedule, start: datetime, end: datetime) -> list[Action]:
    """Every action with ``start <= at < end`` (aware instants), in order; entries of one instant are one action.

    Of entries that fall on one instant the later one by the local clock wins, and a bed's own entry over one for every
    bed.
    """
    orders = {side: list(_orders(schedule, side, start, end)) for side in ("left", "right")}
    by_instant: dict[datetime, dict[str, Order]] = {}
    for side, of_side in orders.items():
        for order in of_side:
            if start <= order.since < end:
                by_instant.setdefault(order.since, {})[side] = order
    return [Action(at, sides.get("left"), sides.get("right")) for at, sides in sorted(by_instant.items())]


def in_force(schedule: BedSchedule, now: datetime) -> InForce:
    """What holds at ``now``, an aware instant."""

    def of_side(side: str) -> Order | None:
        return next((order for order in _orders(schedule, side, now, now) if order.since <= now < order.until), None)

    return InForce(of_side("left"), of_side("right"))


def first_moment(local: datetime, zone: str) -> datetime:
    """The first instant (UTC) at which a clock of the zone shows the naive ``local`` or, where it jumps, more."""
    tz = zone_named(zone)
    moment = local.replace(tzinfo=tz, fold=0).astimezone(UTC)
    if _shown(moment, zone) == local:
        return moment
    # The clock jumps over it: before, the earlier reading of the two holds, and after, the later one.
    before, after = local.replace(tzinfo=tz, fold=1).astimezone(UTC), moment
    while after - before > _SECOND:
        middle = before + (after - before) // _SECOND // 2 * _SECOND
        before, after = (before, middle) if _shown(middle, zone) >= local else (middle, after)
    return after


def seconds_between(moment: datetime, until: datetime) -> int:
    """Whole seconds from one instant to the other, rounded up; 0 when it has come."""
    return max(0, -((moment - until) // _SECOND))


def check_levels(left: int | None, right: int | None, duration_s: int) -> str | None:
    """What is wrong with a command, as the end of a sentence; None when it may be sent."""
    if left is None and right is None:
        return "no side is given a level: name left, right or both"
    if not all(LOWEST_LEVEL <= level <= HIGHEST_LEVEL for level in (left, right) if level is not None):
        return f"a level is not from {LOWEST_LEVEL} to {HIGHEST_LEVEL}: correct it"
    if not 0 <= duration_s <= LONGEST_DURATION_S:
        return f"the duration is not from 0 to {LONGEST_DURATION_S} seconds: correct it"
    return None


def _orders(schedule: BedSchedule, side: str, start: datetime, end: datetime) -> Iterator[Order]:
    """The orders of one side that hold at ``start``, and all that begin up to ``end``."""
    levels: dict[datetime, int] = {}
    for instant, entry in _moments(schedule, start - _REACH, end + _REACH):
        level = entry.left if side == "left" else entry.right
        if level is not None:
            levels[instant] = level
    for since, until in pairwise(levels):
        yield Order(levels[since], since, until)


def _moments(schedule: BedSchedule, start: datetime, end: datetime) -> Iterator[tuple[datetime, Entry]]:
    """Entries with their instants in order; what comes later overrides what came before at the same instant."""
    ordered = sorted(schedule.entries, key=lambda entry: (entry.at, entry.bed is not None))
    for day in _dates(_shown(start, schedule.zone).date(), _shown(end, schedule.zone).date()):
        for entry in ordered:
            if day.weekday() in entry.days:
                yield first_moment(datetime.combine(day, entry.at), schedule.zone), entry


def _dates(first: date, last: date) -> Iterable[date]:
    return (first + number * _DAY for number in range((last - first).days + 1))


def _shown(instant: datetime, zone: str) -> datetime:
    """What a clock of the zone shows, naive."""
    return instant.astimezone(zone_named(zone)).replace(tzinfo=None, fold=0)
