"""A year of nights in a real PostgreSQL: equal to DuckDB's, loaded by runs that are killed, touched where it changed.

The suite has a few users and weeks of it, the soak fifty users and a year.
"""

import os
import random
import signal
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import sqlalchemy as sa

from assets.marts.loading import load_marts
from assets.warehouse.tables import load_average_stats, load_night_ledger, load_nights, load_users
from connectors.asleep.sandbox import World
from connectors.home import Home
from connectors.state.tables import sessions
from connectors.warehouse.duckdb import DuckDbWarehouse
from connectors.warehouse.loading import Warehouse, WarehouseUnavailable
from schemas.marts import MART_PARTITIONS, MART_TABLES, WAREHOUSE_TABLES
from schemas.tables import AVERAGE_STATS, LAKE_TABLES, NIGHT_LEDGER, SLEEP_SESSIONS
from tests.assets.draining import drain
from tests.assets.engine.disk import unawaited_disk
from tests.assets.engine.rig import Rig, empty_home
from tests.connectors.warehouse.conftest import Server, Tried
from tests.connectors.warehouse.loads import checksums, rows_of

NOW = datetime(2026, 11, 3, 6, 0, tzinfo=UTC)
A_RUN = 90
CHANGED_BY_A_NEW_ANALYSIS = {
    "sleep_sessions": 1,
    "sleep_hypnograms": 1,
    "session_history": 2,  # the new version, and the end of the one before
    "night_ledger": 1,
    "nights": 1,
    "user_weeks": 1,
    "user_months": 1,
    "cohort_days": 1,
    "mart_partitions": 4,
}
"""Rows of each table that are written when one session is analysed again; its intervals come to that."""


@dataclass(frozen=True, slots=True)
class Year:
    """A world that was pulled and built, with a DuckDB warehouse; and the PostgreSQL that is tried."""

    rig: Rig
    tried: Tried

    def pull(self, days: int) -> None:
        """Pull and build these last days; DuckDB has everything then."""
        self.rig.run(self.rig.today - timedelta(days=days), self.rig.today)
        drain(self.rig.home, marts=True)

    @property
    def duckdb(self) -> DuckDbWarehouse:
        """What it should be equal to."""
        return DuckDbWarehouse(self.rig.root / "warehouse.duckdb")


def load_everything(home: Home, warehouse: Warehouse) -> None:
    """Load all that the lake has, in runs of as many dates as the jobs have."""
    lake = home.root / "lake"

    def partitions(table: str, key: str) -> list[str]:
        return sorted(path.name.removeprefix(f"{key}=") for path in (lake / table).glob(f"{key}=*"))

    for load, mine in (
        (load_nights, partitions(SLEEP_SESSIONS.name, "date")),
        (load_night_ledger, partitions(NIGHT_LEDGER.name, "date")),
        (load_average_stats, partitions(AVERAGE_STATS.name, "month")),
    ):
        for first in range(0, len(mine), A_RUN):
            load(home, warehouse, mine[first : first + A_RUN])
    load_users(home, warehouse)
    load_marts(home, warehouse)


def loading(home: Home, warehouse: Warehouse, failpoint: str) -> int:
    """The id of a process that loads everything, and is killed at a failpoint if it comes there."""
    home.state.close()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        status = 1
        try:
            os.environ["NIGHTSHIFT_FAILPOINT"] = failpoint
            load_everything(home, warehouse)
            status = 0
        except WarehouseUnavailable:
            status = 3
        finally:
            os._exit(status)
    return child


