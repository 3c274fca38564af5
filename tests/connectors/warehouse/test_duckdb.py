"""The DuckDB warehouse: loads replace, readers are left alone, failures change nothing and tell no value."""

import errno
import os
import tempfile
import traceback
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.lake.publish import TEMPORARY
from connectors.warehouse.duckdb import DuckDbWarehouse, WarehouseUnavailable
from schemas.bed_tables import BED_TABLES
from schemas.marts import WAREHOUSE_TABLES
from schemas.stages import STAGE_NAMES, stage_intervals
from schemas.tables import (
    AVERAGE_STATS,
    LAKE_TABLES,
    SESSION_HISTORY,
    SLEEP_HYPNOGRAMS,
    SLEEP_SESSIONS,
    SLEEP_STAGE_INTERVALS,
    USERS,
    Table,
)
from tests.connectors.lake.disks import full_disk, read_only_folder
from tests.connectors.lake.rows import any_rows
from tests.schemas.fhir.rows import NIGHT, epochs, month, night, user

DAY = date(2025, 3, 10)
NEXT_DAY = date(2025, 3, 11)
BEFORE_MIDNIGHT = datetime(2025, 3, 10, 23, 59, tzinfo=UTC)
STAGES = [0, 0, 1, 2, 2, 3, -1]
EPOCH = timedelta(seconds=30)
NO_BEDS = {table.name: 0 for table in BED_TABLES}


@pytest.fixture
def warehouse(tmp_path: Path) -> DuckDbWarehouse:
    """A warehouse in a folder of its own, not made yet."""
    return DuckDbWarehouse(tmp_path / "warehouse.duckdb")


def night_tables(*starts: datetime, stages: list[int] | None = None) -> dict[str, pa.Table]:
    """The tables of a date with one session a start, each with the same stages and a history of one version."""
    stages = STAGES if stages is None else stages
    keys = [{"source": "asleep", "user_id": "anna", "session_id": f"session at {start}"} for start in starts]
    intervals = [
        {
            **key,
            "stage": STAGE_NAMES[interval.stage],
            "start_time": start + interval.first_epoch * EPOCH,
            "end_time": start + (interval.first_epoch + interval.epochs) * EPOCH,
            "first_epoch": interval.first_epoch,
            "epochs": interval.epochs,
        }
        for key, start in zip(keys, starts, strict=True)
        for interval in stage_intervals(stages)
    ]
    codes = {"sleep_stages": stages, "breath_stages": None, "snoring_stages": [0, 1]}
    pairs = list(zip(keys, starts, strict=True))
    return {
        SLEEP_SESSIONS.name: arrow(SLEEP_SESSIONS, [night(**key, start_time=start) for key, start in pairs]),
        SLEEP_HYPNOGRAMS.name: arrow(
            SLEEP_HYPNOGRAMS, [epochs(**key, start_time=start, **codes) for key, start in pairs]
        ),
        SLEEP_STAGE_INTERVALS.name: arrow(SLEEP_STAGE_INTERVALS, intervals),
        SESSION_HISTORY.name: arrow(SESSION_HISTORY, [version(**key, start_time=start) for key, start in pairs]),
    }


def version(**changes: Any) -> dict[str, Any]:
    """A row of ``session_history``: the plain night as seen once, with changes."""
    row = NIGHT | {"reason": "first_seen", "seen_at": NIGHT["fetched_at"], "valid_from": NIGHT["fetched_at"]} | changes
    row = {"start_date": row["start_time"].date(), **row}
    return {name: row.get(name) for name in SESSION_HISTORY.schema.names}


def arrow(table: Table, rows: list[dict[str, Any]]) -> pa.Table:
    """Rows as the lake gives them."""
    return pa.Table.from_pylist(rows, schema=table.schema)


def rows_of(warehouse: DuckDbWarehouse, table: Table) -> list[dict[str, Any]]:
    """Every row of a table in the order of its key, through Arrow."""
    with warehouse.read() as connection:
        rows: list[dict[str, Any]] = (
            connection.table(table.name).order(", ".join(table.sort_by)).to_arrow_table().to_pylist()
        )
    return rows


def ask(warehouse: DuckDbWarehouse, query: str) -> list[tuple[Any, ...]]:
    """The rows of a query."""
    with warehouse.read() as connection:
        return connection.execute(query).fetchall()


