"""Serving in the foreground: what the process is like while it listens, and that it is as before afterwards."""

import gc
import signal

from starlette.applications import Starlette

from connectors.asleep.webhooks.server import serve


def test_the_collector_leaves_alone_what_was_there_before_the_first_request() -> None:
    """As long as requests are answered, and no longer: at the end all of it can be collected again."""
    left_alone: list[int] = []

    def stop(_: str) -> None:
        left_alone.append(gc.get_freeze_count())
        signal.raise_signal(signal.SIGTERM)

    serve(Starlette(), "127.0.0.1", 0, stop)
    assert left_alone[0] > 1_000
    assert gc.get_freeze_count() == 0
