"""What a backfill will cost in calls about beds: estimated from dates alone, without a call.

The vendor lists sessions from the newest one backwards, ten a page, so that each range of a backfill reads all that
came after it, too.
"""

import math
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from pipelines.dirty_runs import day_ranges
from schemas.eight_sleep import EIGHT_SLEEP
from schemas.nights import utc_date

if TYPE_CHECKING:
    from connectors.home import Home
    from pipelines.settings import Settings

USUAL_SESSIONS_PER_NIGHT = 1.1

PAGE = 10
"""Sessions on a page, as the vendor's answers have had."""

PER_MINUTE = 30
"""Calls a minute and account that we allow ourselves; the vendor has documented no limit of these."""


@dataclass(frozen=True, slots=True)
class BedForecast:
    """Calls by endpoint, for ``users`` over ``accounts``; ``sessions`` that are new."""

    users: int
    accounts: int
    sessions: int
    calls: dict[str, int]

    @property
    def seconds(self) -> float:
        """How long the calls take, shared out evenly over the accounts."""
        return 60 * sum(self.calls.values()) / PER_MINUTE / max(self.accounts, 1)

    def summary(self) -> dict[str, Any]:
        """As a part of what ``--json`` prints."""
        return {"users": self.users, "sessions": self.sessions, "calls": self.calls, "seconds": round(self.seconds, 1)}

    def line(self) -> str:
        """The same in words."""
        calls = self.calls
        entry = calls["login"] + calls["me"] + calls["bed"]
        return (
            f"Beds: {self.users} users, about {entry} calls for accounts and beds, {calls['intervals']} for pages of "
            f"sessions (from today back), {calls['trends']} for scores; {sum(calls.values())} in all, "
            f"{duration_words(self.seconds)} at {PER_MINUTE} a minute and account."
        )


def bed_forecast(home: "Home", settings: "Settings", first: date, last: date) -> BedForecast | None:
    """The calls of a backfill of these inclusive UTC dates; None if nobody who sleeps in a bed is followed in them.

    Raises: WrongUsage if the accounts of the settings cannot be read.
    """
    from assets.raw.eight_sleep_vendor import TREND_DAYS
    from connectors.state.ledger import sessions_between
    from connectors.state.roster import list_users
    from pipelines.resources import eight_sleep_accounts

    with home.state.read() as connection:
        users = [user for user in list_users(connection, EIGHT_SLEEP) if user.active_within(first, last)]
        there = len(sessions_between(connection, EIGHT_SLEEP, first, last))
    if not users:
        return None
    today, accounts = utc_date(home.clock()), len(eight_sleep_accounts(settings, home))
    ranges = list(day_ranges(first, last))
    windows = [(user, window) for start, end in ranges for user in users if (window := user.active_within(start, end))]
    nights = sum((end - start).days + 1 for _, (start, end) in windows)
    pages = sum(_pages((today - start).days + 2) for _, (start, _) in windows)
    scores = sum(math.ceil(((min(end, today) - start).days + 3) / TREND_DAYS) for _, (start, end) in windows)
    calls = {
        "login": accounts,
        "me": accounts * len(ranges),
        "bed": accounts * len(ranges),
        "intervals": pages,
        "trends": scores,
    }
    return BedForecast(len(users), accounts, max(0, round(nights * USUAL_SESSIONS_PER_NIGHT) - there), calls)


def _pages(days: int) -> int:
    """Pages from the newest session back over so many days; at least one."""
    return max(1, math.ceil(days * USUAL_SESSIONS_PER_NIGHT / PAGE))


def duration_words(seconds: float) -> str:
    """Hours and minutes, or seconds where it is less."""
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min" if minutes else f"{seconds:.0f} s"
