"""A contestant's process: warm, told by lines on stdin what to fetch, it measures itself and answers with a line.

Only the standard library here, because contestants live in environments of their own.
"""

import json
import resource
import shutil
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

NOW = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
"""The time in the race: the same calendar day in every zone, and far enough into a month for one month of figures."""

FIRST, LAST = date(2026, 10, 16), date(2026, 11, 20)
"""The window that everybody lists, in UTC start dates: our usual look-back."""

KEY = "benchmark-key"
MB = 2**20
_MAXRSS_BYTES = 1 if sys.platform == "darwin" else 1024


@dataclass(frozen=True)
class Task:
    """What to fetch: from which vendor, the data of how many of its users (None: all), with how many connections."""

    base_url: str
    users: int | None = None
    connections: int = 32
    options: dict[str, Any] = field(default_factory=dict)

    def roster(self) -> list[tuple[str, str]]:
        """Ids and zones."""
        return [(user_id, zone) for user_id, zone in ask(self.base_url, "users")][: self.users]


@dataclass
class Meter:
    """What a run has cost: seconds of wall and CPU, whatever else the contestant ``notes``."""

    wall_s: float = 0.0
    cpu_s: float = 0.0
    notes: dict[str, Any] = field(default_factory=dict)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Measure what happens in here, in this process and in those it waits for."""
        cpu_s, began = _cpu_s(), time.perf_counter()
        yield
        self.wall_s += time.perf_counter() - began
        self.cpu_s += _cpu_s() - cpu_s


Run = Callable[[Task, Path, Meter], None]
"""Does a task in an empty folder; what it does before and after ``meter.running`` is not measured."""


def ask(base_url: str, what: str) -> Any:
    """What the vendor of the benchmark tells about itself: ``users``, ``requests`` or ``cost``."""
    with urllib.request.urlopen(f"{base_url}/_bench/{what}", timeout=60) as answer:  # noqa: S310
        return json.loads(answer.read())


def compete(run: Run) -> None:
    """Do tasks until the input ends."""
    # Whatever a library prints must not be taken for an answer.
    answers, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        meter = Meter()
        folder = Path(tempfile.mkdtemp(prefix="nightshift-bench-"))
        try:
            run(Task(**json.loads(line)), folder, meter)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _MAXRSS_BYTES / MB
        result = {"wall_s": meter.wall_s, "cpu_s": meter.cpu_s, "peak_mb": peak_mb, **meter.notes}
        answers.write(json.dumps(result) + "\n")
        answers.flush()


def _cpu_s() -> float:
    spent = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(used.ru_utime + used.ru_stime for used in spent)