def counts(warehouse: DuckDbWarehouse) -> dict[str, int]:
    """How many rows each table has."""
    return {table.name: len(rows_of(warehouse, table)) for table in LAKE_TABLES}


Rows = list[dict[str, Any]]


def load_sessions(warehouse: DuckDbWarehouse, rows: Rows) -> None:
    """Load rows as the sessions of the dates they start on."""
    by_day = {
        row["start_time"].date(): [r for r in rows if r["start_time"].date() == row["start_time"].date()]
        for row in rows
    }
    warehouse.load_nights(
        {day: night_tables() | {SLEEP_SESSIONS.name: arrow(SLEEP_SESSIONS, mine)} for day, mine in by_day.items()}
    )


def load_months(warehouse: DuckDbWarehouse, rows: Rows) -> None:
    """Load rows as the averages of the months they are of."""
    by_month = {row["period_start"]: [r for r in rows if r["period_start"] == row["period_start"]] for row in rows}
    warehouse.load_partitions(AVERAGE_STATS, {month: arrow(AVERAGE_STATS, mine) for month, mine in by_month.items()})


def load_users(warehouse: DuckDbWarehouse, rows: Rows) -> None:
    """Load rows as the users."""
    warehouse.load_whole(USERS, arrow(USERS, rows))


@pytest.mark.parametrize(
    ("table", "load"),
    [(SLEEP_SESSIONS, load_sessions), (AVERAGE_STATS, load_months), (USERS, load_users)],
    ids=["sleep_sessions", "average_stats", "users"],
)
@settings(max_examples=4, deadline=None)
@given(data=st.data())
def test_any_rows_come_back_and_loading_again_changes_nothing(
    table: Table, load: Callable[[DuckDbWarehouse, Rows], None], data: st.DataObject
) -> None:
    """Every type, null and extreme value survives; the second load gives the same rows as the first."""
    rows = data.draw(any_rows(table, most=3))
    with tempfile.TemporaryDirectory() as folder:
        warehouse = DuckDbWarehouse(Path(folder) / "warehouse.duckdb")
        load(warehouse, rows)
        first = rows_of(warehouse, table)
        load(warehouse, rows)
        assert rows_of(warehouse, table) == first
    assert sorted(first, key=repr) == sorted(arrow(table, rows).to_pylist(), key=repr)


def test_other_dates_and_months_stay(warehouse: DuckDbWarehouse) -> None:
    """A load replaces what it is given and nothing else."""
    early, late = datetime(2025, 3, 10, tzinfo=UTC), datetime(2025, 3, 11, tzinfo=UTC)
    warehouse.load_nights({DAY: night_tables(early, BEFORE_MIDNIGHT), NEXT_DAY: night_tables(late)})
    warehouse.load_partitions(
        AVERAGE_STATS, {m: arrow(AVERAGE_STATS, [month(period_start=m)]) for m in (DAY.replace(day=1), DAY)}
    )
    warehouse.load_whole(USERS, arrow(USERS, [user()]))
    assert counts(warehouse) == {
        "sleep_sessions": 3,
        "sleep_hypnograms": 3,
        "sleep_stage_intervals": 15,
        "session_history": 3,
        "night_ledger": 0,
        "average_stats": 2,
        "users": 1,
        **NO_BEDS,
    }
    warehouse.load_nights({NEXT_DAY: night_tables()})
    warehouse.load_partitions(AVERAGE_STATS, {DAY: arrow(AVERAGE_STATS, [])})
    warehouse.load_whole(USERS, arrow(USERS, []))
    assert {row["start_time"] for row in rows_of(warehouse, SLEEP_SESSIONS)} == {early, BEFORE_MIDNIGHT}
    assert counts(warehouse) == {
        "sleep_sessions": 2,
        "sleep_hypnograms": 2,
        "sleep_stage_intervals": 10,
        "session_history": 2,
        "night_ledger": 0,
        "average_stats": 1,
        "users": 0,
        **NO_BEDS,
    }


