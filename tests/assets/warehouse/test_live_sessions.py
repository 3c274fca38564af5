"""``live_sessions`` in the warehouse: what the inbox knows of sessions that run, in lake codes, nothing of others."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from assets.builds import ALL_USERS, LIVE, mark_live_dirty
from assets.warehouse.live_sessions import load_live_sessions, warehouse_live_sessions
from connectors.asleep.webhooks.inbox import FILE_NAME, Inbox
from connectors.asleep.webhooks.live_sessions import LiveBatch, SessionKey
from connectors.home import Home
from connectors.state.dirty import list_dirty
from connectors.warehouse.duckdb import DuckDbWarehouse
from schemas.asleep import Epochs
from schemas.tables import LIVE_SESSIONS
from tests.assets.homes import StandingClock, new_home

AT = datetime(2026, 11, 2, 23, 30, tzinfo=UTC)
KEY = SessionKey("asleep", "G-ann", "20261102230000_abcde")
OTHER = SessionKey("asleep", "G-ben", "no-time-in-it")


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """A home whose running sessions are to be loaded."""
    with new_home(tmp_path / "home", StandingClock()) as home:
        with home.state.write() as connection:
            mark_live_dirty(connection)
        yield home


def warehouse_of(home: Home) -> DuckDbWarehouse:
    """The home's warehouse."""
    return DuckDbWarehouse(home.root / "warehouse.duckdb")


def batch(key: SessionKey, number: int, *codes: int, snoring: Epochs | None = None) -> LiveBatch:
    """A batch that tells sleep stages from an epoch on."""
    return LiveBatch(key, AT, number, number * 10, list(codes), None, snoring)


def put(home: Home, *batches: LiveBatch, ended: tuple[SessionKey, ...] = ()) -> None:
    """Have batches, or ends of sessions, in the inbox."""
    inbox = Inbox(home.root / FILE_NAME)
    inbox.settle([], AT, batches, ended)
    inbox.close()


def rows(home: Home) -> list[dict[str, Any]]:
    """What the warehouse has."""
    with warehouse_of(home).read() as connection:
        found: list[dict[str, Any]] = connection.table(LIVE_SESSIONS.name).order("user_id").to_arrow_table().to_pylist()
    return found


def test_running_sessions_are_in_the_warehouse_as_far_as_they_are_told(home: Home) -> None:
    """Until the first deep or REM epoch nobody knows whether sleep is light; where nothing was told is unknown."""
    put(home, batch(KEY, 0, 0, 1, 1, snoring=[0, 1, 1]), batch(OTHER, 1, 2, 3))
    assert load_live_sessions(home, warehouse_of(home)) == 2
    ann, ben = rows(home)
    assert (ann["start_time"], ben["start_time"]) == (datetime(2026, 11, 2, 23, tzinfo=UTC), None)
    assert (ann["sleep_stages"], ann["snoring_stages"], ann["epochs"]) == ([0, 4, 4], [0, 1, 1], 3)
    assert ben["sleep_stages"] == [-1] * 10 + [2, 3]
    put(home, batch(KEY, 1, 2))
    load_live_sessions(home, warehouse_of(home))
    assert rows(home)[0]["sleep_stages"] == [0, 1, 1] + [-1] * 7 + [2]


def test_a_session_that_is_over_is_gone(home: Home) -> None:
    """Then nothing is left to do; and a home without webhooks has an empty table."""
    assert load_live_sessions(home, warehouse_of(home)) == 0
    put(home, batch(KEY, 0, 1))
    load_live_sessions(home, warehouse_of(home))
    put(home, ended=(KEY,))
    resources = {"home": home, "warehouse": warehouse_of(home)}
    assert dg.materialize([warehouse_live_sessions], resources=resources).success
    assert rows(home) == []
    with home.state.read() as connection:
        assert LIVE not in list_dirty(connection)


def test_they_are_built_by_a_run_of_their_own(home: Home) -> None:
    """Neither nights nor users have anything to do with them."""
    with home.state.read() as connection:
        assert list_dirty(connection).keys() == {LIVE}
        assert list(list_dirty(connection)[LIVE]) == [ALL_USERS]
