"""A command of ``nightshift`` in a child of a warm process, with a fixed clock; a failpoint may kill it."""

import os
import sys
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any


def run(task: dict[str, Any]) -> int:
    """Do one command in this process, in the folder that its output goes to; the exit code."""
    from pipelines import resources
    from pipelines.command import main

    os.environ.update(task["env"])
    moment = datetime.fromisoformat(task["now"])
    resources.open_home = partial(resources.open_home, clock=lambda: moment)
    sys.argv = ["nightshift", *task["words"]]
    with Path(task["out"]).open("w") as out, Path(task["err"]).open("w") as err, Path(os.devnull).open() as nothing:
        sys.stdin = nothing  # the tasks come from there
        os.dup2(nothing.fileno(), 0)
        os.dup2(out.fileno(), 1)
        os.dup2(err.fileno(), 2)
        try:
            os.chdir(Path(task["out"]).parent)  # where no .env is
            main.main()
        except SystemExit as ended:
            return int(ended.code or 0)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
    return 0
