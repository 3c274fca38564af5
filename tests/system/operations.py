"""What a run does to its home and asks of the vendor, counted; one of these operations can kill the process or fail.

For a process that was forked for one run: ``watch`` replaces the functions by which the engine opens, writes, syncs,
renames and removes files of the home, makes folders, changes the state, loads the warehouse and calls the vendor. What
happens inside SQLite, DuckDB and Arrow is not seen here: kills by the clock, and a disk that is full, reach that.
"""

import builtins
import errno
import io
import os
import signal
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pyarrow.parquet as pq
from httpx_aiohttp import AiohttpTransport
from sqlalchemy.engine.default import DefaultDialect


class Kind(StrEnum):
    """The kinds of operations. ``LOCK`` is opening or writing a file of a lock, of the budget or of the breaker."""

    LOCK = "lock"
    OPEN = "open"
    WRITE = "write"
    FSYNC = "fsync"
    RENAME = "rename"
    REMOVE = "remove"
    FOLDER = "folder"
    STATEMENT = "statement"
    COMMIT = "commit"
    LOAD = "load"
    SEND = "send"
    RECEIVE = "receive"


class Trip(StrEnum):
    """What happens at the chosen operation."""

    KILL = "kill"
    FAIL = "fail"
    FULL = "full"


CHANGES = ("INSERT", "UPDATE", "DELETE", "CREATE", "ALTER")
"""How the statements begin that change the state; those that only look are not counted."""

NEEDS_SPACE = frozenset({Kind.WRITE, Kind.FOLDER, Kind.STATEMENT, Kind.COMMIT, Kind.LOAD})
"""What a full disk refuses; so does it a file that is new."""

_FAILURES: dict[Kind, Callable[[], Exception]] = {
    **dict.fromkeys(
        (Kind.LOCK, Kind.OPEN, Kind.WRITE, Kind.FSYNC, Kind.RENAME, Kind.REMOVE, Kind.FOLDER),
        lambda: OSError(errno.EIO, os.strerror(errno.EIO)),
    ),
    Kind.STATEMENT: lambda: sqlite_error("disk I/O error", sqlite3.SQLITE_IOERR, "SQLITE_IOERR"),
    Kind.COMMIT: lambda: sqlite_error("disk I/O error", sqlite3.SQLITE_IOERR, "SQLITE_IOERR"),
    Kind.LOAD: lambda: duckdb.IOException('IO Error: Could not write file "canary-path": Input/output error'),
    Kind.SEND: lambda: httpx.ConnectError("canary-address"),
    Kind.RECEIVE: lambda: httpx.ReadError("canary-address"),
}

_REFUSALS: dict[Kind, Callable[[], Exception]] = {
    **dict.fromkeys(
        (Kind.LOCK, Kind.OPEN, Kind.WRITE, Kind.FOLDER), lambda: OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    ),
    Kind.STATEMENT: lambda: sqlite_error("database or disk is full", sqlite3.SQLITE_FULL, "SQLITE_FULL"),
    Kind.COMMIT: lambda: sqlite_error("database or disk is full", sqlite3.SQLITE_FULL, "SQLITE_FULL"),
    Kind.LOAD: lambda: duckdb.IOException('IO Error: Could not write file "canary-path": No space left on device'),
}


def sqlite_error(text: str, code: int, name: str) -> sqlite3.OperationalError:
    """An error as SQLite's driver raises it."""
    error = sqlite3.OperationalError(text)
    error.sqlite_errorcode, error.sqlite_errorname = code, name
    return error


@dataclass
class Tripwire:
    """Counts the operations below ``root``, and those with state and vendor; at the ``nth`` one ``trip`` happens.

    0 is never. With ``kind`` it is the ``nth`` of that kind. ``lasting``: every later operation of that kind fails as
    well. A full disk stays full in any case, and counts only what needs space.
    """

    root: Path
    trip: Trip = Trip.KILL
    nth: int = 0
    kind: Kind | None = None
    lasting: bool = False
    passed: Counter[Kind] = field(default_factory=Counter)
    tripped: Kind | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def due(self, kind: Kind, *, new: bool = False) -> bool:
        """Count an operation; whether it is one that shall not succeed. ``new`` says that it makes a file."""
        if self.trip is Trip.FULL and not (kind in NEEDS_SPACE or new):
            return False
        with self._lock:
            self.passed[kind] += 1
            if self.tripped:
                return self.trip is Trip.FULL or (self.lasting and kind is self.tripped)
            passed = self.passed.total() if self.kind is None else self.passed[self.kind]
            if passed != self.nth or self.kind not in (None, kind):
                return False
            self.tripped = kind
            return True

    def spring(self, kind: Kind) -> None:
        """Die, or fail as that kind of operation fails."""
        if self.trip is Trip.KILL:
            os.kill(os.getpid(), signal.SIGKILL)
        raise (_REFUSALS if self.trip is Trip.FULL else _FAILURES)[kind]()

    def step(self, kind: Kind, *, new: bool = False) -> None:
        """Count an operation; die or fail if it is the one."""
        if self.due(kind, new=new):
            self.spring(kind)

    def holds(self, path: Any) -> bool:
        """Whether this is a path in the home."""
        return isinstance(path, str | os.PathLike) and os.fspath(path).startswith(f"{self.root}/")

    def of(self, kind: Kind, path: Any) -> Kind:
        """The kind of an operation on this path of the home."""
        return Kind.LOCK if os.fspath(path).startswith(f"{self.root}/locks/") else kind


