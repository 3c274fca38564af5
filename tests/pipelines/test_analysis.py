"""Tables as frames: the same rows and types from every kind of warehouse, of the user and dates that were asked for."""

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.errors import NightshiftError, WrongUsage
from connectors.warehouse.duckdb import DuckDbWarehouse
from connectors.warehouse.loading import WarehouseUnavailable
from connectors.warehouse.postgresql import SCHEMA, PostgresWarehouse
from connectors.warehouse.sqlalchemy_loader import SqlAlchemyWarehouse
from pipelines.analysis import TABLES, read_table
from schemas.bed_tables import BED_TABLES
from schemas.tables import SLEEP_HYPNOGRAMS, SLEEP_SESSIONS, USERS, Table
from tests.assets.engine.disk import unawaited_disk
from tests.connectors.lake.rows import any_rows
from tests.connectors.warehouse.conftest import Server, server
from tests.connectors.warehouse.loads import load
from tests.connectors.warehouse.test_duckdb import arrow
from tests.schemas.fhir.rows import epochs, night, user

__all__ = ["server"]  # a fixture, found by its name

Open = Callable[[Path, pytest.MonkeyPatch], Any]
EVENING = date(2025, 3, 10)
TRICKY = "O'Hara\" OR 1=1 -- %s {x} ;é"


def duckdb_warehouse(folder: Path, patch: pytest.MonkeyPatch) -> DuckDbWarehouse:
    """The one in the home."""
    patch.setenv("NIGHTSHIFT_HOME", str(folder))
    patch.delenv("NIGHTSHIFT_WAREHOUSE_URL", raising=False)
    return DuckDbWarehouse(folder / "warehouse.duckdb")


def sqlite_warehouse(folder: Path, patch: pytest.MonkeyPatch) -> SqlAlchemyWarehouse:
    """One through SQLAlchemy."""
    url = f"sqlite:///{folder / 'warehouse.db'}"
    patch.setenv("NIGHTSHIFT_HOME", str(folder))
    patch.setenv("NIGHTSHIFT_WAREHOUSE_URL", url)
    return SqlAlchemyWarehouse(url)


