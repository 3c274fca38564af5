"""The marts as assets: computed from the lake, checked in Dagster's sight, loaded only if they are sound."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from assets.builds import ALL_USERS, MARTS
from assets.marts.loading import MART_KEYS, MartsUnsound, load_marts, mart_tables
from connectors.home import Home
from connectors.lake.tables import LakeDamaged
from connectors.state.dirty import list_dirty, mark_dirty
from connectors.warehouse.duckdb import DuckDbWarehouse
from schemas.marts import MART_TABLES
from schemas.tables import NIGHT_LEDGER, SLEEP_SESSIONS, SLEEP_STAGE_INTERVALS, Table
from tests.assets.homes import StandingClock, new_home
from tests.assets.marts.recordings import BED, Row, ledger_of, session, stages_of

NIGHT = session("night", "3 23:00", "4 07:00")


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """A home with a night in its lake, whose marts are dirty."""
    with new_home(tmp_path / "home", StandingClock()) as home:
        put(home, NIGHT)
        yield home


def put(home: Home, *rows: Row) -> None:
    """Have these sessions, and the ledger of their nights, in the lake."""
    home.lake.replace(SLEEP_SESSIONS, "date=2026-11-03", list(rows))
    home.lake.replace(NIGHT_LEDGER, "date=2026-11-03", list(ledger_of(rows)))
    with home.state.write() as connection:
        mark_dirty(connection, [MARTS], [ALL_USERS])


def with_bed(home: Home) -> None:
    """Have the bed's recording of the night in the lake as well, with the stages of both and those of somebody else."""
    bed, other = NIGHT | BED | {"session_id": "bed"}, NIGHT | {"user_id": "other"}
    put(home, NIGHT, bed)
    stages = [row for each in (NIGHT, bed, other) for row in stages_of(each, [0, 1] * 480)]
    home.lake.replace(SLEEP_STAGE_INTERVALS, "date=2026-11-03", stages)


def is_dirty(home: Home) -> bool:
    """Whether the marts are still to be computed."""
    with home.state.read() as connection:
        return MARTS in list_dirty(connection)


def warehouse_of(home: Home) -> DuckDbWarehouse:
    """The home's warehouse."""
    return DuckDbWarehouse(home.root / "warehouse.duckdb")


def nights(home: Home) -> list[tuple[object, ...]]:
    """The nights in the warehouse: their main sleep and how long it was."""
    with warehouse_of(home).read() as connection:
        return connection.execute("SELECT main_session_id, total_sleep_time_s FROM nights").fetchall()


def materialize(home: Home) -> dg.ExecuteInProcessResult:
    """Run the asset, whether it succeeds or not."""
    resources = {"home": home, "warehouse": warehouse_of(home)}
    return dg.materialize([mart_tables], resources=resources, raise_on_error=False)


def test_what_changed_in_the_lake_is_in_the_marts(home: Home) -> None:
    """And then they are at rest."""
    of_one_source = [table.name for table in MART_TABLES if not table.name.startswith("source_agreement")]
    assert load_marts(home, warehouse_of(home)).replaced == dict.fromkeys(of_one_source, 1)
    assert nights(home) == [("night", 28_800)]
    assert not is_dirty(home)
    put(home, NIGHT | {"total_sleep_time_s": 20_000})
    load_marts(home, warehouse_of(home))
    assert nights(home) == [("night", 20_000)]


def test_stages_are_read_only_of_people_with_two_sources(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """A home with one source reads none, however many nights it has."""
    read, seen = home.lake.read, []

    def noted(table: Table, *about: Any) -> Any:
        seen.append(table.name)
        return read(table, *about)

    monkeypatch.setattr(home.lake, "read", noted)
    assert not load_marts(home, warehouse_of(home)).marts.tables["source_agreement"].num_rows
    assert SLEEP_STAGE_INTERVALS.name not in seen
    with_bed(home)
    agreement = load_marts(home, warehouse_of(home)).marts.tables["source_agreement_nights"].to_pylist()
    assert seen.count(SLEEP_STAGE_INTERVALS.name) == 1
    assert [(row["user_id"], row["epochs"], row["sleep_wake_kappa"]) for row in agreement] == [("ann", 960, 1.0)]


def test_what_changes_while_they_are_computed_is_not_lost(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """They stay dirty and are computed again."""
    read_all = home.lake.read_all

    def read_and_change(table: object) -> object:
        rows = read_all(table)  # type: ignore[arg-type]
        if table is SLEEP_SESSIONS:
            put(home, NIGHT | {"total_sleep_time_s": 20_000})
        return rows

    with monkeypatch.context() as patch:
        patch.setattr(home.lake, "read_all", read_and_change)
        load_marts(home, warehouse_of(home))
    assert is_dirty(home)
    load_marts(home, warehouse_of(home))
    assert nights(home) == [("night", 20_000)]
    assert not is_dirty(home)


def test_dagster_is_told_rows_and_checks(home: Home) -> None:
    """Every mart with its row count and schema, every check passed, and no value of anybody."""
    with_bed(home)
    result = materialize(home)
    assert result.success
    assert {event.asset_key for event in result.get_asset_materialization_events()} == set(MART_KEYS)
    for event in result.get_asset_materialization_events():
        rows = 10 if event.asset_key == MART_KEYS[-1] else 1  # five metrics, of one person and of everybody
        assert event.materialization.metadata["dagster/row_count"].value == rows
        assert event.materialization.metadata["partitions_replaced"].value == 1
    checks = result.get_asset_check_evaluations()
    assert len(checks) > 20
    assert all(check.passed for check in checks)
    assert not any("ann" in str(event) for event in result.all_events)


def test_marts_that_are_wrong_by_our_doing_are_not_loaded(home: Home) -> None:
    """The run fails, names the check, and the marts of before stay; they are tried again."""
    load_marts(home, warehouse_of(home))
    put(home, NIGHT, NIGHT | {"end_time": NIGHT["end_time"].replace(hour=6)})
    result = materialize(home)
    assert not result.success
    failed = [check for check in result.get_asset_check_evaluations() if not check.passed]
    assert ("every_session_once", dg.AssetCheckSeverity.ERROR) in {
        (check.check_name, check.severity) for check in failed
    }
    with pytest.raises(MartsUnsound, match=r"^The marts were not loaded because checks failed \(.*nights.*\): run "):
        dg.materialize([mart_tables], resources={"home": home, "warehouse": warehouse_of(home)})
    assert nights(home) == [("night", 28_800)]
    assert is_dirty(home)


def test_odd_figures_of_the_vendor_are_yellow_and_loaded(home: Home) -> None:
    """A share above one is told and does not hold up the night."""
    put(home, NIGHT | {"sleep_efficiency": 1.2})
    result = materialize(home)
    assert result.success
    odd = {(check.check_name, check.severity) for check in result.get_asset_check_evaluations() if not check.passed}
    assert odd == {("ranges", dg.AssetCheckSeverity.WARN)}
    assert nights(home) == [("night", 28_800)]


def test_a_damaged_lake_file_is_told(home: Home) -> None:
    """With the command that makes it again; the marts of before stay."""
    load_marts(home, warehouse_of(home))
    home.lake.path(SLEEP_SESSIONS, "date=2026-11-03").write_bytes(b"PAR1 broken PAR1")
    with pytest.raises(LakeDamaged, match="nightshift rebuild --from 2026-11-03"):
        load_marts(home, warehouse_of(home))
    assert nights(home) == [("night", 28_800)]
