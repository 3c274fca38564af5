"""``nightshift demo --live``: a night arrives by webhook, in fast motion: batch by batch, then whole, in the tables.

The simulator posts to a real receiver, which keeps the events; here they are taken in after each step of its clock.
"""

import json
import time
import urllib.request
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from connectors.errors import NightshiftError
from pipelines.command.console import say
from pipelines.command.serving import serving

if TYPE_CHECKING:
    from connectors.home import Home
    from pipelines.settings import Settings

ARRIVED = """\
select s.night_of, s.start_time, s.end_time, round(s.total_sleep_time_s / 3600.0, 2) as hours_asleep,
    h.reason as came_by
from sleep_sessions as s
join session_history as h using (source, user_id, session_id, revision)
where s.session_id = '{}'"""
STEP = timedelta(minutes=20)
MOST_STEPS = 80
_FRAME_S = 0.15


class ReceiverFailed(NightshiftError):
    """The receiver of webhooks did not start, or the night did not come."""


def show_a_night(settings: "Settings", home: "Home", clock: "WorldClock", key: str, follow: Callable[[], None]) -> None:
    """Let somebody new sleep and show what arrives; the home's clock is the simulator's.

    ``follow`` puts everybody of the simulator on the roster. Raises: NightshiftError.
    """
    from pipelines.command.sync import run_sync

    failed = ReceiverFailed("The receiver did not start: run `nightshift serve` to see why.")
    receiver = {"NIGHTSHIFT_HOME": str(home.root), "ASLEEP_WEBHOOK_KEYS": key}
    with serving("serve", "--port", "0", unserved=failed, **receiver) as callback_url:
        clock.control("callback", {"url": callback_url, "key": key})
        [session_id] = clock.control("cases", {"case": "open", "user": None})["added"]
        follow()
        clock.read()
        _watch(home, clock, session_id)
        summary = run_sync(settings, home, lambda runner: None)
        told = clock.control("callback")
    webhooks, calls = sum(told["answers"].values()), sum(summary["calls"].values())
    say(f"\nThe session is over and analysed: {webhooks} webhooks, {calls} calls to the vendor. In the tables:\n")
    _show_in_tables(settings, home, session_id)


class WorldClock:
    """The simulator's clock and its other controls; called, it tells the time as a home's clock does."""

    def __init__(self, base_url: str) -> None:
        self._base_url = base_url
        self._now = self.read()

    def __call__(self) -> datetime:
        """The simulator's time, as last read."""
        return self._now

    def read(self) -> datetime:
        """Ask for the time."""
        self._now = datetime.fromisoformat(self.control("")["now"])
        return self._now

    def move(self, step: timedelta) -> None:
        """Let time pass; returns once the webhooks about it are posted."""
        told = self.control("clock", {"advance_s": int(step.total_seconds())})
        self._now = datetime.fromisoformat(told["now"])

    def control(self, name: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """What a control of the simulator answers: read without a body, else posted to."""
        data = json.dumps(body).encode() if body is not None else None
        asked = urllib.request.Request(f"{self._base_url}/_control/{name}".rstrip("/"), data)  # noqa: S310 - loopback
        with urllib.request.urlopen(asked, timeout=60) as answer:  # noqa: S310 - the simulator on loopback
            told: dict[str, Any] = json.load(answer)
        return told


def _watch(home: "Home", clock: WorldClock, session_id: str) -> None:
    """Take in what came and draw it, step by step, until the session runs no more."""
    from rich.console import Console
    from rich.live import Live

    from assets.raw.webhook_events import take_in_if_any
    from assets.warehouse.live_sessions import live_rows

    console = Console()
    with Live(console=console, auto_refresh=False) as picture:
        for _ in range(MOST_STEPS):
            take_in_if_any(home, keep_days=0)
            running = [row for row in live_rows(home).to_pylist() if row["session_id"] == session_id]
            if not running:
                break
            picture.update("\n".join(_lines(running[0], clock())), refresh=True)
            if console.is_terminal:
                time.sleep(_FRAME_S)
            clock.move(STEP)
        else:
            raise ReceiverFailed("The night did not come to its end: run the demo again, and report it if it does not.")


def _lines(session: dict[str, Any], now: datetime) -> list[str]:
    from pipelines.command.hypnogram import draw_hypnogram

    minutes = session["epochs"] * session["epoch_s"] // 60
    head = (
        f"{now:%H:%M} UTC, {minutes // 60} h {minutes % 60:02} min recorded, {session['batches']} batches have arrived"
    )
    return [head, "", *draw_hypnogram(session["sleep_stages"], session["start_time"] or now, "UTC")]


def _show_in_tables(settings: "Settings", home: "Home", session_id: str) -> None:
    from pipelines.command.console import print_table
    from pipelines.command.sql import ask
    from pipelines.resources import open_warehouse

    told = ask(open_warehouse(settings, home), ARRIVED.format(session_id))
    print_table(told.columns, told.rows)