@pytest.fixture(params=["duckdb", "sqlite", "postgresql"])
def opened(request: pytest.FixtureRequest) -> Open:
    """How a warehouse of each kind is made the one of the settings."""
    if request.param == "duckdb":
        return duckdb_warehouse
    if request.param == "sqlite":
        return sqlite_warehouse
    running: Server = request.getfixturevalue("server")

    def postgresql_warehouse(folder: Path, patch: pytest.MonkeyPatch) -> PostgresWarehouse:
        patch.setenv("NIGHTSHIFT_HOME", str(folder))
        patch.setenv("NIGHTSHIFT_WAREHOUSE_URL", running.url)
        running.ask(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")
        return PostgresWarehouse(running.url)

    return postgresql_warehouse


@contextlib.contextmanager
def warehouse_of(opened: Open) -> Iterator[Any]:
    """A new warehouse, which is that of the settings within the block."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch, unawaited_disk():
        patch.chdir(folder)
        yield opened(Path(folder), patch)


def expected_frame(table: Table, rows: list[dict[str, Any]]) -> pd.DataFrame:
    """What Arrow itself makes of the rows."""
    rows_in_order = arrow(table, rows).sort_by([(name, "ascending") for name in table.sort_by])
    frame: pd.DataFrame = rows_in_order.to_pandas(types_mapper=pd.ArrowDtype)
    return frame


def ids(frame: pd.DataFrame) -> list[str]:
    """The sessions of a frame."""
    return list(frame["session_id"])


@pytest.mark.parametrize("of_beds", [False, True], ids=["usual", "beds"])
@settings(max_examples=3, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_rows_of_any_table_are_the_same_frame(opened: Open, of_beds: bool, data: st.DataObject) -> None:
    """Every type, null and extreme value, in the table's order."""
    with warehouse_of(opened) as warehouse:
        for table in [table for table in TABLES.values() if (table in BED_TABLES) == of_beds]:
            rows = data.draw(any_rows(table, most=3))
            load(warehouse, table, rows)
            pd.testing.assert_frame_equal(read_table(table.name), expected_frame(table, rows))


def test_one_user_and_some_dates(opened: Open) -> None:
    """Both ends are included, dates may be told in any form, and an id is never part of the query."""
    nights = [
        night(user_id=user_id, session_id=f"{user_id}-{day}", night_of=EVENING + timedelta(day))
        for user_id in ("anna", TRICKY)
        for day in range(4)
    ]
    with warehouse_of(opened) as warehouse:
        load(warehouse, SLEEP_SESSIONS, nights)
        assert len(read_table("sleep_sessions")) == 8
        assert ids(read_table("sleep_sessions", user_id=TRICKY)) == [f"{TRICKY}-{day}" for day in range(4)]
        assert ids(read_table("sleep_sessions", "nobody' OR '1'='1")) == []
        second, third = EVENING + timedelta(1), EVENING + timedelta(2)
        moment = datetime(third.year, third.month, third.day, 23, 59, tzinfo=UTC)
        for start, end in ((second, third), (second.isoformat(), moment), (pd.Timestamp(second), moment.isoformat())):
            assert ids(read_table("sleep_sessions", "anna", start, end)) == ["anna-1", "anna-2"]
        assert ids(read_table("sleep_sessions", "anna", start=third)) == ["anna-2", "anna-3"]
        assert ids(read_table("sleep_sessions", "anna", end=EVENING)) == ["anna-0"]


def test_hypnograms_are_asked_for_by_the_night_of_their_session(opened: Open) -> None:
    """Not by the UTC date of their start: that of a night in Seoul after midnight is the evening's."""
    keys = [{"user_id": "anna", "session_id": str(number)} for number in range(2)]
    starts = [datetime(2025, 3, 10 + number, 15, 30, tzinfo=UTC) for number in range(2)]
    sessions = [night(**key, start_time=start, night_of=start.date()) for key, start in zip(keys, starts, strict=True)]
    stages = [epochs(**key, start_time=start) for key, start in zip(keys, starts, strict=True)]
    with warehouse_of(opened) as warehouse:
        warehouse.load_nights(
            {
                session["night_of"]: {
                    **_no_sessions(),
                    SLEEP_SESSIONS.name: arrow(SLEEP_SESSIONS, [session]),
                    SLEEP_HYPNOGRAMS.name: arrow(SLEEP_HYPNOGRAMS, [epoch]),
                }
                for session, epoch in zip(sessions, stages, strict=True)
            }
        )
        found = read_table("sleep_hypnograms", start=EVENING + timedelta(1), end=EVENING + timedelta(1))
        assert ids(found) == ["1"]
        assert list(found["sleep_stages"][0]) == stages[1]["sleep_stages"]
        assert read_table("sleep_stage_intervals", start=EVENING).empty


def test_units_and_meanings_come_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the frame and with what is taken from it; columns without a unit have none."""
    load(duckdb_warehouse(tmp_path, monkeypatch), SLEEP_SESSIONS, [night()])
    frame = read_table("sleep_sessions")
    assert (frame.attrs["table"], frame.attrs["row"]) == ("sleep_sessions", SLEEP_SESSIONS.row)
    assert frame.attrs["units"]["total_sleep_time_s"] == "s"
    assert frame.attrs["units"]["sleep_efficiency"] == "fraction"
    assert "night_of" not in frame.attrs["units"]
    assert frame.attrs["descriptions"]["start_time"] == "Start of tracking."
    assert frame[["total_sleep_time_s"]].attrs == frame["total_sleep_time_s"].attrs == frame.attrs
    assert frame["start_time"][0] == night()["start_time"]


def test_another_home_is_read_whatever_the_settings_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own file; nothing is made in a folder that is no home."""
    (tmp_path / "mine").mkdir()
    load(duckdb_warehouse(tmp_path / "mine", monkeypatch), USERS, [user(user_id="anna")])
    monkeypatch.setenv("NIGHTSHIFT_HOME", str(tmp_path / "other"))
    monkeypatch.setenv("NIGHTSHIFT_WAREHOUSE_URL", "postgresql://nobody@127.0.0.1:1/nothing")
    assert list(read_table("users", home=tmp_path / "mine")["user_id"]) == ["anna"]
    (tmp_path / "typo").mkdir()
    with pytest.raises(WrongUsage, match=r"no warehouse\.duckdb in that home"):
        read_table("users", home=tmp_path / "typo")
    assert list((tmp_path / "typo").iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"name": "night"}, "There is no table of that name: the tables are nights, user_weeks, "),
        ({"name": "nights; DROP TABLE users"}, "There is no table of that name"),
        ({"name": "nights", "start": "2025-13-01"}, "start: not a date like 2026-11-22."),
        ({"name": "nights", "end": pd.NaT}, "end: not a date like 2026-11-22."),
        ({"name": "nights", "start": "2025-02-01", "end": "2025-01-01"}, "start 2025-02-01 is after end 2025-01-01"),
        ({"name": "users", "start": "2025-02-01"}, "users has no dates"),
        ({"name": "cohort_days", "user_id": "anna"}, "cohort_days has no users"),
        ({"name": "nights", "user_id": "canary\\"}, "user_id: no user's id holds a backslash"),
        ({"name": "nights", "user_id": "canary\0"}, "user_id: no user's id holds a backslash"),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, str) else "",
)
def test_what_cannot_be_asked_is_one_sentence(
    arguments: dict[str, Any], sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That says what to do and does not repeat an id."""
    duckdb_warehouse(tmp_path, monkeypatch)
    with pytest.raises(WrongUsage) as told:
        read_table(**arguments)
    assert str(told.value).startswith(sentence)
    assert "canary" not in str(told.value)


def test_a_warehouse_without_the_table_says_what_to_do(opened: Open) -> None:
    """Before the first sync, and where an older release made it."""
    with warehouse_of(opened) as warehouse:
        with pytest.raises(WarehouseUnavailable, match="no warehouse yet: run `nightshift sync`"):
            read_table("nights")
        load(warehouse, USERS, [user(user_id="canary")])
        drop_nights(warehouse)
        with pytest.raises(NightshiftError, match=r"^nights cannot be read from the warehouse: run `nightshift sync`"):
            read_table("nights", user_id="canary")


def drop_nights(warehouse: Any) -> None:
    """Take a table away, as if it had never been made."""
    load_into = warehouse._copy if isinstance(warehouse, DuckDbWarehouse) else warehouse._load
    with load_into() as connection:
        drop = getattr(connection, "exec_driver_sql", connection.execute)
        drop(f"DROP TABLE {SCHEMA + '.' if isinstance(warehouse, PostgresWarehouse) else ''}nights")


def _no_sessions() -> dict[str, pa.Table]:
    return {
        name: arrow(TABLES[name], [])
        for name in ("sleep_sessions", "sleep_hypnograms", "sleep_stage_intervals", "session_history")
    }
