"""What beds tell through all layers: built from raw, loaded by date, sent as FHIR, made again when it changes."""

import shutil
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import orjson
import pytest

from assets.builds import (
    BED_INPUTS,
    DAILY_INPUTS,
    OF_POLLS,
    mark_bed_days_dirty,
    mark_days_dirty,
    mark_missing_layers_dirty,
    mark_roster_dirty,
    mark_users_dirty,
)
from assets.exports.fhir_files import DAYS as DATES
from assets.exports.fhir_files import partitions, wanted_of
from connectors.home import Home
from connectors.state.dirty import list_dirty
from connectors.state.ledger import LedgerDocument, put_documents
from connectors.warehouse.duckdb import DuckDbWarehouse
from pipelines.command.rebuild import extent_of
from pipelines.dirty_runs import runs_for
from schemas.bed_tables import BED_TABLES
from schemas.documents import TREND
from schemas.eight_sleep import EIGHT_SLEEP
from schemas.fhir import complaints
from tests.assets.beds.documents import (
    ANNA,
    FETCHED,
    INTERVAL_DAY,
    NIGHT,
    gone,
    interval,
    poll,
    session_document,
    status,
    trend,
    trend_document,
)
from tests.assets.draining import drain
from tests.assets.homes import follow

POLLED = date(2025, 3, 12)
AT = datetime(2025, 3, 12, 5, 0, tzinfo=UTC)
DAYS = sorted({NIGHT.isoformat(), INTERVAL_DAY.isoformat()})


def bring(home: Home) -> None:
    """One session, one scored night and three polls, as pulls and polls leave them."""
    home.raw.append([session_document(interval()), trend_document(trend())])
    with home.state.write() as connection:
        put_documents(connection, [LedgerDocument(EIGHT_SLEEP, TREND, "anna", NIGHT.isoformat(), "hash", FETCHED)])
        mark_users_dirty(connection)
        mark_days_dirty(connection, DAYS)
        mark_bed_days_dirty(connection, DAYS)
    poll(home, [(AT + 5 * n * timedelta(minutes=1), status(left=n == 1)) for n in range(3)])


def loaded(home: Home) -> dict[str, list[dict[str, Any]]]:
    """Every row of the tables of beds in the warehouse, in the order of the lake."""
    with DuckDbWarehouse(home.root / "warehouse.duckdb").read() as connection:
        return {
            table.name: connection.table(table.name).order(", ".join(table.sort_by)).to_arrow_table().to_pylist()
            for table in BED_TABLES
        }


def in_lake(home: Home) -> dict[str, list[dict[str, Any]]]:
    """Every row of them in the lake."""
    rows = {
        table.name: home.lake.read_all(table).sort_by([(name, "ascending") for name in table.sort_by])
        for table in BED_TABLES
    }
    return {name: table.to_pylist() for name, table in rows.items()}


