"""The simulated world of the system tests, as a process of its own, and fetching from its control."""

import json
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

NOW = datetime(2026, 10, 27, 9, 0, tzinfo=UTC)
"""The fixed time of the small worlds: two days after the clocks changed in Europe."""

KEY = "canary-key-7f3a"


@contextmanager
def sandbox(*, users: int, nights: int, now: datetime = NOW) -> Iterator[str]:
    """A simulator process; gives its base URL."""
    world = ["--users", str(users), "--nights", str(nights), "--now", now.isoformat(), "--key", KEY]
    command = [sys.executable, "-m", "pipelines.command.main", "sandbox", "--port", "0", *world]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip().rpartition(" at ")[2]
        finally:
            process.terminate()


def control(base_url: str, path: str, body: dict[str, Any] | None = None) -> Any:
    """GET, or POST with a body, below ``/_control``."""
    data = json.dumps(body).encode() if body is not None else None
    with urllib.request.urlopen(f"{base_url}/_control/{path}", data=data, timeout=60) as answer:  # noqa: S310
        content: bytes = answer.read()
    return json.loads(content) if path != "users.csv" else content.decode()


def hear_ctrl_c() -> None:
    """For a child before it starts: SIGINT interrupts it, also when the tests themselves run where it is ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def eventually(look: Callable[[], Any], at_most_s: float = 180) -> Any:
    """Look until there is something: the daemon works at its own pace."""
    until = time.monotonic() + at_most_s
    while not (found := look()):
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.5)
    return found