def test_a_vanished_session_takes_its_intervals_along(warehouse: DuckDbWarehouse) -> None:
    """Even intervals that start on the next UTC date, while those of that date's own sessions stay."""
    after_midnight = datetime(2025, 3, 11, tzinfo=UTC)
    warehouse.load_nights({DAY: night_tables(BEFORE_MIDNIGHT), NEXT_DAY: night_tables(after_midnight)})
    started_next_day = "SELECT count(*) FROM sleep_stage_intervals WHERE start_time >= '2025-03-11 00:00:00+00'"
    assert ask(warehouse, started_next_day) == [(9,)]
    warehouse.load_nights({DAY: night_tables()})
    assert ask(warehouse, started_next_day) == [(5,)]
    assert counts(warehouse)["sleep_stage_intervals"] == 5


def test_a_changed_session_has_only_its_new_intervals(warehouse: DuckDbWarehouse) -> None:
    """A new revision with other stages leaves no interval of the old one."""
    warehouse.load_nights({DAY: night_tables(BEFORE_MIDNIGHT)})
    warehouse.load_nights({DAY: night_tables(BEFORE_MIDNIGHT, stages=[4, 4, 4])})
    assert [row["stage"] for row in rows_of(warehouse, SLEEP_STAGE_INTERVALS)] == ["asleep"]


def test_an_open_reader_keeps_its_state_and_holds_up_nobody(warehouse: DuckDbWarehouse) -> None:
    """A connection opened before a load sees the old rows after it; the load succeeds, the next reader sees the new."""
    warehouse.load_whole(USERS, arrow(USERS, [user()]))
    old_file = warehouse.path.stat().st_ino
    with warehouse.read() as reader:
        warehouse.load_whole(USERS, arrow(USERS, [user(user_id="anna"), user(user_id="bert")]))
        assert reader.execute("SELECT count(*) FROM users").fetchall() == [(1,)]
        assert reader.execute("SELECT user_id FROM users").fetchall() == [(user()["user_id"],)]
    assert counts(warehouse)["users"] == 2
    assert warehouse.path.stat().st_ino != old_file


def test_a_reader_cannot_write(warehouse: DuckDbWarehouse) -> None:
    """What analysts get is read-only."""
    warehouse.load_whole(USERS, arrow(USERS, [user()]))
    with warehouse.read() as reader, pytest.raises(duckdb.Error, match="read-only"):
        reader.execute("DELETE FROM users")


def test_there_is_nothing_to_read_before_the_first_load(warehouse: DuckDbWarehouse) -> None:
    """A plain sentence that says what to do, and no file is made."""
    with pytest.raises(WarehouseUnavailable) as refused, warehouse.read():
        pass
    assert str(refused.value) == "There is no warehouse yet: run `nightshift sync` first."
    assert not warehouse.path.exists()


def test_a_file_that_is_no_warehouse_is_told(warehouse: DuckDbWarehouse) -> None:
    """In one sentence, when reading and when loading; the file stays as it is."""
    warehouse.path.write_bytes(b"canary " * 1000)
    with pytest.raises(WarehouseUnavailable) as refused, warehouse.read():
        pass
    with pytest.raises(WarehouseUnavailable) as refused_load:
        warehouse.load_whole(USERS, arrow(USERS, [user()]))
    assert "canary" not in f"{refused.value} {refused_load.value}"
    assert warehouse.path.read_bytes() == b"canary " * 1000


TYPES = {
    ("sleep_sessions", "start_time"): "TIMESTAMP WITH TIME ZONE",
    ("sleep_sessions", "night_of"): "DATE",
    ("sleep_sessions", "peculiarities"): "VARCHAR[]",
    ("sleep_sessions", "total_sleep_time_s"): "BIGINT",
    ("sleep_sessions", "sleep_efficiency"): "DOUBLE",
    ("sleep_hypnograms", "sleep_stages"): "TINYINT[]",
    ("average_stats", "bedtime"): "TIME",
    ("average_stats", "total_sleep_time_s"): "DOUBLE",
    ("users", "user_id"): "VARCHAR",
    ("users", "to_be_deleted"): "BOOLEAN",
}


