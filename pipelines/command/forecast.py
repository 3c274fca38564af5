"""What a backfill will cost: calls, time at the limit, bytes of raw. Nothing is written.

``--list`` makes the list calls; without it the number of sessions is an estimate from what this home has seen. What is
already there is not counted.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from connectors.errors import UserNotFound
from pipelines.dirty_runs import day_ranges
from schemas.asleep import ASLEEP, COMPLETE

if TYPE_CHECKING:
    from connectors.home import Home
    from connectors.state.roster import RosterUser
    from pipelines.settings import Settings

USUAL_SESSIONS_PER_NIGHT = 1.1
USUAL_BYTES_PER_SESSION = 3_000


@dataclass(frozen=True, slots=True)
class Forecast:
    """Calls by endpoint, seconds at the configured limit, bytes; ``exact`` if the vendor was asked for its lists."""

    users: int
    list_calls: int
    detail_calls: int
    stats_calls: int
    seconds: float
    raw_bytes: int
    exact: bool

    def lines(self) -> list[str]:
        """The forecast in words."""
        about = "" if self.exact else "about "
        calls = self.list_calls + self.detail_calls + self.stats_calls
        return [
            f"{self.users} users followed in this range.",
            f"Calls: {self.list_calls} list, {about}{self.detail_calls} detail, {about}{self.stats_calls} stats; "
            f"{about}{calls} in all, {_duration(self.seconds)} at the limit of ASLEEP_REQUESTS_PER_SECOND.",
            f"Raw grows by about {self.raw_bytes / 1e6:.1f} MB; lake, fhir and warehouse together by about as much.",
        ]


def forecast(home: "Home", settings: "Settings", first: date, last: date, *, with_lists: bool) -> Forecast:
    """What a backfill of these inclusive UTC dates will cost. Raises: NightshiftError if the lists cannot be read."""
    from connectors.state.ledger import count_sessions, sessions_between
    from connectors.state.roster import list_users

    with home.state.read() as connection:
        windows = {user: user.active_within(first, last) for user in list_users(connection, ASLEEP)}
        known = sessions_between(connection, ASLEEP, first, last)
        seen = count_sessions(connection, "complete")
    ranges = list(day_ranges(first, last))
    users = [user for user, window in windows.items() if window]
    nights = sum((window[1] - window[0]).days + 1 for window in windows.values() if window)
    if with_lists:
        listed, list_calls = asyncio.run(_listed(home, settings, users, ranges))
        new = len(listed - known)
    else:
        list_calls = sum(user.active_within(start, end) is not None for user in users for start, end in ranges)
        new = max(0, round(nights * USUAL_SESSIONS_PER_NIGHT) - len(known))
    months = (last.year - first.year) * 12 + last.month - first.month + 1
    stats_calls = min(new, len(users) * months)
    calls = list_calls + new + stats_calls
    return Forecast(
        users=len(users),
        list_calls=list_calls,
        detail_calls=new,
        stats_calls=stats_calls,
        seconds=calls / settings.asleep_requests_per_second,
        raw_bytes=new * (_raw_bytes(home) // seen if seen else USUAL_BYTES_PER_SESSION),
        exact=with_lists,
    )


async def _listed(
    home: "Home", settings: "Settings", users: "Sequence[RosterUser]", ranges: Sequence[tuple[date, date]]
) -> tuple[set[tuple[str, str]], int]:
    from pipelines.resources import asleep_connection

    listed: set[tuple[str, str]] = set()
    async with asleep_connection(settings, home).open() as client:

        async def read(user: "RosterUser", start: date, end: date) -> None:
            rows = client.iterate_sessions(user.user_id, date_gte=start, date_lte=end)
            listed.update([(user.user_id, row.session_id) async for row in rows if row.state == COMPLETE])

        windows = [(user, user.active_within(start, end)) for user in users for start, end in ranges]
        calls = [read(user, *window) for user, window in windows if window]
        for outcome in await asyncio.gather(*calls, return_exceptions=True):
            if isinstance(outcome, BaseException) and not isinstance(outcome, UserNotFound):
                raise outcome
        return listed, client.calls.by_endpoint["list"]


def _raw_bytes(home: "Home") -> int:
    return sum(path.stat().st_size for path in (home.root / "raw" / ASLEEP / "session").rglob("*.parquet"))


def _duration(seconds: float) -> str:
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min" if minutes else f"{seconds:.0f} s"
