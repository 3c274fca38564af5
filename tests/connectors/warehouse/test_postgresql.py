"""The PostgreSQL warehouse on a real server: what DuckDB returns it returns, and what is as it was is not touched."""

import os
import signal
import tempfile
import warnings
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.warehouse import postgresql
from connectors.warehouse.duckdb import DuckDbWarehouse
from connectors.warehouse.loading import Warehouse, WarehouseUnavailable
from schemas.marts import NIGHTS, WAREHOUSE_TABLES
from schemas.stages import STAGE_NAMES
from schemas.tables import LAKE_TABLES, SLEEP_HYPNOGRAMS, SLEEP_SESSIONS, SLEEP_STAGE_INTERVALS, USERS, Table
from tests.connectors.lake.rows import any_rows
from tests.connectors.warehouse.conftest import Server, Tried
from tests.connectors.warehouse.loads import OF_NIGHTS, Row, checksums, load, nights, rows_of, start_of
from tests.connectors.warehouse.test_duckdb import arrow
from tests.schemas.fhir.rows import epochs, night, user

DAYS = [date(2025, 3, 10), date(2025, 3, 11), date(2025, 3, 12)]
STAGES = [0, 0, 1, 2, 2, 3, -1]


def without_nul(row: Row) -> Row:
    """The row as PostgreSQL can keep it."""

    def kept(value: Any) -> Any:
        match value:
            case str():
                return value.replace("\0", "")
            case list():
                return [kept(part) for part in value]
        return value

    return {name: kept(value) for name, value in row.items()}


def both_return_the_same(tried: Tried, table: Table, rows: Sequence[Row]) -> None:
    """Load rows into the two kinds of warehouse, into the one twice, and compare."""
    load(tried.warehouse, table, rows)
    with tempfile.TemporaryDirectory() as folder:
        duck = DuckDbWarehouse(Path(folder) / "warehouse.duckdb")
        load(duck, table, rows)
        expected = checksums(duck, table)
    assert checksums(tried.warehouse, table) == expected
    written = versions(tried, table)
    load(tried.warehouse, table, rows)
    assert versions(tried, table) == written


def versions(tried: Tried, table: Table) -> list[Any]:
    """The key of each row with the transaction that wrote it."""
    return sorted(tried.ask(f"SELECT xmin::text, {', '.join(table.key)} FROM {{schema}}.{table.name}"))  # noqa: S608


def emptied(tried: Tried) -> Tried:
    """The same warehouse without rows, as Hypothesis runs one test many times."""
    if tried.warehouse.exists():
        tried.ask("TRUNCATE " + ", ".join(f"{{schema}}.{table.name}" for table in WAREHOUSE_TABLES))
    return tried


