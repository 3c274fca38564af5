"""The vendor's limit as a budget that every process of one home shares.

A small file holds the time of the next free slot and what refusals have taught; whoever wants to call a vendor reserves
a slot under a lock on that file, and says whether the vendor refused the call. The arithmetic is in ``pace``; what is
asked of the vendor, and what becomes of a refused call, does not live here.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from weakref import WeakKeyDictionary

import msgspec

from connectors.pace import AHEAD_S, CREDIT_S, LOWEST_PER_SECOND, Budget, Pace, Slot
from connectors.shared_state import SharedState

_SHORTEST_WAIT_S = 0.002
_LOOK_AGAIN_S = 0.25
_DECODER = msgspec.json.Decoder(Budget | float)


class RateLimit:
    """At most ``per_second`` calls a second, over all processes that name the same ``path``; fewer once refused.

    When the vendor refuses although the limit was kept, the pace drops at once to 70 % of the one actually used (at
    least half of the one allowed, never below ``lowest_per_second``), and a single call at a time tries whether the
    vendor still refuses. From then on the pace recovers by 5 % of ``per_second`` a minute, at most by a quarter a
    minute, up to ``per_second``. All of it is in the file, so that other processes and later runs start with it; a
    file that is missing or damaged means ``per_second``.

    ``clock`` is wall-clock seconds, the one clock that all processes share; ``sleep`` waits that many seconds.
    """

    def __init__(
        self,
        path: Path,
        per_second: float,
        *,
        lowest_per_second: float = LOWEST_PER_SECOND,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._pace = Pace(per_second, lowest_per_second)
        self._budget = SharedState(path, _decoded, sleep)
        self._clock = clock
        self._sleep = sleep
        self._turns: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()

    async def acquire(self) -> Slot:
        """Wait for the next free slot and return it; first come, first served.

        Raises: DiskUnavailable.
        """
        # One waiter of a process at a time: a cancelled run wastes one slot, and the file never runs far ahead.
        async with self._turn():
            while True:
                reserved = await self._reserve()
                await self._sleep_until(reserved.at)
                if slot := await self._used_now(reserved):
                    return slot

    async def refused(self, slot: Slot, wish_s: float | None, pauses_s: tuple[float, float]) -> float:
        """Say that the vendor refused the call of ``slot``; the seconds for which it has accepted none.

        Everybody pauses: for ``wish_s`` seconds if the vendor wished so, else for the first of ``pauses_s``, doubling
        up to the second as long as nothing is accepted. Concurrent refusals count once. Raises: DiskUnavailable.
        """
        async with self._budget.held() as held:
            now = self._clock()
            held.value = budget = self._pace.refused(self._pace.possible(held.value, now), slot, now, pauses_s, wish_s)
            return now - budget.refusing_since if budget.refusing_since else 0.0

    async def accepted(self, slot: Slot) -> None:
        """Say that the vendor accepted the call of ``slot``. Raises: DiskUnavailable."""
        if slot.probe:
            async with self._budget.held() as held:
                held.value = self._pace.accepted(held.value, slot, self._clock())

    async def per_second(self) -> float:
        """Calls per second allowed at present. Raises: DiskUnavailable."""
        async with self._budget.held() as held:
            now = self._clock()
            return self._pace.per_second(self._pace.possible(held.value, now), now)

    def _turn(self) -> asyncio.Lock:
        return self._turns.setdefault(asyncio.get_running_loop(), asyncio.Lock())

    async def _reserve(self) -> Slot:
        """Take the next slot from the file, as soon as it is near enough to be reserved."""
        while True:
            async with self._budget.held() as held:
                now = self._clock()
                budget = self._pace.possible(held.value, now)
                slot = self._pace.slot(budget, now)
                too_early_s = slot.at - now - AHEAD_S
                if too_early_s <= 0:
                    held.value = self._pace.taken(budget, slot, now)
                    return slot
            # Another call may find out meanwhile that the vendor accepts calls again.
            await self._sleep(min(max(too_early_s, _SHORTEST_WAIT_S), _LOOK_AGAIN_S))

    async def _sleep_until(self, moment: float) -> None:
        while 0 < (wait_s := moment - self._clock()) <= AHEAD_S:
            await self._sleep(wait_s)

    async def _used_now(self, slot: Slot) -> Slot | None:
        """The slot, for a call that leaves now; None when it is worthless: refusals came, or the clock was set back."""
        async with self._budget.held() as held:
            now = self._clock()
            budget = self._pace.possible(held.value, now)
            if now < slot.at or budget.round != slot.round or budget.paused_until > now:
                return None
            if now - slot.at <= CREDIT_S:
                return slot
            held.value = self._pace.taken_late(budget, slot, now)
            return replace(slot, at=held.value.taken_at) if budget.taken_at == slot.at else slot


def _decoded(text: bytes) -> Budget:
    """The budget in the file; until version 0.1 the file held nothing but the time of the next free slot."""
    try:
        found = _DECODER.decode(text)
    except (ValueError, RecursionError):
        return Budget()
    return Budget(free_at=found) if isinstance(found, float) else found
