"""Looking at the home for whoever watches the receiver: in a thread, and only every few seconds, however many ask.

What is looked at belongs to others, who may hold it for long or have broken it; nothing of that reaches the receiver.
"""

import asyncio
import shutil
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from datetime import datetime
from typing import TypeVar

from connectors.asleep.webhooks.following import Following
from connectors.asleep.webhooks.health import Figures
from connectors.asleep.webhooks.inbox import FILE_NAME
from connectors.call_tally import read_tally
from connectors.errors import NightshiftError
from connectors.home import Home
from connectors.state.ledger import COMPLETE, DELETED, PENDING, count_sessions
from connectors.state.vendor import last_complete_pull
from schemas.asleep import ASLEEP

KEPT_S = 5.0
"""Seconds for which what was seen is told again without another look."""

WAITS_S = 5.0
"""Seconds for which one who asks waits; the look itself goes on."""

SeenT = TypeVar("SeenT")


class NotSeen(NightshiftError):
    """The home could not be looked at, or not in time."""


class Watch:
    """Looks at ``home``, never twice at once; for one event loop.

    ``on_processed`` is told, in the thread that looks, how many seconds after its receipt each event was taken in.
    """

    def __init__(
        self,
        home: Home,
        on_processed: Callable[[float], None],
        kept_s: float = KEPT_S,
        waits_s: float = WAITS_S,
    ) -> None:
        self._home = home
        self._on_processed = on_processed
        self._kept_s = kept_s
        self._waits_s = waits_s
        self._calls = home.root / "locks" / "asleep.calls"
        self._inbox = Following(home.root / FILE_NAME)
        self._look: asyncio.Future[Figures] | None = None
        self._old_at = 0.0

    async def figures(self) -> Figures:
        """What was seen last, if that was just now, else what is seen now.

        Raises: NotSeen.
        """
        loop = asyncio.get_running_loop()
        if self._look is None or (self._look.done() and loop.time() >= self._old_at):
            self._look = asyncio.wrap_future(_in_thread(self._seen))
            self._look.add_done_callback(self._keep)
        look = self._look
        done, _ = await asyncio.wait({look}, timeout=self._waits_s)
        if not done:
            raise NotSeen("The home cannot be looked at in time.")
        if error := look.exception():
            raise NotSeen(f"The home cannot be looked at (unexpected {type(error).__name__}).") from None
        return look.result()

    def _keep(self, look: "asyncio.Future[Figures]") -> None:
        self._old_at = look.get_loop().time() + self._kept_s
        if not look.cancelled():
            look.exception()  # taken note of, even if nobody waits for it any more

    def _seen(self) -> Figures:
        now = self._home.clock()
        followed = _or_none(lambda: self._inbox.look(now))
        for seconds in followed.processed_s if followed else ():
            self._on_processed(seconds)
        has_state, last_run_at, sessions = self._state()
        return Figures(
            at=now,
            free_bytes=_or_none(lambda: shutil.disk_usage(self._home.root).free),
            backlog=followed.backlog if followed else None,
            has_state=has_state,
            last_run_at=last_run_at,
            sessions=sessions,
            calls=_or_none(lambda: read_tally(self._calls)) or {},
        )

    def _state(self) -> tuple[bool | None, datetime | None, dict[str, int]]:
        """Whether there is a state (None: it cannot be read), the last complete pull, and sessions by verdict."""
        if self._home.state_url is None and not (self._home.root / "state.db").exists():
            return False, None, {}  # nothing is made here: that it is gone is news
        state = self._home.state
        try:
            with state.read() as connection:
                sessions = {verdict: count_sessions(connection, verdict) for verdict in (COMPLETE, PENDING, DELETED)}
            return True, last_complete_pull(state, ASLEEP), sessions
        except (NightshiftError, OSError):
            return None, None, {}
        finally:
            state.close()  # so that a database that was away for a while is met anew


def _or_none(look: Callable[[], SeenT]) -> SeenT | None:
    with suppress(NightshiftError, OSError, sqlite3.Error):
        return look()
    return None


def _in_thread(work: Callable[[], SeenT]) -> Future[SeenT]:
    """Do it in a thread that nobody waits for when the process ends."""
    future: Future[SeenT] = Future()

    def do() -> None:
        # Whoever asked may be gone by then.
        with suppress(InvalidStateError, RuntimeError):
            try:
                result = work()
            except Exception as error:
                future.set_exception(error)
            else:
                future.set_result(result)

    threading.Thread(target=do, name="webhook-watch", daemon=True).start()
    return future
