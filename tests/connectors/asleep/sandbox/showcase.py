"""One case shown on one user: what list, session and average answers say about it, in UTC."""

from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from connectors.asleep.sandbox import World
from connectors.asleep.sandbox.answers import average_stats, list_row, session_detail
from tests.connectors.asleep.sandbox.clients import NOW
from tests.connectors.asleep.sandbox.identities import Result

UTC_ZONE = ZoneInfo("UTC")
ARRAYS = ("sleep_stages", "breath_stages", "snoring_stages")


class Seen:
    """A world with one user and one case: the answers about its sessions, in UTC."""

    def __init__(self, case: str, seed: int = 1, now: datetime = NOW) -> None:
        self.world = World(0, seed=seed, now=now)
        self.user = self.world.create_user(None, "Asia/Kathmandu")
        self.sessions = self.world.add_case(self.user, case)
        self.details: list[Result] = [session_detail(s, self.world.now, UTC_ZONE) for s in self.sessions]
        self.rows = [list_row(session, self.world.now, UTC_ZONE) for session in self.sessions]

    @property
    def averages(self) -> dict[str, Any]:
        """Average stats over all COMPLETE sessions."""
        complete = [session for session in self.sessions if session.state(self.world.now) == "COMPLETE"]
        return average_stats(self.user, complete, date(2026, 11, 1), date(2026, 11, 22), UTC_ZONE)


def only(case: str) -> tuple[dict[str, Any], Result, dict[str, Any]]:
    """List row, result and stat (or an empty dict) of a case with one session."""
    seen = Seen(case)
    (row,), (detail,) = seen.rows, seen.details
    return row, detail, detail["stat"] or {}


def at(text: str) -> datetime:
    """A timestamp as received."""
    return datetime.fromisoformat(text)
