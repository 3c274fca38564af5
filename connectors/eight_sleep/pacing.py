"""A turn for each command to a bed, over all processes of a home and all accounts that the bed belongs to.

The SmartBedAPI reference asks for 3 seconds between commands. The budget of an account keeps them apart within that
account; partners, however, have an account each for one bed.
"""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractContextManager, asynccontextmanager
from pathlib import Path

import msgspec

from connectors.shared_state import SharedState

GAP_S = 3.0
"""From the end of one command to the start of the next."""

_LOOK_AGAIN_S = 0.5


class Turn(msgspec.Struct, frozen=True):
    """When the last command ended, in wall-clock seconds; or when it began, if it is ``under_way`` or was killed."""

    at: float = 0.0
    under_way: bool = False


_DECODER = msgspec.json.Decoder(Turn)


class BedTurns:
    """The turns of one bed: ``lock`` makes the home's lock for it, ``path`` keeps when the last command ended.

    ``clock`` is wall-clock seconds, ``sleep`` waits that many seconds.
    """

    def __init__(
        self,
        lock: Callable[[], AbstractContextManager[bool]],
        path: Path,
        *,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._lock = lock
        self._last = SharedState(path, _decoded, sleep)
        self._clock = clock
        self._sleep = sleep

    @asynccontextmanager
    async def mine(self) -> AsyncIterator[None]:
        """Wait for the turn and keep it while the command is sent. Raises: DiskUnavailable."""
        while True:
            with self._lock() as is_ours:
                if is_ours:
                    await self._sleep(await self._wait_s())
                    await self._note(under_way=True)
                    try:
                        yield
                    finally:
                        await self._note(under_way=False)
                    return
            await self._sleep(_LOOK_AGAIN_S)

    async def _wait_s(self) -> float:
        async with self._last.held() as held:
            last = held.value
        if last.under_way:  # its process was killed: nobody knows when the command left
            return GAP_S
        return min(GAP_S, max(0.0, last.at + GAP_S - self._clock()))

    async def _note(self, *, under_way: bool) -> None:
        async with self._last.held() as held:
            held.value = Turn(self._clock(), under_way)


def _decoded(text: bytes) -> Turn:
    try:
        return _DECODER.decode(text)
    except (ValueError, RecursionError):
        return Turn()
