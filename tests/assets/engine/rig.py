"""A simulator, a home and one clock for both: whole runs of the engine over real HTTP, some of them killed."""

import os
import shutil
import signal
import warnings
from contextlib import ExitStack
from datetime import UTC, date, timedelta
from pathlib import Path

from assets.builds import mark_days_dirty, mark_months_dirty, mark_nights_dirty, mark_users_dirty
from assets.raw.pull import PullReport
from connectors.asleep.sandbox import World, running
from connectors.home import Home
from connectors.lake.compaction import compact
from connectors.lake.publish import sweep_temporaries
from connectors.state.roster import RosterUser, list_users
from schemas.asleep import ASLEEP
from schemas.documents import AVERAGE_STATS, SESSION
from tests.assets.draining import drain
from tests.assets.engine.pictures import LAYERS, Pictures
from tests.assets.engine.vendor_log import Listening, VendorLog
from tests.assets.homes import StandingClock, follow, new_home
from tests.assets.raw.pulls import Puller

SECRET = b"the same pseudonyms in every home"


def empty_home(root: Path) -> Path:
    """A prepared home with nothing in it, to be copied: the migrations take longer than a run."""
    with new_home(root, StandingClock()) as home, home.state.read():
        return root


class Rig:
    """A world that is served, and a home that follows all its users. ``now`` is the time of both."""

    def __init__(self, world: World, folder: Path, empty: Path) -> None:
        self.world = world
        self.clock = StandingClock(world.now)
        self.root = folder / "home"
        shutil.copytree(empty, self.root)
        self._open = ExitStack()
        self.base_url = self._open.enter_context(running(world))
        self.home = self._new_home()
        self._open.callback(lambda: self.home.state.close())
        self.pictures = Pictures(self.root)
        follow(self.home, *(RosterUser(ASLEEP, u.user_id, "clinic", u.person.timezone) for u in world.users()))

    def close(self) -> None:
        """End the simulator and close the home."""
        self._open.close()

    @property
    def today(self) -> date:
        """The present UTC date."""
        return self.clock.now.astimezone(UTC).date()

    def roster(self) -> list[RosterUser]:
        """Everybody who is followed."""
        with self.home.state.read() as connection:
            return list_users(connection, ASLEEP)

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
        for layer in LAYERS:
            sweep_temporaries(self.root / layer)
        log, report = self.pull(first, last)
        return log, report, self.drain()

    def drain(self) -> int:
        """Build what is dirty; the number of files replaced."""
        return drain(self.home)

    def run_and_kill(self, first: date, last: date, failpoint: str) -> bool:
        """A run in a process of its own that dies at a failpoint; False if it never came there and ended well."""
        self.home.state.close()
        with warnings.catch_warnings():
            # The server's thread stays behind, idle; newer Pythons warn of threads.
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if child == 0:
            status = 1
            try:
                os.environ["NIGHTSHIFT_FAILPOINT"] = failpoint
                self.home = self._new_home()
                self.run(first, last)
                status = 0
            finally:
                os._exit(status)
        _, ended = os.waitpid(child, 0)
        code = os.waitstatus_to_exitcode(ended)
        assert code in (0, -signal.SIGKILL), "a run that is killed is killed and does not fail"
        return code != 0

    def compact(self) -> None:
        """Merge the raw files of past dates."""
        compact(self.home.raw, self.today - timedelta(days=1))

    def rebuild(self) -> int:
        """Build everything again from raw; the number of files that were replaced."""
        days = {name.removeprefix("date=") for name in self._partitions("sleep_sessions", "session_history")}
        days |= {day.isoformat() for day in self.home.raw.dates(ASLEEP, SESSION)}
        nights = {date.fromisoformat(name.removeprefix("date=")) for name in self._partitions("night_ledger")}
        with self.home.state.write() as connection:
            mark_days_dirty(connection, days)
            mark_nights_dirty(connection, nights)
            mark_months_dirty(connection, (f"{day:%Y-%m}" for day in self.home.raw.dates(ASLEEP, AVERAGE_STATS)))
            mark_users_dirty(connection)
        return self.drain()

    def _partitions(self, *tables: str) -> set[str]:
        return {path.name for table in tables for path in (self.root / "lake" / table).glob("date=*")}

    def _new_home(self) -> Home:
        return Home(self.root, pseudonym_key=SECRET, clock=self.clock)
