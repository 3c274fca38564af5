"""A warm process that forks a child for each command of ``nightshift``, with a fixed clock; a failpoint may kill it.

Run as ``python -m tests.system.warm_words``: reads one JSON task a line, answers one JSON line with the exit status.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from tests.system.conftest import NEUTRAL, Outcome
from tests.system.worlds import KEY, NOW


class WarmWords:
    """Talks to the process; ``out`` and ``err`` of a child go to files in ``folder``."""

    def __init__(self, process: "subprocess.Popen[str]", folder: Path) -> None:
        self._process = process
        self._folder = folder

    def nightshift(
        self, root: Path, *words: str, base_url: str = "", failpoint: str = "", now: datetime = NOW
    ) -> Outcome:
        """Run a command on a home; without a ``base_url`` there is neither a key nor a vendor."""
        vendor = {"ASLEEP_BASE_URL": base_url, "ASLEEP_API_KEY": KEY, "ASLEEP_REQUESTS_PER_SECOND": "2000"}
        out, err = self._folder / "out", self._folder / "err"
        task = {
            "env": {
                "NIGHTSHIFT_HOME": str(root),
                "NIGHTSHIFT_PSEUDONYM_KEY": "the same pseudonyms in every home",
                "NIGHTSHIFT_FAILPOINT": failpoint,
                **(vendor if base_url else {"ASLEEP_BASE_URL": "http://127.0.0.1:9"}),
            },
            "words": words,
            "now": now.isoformat(),
            "out": str(out),
            "err": str(err),
        }
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(task) + "\n")
        self._process.stdin.flush()
        status = json.loads(self._process.stdout.readline())
        return Outcome(status, out.read_text(), err.read_text())


@contextmanager
def warm_words(folder: Path) -> Iterator[WarmWords]:
    """A warm process for the length of a ``with``."""
    command = [sys.executable, "-m", "tests.system.warm_words"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=NEUTRAL) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield WarmWords(process, folder)
        assert process.stdin is not None
        process.stdin.close()


def run(task: dict[str, Any]) -> int:
    """Do one command in this process; the exit code."""
    from pipelines import resources
    from pipelines.command import main

    os.environ.update(task["env"])
    moment = datetime.fromisoformat(task["now"])
    resources.open_home = partial(resources.open_home, clock=lambda: moment)
    sys.argv = ["nightshift", *task["words"]]
    with Path(task["out"]).open("w") as out, Path(task["err"]).open("w") as err:
        os.dup2(out.fileno(), 1)
        os.dup2(err.fileno(), 2)
        try:
            main.main()
        except SystemExit as ended:
            return int(ended.code or 0)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
    return 0


def main() -> None:
    """Serve tasks until the input ends."""
    import pipelines.runs  # noqa: F401 - loads Dagster and the assets before the forks

    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            os._exit(run(json.loads(line)))
        _, status = os.waitpid(child, 0)
        sys.stdout.write(json.dumps(os.waitstatus_to_exitcode(status)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
