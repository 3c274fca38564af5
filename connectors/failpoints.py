"""Named places where a test may kill the process, so that a crash between any two writes can be tried.

Does nothing unless ``NIGHTSHIFT_FAILPOINT`` is set to ``name`` or ``name:n`` (die at the n-th passage).
"""

import os
import signal
from collections import Counter

_passages: Counter[str] = Counter()


def failpoint(name: str) -> None:
    """Kill this process with SIGKILL when the environment asks for it at this place."""
    wanted, _, nth = os.environ.get("NIGHTSHIFT_FAILPOINT", "").partition(":")
    if wanted != name:
        return
    _passages[name] += 1
    if _passages[name] == int(nth or 1):
        os.kill(os.getpid(), signal.SIGKILL)