class _File:
    """A file of the home that is written: half of what is written arrives before a write dies or fails."""

    def __init__(self, file: Any, wire: Tripwire) -> None:
        self._file = file
        self._wire = wire

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> "_File":
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def write(self, content: Any) -> Any:
        if self._wire.due(Kind.WRITE):
            self._file.write(content[: len(content) // 2])
            self._file.flush()
            self._wire.spring(Kind.WRITE)
        return self._file.write(content)


class _Warehouse:
    """A connection to the warehouse whose commits and checkpoints count."""

    def __init__(self, connection: Any, wire: Tripwire) -> None:
        self._connection = connection
        self._wire = wire

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def __enter__(self) -> "_Warehouse":
        self._connection.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._connection.__exit__(*error)

    def execute(self, query: str, *parameters: Any) -> Any:
        if query == "CHECKPOINT":
            self._wire.step(Kind.LOAD)
        return self._connection.execute(query, *parameters)

    def commit(self) -> None:
        self._wire.step(Kind.LOAD)
        self._connection.commit()


def watch(wire: Tripwire) -> None:
    """Count, and trip, from here on and until this process ends."""
    _watch_files(wire)
    _watch_databases(wire)
    _watch_calls(wire)


def _watch_files(wire: Tripwire) -> None:
    ours: dict[int, Kind] = {}
    os_open, io_open, fsync = os.open, io.open, os.fsync

    def opened(path: Any, flags: int, *args: Any, **kwargs: Any) -> int:
        mine = wire.holds(path)
        if mine:
            wire.step(wire.of(Kind.OPEN, path), new=bool(flags & os.O_CREAT) and not Path(path).exists())
        descriptor = os_open(path, flags, *args, **kwargs)
        ours.pop(descriptor, None)
        if mine:
            ours[descriptor] = wire.of(Kind.WRITE, path)
        return descriptor

    def opened_file(path: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        mine = path in ours if isinstance(path, int) else wire.holds(path)
        if mine and not isinstance(path, int):
            wire.step(Kind.OPEN, new=mode[0] in "wxa" and not Path(path).exists())
        file = io_open(path, mode, *args, **kwargs)
        ours.pop(file.fileno(), None)
        if mine:
            ours[file.fileno()] = Kind.WRITE
        return _File(file, wire) if mine and mode[0] in "wxa" else file

    def synced(descriptor: int) -> None:
        wire.step(Kind.FSYNC)
        fsync(descriptor)

    def writing(function: Callable[..., Any]) -> Callable[..., Any]:
        def written(descriptor: int, *args: Any, **kwargs: Any) -> Any:
            if descriptor in ours:
                wire.step(ours[descriptor])
            return function(descriptor, *args, **kwargs)

        return written

    def naming(kind: Kind, function: Callable[..., Any]) -> Callable[..., Any]:
        def named(path: Any, *args: Any, **kwargs: Any) -> Any:
            if wire.holds(path):
                wire.step(kind)
            return function(path, *args, **kwargs)

        return named

    read_parquet = pq.ParquetFile
    for module, name, function in (
        (os, "open", opened),
        (io, "open", opened_file),
        (builtins, "open", opened_file),
        (os, "fsync", synced),
        *((os, name, writing(getattr(os, name))) for name in ("write", "pwrite", "ftruncate", "sendfile")),
        (os, "rename", naming(Kind.RENAME, os.rename)),
        (os, "replace", naming(Kind.RENAME, os.replace)),
        (os, "unlink", naming(Kind.REMOVE, os.unlink)),
        (os, "mkdir", naming(Kind.FOLDER, os.mkdir)),
        (pq, "ParquetFile", naming(Kind.OPEN, read_parquet)),
    ):
        setattr(module, name, function)


def _watch_databases(wire: Tripwire) -> None:
    def before(kind: Kind, name: str, counts: Callable[..., bool]) -> None:
        function = getattr(DefaultDialect, name)

        def stepped(*args: Any, **kwargs: Any) -> Any:
            if counts(*args):
                wire.step(kind)
            return function(*args, **kwargs)

        setattr(DefaultDialect, name, stepped)

    before(Kind.COMMIT, "do_commit", lambda *_: True)
    for name in ("do_execute", "do_executemany"):
        before(Kind.STATEMENT, name, lambda _, __, statement, *___: statement.startswith(CHANGES))
    connect = duckdb.connect

    def connected(*args: Any, **kwargs: Any) -> Any:
        return _Warehouse(connect(*args, **kwargs), wire)

    setattr(duckdb, "connect", connected)  # noqa: B010 - its type is that of the original


def _watch_calls(wire: Tripwire) -> None:
    ask = AiohttpTransport.handle_async_request

    async def asked(transport: AiohttpTransport, request: httpx.Request) -> httpx.Response:
        wire.step(Kind.SEND)
        response = await ask(transport, request)
        if wire.due(Kind.RECEIVE):
            await response.aclose()
            wire.spring(Kind.RECEIVE)
        return response

    setattr(AiohttpTransport, "handle_async_request", asked)  # noqa: B010
