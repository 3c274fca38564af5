"""Ours and the bare handler by turns, each in a process of its own that stays; what the answers cost. Linux only."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import quantiles

from benchmarks.webhooks.sender import KEY, Sent, Task

PROCESSES = Path("/proc")
_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
_OF_REAL_HOMES = ("NIGHTSHIFT_", "ASLEEP_", "EIGHT_SLEEP_", "FHIR_")


@dataclass(frozen=True, slots=True)
class Turn:
    """What so many events have cost one contestant; CPU in seconds of its process and of the sender's."""

    events: int
    wall_s: float
    cpu_s: float
    sender_cpu_s: float
    p50_s: float
    p99_s: float
    body_bytes: int

    @property
    def a_second(self) -> float:
        """Events that were durable, a second."""
        return self.events / self.wall_s


@dataclass(frozen=True)
class Contestant:
    """A receiver that listens."""

    url: str
    process: "subprocess.Popen[str]"

    @property
    def cpu_s(self) -> float:
        """CPU of all of its threads so far."""
        fields = (PROCESSES / f"{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS_A_SECOND


class Sender:
    """The process that posts; every turn posts other events."""

    def __init__(self, process: "subprocess.Popen[str]", connections: int) -> None:
        self._process = process
        self._connections = connections
        self._first = 0

    def turn(self, contestant: Contestant, events: int) -> Turn:
        """Post so many events. Raises: RuntimeError if not all of them were answered with 200."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        cpu_s = contestant.cpu_s
        task = Task(contestant.url, self._first, events, self._connections)
        self._first += events
        self._process.stdin.write(json.dumps(asdict(task)) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("The sender has ended early; its last words are above.")
        sent = Sent(**json.loads(line))
        percentiles = quantiles(sent.answers_s, n=100)
        spent_s = contestant.cpu_s - cpu_s
        return Turn(events, sent.wall_s, spent_s, sent.cpu_s, percentiles[49], percentiles[98], sent.body_bytes)


@contextmanager
def ours(home: Path) -> Iterator[Contestant]:
    """``nightshift serve`` in this home."""
    settings = {"NIGHTSHIFT_HOME": str(home), "ASLEEP_WEBHOOK_KEYS": KEY}
    with _listening("pipelines.command.main", "serve", "--port", "0", settings=settings) as contestant:
        yield contestant


@contextmanager
def bare(file: Path) -> Iterator[Contestant]:
    """The handler that appends to this file."""
    with _listening("benchmarks.webhooks.bare", str(file)) as contestant:
        yield contestant


@contextmanager
def sender(connections: int) -> Iterator[Sender]:
    """The load, over so many connections."""
    with _running("benchmarks.webhooks.sender") as process:
        yield Sender(process, connections)


@contextmanager
def _listening(*command: str, settings: dict[str, str] | None = None) -> Iterator[Contestant]:
    with _running(*command, settings=settings) as process:
        assert process.stdout is not None
        said = process.stdout.readline()
        if not said:
            raise RuntimeError("A receiver has not started; its last words are above.")
        yield Contestant(said.rpartition(" ")[2].strip(), process)


@contextmanager
def _running(*command: str, settings: dict[str, str] | None = None) -> Iterator["subprocess.Popen[str]"]:
    """A module; ended gently, so that what it had accepted is where it belongs."""
    neutral = {name: value for name, value in os.environ.items() if not name.startswith(_OF_REAL_HOMES)}
    with subprocess.Popen(
        [sys.executable, "-m", *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=neutral | (settings or {}) | {"PYTHONUNBUFFERED": "1"},
    ) as process:
        try:
            yield process
        finally:
            process.terminate()