@pytest.mark.parametrize("table", [*LAKE_TABLES, NIGHTS], ids=lambda table: table.name)
@settings(max_examples=4, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_rows_come_back_as_from_duckdb(tried: Tried, table: Table, data: st.DataObject) -> None:
    """Every type, null and extreme value, with equal checksums a partition; loading again writes no row."""
    rows = [without_nul(row) for row in data.draw(any_rows(table, most=3))]
    unique = {tuple(row[name] for name in table.key): row for row in rows}
    both_return_the_same(emptied(tried), table, list(unique.values()))


def test_hard_values_come_back(tried: Tried) -> None:
    """Letters of every kind, numbers that are none, and lists with nothing in them."""
    texts = [
        "",
        " ",
        "\\N",
        "\t\n\r",
        "'; DROP TABLE users; --",
        "e\u0301",
        "\U0001f634\u200d\u2695",
        "\U0010ffff",
        "{NULL}",
    ]
    numbers = [float("inf"), -float("inf"), -0.0, 0.0, 5e-324, 1.7976931348623157e308, 0.1 + 0.2, None, float("nan")]
    rows = [
        night(session_id=text, peculiarities=texts[:place], sleep_efficiency=number, provider_differences=None)
        for place, (text, number) in enumerate(zip(texts, numbers, strict=True))
    ]
    both_return_the_same(tried, SLEEP_SESSIONS, rows)


def test_a_change_of_sign_of_zero_or_to_nan_is_a_change(tried: Tried) -> None:
    """Values that PostgreSQL calls equal, or cannot compare, are told apart."""
    for value in (0.0, -0.0, None, float("nan")):
        load(tried.warehouse, USERS, [user(height_cm=value)])
        (row,) = rows_of(tried.warehouse, USERS)
        assert repr(row["height_cm"]) == repr(value)


WORLD = st.dictionaries(
    st.sampled_from(["one", "two", "three"]),
    st.tuples(
        st.sampled_from([start_of(10), start_of(10, 59), start_of(11, 58), start_of(12)]),
        st.sampled_from([None, [], STAGES, [1, 1], [0, 1, 0, 1]]),
    ),
    min_size=1,
)
STEPS = st.lists(st.tuples(WORLD, st.sets(st.sampled_from(DAYS), min_size=1)), min_size=2, max_size=4)


def follow_both(tried: Tried, steps: list[tuple[Any, set[date]]]) -> None:
    """Load what each step has of some dates into both kinds of warehouse; they agree after each."""
    emptied(tried)
    with tempfile.TemporaryDirectory() as folder:
        duck = DuckDbWarehouse(Path(folder) / "warehouse.duckdb")
        for world, days in steps:
            tables = nights(world, sorted(days))
            for warehouse in (duck, tried.warehouse):
                warehouse.load_nights(tables)
            for table in OF_NIGHTS:
                assert rows_of(tried.warehouse, table) == rows_of(duck, table), table.name


@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_whatever_comes_goes_or_moves_both_warehouses_agree(tried: Tried, steps: list[tuple[Any, set[date]]]) -> None:
    """Sessions that come, change, are deleted or move between dates, of which only some are loaded at a time."""
    follow_both(tried, steps)


@pytest.mark.soak
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_whatever_comes_goes_or_moves_many_times(tried: Tried, steps: list[tuple[Any, set[date]]]) -> None:
    """The same with many more turns of events."""
    follow_both(tried, steps)


def test_a_changed_session_changes_exactly_its_rows(tried: Tried) -> None:
    """Rows of other sessions, and its own that are as they were, keep the version they have."""
    world = {f"session {n}": (start_of(10, n), STAGES) for n in range(20)}
    tried.warehouse.load_nights(nights(world, DAYS))
    before = {table.name: versions(tried, table) for table in OF_NIGHTS}
    world["session 7"] = (start_of(10, 7), [*STAGES[:-1], 4])
    tried.warehouse.load_nights(nights(world, DAYS))
    touched = {table.name: set(versions(tried, table)) ^ set(before[table.name]) for table in OF_NIGHTS}
    assert {row[3] for rows in touched.values() for row in rows} == {"session 7"}
    # The last interval is another one; those before it stay.
    assert {row[4] for row in touched["sleep_stage_intervals"]} == {6}


def test_what_is_gone_goes_and_other_partitions_stay(tried: Tried) -> None:
    """A session, a month's row or a user that no longer comes is deleted where its partition is loaded, only there."""
    world = {"stays": (start_of(10), STAGES), "goes": (start_of(11), STAGES)}
    tried.warehouse.load_nights(nights(world, DAYS))
    tried.warehouse.load_nights(nights({}, DAYS[1:]))
    for table in OF_NIGHTS:
        assert {row["session_id"] for row in rows_of(tried.warehouse, table)} == {"stays"}
    load(tried.warehouse, USERS, [user(user_id="anna"), user(user_id="bert")])
    load(tried.warehouse, USERS, [user(user_id="bert")])
    assert [row["user_id"] for row in rows_of(tried.warehouse, USERS)] == ["bert"]


@pytest.mark.parametrize("loads", [[DAYS[1:]], [DAYS[:1], DAYS[1:]], [DAYS[1:], DAYS[:1]], [DAYS]], ids=str)
def test_a_moved_session_is_there_once(tried: Tried, loads: Sequence[list[date]]) -> None:
    """In whatever order the dates are loaded, with the stages it has now."""
    tried.warehouse.load_nights(nights({"one": (start_of(10), STAGES), "other": (start_of(10, 5), [2])}, DAYS))
    moved = {"one": (start_of(11), [1, 0]), "other": (start_of(10, 5), [2])}
    for days in loads:
        tried.warehouse.load_nights(nights(moved, days))
    starts = {row["session_id"]: row["start_time"] for row in rows_of(tried.warehouse, SLEEP_SESSIONS)}
    assert starts == {"one": start_of(11), "other": start_of(10, 5)}
    assert [row["stage"] for row in rows_of(tried.warehouse, SLEEP_STAGE_INTERVALS)] == ["light", "wake", "deep"]


def two_at_once(tried: Tried, rounds: int) -> None:
    """Two loaders load different versions of one date again and again; at the end one of them is there."""
    worlds = [
        {f"session {n}": (start_of(10, n), stages) for n in some}
        for some, stages in ((range(30), STAGES), (range(10, 50), [1, 2, 3, 2, 1]))
    ]
    states = []
    for world in worlds:
        tried.warehouse.load_nights(nights(world, DAYS))
        states.append([rows_of(tried.warehouse, table) for table in OF_NIGHTS])
    with ThreadPoolExecutor(2) as pool:
        done = [pool.submit(tried.again().load_nights, nights(world, DAYS)) for _ in range(rounds) for world in worlds]
    assert [load.exception() for load in done] == [None] * len(done)
    assert [rows_of(tried.warehouse, table) for table in OF_NIGHTS] in states


def test_two_loaders_at_once_leave_exact_rows(tried: Tried) -> None:
    """Neither fails, and the rows are those of one of them and no mixture."""
    two_at_once(tried, rounds=4)


@pytest.mark.soak
def test_two_loaders_at_once_for_long(tried: Tried) -> None:
    """The same for many loads."""
    two_at_once(tried, rounds=100)


def test_a_loader_sees_what_the_one_before_it_has_loaded(tried: Tried, monkeypatch: pytest.MonkeyPatch) -> None:
    """It starts while the other is about to commit, and replaces what that one has brought."""
    load(tried.warehouse, USERS, [])
    second: list[Future[None]] = []

    def start_the_second(name: str) -> None:
        if name == "warehouse.merged" and not second:
            second.append(pool.submit(tried.again().load_nights, nights({"second": (start_of(10), STAGES)}, DAYS)))
            waiting = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
            while not (tried.ask(waiting) or second[0].done()):
                pass

    monkeypatch.setattr(postgresql, "failpoint", start_the_second)
    with ThreadPoolExecutor(1) as pool:
        tried.warehouse.load_nights(nights({"first": (start_of(10), STAGES)}, DAYS))
    assert second[0].exception() is None
    for table in OF_NIGHTS:
        assert {row["session_id"] for row in rows_of(tried.warehouse, table)} == {"second"}


def test_two_loaders_may_both_be_the_first(tried: Tried) -> None:
    """Each finds no tables and would make them."""
    tables = nights({"one": (start_of(10), STAGES)}, DAYS)
    with ThreadPoolExecutor(2) as pool:
        done = [pool.submit(tried.again().load_nights, tables) for _ in range(2)]
    assert [load.exception() for load in done] == [None, None]
    assert len(rows_of(tried.warehouse, SLEEP_SESSIONS)) == 1


def killed(warehouse: Warehouse, tables: dict[date, Any], failpoint: str) -> None:
    """Load in a process of its own that is killed at a failpoint."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        try:
            os.environ["NIGHTSHIFT_FAILPOINT"] = failpoint
            warehouse.load_nights(tables)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


@pytest.mark.parametrize("failpoint", ["warehouse.copied:1", "warehouse.copied:3", "warehouse.merged"])
def test_a_killed_load_leaves_the_old_state(tried: Tried, failpoint: str) -> None:
    """And the next load makes it exact."""
    old, new = {"one": (start_of(10), STAGES)}, {"one": (start_of(11), [1]), "two": (start_of(10), STAGES)}
    tried.warehouse.load_nights(nights(old, DAYS))
    before = [rows_of(tried.warehouse, table) for table in OF_NIGHTS]
    killed(tried.again(), nights(new, DAYS), failpoint)
    assert [rows_of(tried.warehouse, table) for table in OF_NIGHTS] == before
    tried.warehouse.load_nights(nights(new, DAYS))
    assert {row["session_id"] for row in rows_of(tried.warehouse, SLEEP_HYPNOGRAMS)} == {"one", "two"}
    assert rows_of(tried.warehouse, SLEEP_STAGE_INTERVALS)[0]["stage"] == "light"


def test_a_load_killed_after_its_commit_is_there(tried: Tried) -> None:
    """Loading it once more, as a run does that does not know, writes nothing."""
    tables = nights({"one": (start_of(10), STAGES)}, DAYS)
    killed(tried.again(), tables, "warehouse.committed")
    written = versions(tried, SLEEP_STAGE_INTERVALS)
    assert len(written) == 5
    tried.warehouse.load_nights(tables)
    assert versions(tried, SLEEP_STAGE_INTERVALS) == written


@pytest.mark.parametrize("place", ["warehouse.copied", "warehouse.merged"])
def test_a_restart_in_the_middle_is_told_and_the_next_load_is_exact(
    tried: Tried, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, place: str
) -> None:
    """In one sentence, as something that passes; the driver logs nothing beside it."""
    tried.warehouse.load_nights(nights({"old": (start_of(10), STAGES)}, DAYS))
    new = nights({"new": (start_of(10), STAGES)}, DAYS)
    with monkeypatch.context() as patch:
        patch.setattr(postgresql, "failpoint", lambda name: tried.server.restart() if name == place else None)
        with pytest.raises(WarehouseUnavailable) as told:
            tried.warehouse.load_nights(new)
    assert told.value.may_pass
    assert not caplog.text
    assert "restart" in str(told.value) or "broken off" in str(told.value)
    assert [row["session_id"] for row in rows_of(tried.warehouse, SLEEP_SESSIONS)] == ["old"]
    tried.warehouse.load_nights(new)
    assert [row["session_id"] for row in rows_of(tried.warehouse, SLEEP_SESSIONS)] == ["new"]


def test_a_reader_sees_one_state(tried: Tried) -> None:
    """The one of its first question, whatever is loaded meanwhile; the next reader sees the new one."""
    load(tried.warehouse, USERS, [user()])
    with tried.warehouse.read() as reader:
        assert reader.execute("SELECT count(*) FROM users").fetchall() == [(1,)]
        tried.again().load_whole(USERS, arrow(USERS, []))
        assert reader.execute("SELECT count(*) FROM users").fetchall() == [(1,)]
    assert rows_of(tried.warehouse, USERS) == []


def test_a_reader_cannot_write(tried: Tried) -> None:
    """What analysts get is read-only."""
    load(tried.warehouse, USERS, [user()])
    for way_out in ("", "COMMIT; ", "ROLLBACK; "):
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction), tried.warehouse.read() as reader:
            reader.execute(f"{way_out}DELETE FROM {tried.schema}.users")  # noqa: S608 - ours


def test_there_is_nothing_to_read_before_the_first_load(tried: Tried) -> None:
    """A plain sentence that says what to do, and no table is made."""
    assert not tried.warehouse.exists()
    with pytest.raises(WarehouseUnavailable, match="There is no warehouse yet"), tried.warehouse.read():
        pass
    assert not tried.warehouse.exists()
    load(tried.warehouse, USERS, [])
    assert tried.warehouse.exists()


def test_epochs_are_the_hypnogram_laid_out(tried: Tried) -> None:
    """One row an epoch with its start, code, name and the other channels; a night without stages has none."""
    start = datetime(2025, 3, 10, 21, 0, 30, tzinfo=UTC)
    stages, snoring = [-1, 0, 1, 2, 3, 4, 5], [0, 1, 0, 1, -1, 0, 0]
    shown = epochs(start_time=start, sleep_stages=stages, breath_stages=None, snoring_stages=snoring)
    others = [epochs(session_id="without", sleep_stages=None), epochs(session_id="empty", sleep_stages=[])]
    load(tried.warehouse, SLEEP_HYPNOGRAMS, [shown, *others])
    with tried.warehouse.read() as reader:
        found = reader.execute("SELECT * FROM sleep_epochs ORDER BY epoch").fetchall()
    key = (shown["source"], shown["user_id"], shown["session_id"])
    assert found == [
        (*key, epoch, start + epoch * timedelta(seconds=30), stage, STAGE_NAMES[stage], None, snores)
        for epoch, (stage, snores) in enumerate(zip(stages, snoring, strict=True))
    ]


def test_nothing_is_locked_or_made_when_all_is_as_it_was(tried: Tried, server: Server) -> None:
    """A second load runs no statement that would wait for readers: their lock is all it needs beside rows."""
    load(tried.warehouse, USERS, [user()])
    with psycopg.connect(server.url) as holder:
        holder.execute(f"LOCK TABLE {tried.schema}.users, {tried.schema}.sleep_epochs IN ACCESS SHARE MODE")
        again = tried.again(f"{server.url}&options=-c%20lock_timeout%3D1")
        load(again, USERS, [user(gender="male")])
