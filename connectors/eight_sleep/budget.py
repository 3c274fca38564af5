"""The documented limit of one endpoint group as a budget that every process of a home shares.

Eight Sleep allows so many calls a minute, in windows that begin we do not know when. So no 61 seconds ever hold more
calls than that; they may follow each other at once, because a command from a person should not wait for its turn. What
the answers say of the limit is believed where it is less than ours: the phone app may use the account, too.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from weakref import WeakKeyDictionary

import msgspec
from msgspec.structs import replace

from connectors.pace import LONGEST_PAUSE_S, Slot
from connectors.shared_state import SharedState

WINDOW_S = 61.0
"""The vendor's minute, and a second for calls that travel at unequal speed."""

FORGOTTEN_S = 600.0
"""A refusal this long ago says nothing about whether the vendor is still refusing."""

_LOOK_AGAIN_S = 1.0


@dataclass(frozen=True)
class Group:
    """An endpoint group: calls a minute, and the least seconds between two of them."""

    name: str
    per_minute: int
    gap_s: float = 0.0


AUTH = Group("auth", 5)
DEVICES = Group("devices", 10)
STATUS = Group("status", 30)
TEMPERATURE = Group("temperature", 20, gap_s=3.0)
SLEEP = Group("sleep", 30)
"""Users, beds, nights and scores: no limit of theirs is documented, so this is ours."""
APP = Group("app", 30)
"""The application host, likewise."""


class Spent(msgspec.Struct, frozen=True, kw_only=True):
    """What the processes of a home share; times are wall-clock seconds, 0 means never."""

    asked: tuple[float, ...] = ()
    """The calls of the latest window, and one for each that somebody else seems to have made."""
    limit: int | None = None
    """What the vendor says its limit is, if that is less than ours."""
    refused_at: float = 0.0
    refusing_since: float = 0.0
    pause_s: float = 0.0
    paused_until: float = 0.0


_DECODER = msgspec.json.Decoder(Spent)


class GroupBudget:
    """At most ``group.per_minute`` calls in any minute, over all processes that name the same ``path``.

    A refusal pauses everybody for as long as the vendor wishes, else for a pause that doubles as long as it refuses.
    A file that is missing or damaged means that nothing was asked yet. ``clock`` is wall-clock seconds, ``sleep`` waits
    that many seconds. Every method raises ``DiskUnavailable`` when the file cannot be opened or written.
    """

    def __init__(
        self,
        path: Path,
        group: Group,
        *,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._spent = SharedState(path, _decoded, sleep)
        self._group = group
        self._clock = clock
        self._sleep = sleep
        self._turns: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()

    async def acquire(self) -> Slot:
        """Wait until one more call may leave; first come, first served within a process."""
        async with self._turns.setdefault(asyncio.get_running_loop(), asyncio.Lock()):
            while True:
                async with self._spent.held() as held:
                    now = self._clock()
                    held.value = spent = _possible(held.value, now)
                    wait_s = self._free_at(spent, now) - now
                    if wait_s <= 0:
                        held.value = replace(spent, asked=(*spent.asked, now))
                        return Slot(now, 0, spent.refusing_since > 0)
                await self._sleep(min(wait_s, _LOOK_AGAIN_S))

    async def refused(self, slot: Slot, wish_s: float | None, pauses_s: tuple[float, float]) -> float:
        """Say that the vendor refused the call of ``slot``; the seconds for which it has accepted none."""
        async with self._spent.held() as held:
            now = self._clock()
            spent = _possible(held.value, now)
            first_s, longest_s = pauses_s
            if slot.at > spent.refused_at:  # calls that left before it are refused for the same reason
                pause_s = min(longest_s, max(first_s, 2 * spent.pause_s))
                since = spent.refusing_since or now
                spent = replace(spent, refused_at=now, refusing_since=since, pause_s=pause_s)
            wait_s = min(spent.pause_s if wish_s is None else wish_s, LONGEST_PAUSE_S)
            held.value = replace(spent, paused_until=max(spent.paused_until, now + wait_s))
            return now - spent.refusing_since

    async def accepted(self, slot: Slot) -> None:
        """Say that the vendor accepted the call of ``slot``: it refuses no more."""
        if slot.probe:
            async with self._spent.held() as held:
                if slot.at > held.value.refused_at:
                    held.value = replace(held.value, refusing_since=0.0, pause_s=0.0, paused_until=0.0)

    async def told(self, headers: Mapping[str, str]) -> None:
        """Take over what an answer says of the limit and of what is left of it."""
        limit, left = _number(headers.get("x-ratelimit-limit")), _number(headers.get("x-ratelimit-remaining"))
        async with self._spent.held() as held:
            now = self._clock()
            spent = _possible(held.value, now)
            lower = limit if limit is not None and 0 < limit < self._group.per_minute else None
            ours_left = (lower or self._group.per_minute) - len(spent.asked)
            by_others = max(0, ours_left - left) if left is not None else 0
            if lower != spent.limit or by_others:
                held.value = replace(spent, limit=lower, asked=(*spent.asked, *[now] * by_others))

    def _free_at(self, spent: Spent, now: float) -> float:
        most = spent.limit or self._group.per_minute
        gap_until = spent.asked[-1] + self._group.gap_s if spent.asked else now
        full_until = spent.asked[-most] + WINDOW_S if len(spent.asked) >= most else now
        return max(gap_until, full_until, spent.paused_until)


def _possible(spent: Spent, now: float) -> Spent:
    """What still counts at ``now``, without what cannot be: the clock was set back, or the file was damaged."""
    asked = tuple(sorted(moment for moment in spent.asked if now - WINDOW_S < moment <= now))
    if asked != spent.asked:
        spent = replace(spent, asked=asked)
    if spent.paused_until > now + LONGEST_PAUSE_S:
        spent = replace(spent, paused_until=0.0)
    if spent.refused_at > now or now - spent.refused_at > FORGOTTEN_S:
        spent = replace(spent, refused_at=0.0, refusing_since=0.0, pause_s=0.0) if spent.refused_at else spent
    return spent


def _number(header: str | None) -> int | None:
    return int(header) if header and header.isascii() and header.isdigit() and len(header) < 10 else None


def _decoded(text: bytes) -> Spent:
    try:
        return _DECODER.decode(text)
    except (ValueError, RecursionError):
        return Spent()
