"""Commands of ours that serve, run in a process of their own for as long as another command needs them."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from connectors.errors import NightshiftError


@contextmanager
def serving(*words: str, unserved: NightshiftError, **settings: str) -> Iterator[str]:
    """``nightshift`` with these words, and these settings in its environment; gives the address that it says first.

    Raises: ``unserved`` if it says none.
    """
    command = [sys.executable, "-m", "pipelines.command.main", *words]
    environment = os.environ | settings
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:  # noqa: S603 - ours
        try:
            first_line = process.stdout.readline() if process.stdout else ""
            if " at " not in first_line:
                raise unserved
            yield first_line.strip().rpartition(" at ")[2]
        finally:
            process.terminate()
