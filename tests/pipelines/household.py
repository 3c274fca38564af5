"""A home that follows phones and a bed: both simulators on one port, pulled and built without Dagster."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

from assets.raw.eight_sleep_vendor import EightSleepAccounts
from assets.raw.pull import PullReport, Window, pull
from connectors.asleep.sandbox import World, build_app
from connectors.eight_sleep.sandbox import World as Beds
from connectors.eight_sleep.sandbox.server import addresses_under
from connectors.home import Home
from connectors.sandbox.household import bed_roster, beds_of, together
from connectors.sandbox.server import running
from connectors.state.roster import RosterUser, list_users, put_users, read_roster_csv
from pipelines.resources import eight_sleep_accounts
from pipelines.settings import Settings, load_settings
from schemas.asleep import ASLEEP
from schemas.eight_sleep import EIGHT_SLEEP
from tests.assets.draining import drain
from tests.assets.homes import NOW, StandingClock, new_home
from tests.assets.raw.pulls import KEY, Puller, follow_everybody
from tests.connectors.eight_sleep.rig import AT_ONCE

DAYS = 9
"""So many days before today reach back to the first night of the world."""


@dataclass
class Household:
    """The home, both worlds, and the settings to reach them; the first person sleeps in the bed, beside a partner."""

    home: Home
    phones: World
    beds: Beds
    base_url: str
    clock: StandingClock

    @property
    def settings(self) -> Settings:
        """What a person would have exported; the account is that of who sleeps on the left."""
        hosts, owner = addresses_under(self.base_url), next(self.beds.accounts())
        return load_settings(
            _env_file=None,
            nightshift_home=self.home.root,
            asleep_base_url=self.base_url,
            asleep_api_key=KEY,
            asleep_requests_per_second=1000,
            eight_sleep_email=owner.email,
            eight_sleep_password=owner.password,
            eight_sleep_auth_url=hosts.auth,
            eight_sleep_client_url=hosts.client,
            eight_sleep_app_url=hosts.app,
        )

    @property
    def accounts(self) -> EightSleepAccounts:
        """The bed's account, in time that passes when somebody waits."""
        seconds = [self.clock().timestamp()]

        async def sleep(waited: float) -> None:
            seconds[0] += waited

        made = eight_sleep_accounts(self.settings, self.home)
        patient = tuple(replace(one, patience=AT_ONCE, seconds=lambda: seconds[0], sleep=sleep) for one in made)
        return EightSleepAccounts(lambda: patient)

    @property
    def sleepers(self) -> list[RosterUser]:
        """Who is rostered at the bed."""
        with self.home.state.read() as connection:
            return list_users(connection, EIGHT_SLEEP)

    @property
    def both(self) -> str:
        """The user id of who has phone and bed."""
        return next(self.phones.users()).user_id

    def pull_beds(self, first: date, last: date) -> tuple[PullReport, dict[str, int]]:
        """Pull from the bed; the report, and the calls by endpoint."""

        async def run() -> tuple[PullReport, dict[str, int]]:
            async with self.accounts.open() as vendor:
                report = await pull(self.home, vendor, self.accounts.account(), Window(first, last))
                return report, dict(vendor.calls.by_endpoint)

        return asyncio.run(run())

    def pull(self, days: int = DAYS) -> None:
        """Pull from phone and bed, and build all but the marts."""
        last = self.clock().date()
        Puller(self.home, self.base_url).pull(last - timedelta(days=days), last)
        self.pull_beds(last - timedelta(days=days), last)
        drain(self.home)


@contextmanager
def household(root: Path, users: int = 1, nights: int = 4) -> Iterator[Household]:
    """A home with everybody on the roster, nothing pulled yet; the clocks of home, phones and bed are one."""
    clock = StandingClock(NOW)
    phones = World(users=users, nights=nights, api_key=KEY, now=NOW)
    beds = beds_of(phones, 1, clock)
    with running(together(build_app(phones), phones, beds)) as base_url, new_home(root, clock) as home:
        follow_everybody(home, phones)
        roster = root.parent / "beds.csv"
        roster.write_text(bed_roster(phones, beds))
        with home.state.write() as connection:
            put_users(connection, [replace(user, org_id="clinic") for user in read_roster_csv(roster, ASLEEP)])
        yield Household(home, phones, beds, base_url, clock)
