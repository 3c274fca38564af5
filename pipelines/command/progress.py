"""How a pull is shown while it runs: a live line on a terminal, plain lines elsewhere; always on stderr."""

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from assets.raw.pull import PullReport
    from assets.raw.pulled import SessionCounts
    from connectors.http import Calls

PLAIN_STEPS = 10


class PullProgress:
    """Shows users, sessions, calls a second and the time left. Use it as a context manager."""

    def __init__(self, *, live: bool | None = None) -> None:
        self._live = sys.stderr.isatty() if live is None else live
        self._began = time.monotonic()
        self._total = self._done = self._calls = self._sessions = 0

    def __enter__(self) -> Self:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("users · {task.fields[sessions]} sessions · {task.fields[rate]} calls/s ·"),
            TimeRemainingColumn(),
            TextColumn("left"),
            console=Console(stderr=True),
            transient=True,
            disable=not self._live,
        )
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def users(self, total: int) -> None:
        """The pull begins with so many users."""
        self._total, self._done, self._began = total, 0, time.monotonic()
        for finished in self._bar.task_ids:
            self._bar.remove_task(finished)
        self._task = self._bar.add_task("pulling", total=total, sessions=0, rate="0")

    def user_done(self, counts: "SessionCounts") -> None:
        """One more user is pulled."""
        self._done += 1
        self._sessions += counts.new + counts.changed
        self._show(advance=1)
        step = max(1, self._total // PLAIN_STEPS)
        if not self._live and (self._done % step == 0 or self._done == self._total):
            print(f"pulled {self._done} of {self._total} users, {self._sessions} sessions", file=sys.stderr)

    def call(self, endpoint: str) -> None:
        """One more request."""
        self._calls += 1
        self._show(advance=0)

    def ended(self, report: "PullReport | None", calls: "Calls") -> None:
        """A pull is over; what it changed is built next."""
        for task in self._bar.task_ids:
            self._bar.update(task, description="building what changed ·")

    def _show(self, *, advance: int) -> None:
        if self._live:
            rate = self._calls / max(time.monotonic() - self._began, 0.001)
            self._bar.update(self._task, advance=advance, sessions=self._sessions, rate=f"{rate:.0f}")
