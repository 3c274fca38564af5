"""A warm process that forks a child for each of several commands of ``nightshift`` and lets go of them all at once.

Run as ``python -m tests.system.crowd``: reads one JSON list of tasks a line, answers one JSON list of exit statuses.
A task is one of ``tests.system.warm_words``: words, environment, a clock, and where the output goes.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.system.conftest import NEUTRAL, Outcome
from tests.system.warm_words import run
from tests.system.worlds import KEY

PSEUDONYM_KEY = "the same pseudonyms in every home"

Words = tuple[str, ...]
"""A command of ``nightshift`` and its options."""


class Crowd:
    """Talks to the process; ``out`` and ``err`` of each child go to files in ``folder``."""

    def __init__(self, process: "subprocess.Popen[str]", folder: Path) -> None:
        self._process = process
        self._folder = folder

    def at_once(
        self, root: Path, commands: Sequence[Words], *, base_url: str, now: datetime, per_second: float = 2000
    ) -> list[Outcome]:
        """Run these commands on one home, all at the same time; how each ended, in their order."""
        environment = {
            "NIGHTSHIFT_HOME": str(root),
            "NIGHTSHIFT_PSEUDONYM_KEY": PSEUDONYM_KEY,
            "ASLEEP_BASE_URL": base_url,
            "ASLEEP_API_KEY": KEY,
            "ASLEEP_REQUESTS_PER_SECOND": str(per_second),
        }
        tasks = [
            {
                "env": environment,
                "words": words,
                "now": now.isoformat(),
                "out": str(self._folder / f"{number}.out"),
                "err": str(self._folder / f"{number}.err"),
            }
            for number, words in enumerate(commands)
        ]
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(tasks) + "\n")
        self._process.stdin.flush()
        statuses = json.loads(self._process.stdout.readline())
        return [
            Outcome(status, Path(str(task["out"])).read_text(), Path(str(task["err"])).read_text())
            for status, task in zip(statuses, tasks, strict=True)
        ]

    def alone(self, root: Path, *words: str, base_url: str, now: datetime) -> Outcome:
        """Run one command on a home that nobody else is using."""
        (outcome,) = self.at_once(root, [words], base_url=base_url, now=now)
        return outcome


@contextmanager
def crowd(folder: Path) -> Iterator[Crowd]:
    """A warm process for the length of a ``with``."""
    command = [sys.executable, "-m", "tests.system.crowd"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=NEUTRAL) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield Crowd(process, folder)
        assert process.stdin is not None
        process.stdin.close()


def main() -> None:
    """Serve lists of tasks until the input ends."""
    import pandas  # noqa: F401 - loaded before the forks, as the others

    import tests.system.warm  # noqa: F401 - no commit waits for the disk: nobody pulls a plug here

    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for line in sys.stdin:
        sys.stdout.write(json.dumps(_statuses(json.loads(line))) + "\n")
        sys.stdout.flush()


def _statuses(tasks: Sequence[dict[str, Any]]) -> list[int]:
    """The exit statuses of these tasks, each in a child; nobody begins before everybody is there."""
    gate, latch = os.pipe()
    children = []
    for task in tasks:
        child = os.fork()
        if child == 0:
            os.close(latch)
            os.read(gate, 1)  # comes back when the last process has closed its latch
            os.close(gate)
            os._exit(run(task))
        children.append(child)
    os.close(latch)
    os.close(gate)
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]


if __name__ == "__main__":
    main()
