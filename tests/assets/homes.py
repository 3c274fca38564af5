"""Homes for the tests of assets: a clock that only tests move, an empty home, and users on its roster."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from connectors.home import Home
from connectors.state.roster import RosterUser, put_users
from schemas.asleep import ASLEEP

NOW = datetime(2026, 11, 3, 6, 0, tzinfo=UTC)
"""Early in a month, so that few nights reach back into another one."""


class StandingClock:
    """A clock that stands still."""

    def __init__(self, now: datetime = NOW) -> None:
        self.now = now

    def __call__(self) -> datetime:
        """What it shows."""
        return self.now

    def advance(self, **units: float) -> None:
        """Move it on, by ``days=1`` or the like."""
        self.now += timedelta(**units)


@contextmanager
def new_home(root: Path, clock: StandingClock) -> Iterator[Home]:
    """A prepared home at ``root``; its state is closed at the end."""
    home = Home(root, clock=clock)
    home.prepare()
    try:
        yield home
    finally:
        home.state.close()


def follow(home: Home, *users: RosterUser) -> None:
    """Put users on the roster, without marking anything dirty."""
    with home.state.write() as connection:
        put_users(connection, users)


def sleeper(user_id: str, org_id: str = "clinic", timezone: str = "Asia/Seoul") -> RosterUser:
    """A rostered user."""
    return RosterUser(ASLEEP, user_id, org_id, timezone)