def observations(home: Home, day: date, file: str = "beds") -> list[dict[str, Any]]:
    """The resources of a file of FHIR, all valid; none if there is no file."""
    path = home.root / "fhir" / "Observation" / f"date={day}" / f"{file}.ndjson"
    resources = [orjson.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []
    assert [complaints(resource) for resource in resources] == [[]] * len(resources)
    return resources


def dirty(home: Home) -> dict[str, list[str]]:
    """Dirty partitions by asset."""
    with home.state.read() as connection:
        return {asset: list(partitions) for asset, partitions in list_dirty(connection).items()}


def test_the_warehouse_has_what_the_lake_has_and_a_second_build_changes_nothing(home: Home) -> None:
    """Row by row, of all four tables."""
    bring(home)
    drain(home)
    assert loaded(home) == in_lake(home)
    assert {name: bool(rows) for name, rows in loaded(home).items()} == {table.name: True for table in BED_TABLES}
    with home.state.write() as connection:
        mark_bed_days_dirty(connection, DAYS)
    assert drain(home) == 0
    assert loaded(home) == in_lake(home)


def test_a_date_of_which_nothing_is_left_is_empty_everywhere(home: Home) -> None:
    """Deleted sessions and nights leave no sample, no row and no Observation that counts."""
    bring(home)
    drain(home)
    (before,) = observations(home, NIGHT)
    home.raw.append([gone(session_document(interval())), gone(trend_document(trend()))])
    with home.state.write() as connection:
        mark_days_dirty(connection, DAYS)
        mark_bed_days_dirty(connection, DAYS)
    drain(home)
    assert loaded(home)["bed_samples"] == loaded(home)["bed_nights"] == []
    (after,) = observations(home, NIGHT)
    assert (after["id"], after["status"], "component" in after) == (before["id"], "entered-in-error", False)


def test_a_scored_night_is_among_what_a_server_should_have(home: Home) -> None:
    """Under the day it ends on, of the person, as nobody's member."""
    bring(home)
    drain(home)
    assert f"{DATES}{NIGHT}" in partitions(home)
    (wanted,) = wanted_of(home, f"{DATES}{NIGHT}").values()
    assert wanted.resource["code"]["coding"][0]["code"] == "bed-night"
    assert wanted.part_of is None
    assert wanted.patient in wanted_of(home, "people")


def test_samples_and_stays_are_sent_on_request_only(home: Home) -> None:
    """Samples as members of their session, so that they go with it; stays of rostered people."""
    bring(home)
    drain(home)
    assert [one["code"]["coding"][0]["code"] for one in observations(home, INTERVAL_DAY)] == []
    asked = replace(home, fhir_bed_samples=True)
    mark_missing_layers_dirty(asked, warehouse_exists=True)
    drain(asked)
    assert [one["code"]["coding"][0]["code"] for one in observations(home, POLLED)] == ["bed-presence"]
    night = observations(home, INTERVAL_DAY, "sleep")
    (session,) = [one for one in night if "hasMember" in one]
    codes = {one["code"]["coding"][0]["code"] for one in night}
    assert {"8867-4", "9279-1", "hrv", "hrv-rmssd", "bed-temperature", "60832-3"} <= codes
    assert len(session["hasMember"]) == len(night) - 1
    asked.raw.append([gone(session_document(interval()))])
    with asked.state.write() as connection:
        mark_days_dirty(connection, DAYS)
        mark_bed_days_dirty(connection, DAYS)
    drain(asked)
    assert {one["status"] for one in observations(home, INTERVAL_DAY, "sleep")} == {"entered-in-error"}


def test_a_home_without_a_bed_never_builds_its_tables(home: Home) -> None:
    """Days of sessions are another family."""
    with home.state.write() as connection:
        mark_days_dirty(connection, DAYS)
    assert dirty(home).keys() == DAILY_INPUTS.keys()
    mark_missing_layers_dirty(home, warehouse_exists=False)
    assert not dirty(home).keys() & BED_INPUTS.keys()


def test_missing_layers_are_made_again_for_every_day_of_a_bed(home: Home) -> None:
    """Of sessions, of scored nights and of polls."""
    bring(home)
    drain(home)
    before = in_lake(home)
    mark_missing_layers_dirty(home, warehouse_exists=True)
    drain(home)
    shutil.rmtree(home.root / "lake")
    mark_missing_layers_dirty(home, warehouse_exists=True)
    assert {asset: dirty(home)[asset] for asset in BED_INPUTS} == dict.fromkeys(BED_INPUTS, DAYS)
    drain(home)
    assert in_lake(home) == before


def test_rebuild_takes_the_days_of_beds(home: Home) -> None:
    """And says of none of them that raw has nothing of it."""
    bring(home)
    drain(home)
    extent = extent_of(home, NIGHT, INTERVAL_DAY)
    assert {day.isoformat() for day in extent.beds} == set(DAYS)
    assert INTERVAL_DAY in extent.days
    assert extent.stale == set()


@pytest.mark.parametrize(
    "change", [{"org_id": "other"}, {"timezone": "UTC"}, {"active_to": date(2025, 3, 1)}], ids=["org", "zone", "end"]
)
def test_the_roster_decides_whose_rows_they_are(home: Home, change: dict[str, Any]) -> None:
    """Nights and polls are made again, and name the organisation, and the person only as long as they are followed."""
    bring(home)
    drain(home)
    changed = replace(ANNA, **change)
    follow(home, changed)
    with home.state.write() as connection:
        mark_roster_dirty(connection, {ANNA.key: ANNA}, [changed])
    assert set(OF_POLLS) <= {asset for asset, days in dirty(home).items() if POLLED.isoformat() in days}
    assert NIGHT.isoformat() in dirty(home)["bed_nights"]
    drain(home)
    rows = loaded(home)
    assert {row["user_id"] for row in rows["bed_presence"]} == ({None} if "active_to" in change else {"anna"})
    assert {(row["org_id"], row["timezone"]) for row in rows["bed_nights"]} == {(changed.org_id, changed.timezone)}


def test_beds_are_built_before_the_nights_whose_observations_have_their_samples() -> None:
    """So that those are not made twice."""
    both = {**BED_INPUTS, **DAILY_INPUTS}
    runs = runs_for({asset: {DAYS[0]: "generation"} for asset in both})
    assert [run.job for run in runs] == ["beds", "sleep"]
