"""Runs of the whole engine in children of a warm process, each of them killed or disturbed at will.

``Engine`` talks to the process, which is ``python -m tests.system.engine``: one JSON task a line, one JSON answer a
line. It has no threads and no server, so that forking it is safe. A run is what ``nightshift sync`` does, but without
Dagster: sweep, pull, then build and load what is dirty, also if the pull was stopped. ``sync`` is the command itself.
"""

import asyncio
import faulthandler
import json
import os
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

from assets.builds import mark_missing_layers_dirty
from assets.raw.asleep_vendor import AsleepVendor
from assets.raw.pull import PullReport, Window, pull
from connectors.asleep.connection import AsleepConnection
from connectors.errors import NightshiftError
from connectors.home import Home
from connectors.patience import BreakerTimes, Patience, Retry
from connectors.state.vendor import check_vendor
from tests.assets.draining import drain
from tests.system.conftest import NEUTRAL
from tests.system.operations import Kind, Trip, Tripwire, watch
from tests.system.worlds import KEY, NOW

PSEUDONYM_KEY = "the same pseudonyms in every home"

UNEXPECTED = 70
"""Status of a child that ended with anything but a typed error."""

PATIENCE = Patience(
    Retry(attempts=2, refusals=2, base_s=0.001, cap_s=0.001, jitter_s=0),
    breaker=BreakerTimes(cool_s=0.1, longest_cool_s=0.1, down_s=0.5),
)
LOADED_LATE = ("pandas", "pyarrow.compute", "pyarrow.pandas_compat", "certifi", "zoneinfo", "tzdata.zoneinfo")
"""What libraries import once they need it: before the forks, so that it is not done in every child."""

LOOK_BACK_DAYS = 5
"""Days of a run's window: more than the nights of the worlds in these tests."""

LONGEST_S = 120
"""After so many seconds a child says where it hangs, and ends."""


@dataclass(frozen=True)
class Disturbance:
    """What happens to a run: ``trip`` at its ``nth`` operation (see ``operations.Tripwire``), death after ``kill_s``
    seconds; 0 is never."""

    trip: Trip = Trip.KILL
    nth: int = 0
    kind: Kind | None = None
    lasting: bool = False
    kill_s: float = 0.0


NONE = Disturbance()


@dataclass(frozen=True)
class Ended:
    """How a run ended: exit code, or minus the signal; the sentence of its error; operations by kind until then.

    ``tripped`` is the kind of operation that failed first.
    """

    status: int
    sentence: str = ""
    tripped: str | None = None
    operations: dict[str, int] = field(default_factory=dict)

    @property
    def killed(self) -> bool:
        """Whether the run died."""
        return self.status in (-signal.SIGKILL, -signal.SIGALRM)


class Engine:
    """Talks to the warm process."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def run(self, root: Path, base_url: str, disturbance: Disturbance = NONE) -> Ended:
        """A run on a home; the roster must be there."""
        return self._ask("run", root, base_url, disturbance)

    def sync(self, root: Path, base_url: str, disturbance: Disturbance = NONE) -> Ended:
        """``nightshift sync`` on a home, with Dagster; the sentence is all it said on stderr."""
        return self._ask("sync", root, base_url, disturbance)

    def _ask(self, what: str, root: Path, base_url: str, disturbance: Disturbance) -> Ended:
        task = {"do": what, "root": str(root), "base_url": base_url, "disturbance": asdict(disturbance)}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(task) + "\n")
        self._process.stdin.flush()
        return Ended(**json.loads(self._process.stdout.readline()))


@contextmanager
def running_engine(*, dagster: bool = False) -> Iterator[Engine]:
    """A warm process for the length of a ``with``; only with ``dagster`` it is warm for ``sync`` too."""
    command = [sys.executable, "-m", "tests.system.engine", *(["dagster"] if dagster else [])]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=NEUTRAL) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield Engine(process)
        assert process.stdin is not None
        process.stdin.close()


def run(root: Path, base_url: str) -> int:
    """Do one run in this process; the exit code. Raises: NightshiftError."""
    home = Home(root, pseudonym_key=PSEUDONYM_KEY.encode(), clock=lambda: NOW)
    home.prepare()
    connection = AsleepConnection(
        base_url,
        KEY,
        requests_per_second=2000,
        concurrency=8,
        budget_file=root / "locks" / "asleep.budget",
        clock=home.clock,
        patience=PATIENCE,
    )
    check_vendor(home.state, connection.account())
    home.sweep()
    mark_missing_layers_dirty(home, warehouse_exists=(root / "warehouse.duckdb").exists())
    try:
        report = asyncio.run(_pull(home, connection))
    except NightshiftError:
        drain(home, marts=True)
        raise
    drain(home, marts=True)
    return 0 if report.complete else 3


async def _pull(home: Home, connection: AsleepConnection) -> PullReport:
    async with connection.open() as client:
        window = Window(NOW.date() - timedelta(days=LOOK_BACK_DAYS), NOW.date())
        return await pull(home, AsleepVendor(client), connection.account(), window)


def _sync(root: Path, base_url: str, folder: Path) -> Ended:
    from tests.system.warm_words import run as run_words

    out, err = folder / "out", folder / "err"
    first, last = (NOW - timedelta(days=LOOK_BACK_DAYS)).date().isoformat(), NOW.date().isoformat()
    status = run_words(
        {
            "env": {
                "NIGHTSHIFT_HOME": str(root),
                "NIGHTSHIFT_PSEUDONYM_KEY": PSEUDONYM_KEY,
                "ASLEEP_BASE_URL": base_url,
                "ASLEEP_API_KEY": KEY,
                "ASLEEP_REQUESTS_PER_SECOND": "2000",
            },
            "words": ["sync", "--from", first, "--to", last],
            "now": NOW.isoformat(),
            "out": str(out),
            "err": str(err),
        }
    )
    return Ended(status, err.read_text())


def _run(root: Path, base_url: str) -> Ended:
    try:
        return Ended(run(root, base_url))
    except NightshiftError as error:
        return Ended(error.exit_code, str(error))
    except BaseException:
        return Ended(UNEXPECTED, traceback.format_exc())


def _child(task: dict[str, Any], folder: Path) -> None:
    root, base_url, given = Path(task["root"]), task["base_url"], task["disturbance"]
    kind = given["kind"] and Kind(given["kind"])
    wire = Tripwire(root, Trip(given["trip"]), given["nth"], kind, given["lasting"])
    faulthandler.dump_traceback_later(LONGEST_S, exit=True)
    watch(wire)
    if given["kill_s"]:
        signal.setitimer(signal.ITIMER_REAL, given["kill_s"])  # nobody handles it, so that it kills
    ended = _run(root, base_url) if task["do"] == "run" else _sync(root, base_url, folder)
    answer = {"sentence": ended.sentence, "tripped": wire.tripped, "operations": wire.passed}
    (folder / "answer").write_text(json.dumps(answer))
    os._exit(ended.status)


def main() -> None:
    """Serve tasks until the input ends."""
    for name in (*LOADED_LATE, *(["pipelines.runs"] if "dagster" in sys.argv else [])):
        import_module(name)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for line in sys.stdin:
            (folder / "answer").write_text("{}")
            child = os.fork()
            if child == 0:
                _child(json.loads(line), folder)
            _, status = os.waitpid(child, 0)
            ended = {"status": os.waitstatus_to_exitcode(status), **json.loads((folder / "answer").read_text())}
            sys.stdout.write(json.dumps(ended) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
