"""A warm process that forks a child for each task, because a cold start of Dagster would cost seconds every time.

Run as ``python -m tests.system.warm``: reads one JSON task a line, answers one JSON line with the child's exit status.
A task is a sync of a home or a command of ``nightshift``, with a fixed clock; a failpoint may kill the child anywhere.
"""

import json
import os
import shutil
import sqlite3
import sys
import tempfile
from datetime import date, datetime
from pathlib import Path
from typing import Any

import typer
from sqlalchemy import event
from sqlalchemy.engine import Engine

from connectors.errors import NightshiftError
from connectors.home import Home
from connectors.patience import BreakerTimes, Patience, Retry
from pipelines.command.sync import report_and_exit, run_sync
from pipelines.instance import dagster_instance
from pipelines.resources import open_home
from pipelines.runs import open_runner  # noqa: F401 - loads Dagster and the assets before the forks
from pipelines.settings import load_settings
from tests.system import warm_words

_SHORT_BREAKER = BreakerTimes(cool_s=0.1, longest_cool_s=0.5, down_s=2)

PATIENCE = {
    "little": Patience(Retry(attempts=2, refusals=2, base_s=0.001, cap_s=0.001, jitter_s=0), breaker=_SHORT_BREAKER),
    "usual": Patience(
        Retry(base_s=0.05, cap_s=1, jitter_s=0.05), answer_s=2, breaker=_SHORT_BREAKER, lowest_per_second=200
    ),
}
"""How long to bear with the vendor: ``usual`` is as often as always, but with short waits."""


def run(task: dict[str, Any]) -> int:
    """Do one task in this process, with output to ``out`` and ``err`` of the task; the exit code."""
    os.environ.update(task["env"])
    with Path(task["out"]).open("w") as out, Path(task["err"]).open("w") as err:
        os.dup2(out.fileno(), 1)
        os.dup2(err.fileno(), 2)
        try:
            report_and_exit(_sync(task), as_json=True)
        except typer.Exit as ended:
            return ended.exit_code
        except NightshiftError as error:
            print(f"nightshift: {error}", file=sys.stderr, flush=True)
            return error.exit_code
    return 0


def _sync(task: dict[str, Any]) -> dict[str, Any]:
    settings = load_settings()
    moment = datetime.fromisoformat(task["now"])
    home = open_home(settings, clock=lambda: moment)
    first, last = date.fromisoformat(task["first"]), date.fromisoformat(task["last"])
    return run_sync(settings, home, lambda runner: runner.pull(first, last), patience=PATIENCE[task["patience"]])


@event.listens_for(Engine, "connect")
def _do_not_wait_for_the_disk(connection: Any, _record: object) -> None:
    """Dagster commits hundreds of small records a run; a killed process loses none of them, only lost power would."""
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA synchronous=OFF")


def _fill(root: Path, prepared: Path) -> None:
    """Give a home that Dagster has not seen the empty databases that Dagster would make for half a second."""
    if root.exists() and not (root / "dagster" / "history").exists():
        shutil.copytree(prepared, root / "dagster", dirs_exist_ok=True)


def main() -> None:
    """Serve tasks until the input ends."""
    with tempfile.TemporaryDirectory() as folder:
        prepared = Home(Path(folder))
        prepared.prepare()
        with dagster_instance(prepared):
            print("ready", flush=True)
        for line in sys.stdin:
            task = json.loads(line)
            _fill(Path(task["env"]["NIGHTSHIFT_HOME"]), prepared.dagster)
            child = os.fork()
            if child == 0:
                os._exit(warm_words.run(task) if "words" in task else run(task))
            _, status = os.waitpid(child, 0)
            print(json.dumps(os.waitstatus_to_exitcode(status)), flush=True)


if __name__ == "__main__":
    main()
