"""What waits in the inbox, and how long after their receipt events were taken in: seen by following what waits.

The inbox forgets events some time after they were taken in, so that nothing can be counted from what it holds alone.
"""

import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from connectors.asleep.webhooks.inbox import Backlog

_READS_S = 5.0
_NEWEST = "SELECT coalesce(max(id), 0) FROM events"
_WAITING = "SELECT json_group_array(id), count(*), min(received_at) FROM events WHERE status = 'new'"
_PROCESSED = """SELECT received_at, marked_at FROM events WHERE id > :newest AND status = 'done'
    UNION ALL
    SELECT received_at, marked_at FROM events WHERE id IN (SELECT value FROM json_each(:waiting)) AND status = 'done'"""


class Followed(NamedTuple):
    """What waits now, and how long after their receipt (seconds) events were taken in since the look before."""

    backlog: Backlog
    processed_s: list[float]


class Following:
    """Follows the inbox in the file ``path`` and never writes it; for one thread at a time.

    By connections of SQLite's own alone: were the file opened and closed in any other way, this process would lose the
    locks by which the receiver holds it, and another process would take away the log that the receiver writes.
    """

    def __init__(self, path: Path) -> None:
        self._address = f"{path.resolve().as_uri()}?mode=ro"
        self._newest: int | None = None
        self._waiting = "[]"

    def look(self, now: datetime) -> Followed:
        """The first look knows of no event that was taken in.

        Raises: sqlite3.Error.
        """
        with closing(sqlite3.connect(self._address, uri=True, timeout=_READS_S, isolation_level=None)) as connection:
            connection.execute("BEGIN")  # all queries see the same moment
            followed = {"newest": self._newest, "waiting": self._waiting}
            rows = connection.execute(_PROCESSED, followed).fetchall() if self._newest is not None else []
            (newest,) = connection.execute(_NEWEST).fetchone()
            waiting, depth, oldest = connection.execute(_WAITING).fetchone()
        self._newest, self._waiting = newest, waiting
        return Followed(
            Backlog(depth, _seconds(oldest, now) if oldest else None),
            [_seconds(came, datetime.fromisoformat(done)) for came, done in rows],
        )


def _seconds(came: str, until: datetime) -> float:
    return (until - datetime.fromisoformat(came)).total_seconds()
