"""One small value that all processes of a home share: a file, read and written under one lock on it.

What the value means is for its owner. A file that is missing, torn or absurd is the owner's to read as "nothing yet".
"""

import asyncio
import contextlib
import fcntl
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from connectors.lake.publish import disk_unavailable

T = TypeVar("T")

_SHORTEST_WAIT_S = 0.002
_BYTES = 512
_LONGEST_BYTES = 4096


@dataclass
class Held(Generic[T]):
    """The value while the lock is held; what ``value`` is at the end is what the file says."""

    value: T


class SharedState(Generic[T]):
    """A value in the file ``path``, kept as JSON; ``decode`` reads whatever bytes are there and never fails."""

    def __init__(
        self, path: Path, decode: Callable[[bytes], T], sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self._path = path
        self._decode = decode
        self._sleep = sleep
        path.parent.mkdir(parents=True, exist_ok=True)

    @contextlib.asynccontextmanager
    async def held(self) -> AsyncIterator[Held[T]]:
        """The value under an exclusive lock, written back if it was replaced; hold it without awaiting anything.

        Raises: DiskUnavailable.
        """
        # Opened anew each time: a descriptor inherited by a fork would share its lock with the parent.
        file = _open(self._path)
        try:
            while not _lock(file):
                await self._sleep(_SHORTEST_WAIT_S)
            before = self._decode(os.pread(file, _LONGEST_BYTES, 0))
            held = Held(before)
            yield held
            if held.value is not before:
                _write(file, msgspec.json.encode(held.value))
        finally:
            os.close(file)


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise disk_unavailable(error) from None


def _lock(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _write(file: int, text: bytes) -> None:
    padded = text.ljust(_BYTES - 1) + b"\n"
    try:
        os.pwrite(file, padded, 0)
        os.ftruncate(file, len(padded))
    except OSError as error:
        raise disk_unavailable(error) from None