def test_tables_have_the_columns_types_and_comments_of_the_schemas(warehouse: DuckDbWarehouse) -> None:
    """Every column in its order, NOT NULL where it is required, with its meaning and unit as comment."""
    warehouse.load_whole(USERS, arrow(USERS, []))
    columns = ask(
        warehouse,
        "SELECT table_name, column_name, is_nullable, comment FROM duckdb_columns() "
        "WHERE table_name <> 'sleep_epochs' AND NOT internal ORDER BY table_name, column_index",
    )
    assert columns == [
        (table.name, field.name, field.nullable, with_unit(table.description(field.name), table.unit(field.name)))
        for table in sorted(WAREHOUSE_TABLES, key=lambda table: table.name)
        for field in table.schema
    ]
    types = ask(warehouse, "SELECT table_name, column_name, data_type FROM duckdb_columns() WHERE NOT internal")
    assert {(table, column): data_type for table, column, data_type in types}.items() >= TYPES.items()
    comments = ask(warehouse, "SELECT table_name, comment FROM duckdb_tables() ORDER BY ALL")
    assert comments == sorted((table.name, f"One row is {table.row}.") for table in WAREHOUSE_TABLES)


def with_unit(description: str, unit: str) -> str:
    """The text that explains a column."""
    return f"{description} Unit: {unit}." if unit else description


def test_epochs_are_the_hypnogram_laid_out(warehouse: DuckDbWarehouse) -> None:
    """One row an epoch with its start, code, name and the other channels; a night without stages has none."""
    start = datetime(2025, 3, 10, 21, 0, 30, tzinfo=UTC)
    stages, snoring = [-1, 0, 1, 2, 3, 4, 5], [0, 1, 0, 1, -1, 0, 0]
    tables = {
        **night_tables(),
        SLEEP_HYPNOGRAMS.name: arrow(
            SLEEP_HYPNOGRAMS,
            [
                epochs(start_time=start, sleep_stages=stages, breath_stages=None, snoring_stages=snoring),
                epochs(session_id="without", start_time=start, sleep_stages=None),
                epochs(session_id="empty", start_time=start, sleep_stages=[]),
            ],
        ),
    }
    warehouse.load_nights({DAY: tables})
    key = tuple(epochs()[name] for name in ("source", "user_id", "session_id"))
    found = ask(warehouse, "SELECT * FROM sleep_epochs ORDER BY epoch")
    assert found == [
        (*key, epoch, start + epoch * EPOCH, stage, STAGE_NAMES[stage], None, snores)
        for epoch, (stage, snores) in enumerate(zip(stages, snoring, strict=True))
    ]


BAD_ROWS: list[tuple[str, dict[str, Any]]] = [
    ("required value missing", {"user_id": pa.array([None], pa.string())}),
    ("text for a number", {"birth_year": pa.array(["canary"])}),
    ("unknown column", {"canary": pa.array(["canary"])}),
    ("impossible date", {"active_from": pa.array(["canary"])}),
]


@pytest.mark.parametrize("change", [change for _, change in BAD_ROWS], ids=[name for name, _ in BAD_ROWS])
def test_a_failed_load_changes_nothing_and_tells_no_value(
    warehouse: DuckDbWarehouse, change: Mapping[str, Any]
) -> None:
    """The old file stays to the byte, nothing half made is left, and no text or traceback holds a value of a row."""
    warehouse.load_whole(USERS, arrow(USERS, [user()]))
    before = warehouse.path.read_bytes()
    good = arrow(USERS, [user(user_id="canary")])
    bad = good
    for name, values in change.items():
        place = good.schema.get_field_index(name)
        bad = good.append_column(name, values) if place < 0 else good.set_column(place, name, values)
    with pytest.raises(WarehouseUnavailable, match=r"The warehouse cannot be loaded \(\w+\): check space") as refused:
        warehouse.load_whole(USERS, bad)
    assert "canary" not in "".join(line for line in traceback.format_exception(refused.value) if "Error:" in line)
    assert refused.value.__suppress_context__
    assert warehouse.path.read_bytes() == before
    assert list(warehouse.path.parent.iterdir()) == [warehouse.path]


def test_an_error_of_the_loader_changes_nothing(warehouse: DuckDbWarehouse) -> None:
    """A table that is missing from what is to be loaded is raised as it is; half of the night is not loaded."""
    warehouse.load_nights({DAY: night_tables(BEFORE_MIDNIGHT)})
    before = warehouse.path.read_bytes()
    with pytest.raises(KeyError):
        warehouse.load_nights({DAY: {SLEEP_SESSIONS.name: arrow(SLEEP_SESSIONS, [])}})
    assert warehouse.path.read_bytes() == before
    assert list(warehouse.path.parent.iterdir()) == [warehouse.path]


