"""Sessions that have moved to another UTC date: in the warehouse once, in whatever order the dates are loaded."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from connectors.warehouse.duckdb import DuckDbWarehouse
from schemas.stages import stage_intervals
from schemas.tables import SESSION_HISTORY, SLEEP_HYPNOGRAMS, SLEEP_SESSIONS, SLEEP_STAGE_INTERVALS
from tests.connectors.warehouse.test_duckdb import STAGES, night_tables

EARLY, LATE = datetime(2025, 3, 10, 23, 50, tzinfo=UTC), datetime(2025, 3, 11, 0, 10, tzinfo=UTC)
NEW_STAGES = [0, 1, 1, 0]
TABLES = (SLEEP_SESSIONS, SLEEP_HYPNOGRAMS, SLEEP_STAGE_INTERVALS, SESSION_HISTORY)


def tables_at(*starts: datetime, stages: list[int]) -> dict[str, pa.Table]:
    """The tables of a date with one session, the same one whenever it starts."""
    tables = night_tables(*starts, stages=stages)
    return {
        name: table.set_column(
            table.column_names.index("session_id"), table.schema.field("session_id"), pa.array(["one"] * len(table))
        )
        for name, table in tables.items()
    }


def counted(warehouse: DuckDbWarehouse) -> list[int]:
    """The rows of every table of nights."""
    with warehouse.read() as connection:
        return [len(connection.execute(f"FROM {table.name}").fetchall()) for table in TABLES]


@pytest.mark.parametrize(("was", "now"), [(EARLY, LATE), (LATE, EARLY)], ids=["later", "earlier"])
@pytest.mark.parametrize(
    "loads", [["both"], ["new", "old"], ["old", "new"], ["new"]], ids=["at once", "new first", "old first", "new only"]
)
def test_a_moved_session_is_there_once(tmp_path: Path, was: datetime, now: datetime, loads: Sequence[str]) -> None:
    """With the stages it has now, none of them lost with those of before; other sessions stay."""
    warehouse = DuckDbWarehouse(tmp_path / "warehouse.duckdb")
    other = datetime(2025, 3, 9, 22, 0, tzinfo=UTC)
    warehouse.load_nights({other.date(): night_tables(other), was.date(): tables_at(was, stages=STAGES)})
    gone, come = night_tables(), tables_at(now, stages=NEW_STAGES)
    both = dict(sorted([(was.date(), gone), (now.date(), come)], key=lambda night: night[0]))
    steps: dict[str, dict[date, dict[str, pa.Table]]] = {
        "both": both,
        "old": {was.date(): gone},
        "new": {now.date(): come},
    }
    for load in loads:
        warehouse.load_nights(steps[load])
    intervals = len([*stage_intervals(STAGES), *stage_intervals(NEW_STAGES)])
    assert counted(warehouse) == [2, 2, intervals, 2]
    with warehouse.read() as connection:
        starts = connection.execute("SELECT start_time FROM sleep_sessions WHERE session_id = 'one'").fetchall()
        last = connection.execute(
            "SELECT max(first_epoch + epochs) FROM sleep_stage_intervals WHERE session_id = 'one'"
        ).fetchone()
    assert (starts, last) == ([(now,)], (len(NEW_STAGES),))


def test_a_deleted_session_that_had_moved_leaves_nothing_behind(tmp_path: Path) -> None:
    """It has a history and no row: what it had under its former date goes too."""
    warehouse = DuckDbWarehouse(tmp_path / "warehouse.duckdb")
    warehouse.load_nights({EARLY.date(): tables_at(EARLY, stages=STAGES)})
    deleted = {**night_tables(), SESSION_HISTORY.name: tables_at(LATE, stages=STAGES)[SESSION_HISTORY.name]}
    warehouse.load_nights({LATE.date(): deleted})
    assert counted(warehouse) == [0, 0, 0, 1]
    assert pc.all(pc.equal(deleted[SESSION_HISTORY.name]["session_id"], "one")).as_py()
