"""A simulator of Asleep, a home and one clock for both: runs of the whole engine over real HTTP, some killed."""

from datetime import date, timedelta
from pathlib import Path

from assets.raw.pull import PullReport
from connectors.asleep.sandbox import World, running
from connectors.state.roster import RosterUser
from schemas.asleep import ASLEEP
from tests.assets.engine.engine_home import EngineHome, empty_home
from tests.assets.engine.vendor_log import Listening, VendorLog
from tests.assets.homes import follow
from tests.assets.raw.pulls import Puller

__all__ = ["Rig", "empty_home"]


class Rig(EngineHome):
    """A world that is served, and a home that follows all its users. ``now`` is the time of both."""

    source = ASLEEP

    def __init__(self, world: World, folder: Path, empty: Path) -> None:
        super().__init__(folder, empty, world.now)
        self.world = world
        self.base_url = self.opened.enter_context(running(world))
        follow(self.home, *(RosterUser(ASLEEP, u.user_id, "clinic", u.person.timezone) for u in world.users()))

    def move_on(self, passed: timedelta) -> None:
        """Let time pass, for the vendor and for the home."""
        self.world.advance_to(self.world.now + passed)
        self.keep_up()

    def keep_up(self) -> None:
        """Set the home's clock to the vendor's, which moves when sessions are added."""
        self.clock.now = self.world.now

    def pull(self, first: date, last: date, reconcile_days: int = 1) -> tuple[VendorLog, PullReport]:
        """Pull these UTC dates and build nothing; what the vendor was asked, and what came of it."""
        log = VendorLog()
        puller = Puller(self.home, self.base_url, transport=Listening(log))
        return log, puller.pull(first, last, reconcile_days=reconcile_days)

    def run(self, first: date, last: date) -> tuple[VendorLog, PullReport, int]:
        """Clear away what a killed run left, pull, build; also gives the number of files replaced."""
        self.sweep()
        log, report = self.pull(first, last)
        return log, report, self.drain()

    def run_and_kill(self, first: date, last: date, failpoint: str) -> bool:
        """A run in a process of its own that dies at a failpoint; False if it never came there and ended well."""
        return self.is_killed(failpoint, lambda: self.run(first, last))
