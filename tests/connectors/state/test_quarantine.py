"""Quarantine: one entry a document and reason, with an id that lasts, until a build succeeds."""

import sqlite3
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connectors.state.database import State
from connectors.state.quarantine import Quarantined, count_quarantined, list_quarantined, replace_quarantined

NOW = datetime(2026, 11, 22, 4, tzinfo=UTC)


def entry(**changes: Any) -> Quarantined:
    """A session without a start, with changes."""
    plain = Quarantined(
        asset="sleep_sessions",
        partition="2026-11-21",
        source="asleep",
        document="session",
        user_id="G-1",
        document_id="20261121_abcde",
        raw_sha256="0" * 64,
        reason="time_missing",
        path="$.result.session.start_time",
        explanation="A complete session must have this time.",
        first_seen_at=NOW,
    )
    return replace(plain, **changes)


def listed(state: State) -> list[Quarantined]:
    """Everything in quarantine."""
    with state.read() as connection:
        found = list_quarantined(connection)
        assert count_quarantined(connection) == len(found)
    return found


def test_an_id_is_the_same_for_ever() -> None:
    """Ids were given to people and written into tickets: this one may never change."""
    assert entry().with_id().quarantine_id == "77337924aca1"


@pytest.mark.parametrize("field", ["first_seen_at", "explanation", "document", "partition"])
def test_what_does_not_say_which_document_and_why_does_not_change_the_id(field: str) -> None:
    """Seen later or told in other words, it is the same entry."""
    other = NOW + timedelta(days=1) if field == "first_seen_at" else "other"
    assert entry(**{field: other}).with_id().quarantine_id == entry().with_id().quarantine_id


@pytest.mark.parametrize("field", ["asset", "source", "user_id", "document_id", "raw_sha256", "reason", "path"])
def test_another_document_or_another_reason_is_another_id(field: str) -> None:
    """Also when the vendor sends new bytes that are still wrong."""
    assert entry(**{field: "other"}).with_id().quarantine_id != entry().with_id().quarantine_id


def test_what_is_found_again_keeps_the_time_it_was_first_seen(state: State) -> None:
    """Building the same partition again changes nothing."""
    replace_quarantined(state, "sleep_sessions", "2026-11-21", [entry()])
    replace_quarantined(state, "sleep_sessions", "2026-11-21", [entry(first_seen_at=NOW + timedelta(days=1))])
    assert listed(state) == [entry().with_id()]


def test_what_is_found_no_more_is_out_of_quarantine(state: State) -> None:
    """A build that succeeds with some documents and fails with others leaves exactly the others."""
    first, second, third = entry(), entry(document_id="2"), entry(document_id="3")
    replace_quarantined(state, "sleep_sessions", "2026-11-21", [first, second])
    replace_quarantined(state, "sleep_sessions", "2026-11-21", [second, third])
    assert {found.document_id for found in listed(state)} == {"2", "3"}
    replace_quarantined(state, "sleep_sessions", "2026-11-21", [])
    assert listed(state) == []
    replace_quarantined(state, "sleep_sessions", "2026-11-21", [])
    assert listed(state) == []


def test_a_build_speaks_only_for_its_own_asset_and_partition(state: State) -> None:
    """Entries of other assets and partitions stay, and all are listed, oldest partition first."""
    other_asset = entry(asset="average_stats", partition="2026-11")
    other_day = entry(partition="2026-11-20", document_id="2")
    replace_quarantined(state, "sleep_sessions", "2026-11-21", [entry()])
    replace_quarantined(state, "average_stats", "2026-11", [other_asset])
    replace_quarantined(state, "sleep_sessions", "2026-11-20", [other_day])
    assert [found.partition for found in listed(state)] == ["2026-11", "2026-11-20", "2026-11-21"]
    replace_quarantined(state, "sleep_sessions", "2026-11-21", [])
    assert listed(state) == [other_asset.with_id(), other_day.with_id()]


def test_a_whole_night_gone_wrong_comes_and_goes(state: State) -> None:
    """More documents of one partition than a statement can have parameters are no trouble."""
    with state.read() as connection:
        driver = connection.connection.driver_connection
        assert isinstance(driver, sqlite3.Connection)
        driver.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, 100)
    found = [entry(document_id=str(number)) for number in range(200)]
    replace_quarantined(state, "sleep_sessions", "2026-11-21", found)
    replace_quarantined(state, "sleep_sessions", "2026-11-21", found[:1])
    assert listed(state) == [found[0].with_id()]


def test_an_entry_does_not_show_whose_it_is() -> None:
    """The repr has asset, partition and reason, and nothing else."""
    assert repr(entry()) == "Quarantined(asset=sleep_sessions, partition=2026-11-21, reason=time_missing)"
