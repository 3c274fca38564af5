"""Running contestants: each in a warm process of its own, one after the other, round after round.

Only one of them works at a time; the others wait for their next line. What the figures mean is for ``report``.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.engine.contestant import ask

DLT_PYTHON = Path(".venv/benchmarks/dlt/bin/python")
WARM_UP_USERS = 3

_OF_REAL_HOMES = ("NIGHTSHIFT_", "ASLEEP_", "EIGHT_SLEEP_", "FHIR_")


class DidNotFinish(Exception):
    """A contestant has ended instead of answering; its last words are in the text."""


@dataclass(frozen=True)
class Entry:
    """A contestant: its module, the Python it runs on, what its tasks say; ``users`` if it only does a sample."""

    name: str
    module: str
    python: Path = Path(sys.executable)
    options: tuple[tuple[str, Any], ...] = ()
    users: int | None = None


class Contestant:
    """A running entry."""

    def __init__(self, entry: Entry, process: "subprocess.Popen[str]", log: Path) -> None:
        self.entry = entry
        self._process = process
        self._log = log

    def run(self, base_url: str, users: int | None = None, **options: Any) -> dict[str, Any]:
        """Do a task and give its result, with ``server_cpu_s``. Raises: DidNotFinish."""
        before = ask(base_url, "cost")
        wanted = {**dict(self.entry.options), **options}
        task = {"base_url": base_url, "users": users or self.entry.users, "options": wanted}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(task) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise DidNotFinish(f"{self.entry.name} has ended early; its last words:\n{self._log.read_text()[-2000:]}")
        after = ask(base_url, "cost")
        result: dict[str, Any] = json.loads(line)
        result["server_cpu_s"] = after["cpu_s"] - before["cpu_s"]
        result["requests"] = after["served"] - before["served"] - 1  # the roster
        return result


@contextmanager
def vendor(users: int, nights: int, latency_ms: float) -> Iterator[str]:
    """The replaying server in a process of its own; its address."""
    world = ["--users", str(users), "--nights", str(nights), "--delay-ms", str(latency_ms)]
    command = [sys.executable, "-m", "benchmarks.engine.replay", *world]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


@contextmanager
def contestants(entries: list[Entry], logs: Path) -> Iterator[list[Contestant]]:
    """All of them running, and waiting."""
    with ExitStack() as stack:
        yield [stack.enter_context(_running(entry, logs / f"{number}.log")) for number, entry in enumerate(entries)]


@contextmanager
def _running(entry: Entry, log: Path) -> Iterator[Contestant]:
    with (
        log.open("w") as errors,
        subprocess.Popen(
            [str(entry.python), "-m", entry.module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env={name: value for name, value in os.environ.items() if not name.startswith(_OF_REAL_HOMES)},
        ) as process,
    ):
        try:
            yield Contestant(entry, process, log)
        finally:
            assert process.stdin is not None
            process.stdin.close()


def rounds(runners: list[Contestant], base_url: str, number: int) -> Iterator[dict[str, dict[str, Any]]]:
    """Results by name, a round at a time."""
    for _ in range(number):
        yield {runner.entry.name: runner.run(base_url) for runner in runners}
