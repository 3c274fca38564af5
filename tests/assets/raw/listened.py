"""Pulls from the simulator over a real connection, with every request written down."""

import re
from collections.abc import Set
from dataclasses import dataclass, field
from datetime import date, timedelta

import httpx

from connectors.asleep.sandbox import World
from connectors.asleep.sandbox.world import Session, User
from connectors.home import Home
from connectors.state.ledger import LedgerSession, sessions_of
from schemas.asleep import ASLEEP
from tests.assets.homes import StandingClock
from tests.assets.raw.pulls import Puller
from tests.assets.raw.scripted import NOT_FOUND


@dataclass(frozen=True)
class Heard:
    """One request: what it was about, its query."""

    path: str
    query: dict[str, str]

    @property
    def session_id(self) -> str | None:
        """The session whose detail was asked for."""
        found = re.fullmatch(r"/data/v3/sessions/(.+)", self.path)
        return found[1] if found else None

    @property
    def period(self) -> tuple[date, date] | None:
        """The dates of which statistics were asked for."""
        if not self.path.endswith("/average-stats"):
            return None
        return date.fromisoformat(self.query["start_date"]), date.fromisoformat(self.query["end_date"])


class Listener(httpx.AsyncHTTPTransport):
    """Passes requests on, but for the details of the ``missing`` sessions; ``heard`` holds all of them."""

    def __init__(self, missing: Set[str]) -> None:
        super().__init__()
        self.missing = missing
        self.heard: list[Heard] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Write it down and pass it on."""
        heard = Heard(request.url.path, dict(request.url.params))
        self.heard.append(heard)
        if heard.session_id in self.missing:
            return httpx.Response(404, content=NOT_FOUND)
        return await super().handle_async_request(request)

    def details(self) -> list[str]:
        """The sessions whose details were asked for."""
        return sorted(heard.session_id for heard in self.heard if heard.session_id)

    def periods(self) -> list[tuple[date, date]]:
        """The dates of which statistics were asked for."""
        return sorted(heard.period for heard in self.heard if heard.period)

    def lists(self) -> list[dict[str, str]]:
        """The queries of the lists that were asked for."""
        return [heard.query for heard in self.heard if heard.path == "/data/v1/sessions"]


@dataclass
class Vendor:
    """A served world, and the pulls of one home from it; each begins with a ``listener`` that has heard nothing.

    The details of the ``missing`` sessions cannot be had.
    """

    world: World
    base_url: str
    home: Home
    clock: StandingClock
    missing: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.puller = Puller(self.home, self.base_url)
        self.listen()

    def pull(self, first: date | None = None, last: date | None = None) -> Puller:
        """Pull once, over the last two weeks unless told; the puller knows the calls."""
        self.listen()
        today = self.clock.now.date()
        self.report = self.puller.pull(first or today - timedelta(days=14), last or today)
        return self.puller

    def listen(self) -> None:
        """Forget what was heard; a client closes the transport it was given, so that it gets another."""
        self.listener = Listener(self.missing)
        self.puller.transport = self.listener

    def sleep(self, *users: User) -> list[Session]:
        """One more night for these users, or for all; our clock goes with the world's."""
        added = self.world.add_nights(1, users or None)
        self.clock.now = max(self.clock.now, self.world.now)
        return added

    def complete(self, user: User) -> list[Session]:
        """The sessions of a user that are analysed."""
        return [session for session in user.sessions if session.state(self.world.now) == "COMPLETE"]

    def known(self, user_id: str) -> dict[str, LedgerSession]:
        """What the ledger knows of a user's sessions."""
        with self.home.state.read() as connection:
            return {session.session_id: session for session in sessions_of(connection, ASLEEP, [user_id])[user_id]}
