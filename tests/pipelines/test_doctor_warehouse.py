"""The doctor on the warehouse: there, readable, with the tables of this release, or what to do about it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from duckdb import connect

from connectors.asleep.sandbox import World
from connectors.warehouse.duckdb import DuckDbWarehouse
from tests.assets.marts.recordings import ledger_of, marts_of, session
from tests.pipelines.doctored import KEY, Patient, healthy
from tests.system.faults import faulty_sandbox


@pytest.fixture
def patient(tmp_path: Path) -> Iterator[Patient]:
    """A home that is well."""
    with (
        faulty_sandbox(World(users=2, nights=1, api_key=KEY)) as sandbox,
        healthy(tmp_path / "home", sandbox) as patient,
    ):
        yield patient


def fill(patient: Patient) -> Path:
    """Load a night; where the warehouse lies."""
    rows = [session("night", "3 23:00", "4 07:00")]
    found = marts_of(rows, ledger_of(rows))
    path = patient.root / "warehouse.duckdb"
    DuckDbWarehouse(path).load_marts(found.tables, found.partitions)
    return path


def test_how_far_its_nights_go_is_told(patient: Patient) -> None:
    """Nothing before the first night; then their number and the last date."""
    assert "warehouse" not in patient.examine()
    fill(patient)
    found = patient.examine()["warehouse"]
    assert found.fine is True
    assert found.words == "warehouse.duckdb can be read: 1 night(s), the last of 2026-11-03."
    assert not patient.complaints()


def test_a_warehouse_that_is_gone_or_of_an_older_release_is_told(patient: Patient) -> None:
    """With the command that makes it again; and one that is locked or cannot be reached, in its own sentence."""
    path = fill(patient)
    with connect(path) as connection:
        connection.execute("ALTER TABLE user_weeks DROP COLUMN iso_week")
    [(name, old)] = patient.complaints().items()
    assert (name, old.words) == ("warehouse", "warehouse.duckdb lacks tables or columns of this release.")
    assert "nightshift sync" in old.do
    (patient.root / "lake" / "sleep_sessions").mkdir(parents=True)
    path.unlink()
    assert "is not there" in patient.complaints()["warehouse"].words
    patient.with_settings(nightshift_warehouse_url="postgresql://canary:canary@127.0.0.1:1/canary")
    away = patient.complaints()["warehouse"]
    assert "cannot be reached" in away.words
    assert "canary" not in away.words
