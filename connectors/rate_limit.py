"""The vendor's limit as a budget that every process of one home shares.

A small file holds the time of the next free slot; whoever wants to call a vendor reserves a slot under a lock on that
file. What is asked of the vendor, and what happens when it refuses all the same, does not live here.
"""

import asyncio
import contextlib
import fcntl
import math
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from weakref import WeakKeyDictionary

WINDOW_S = 10.0
"""The length over which the limit is promised: never more than ``per_second * WINDOW_S`` slots in any such window."""

CREDIT_S = 0.05
"""How late a slot may be used. It pays for sleeps that last too long, so that they cost no capacity."""

MARGIN = 1.02
"""Slots are spaced 2 % wider than the limit: room for ``CREDIT_S`` and for unequal travel times to the vendor."""

AHEAD_S = 1.0
"""How far into the future a slot may be reserved; whatever lies much further ahead was not written by this clock."""

_LATE_SLOTS = 8
_SHORTEST_WAIT_S = 0.002
_STATE_BYTES = 64


@dataclass(frozen=True)
class Pace:
    """The arithmetic of evenly spaced slots (GCRA): times in seconds, no file, no clock.

    Slots are at least ``interval_s`` apart and each is used at most ``CREDIT_S`` late, hence at most
    ``ceil((WINDOW_S + CREDIT_S) / interval_s)`` of them fall into a window, which is within the limit. A call that
    comes later still is paid for with a later slot.
    """

    interval_s: float

    @classmethod
    def of(cls, per_second: float) -> "Pace":
        """The pace for a limit in calls per second; raises ``ValueError`` unless it is positive and finite."""
        if not (math.isfinite(per_second) and per_second > 0):
            raise ValueError("a rate limit must be a positive number of calls per second")
        whole_slots = max(1, math.floor(per_second * WINDOW_S))
        return cls(MARGIN * max(1 / per_second, WINDOW_S / whole_slots))

    def slot(self, free_at: float, now: float) -> float:
        """The first slot at or after ``free_at``; an impossible ``free_at`` (clock set back, garbage) counts as now."""
        if not 0 <= free_at <= now + AHEAD_S + _LATE_SLOTS * self.interval_s:
            free_at = now
        return max(free_at, now - CREDIT_S)

    def after(self, slot: float) -> float:
        """The earliest slot once ``slot`` is taken."""
        return slot + self.interval_s


class RateLimit:
    """At most ``per_second`` calls a second, over all processes that name the same ``path``.

    ``clock`` is wall-clock seconds, the one clock that all processes share; ``sleep`` waits that many seconds.
    """

    def __init__(
        self,
        path: Path,
        per_second: float,
        *,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._path = path
        self._pace = Pace.of(per_second)
        self._clock = clock
        self._sleep = sleep
        self._turns: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()
        path.parent.mkdir(parents=True, exist_ok=True)

    async def acquire(self) -> float:
        """Wait for the next free slot and return its time (wall-clock seconds); first come, first served.

        Raises ``OSError`` when the file cannot be opened or written.
        """
        # One waiter of a process at a time: a cancelled run wastes one slot, and the file never runs far ahead.
        async with self._turn():
            while True:
                slot = await self._reserve()
                late_s = await self._late_after_sleeping_until(slot)
                if late_s > CREDIT_S:
                    return await self._used_late(slot)
                if late_s >= 0:
                    return slot

    def _turn(self) -> asyncio.Lock:
        return self._turns.setdefault(asyncio.get_running_loop(), asyncio.Lock())

    async def _reserve(self) -> float:
        """Take the next slot from the file, as soon as it is near enough to be reserved."""
        while True:
            async with self._locked() as file:
                now = self._clock()
                slot = self._pace.slot(_read(file), now)
                too_early_s = slot - now - AHEAD_S
                if too_early_s <= 0:
                    _write(file, self._pace.after(slot))
                    return slot
            await self._sleep(max(too_early_s, _SHORTEST_WAIT_S))

    async def _late_after_sleeping_until(self, slot: float) -> float:
        """Seconds since ``slot`` when awake again; negative when a clock set back has made the slot worthless."""
        while 0 < (wait_s := slot - self._clock()) <= AHEAD_S:
            await self._sleep(wait_s)
        return -wait_s

    async def _used_late(self, slot: float) -> float:
        """The slot that stands for a call made now, too late for ``slot``, with later slots moved to make room."""
        async with self._locked() as file:
            free_at = _read(file)
            if free_at == self._pace.after(slot):
                slot = self._clock() - CREDIT_S
                free_at = slot
            # Slots reserved since cannot be moved, so the call takes the place of the first one after them.
            _write(file, self._pace.after(free_at))
        return slot

    @contextlib.asynccontextmanager
    async def _locked(self) -> AsyncIterator[int]:
        """The open state file under an exclusive lock; hold it without awaiting anything."""
        # Opened anew each time: a descriptor inherited by a fork would share its lock with the parent.
        file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            while not _lock(file):
                await self._sleep(_SHORTEST_WAIT_S)
            yield file
        finally:
            os.close(file)


def _lock(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read(file: int) -> float:
    """The time of the next free slot, or NaN when the file holds none."""
    try:
        return float(os.pread(file, _STATE_BYTES, 0))
    except ValueError:
        return math.nan


def _write(file: int, free_at: float) -> None:
    text = f"{free_at!r}\n".encode()
    os.pwrite(file, text.ljust(_STATE_BYTES), 0)
    os.ftruncate(file, _STATE_BYTES)
