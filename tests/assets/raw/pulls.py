"""Pulling in tests: a real client against the simulator on loopback, or against a vendor a test has in its hands."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import httpx

from assets.raw.asleep_vendor import AsleepVendor
from assets.raw.pull import Progress, PullReport, Window, pull, pull_average_stats, pull_user_documents
from connectors.asleep.client import AsleepClient
from connectors.asleep.sandbox import World
from connectors.home import Home
from connectors.lake.raw import CurrentDocument
from connectors.patience import Patience, Retry
from connectors.rate_limit import RateLimit
from connectors.state.dirty import list_dirty
from connectors.state.ledger import unpulled
from connectors.state.roster import RosterUser, list_users
from connectors.state.vendor import VendorAccount, key_fingerprint
from schemas.asleep import ASLEEP
from tests.assets.homes import follow

KEY = "sandbox-key"
FIRST, LAST = date(2026, 8, 25), date(2026, 11, 3)
"""A window that holds every session of the worlds in these tests."""

Ask = Callable[[AsleepVendor, VendorAccount], Awaitable[PullReport]]


@dataclass
class Puller:
    """Pulls of one home from one vendor; ``calls`` counts the requests of the last one, also if it was stopped."""

    home: Home
    base_url: str = "http://vendor.test"
    transport: httpx.AsyncBaseTransport | None = None
    key: str = KEY
    concurrency: int = 8
    calls: Counter[str] = field(default_factory=Counter)

    def pull(
        self,
        first: date = FIRST,
        last: date = LAST,
        *,
        only_unpulled: bool = False,
        accept_deletions: bool = False,
        reconcile_days: int = 1,
        progress: Progress | None = None,
    ) -> PullReport:
        """Pull sessions and all that belongs to them."""
        window = Window(first, last, only_unpulled, accept_deletions, reconcile_days)
        return self._run(lambda vendor, account: pull(self.home, vendor, account, window, progress))

    def pull_months(self, *months: date) -> PullReport:
        """Pull average statistics."""
        return self._run(lambda vendor, account: pull_average_stats(self.home, vendor, account, months))

    def pull_users(self) -> PullReport:
        """Pull user documents."""
        return self._run(lambda vendor, account: pull_user_documents(self.home, vendor, account))

    def _run(self, ask: Ask) -> PullReport:
        async def run() -> PullReport:
            client = AsleepClient(
                self.base_url,
                self.key,
                rate_limit=RateLimit(self.home.root / "budget", 100_000),
                clock=self.home.clock,
                concurrency=self.concurrency,
                patience=Patience(Retry(attempts=2, base_s=0.001, cap_s=0.001, jitter_s=0.0)),
                transport=self.transport,
            )
            async with client:
                try:
                    account = VendorAccount(ASLEEP, self.base_url, key_fingerprint(self.key))
                    return await ask(AsleepVendor(client), account)
                finally:
                    self.calls = client.calls.by_endpoint

        return asyncio.run(run())


def follow_everybody(home: Home, world: World) -> list[RosterUser]:
    """Put all users of a world on the roster, with the zones they live in."""
    users = [RosterUser(ASLEEP, user.user_id, "clinic", user.person.timezone) for user in world.users()]
    follow(home, *users)
    return users


def kept(home: Home, kind: str) -> list[CurrentDocument]:
    """The newest version of every raw document of a kind."""
    return home.raw.current_of_all_dates(ASLEEP, kind)


def dirty(home: Home, asset: str) -> list[str]:
    """The dirty partitions of an asset."""
    with home.state.read() as connection:
        return list(list_dirty(connection).get(asset, {}))


def left(home: Home) -> dict[str, str]:
    """The users whom the last pull did not get, with the reason."""
    with home.state.read() as connection:
        return unpulled(connection, ASLEEP)


def gone(home: Home) -> list[str]:
    """The users whom the vendor did not know when last asked."""
    with home.state.read() as connection:
        return [user.user_id for user in list_users(connection) if user.gone]


def truth(base_url: str) -> dict[str, Any]:
    """What is true in a sandbox."""
    answer = httpx.get(f"{base_url}/_control/truth", trust_env=False)
    content: dict[str, Any] = answer.raise_for_status().json()
    return content


def control(base_url: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """Change something in a sandbox."""
    answer = httpx.post(f"{base_url}/_control/{path}", json=body, trust_env=False)
    content: dict[str, Any] = answer.raise_for_status().json()
    return content


def start_of(session: dict[str, Any]) -> datetime:
    """When a session of the truth began."""
    return datetime.fromisoformat(session["start_time"])
