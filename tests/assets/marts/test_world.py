"""The marts of a small world, pulled and built: from the warehouse as from the lake, and as the ledger has it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import duckdb
import pytest

from assets.marts.build import Marts, build_marts
from assets.marts.loading import lake_marts
from connectors.asleep.sandbox import World
from connectors.warehouse.duckdb import DuckDbWarehouse
from schemas.tables import NIGHT_LEDGER, SLEEP_SESSIONS, Table
from tests.assets.engine.disk import unawaited_disk
from tests.assets.engine.rig import Rig, empty_home
from tests.assets.marts.recordings import Row

NOW = datetime(2026, 11, 3, 6, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """Nine users with two weeks each around the end of summer time, pulled a day after the last of it."""
    folder = tmp_path_factory.mktemp("world")
    with unawaited_disk():
        rig = Rig(World(users=9, nights=14, seed=5, now=NOW), folder, empty_home(folder / "empty"))
        try:
            rig.move_on(timedelta(days=1))
            rig.run(rig.today - timedelta(days=20), rig.today)
            yield rig
        finally:
            rig.close()


@pytest.fixture(scope="module")
def marts(rig: Rig) -> Marts:
    """The marts from the tables of the warehouse."""
    with DuckDbWarehouse(rig.root / "warehouse.duckdb").read() as connection:
        return build_marts(connection)


def lake(rig: Rig, table: Table) -> list[Row]:
    """All rows of a lake table."""
    return [
        row for path in sorted((rig.root / "lake" / table.name).rglob("*.parquet")) for row in _rows(path.as_posix())
    ]


def _rows(path: str) -> list[Row]:
    rows: list[Row] = duckdb.read_parquet(path).to_arrow_table().to_pylist()
    return rows


def test_everything_is_in_the_marts_once(rig: Rig, marts: Marts) -> None:
    """Every check passes, that for the ledger's main sleeps too; counts are those of the lake."""
    assert [check for check in marts.checks if not check.passed] == []
    nights = marts.tables["nights"].to_pylist()
    sessions, ledger = lake(rig, SLEEP_SESSIONS), lake(rig, NIGHT_LEDGER)
    assert len(sessions) > 80
    assert sum(night["sessions"] for night in nights) == len(sessions)
    assert sum(night["verdict"] is not None for night in nights) == len(ledger)
    slept = {night["verdict"] for night in nights if night["main_session_id"]}
    assert slept <= {"complete", None}
    assert {"complete", "no_recording"} <= {night["verdict"] for night in nights}


def test_figures_are_those_of_the_main_session(rig: Rig, marts: Marts) -> None:
    """Each column that both have, of every night's main sleep."""
    sessions = {row["session_id"]: row for row in lake(rig, SLEEP_SESSIONS)}
    both = set(SLEEP_SESSIONS.schema.names) & set(marts.tables["nights"].schema.names)
    assert {"total_sleep_time_s", "sleep_efficiency", "breathing_pattern", "wake_date", "sleep_onset"} <= both
    nights = [night for night in marts.tables["nights"].to_pylist() if night["main_session_id"]]
    assert nights
    for night in nights:
        session = sessions[night["main_session_id"]]
        assert {name: night[name] for name in both} == {name: session[name] for name in both}
        assert night["main_tracked_s"] == pytest.approx((session["end_time"] - session["start_time"]).total_seconds())


def test_the_lake_gives_the_same_marts_as_the_warehouse(rig: Rig, marts: Marts) -> None:
    """Every file of it, as the asset reads them."""
    found = lake_marts(rig.home)
    assert found.checks == marts.checks
    assert found.partitions.equals(marts.partitions)
    for name, rows in marts.tables.items():
        assert found.tables[name].equals(rows), name
