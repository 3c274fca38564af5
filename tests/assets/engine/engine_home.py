"""A home on which whole runs of the engine are made, some of them killed; from which vendor is up to who makes them."""

import os
import shutil
import signal
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from assets.builds import (
    bed_days,
    mark_bed_days_dirty,
    mark_days_dirty,
    mark_months_dirty,
    mark_nights_dirty,
    mark_users_dirty,
)
from assets.sources.known import SOURCES
from connectors.home import Home
from connectors.lake.compaction import compact
from connectors.lake.publish import sweep_temporaries
from connectors.state.roster import RosterUser, list_users
from schemas.asleep import ASLEEP
from schemas.documents import AVERAGE_STATS, SESSION
from tests.assets.draining import drain
from tests.assets.engine.pictures import LAYERS, Pictures
from tests.assets.homes import StandingClock, new_home

SECRET = b"the same pseudonyms in every home"


def empty_home(root: Path) -> Path:
    """A prepared home with nothing in it, to be copied: the migrations take longer than a run."""
    with new_home(root, StandingClock()) as home, home.state.read():
        return root


class EngineHome:
    """A copy of ``empty`` below ``folder``, with a clock that stands at ``now``; ``opened`` is closed with it."""

    source: str
    """Whom it follows: the people of this source."""

    loads = True
    """Whether runs load the warehouse, which takes as long as all else."""

    def __init__(self, folder: Path, empty: Path, now: datetime) -> None:
        self.clock = StandingClock(now)
        self.opened = ExitStack()
        self.opened.callback(lambda: self.home.state.close())
        self.root = folder / "home"
        shutil.copytree(empty, self.root)
        self.home = self._new_home()
        self.pictures = Pictures(self.root)

    def close(self) -> None:
        """Close the home, and end what was started for it."""
        self.opened.close()

    @property
    def today(self) -> date:
        """The present UTC date."""
        return self.clock.now.astimezone(UTC).date()

    def roster(self) -> list[RosterUser]:
        """Everybody who is followed."""
        with self.home.state.read() as connection:
            return list_users(connection, self.source)

    def sweep(self) -> None:
        """Clear away what a killed run left."""
        for layer in LAYERS:
            sweep_temporaries(self.root / layer)

    def drain(self) -> int:
        """Build what is dirty; the number of files replaced."""
        return drain(self.home, warehouse=self.loads)

    def copy_home(self, root: Path) -> Path:
        """A copy of the home at ``root``, as it is now."""
        self.home.state.close()
        shutil.copytree(self.root, root)
        return root

    def move_into(self, root: Path) -> None:
        """Go on with the home at ``root``."""
        self.home.state.close()
        self.root = root
        self.home = self._new_home()
        self.pictures = Pictures(root)

    def is_killed(self, failpoint: str, run: Callable[[], object]) -> bool:
        """Run in a process of its own that dies at a failpoint; False if it never came there and ended well."""
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
                run()
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
        days |= {day.isoformat() for source in SOURCES for day in self.home.raw.dates(source, SESSION)}
        nights = {date.fromisoformat(name.removeprefix("date=")) for name in self._partitions("night_ledger")}
        with self.home.state.write() as connection:
            mark_days_dirty(connection, days)
            mark_bed_days_dirty(connection, (day.isoformat() for day in bed_days(self.home)))
            mark_nights_dirty(connection, nights)
            mark_months_dirty(connection, (f"{day:%Y-%m}" for day in self.home.raw.dates(ASLEEP, AVERAGE_STATS)))
            mark_users_dirty(connection)
        return self.drain()

    def _partitions(self, *tables: str) -> set[str]:
        return {path.name for table in tables for path in (self.root / "lake" / table).glob("date=*")}

    def _new_home(self) -> Home:
        return Home(self.root, pseudonym_key=SECRET, clock=self.clock)