def ended(child: int) -> int:
    """How a process ended: its exit code, negative for a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def kill_loads(year: Year, wanted: int) -> None:
    """Loads that are killed wherever, one that loses its server, and two at once; then one that ends."""
    draw = random.Random(6)  # noqa: S311 - where to kill is no secret
    kills = 0
    while kills < wanted:
        point = draw.choice(["warehouse.copied", "warehouse.merged", "warehouse.committed"])
        most = {"warehouse.copied": 9, "warehouse.merged": 4, "warehouse.committed": 3}[point]
        code = ended(loading(year.rig.home, year.tried.again(), f"{point}:{draw.randint(1, most)}"))
        assert code in (-signal.SIGKILL, 0)
        kills += code != 0
    restarting = Thread(target=year.tried.server.restart)
    child = loading(year.rig.home, year.tried.again(), "none")
    restarting.start()
    restarting.join()
    assert ended(child) in (0, 3)
    both = [loading(year.rig.home, year.tried.again(), "none") for _ in range(2)]
    assert [ended(child) for child in both] == [0, 0]


def the_same(year: Year) -> None:
    """Counts, rows and a checksum of every partition are those of DuckDB."""
    postgresql, duckdb = year.tried.again(), year.duckdb
    for table in (*LAKE_TABLES, *MART_TABLES):
        assert checksums(postgresql, table) == checksums(duckdb, table), table.name
    assert rows_of(postgresql, MART_PARTITIONS) == rows_of(duckdb, MART_PARTITIONS)


def row_versions(tried: Tried) -> dict[str, Mapping[Any, Any]]:
    """Where each row of each table lies and which transaction wrote it, by its key."""
    return {
        table.name: {
            tuple(key): (xmin, ctid)
            for xmin, ctid, *key in tried.ask(
                f"SELECT xmin::text, ctid::text, {', '.join(table.key)} FROM {{schema}}.{table.name}"  # noqa: S608
            )
        }
        for table in WAREHOUSE_TABLES
    }


def analyse_one_again(year: Year, days: int) -> dict[str, int]:
    """The vendor analyses the main sleep of a past night again; how many rows of each table are written then."""
    rig = year.rig
    user = next(user for user in rig.world.users() if len(user.sessions) > 3)
    night = rows_of(year.duckdb, MART_TABLES[0])
    mains = {row["main_session_id"] for row in night if row["user_id"] == user.user_id and row["in_means"]}
    session = next(one for one in user.sessions[2:] if one.id in mains)
    before = row_versions(year.tried)
    rig.world.reanalyse(user, session)
    with rig.home.state.write() as connection:
        # As if the list told of it; else it is seen by the sweep, once a month.
        connection.execute(sa.update(sessions).where(sessions.c.session_id == session.id).values(fingerprint="old"))
    year.pull(days)
    load_everything(rig.home, year.tried.again())
    after = row_versions(year.tried)
    changed = {name: {key for key in after[name] if before[name].get(key) != after[name][key]} for name in after}
    assert all(session.id in key for key in changed["sleep_stage_intervals"])
    return {name: len(keys) for name, keys in changed.items() if keys and name != "sleep_stage_intervals"}


def see_a_year(year: Year, days: int, kills: int) -> None:
    """Everything that has to hold of a year, one after the other, after so many killed loads."""
    year.pull(days)
    kill_loads(year, kills)
    the_same(year)
    before = row_versions(year.tried)
    load_everything(year.rig.home, year.tried.again())
    assert row_versions(year.tried) == before
    written = analyse_one_again(year, days)
    assert written.pop("average_stats", 0) <= 2  # those of its month, which are asked for again, and of one beside it
    assert written == CHANGED_BY_A_NEW_ANALYSIS
    the_same(year)


@pytest.fixture
def opened(tmp_path: Path, tried: Tried) -> Iterator[Any]:
    """Makes a year of some users and nights."""
    rigs: list[Rig] = []

    def make(users: int, nights: int) -> Year:
        rigs.append(Rig(World(users=users, nights=nights, seed=6, now=NOW), tmp_path, empty_home(tmp_path / "empty")))
        return Year(rigs[0], tried)

    with unawaited_disk():
        yield make
        for rig in rigs:
            rig.close()


def test_weeks_of_a_few_users(opened: Any, server: Server) -> None:
    """Some kills and a restart of the server among them."""
    see_a_year(opened(3, 14), 16, kills=3)


@pytest.mark.soak
def test_a_year_of_fifty_users(opened: Any, server: Server) -> None:
    """The same with a dozen kills and all there is to compare."""
    see_a_year(opened(50, 365), 367, kills=12)
