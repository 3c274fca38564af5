"""Putting a bed schedule into force, each entry once: what was told to which bed is remembered in the home.

When it is looked at is decided in ``pipelines.bed_schedule``.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from assets.control.beds import Bed, open_beds
from connectors.eight_sleep.connection import EightSleepConnection
from connectors.errors import DeviceOffline, NightshiftError
from connectors.home import Home
from connectors.lake.publish import publish
from schemas.bed_schedule import BedSchedule, InForce, in_force

LOCK = "eight-sleep-schedule"
"""Held while beds are told, so that two that apply the schedule do not tell them twice."""

OFFLINE = "A bed is offline: check its hub's power and network; it is told when it is back."

_FILE_NAME = "bed-schedule.told"


class Told(msgspec.Struct, frozen=True):
    """Up to which instant of the schedule a bed has been told; ``trying`` is one that may have been sent."""

    until: datetime | None = None
    trying: datetime | None = None


class Memory(msgspec.Struct):
    """What the home remembers: ``done`` is the last instant told to every bed, ``tried_at`` the last attempt.

    ``beds`` has marks that do not name the beds.
    """

    beds: dict[str, Told] = {}
    done: datetime | None = None
    tried_at: datetime | None = None


@dataclass
class Applied:
    """What came of it: beds that were told, beds that needed nothing, beds named that no account has, and failures."""

    told: int = 0
    left_alone: int = 0
    unknown: int = 0
    failures: list[NightshiftError] = field(default_factory=list)


def read_memory(home: Home) -> Memory:
    """What is remembered; nothing if it is missing, damaged, or of a time that has not come yet."""
    with suppress(OSError, ValueError, TypeError, RecursionError):
        memory = msgspec.json.decode((home.root / _FILE_NAME).read_bytes(), type=Memory)
        now = home.clock()
        told = (moment for bed in memory.beds.values() for moment in (bed.until, bed.trying))
        if all(moment is None or moment <= now for moment in (memory.done, memory.tried_at, *told)):
            return memory
    return Memory()


def due(schedule: BedSchedule, now: datetime) -> datetime | None:
    """The last instant at which the schedule, of whatever bed, changed something; None if it has no entry."""
    plans = [schedule.of_bed(name) for name in (None, *schedule.named_beds())]
    return max((order.since for plan in plans for order in in_force(plan, now) if order), default=None)


async def apply(
    schedule: BedSchedule,
    accounts: Sequence[EightSleepConnection],
    home: Home,
    *,
    name: str | None = None,
    account: int | None = None,
    again: bool = False,
) -> Applied:
    """Tell the beds what is in force now, for as long as it lasts; of each entry only once, unless ``again``.

    ``again`` tells all that is in force, but not what the bed shows already. The caller holds the lock ``LOCK``.
    Raises: WrongUsage, or a VendorError when no account can be asked.
    """
    memory, start = read_memory(home), home.clock()
    memory.tried_at = start
    _remember(home, memory)
    async with open_beds(accounts, account) as beds:
        result = Applied(failures=list(beds.failures))
        for bed in beds.named(name):
            try:
                was_told = await _apply_to(bed, schedule, memory, home, again=again)
            except NightshiftError as error:
                result.failures.append(error)
            else:
                result.told += was_told
                result.left_alone += not was_told
        if name is None and account is None:
            result.unknown = sum(not any(bed.is_called(one) for bed in beds.found) for one in schedule.named_beds())
            if not result.failures:
                memory.done = due(schedule, start)
                _remember(home, memory)
    return result


async def _apply_to(bed: Bed, schedule: BedSchedule, memory: Memory, home: Home, *, again: bool) -> bool:
    mark = bed.mark
    told = memory.beds.get(mark, Told())
    state = in_force(schedule.of_bed(bed.device.id, bed.device.device_id), home.clock())
    latest = max((order.since for order in state if order), default=None)
    if latest is None or not (again or told.until is None or latest > told.until):
        return False
    if not again and told.until is not None:
        state = InForce(*(order if order and order.since > told.until else None for order in state))
    if again or told.until is None or told.trying == latest:
        # It may have been sent before; an entry that has just come is not asked about, but sent.
        state = await _without_what_it_shows(bed, state)
    memory.beds[mark] = Told(told.until, latest)
    _remember(home, memory)
    sent = commands(state)
    for left, right, until in sent:
        await bed.tell_until(left, right, until)
    memory.beds[mark] = Told(latest)
    _remember(home, memory)
    return bool(sent)


async def _without_what_it_shows(bed: Bed, state: InForce) -> InForce:
    status = await bed.status()
    if not status.online:
        raise DeviceOffline(OFFLINE)
    shown = (status.left.temp_target, status.right.temp_target)
    return InForce(
        *(order if order and order.level != level else None for order, level in zip(state, shown, strict=True))
    )


def commands(state: InForce) -> list[tuple[int | None, int | None, datetime]]:
    """Both sides in one call, unless one lasts longer: left level, right level, until when."""
    left, right = state
    if left and right and left.until == right.until:
        return [(left.level, right.level, left.until)]
    return [
        *([(left.level, None, left.until)] if left else []),
        *([(None, right.level, right.until)] if right else []),
    ]


def _remember(home: Home, memory: Memory) -> None:
    publish(home.root / _FILE_NAME, msgspec.json.encode(memory), mode=0o600)
