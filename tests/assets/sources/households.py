"""Beds of the sandbox, their accounts, and homes that follow who sleeps in them: for what only Eight Sleep has."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from assets.raw.eight_sleep_vendor import EightSleepAccounts
from assets.raw.pull import PullReport, Window, pull
from connectors.eight_sleep.connection import EightSleepConnection
from connectors.eight_sleep.login import Credentials
from connectors.eight_sleep.sandbox import Addresses, World, running
from connectors.lake.raw import CurrentDocument
from connectors.state.ledger import unpulled
from connectors.state.roster import RosterUser, list_users
from schemas.eight_sleep import EIGHT_SLEEP
from schemas.tables import Table
from tests.assets.engine.engine_home import EngineHome
from tests.assets.homes import NOW, follow
from tests.assets.sources.eight_sleep_rig import QUICK, Waiting

NOON = NOW + timedelta(hours=6)
"""Everybody is up."""

PASSWORD = "changed in the app"


class Household(EngineHome):
    """A home and the beds of one sandbox; ``accounts`` are the e-mails and passwords of the settings."""

    source = EIGHT_SLEEP
    loads = False

    def __init__(
        self, folder: Path, empty: Path, *, beds: int = 1, nights: int = 4, now: datetime = NOON, **of_world: Any
    ) -> None:
        super().__init__(folder, empty, now)
        self.world = World(beds=beds, seed=11, clock=self.clock, nights=nights, **of_world)
        self.asked = Counter[str]()
        self.waiting = Waiting(now)
        self.addresses: Addresses = self.opened.enter_context(running(self.world, calls=self.asked))
        self.sleepers = list(self.world.accounts())
        self.accounts = [(self.sleepers[0].email, self.sleepers[0].password)]

    def follow(self, *numbers: int, zone: str | None = None) -> list[RosterUser]:
        """Put sleepers on the roster, as P-0 and so on, in their bed's zone unless another is given."""
        users = [
            RosterUser(EIGHT_SLEEP, f"P-{n}", "clinic", zone or self._zone(n), vendor_user_id=self.sleepers[n].user_id)
            for n in numbers
        ]
        follow(self.home, *users)
        return users

    def pull(self, days: int = 20, *, until: int = 0) -> PullReport:
        """Pull the days up to so many days ago; requests are in ``asked``, those of this pull alone."""
        self.asked.clear()
        accounts = EightSleepAccounts(lambda: tuple(self._connection(*account) for account in self.accounts))
        window = Window(self.today - timedelta(days=days), self.today - timedelta(days=until))

        async def asked() -> PullReport:
            async with accounts.open() as vendor:
                return await pull(self.home, vendor, accounts.account(), window)

        return asyncio.run(asked())

    def run(self, days: int = 20) -> PullReport:
        """Pull and build."""
        report = self.pull(days)
        self.drain()
        return report

    def rows(self, table: Table, user_id: str | None = None) -> list[dict[str, Any]]:
        """The rows of a table, or those of one person."""
        return [row for row in self.pictures.rows(table) if user_id in (None, row["user_id"])]

    def kept(self, kind: str) -> list[CurrentDocument]:
        """The newest version of every raw document of a kind."""
        return self.home.raw.current_of_all_dates(EIGHT_SLEEP, kind)

    def left(self) -> dict[str, str]:
        """The users whom the last pull did not get, with the reason."""
        with self.home.state.read() as connection:
            return unpulled(connection, EIGHT_SLEEP)

    def gone(self) -> list[str]:
        """The users whom nobody knows."""
        with self.home.state.read() as connection:
            return [user.user_id for user in list_users(connection) if user.gone]

    def _zone(self, number: int) -> str:
        return self.world.place_of(self.sleepers[number].user_id)[0].zone

    def _connection(self, email: str, password: str) -> EightSleepConnection:
        return EightSleepConnection(
            self.home,
            Credentials(email, password),
            self.addresses.auth,
            self.addresses.client,
            patience=QUICK,
            seconds=self.waiting.seconds,
            sleep=self.waiting.sleep,
            app_url=self.addresses.app,
        )


@contextmanager
def household(folder: Path, empty: Path, **options: Any) -> Iterator[Household]:
    """A household for the length of a ``with``."""
    home = Household(folder, empty, **options)
    try:
        yield home
    finally:
        home.close()