def test_a_full_disk_leaves_the_old_state(warehouse: DuckDbWarehouse) -> None:
    """The load fails in plain words; what was loaded before can still be read."""
    warehouse.load_whole(USERS, arrow(USERS, [user()]))
    with full_disk(room_bytes=4096), pytest.raises(WarehouseUnavailable, match="cannot be loaded"):
        warehouse.load_whole(USERS, arrow(USERS, []))
    assert counts(warehouse)["users"] == 1
    assert list(warehouse.path.parent.iterdir()) == [warehouse.path]


def test_a_read_only_folder_is_told_in_one_sentence() -> None:
    """Loading there is refused with the reason."""
    with read_only_folder() as folder, pytest.raises(WarehouseUnavailable, match="cannot be loaded"):
        DuckDbWarehouse(folder / "warehouse.duckdb").load_whole(USERS, arrow(USERS, []))


def test_what_a_killed_load_left_is_cleared_by_the_next(warehouse: DuckDbWarehouse) -> None:
    """Copies and their write-ahead logs, whoever's process number they carry."""
    for name in (f"{TEMPORARY}1-warehouse.duckdb", f"{TEMPORARY}1-warehouse.duckdb.wal"):
        warehouse.path.with_name(name).write_bytes(b"half")
    warehouse.load_whole(USERS, arrow(USERS, [user()]))
    assert list(warehouse.path.parent.iterdir()) == [warehouse.path]


def test_what_a_killed_load_had_put_aside_is_cleared_by_the_next(warehouse: DuckDbWarehouse) -> None:
    """DuckDB puts what memory does not hold into a folder beside the copy."""
    aside = warehouse.path.with_name(f"{TEMPORARY}1-warehouse.duckdb.tmp")
    aside.mkdir(parents=True)
    (aside / "duckdb_temp_storage_DEFAULT-0.tmp").write_bytes(b"half")
    warehouse.load_whole(USERS, arrow(USERS, [user()]))
    assert list(warehouse.path.parent.iterdir()) == [warehouse.path]


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
        duckdb.IOException('IO Error: Could not write file "canary": No space left on device'),
    ],
    ids=repr,
)
def test_a_disk_without_room_is_called_full(
    warehouse: DuckDbWarehouse, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """Whether the copy meets it or the load: that word, and that a copy is what the room is needed for."""

    def failing(*_: object) -> None:
        raise error

    monkeypatch.setattr(duckdb, "connect", failing)
    with pytest.raises(WarehouseUnavailable) as refused:
        warehouse.load_whole(USERS, arrow(USERS, [user()]))
    assert str(refused.value) == (
        "The warehouse cannot be loaded because the disk is full (a load needs room for a copy of it): make room, "
        "then run again."
    )


def test_times_are_read_in_utc(warehouse: DuckDbWarehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever the analyst's machine thinks it is."""
    monkeypatch.setenv("TZ", "Asia/Seoul")
    warehouse.load_nights({DAY: night_tables(BEFORE_MIDNIGHT)})
    assert ask(warehouse, "SELECT strftime(start_time, '%Y-%m-%d %H:%M') FROM sleep_sessions") == [
        ("2025-03-10 23:59",)
    ]


def test_a_warehouse_of_an_older_release_gets_the_new_columns(warehouse: DuckDbWarehouse) -> None:
    """In place and with their comments; rows loaded before have null in them, rows loaded now have values."""
    warehouse.load_nights({DAY: night_tables(BEFORE_MIDNIGHT)})
    with duckdb.connect(warehouse.path) as connection:
        connection.execute("ALTER TABLE sleep_sessions DROP COLUMN provider_agreement")
        connection.execute("ALTER TABLE sleep_sessions DROP COLUMN provider_differences")
    warehouse.load_nights({NEXT_DAY: night_tables(BEFORE_MIDNIGHT + timedelta(days=1))})
    assert ask(
        warehouse, "SELECT provider_agreement, provider_differences FROM sleep_sessions ORDER BY start_time"
    ) == [
        (None, None),
        ("exact", []),
    ]
    told = ask(warehouse, "SELECT comment FROM duckdb_columns() WHERE column_name = 'provider_differences'")
    assert all(comment for (comment,) in told)


def test_a_warehouse_does_not_show_where_it_is() -> None:
    """Its repr holds no path."""
    assert repr(DuckDbWarehouse(Path("/canary/w.duckdb"))) == "DuckDbWarehouse(…)"
