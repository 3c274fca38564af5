"""Sessions of many users and a year: read from the DuckDB warehouse, and with DuckDB from the lake's day files."""

from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import TypeAlias

import duckdb
import pyarrow as pa

from benchmarks.warehouse.costs import Cost, cost_here
from benchmarks.warehouse.nights import OF_NIGHTS, Analysis, sessions_of_all
from connectors.lake.tables import LakeStore
from connectors.warehouse.duckdb import DuckDbWarehouse
from schemas.tables import SLEEP_SESSIONS

Query: TypeAlias = Callable[[], pa.Table]

YEAR, YEAR_OF_FILES = "one user's year, all columns, warehouse", "one user's year, all columns, day files"
FIGURES, FIGURES_OF_FILES = "one user's year, three columns, warehouse", "one user's year, three columns, day files"
DAY, DAY_FILE = "a day of all users, warehouse", "a day of all users, its file"
OPEN, OPEN_NOTHING = "opening the warehouse", "opening DuckDB without a file"

_ALL = "*"
_THREE = "start_time, total_sleep_time_s, sleep_efficiency"
_DATES_A_LOAD = 73
_QUERIES = 5
"""Of one kind in a round, each for another user or day."""


def fill(root: Path, originals: Analysis, users: Sequence[str], days: Sequence[date]) -> None:
    """The same rows as day files and as a warehouse, in the loads that catching up with so many dates would make."""
    lake, warehouse = LakeStore(root / "lake"), DuckDbWarehouse(root / "warehouse.duckdb")
    nothing = {table.name: table.schema.empty_table() for table in OF_NIGHTS}
    for first in range(0, len(days), _DATES_A_LOAD):
        nights = {}
        for day in days[first : first + _DATES_A_LOAD]:
            rows = sessions_of_all(originals, users, day)
            lake.replace(SLEEP_SESSIONS, f"date={day}", rows)
            nights[day] = {**nothing, SLEEP_SESSIONS.name: rows}
        warehouse.load_nights(nights)


def rounds(root: Path, users: Sequence[str], days: Sequence[date], number: int) -> Iterator[dict[str, Cost]]:
    """What a query costs, round by round, over one connection that stays open, as an analyst's does.

    What opening costs is told by ``opening``. Every file is in the system's memory by then.
    Raises: AssertionError when the answers are not the same, or not all that there is.
    """
    store = LakeStore(root / "lake")
    files = str(root / "lake" / SLEEP_SESSIONS.name / "*" / "*.parquet")
    with DuckDbWarehouse(root / "warehouse.duckdb").read() as ours, duckdb.connect() as theirs:
        theirs.execute("SET TimeZone = 'UTC'")
        for place in range(number + 1):
            some_users = [users[(place * _QUERIES + query) * 997 % len(users)] for query in range(_QUERIES)]
            some_days = [days[(place * _QUERIES + query) * 61 % len(days)] for query in range(_QUERIES)]
            asked = {
                YEAR: [_year(ours, _ALL, user) for user in some_users],
                YEAR_OF_FILES: [_year_of_files(theirs, _ALL, files, user) for user in some_users],
                FIGURES: [_year(ours, _THREE, user) for user in some_users],
                FIGURES_OF_FILES: [_year_of_files(theirs, _THREE, files, user) for user in some_users],
                DAY: [_day(ours, day) for day in some_days],
                DAY_FILE: [_day_file(theirs, str(store.path(SLEEP_SESSIONS, f"date={day}"))) for day in some_days],
            }
            costs, answers = {}, {}
            for name, queries in asked.items():
                answers[name], costs[name] = _answered(queries)
            for one, other, rows in (
                (YEAR, YEAR_OF_FILES, len(days)),
                (FIGURES, FIGURES_OF_FILES, len(days)),
                (DAY, DAY_FILE, len(users)),
            ):
                assert answers[one] == answers[other], f"{one}: not the same rows"
                assert {len(answer) for answer in answers[one]} == {rows}, f"{one}: not all rows"
            if place:  # the first one warms up
                yield costs


def opening(root: Path) -> dict[str, Cost]:
    """What it costs to open the warehouse, and DuckDB without one; nobody may have it open already."""

    def warehouse() -> None:
        with DuckDbWarehouse(root / "warehouse.duckdb").read() as connection:
            connection.execute("SELECT 1").fetchall()

    def nothing() -> None:
        with duckdb.connect() as connection:
            connection.execute("SELECT 1").fetchall()

    warehouse()
    return {OPEN: cost_here(warehouse), OPEN_NOTHING: cost_here(nothing)}


def _answered(queries: Sequence[Query]) -> tuple[list[pa.Table], Cost]:
    answers: list[pa.Table] = []
    cost = cost_here(lambda: answers.extend(query() for query in queries))
    return answers, Cost(cost.wall_s / len(queries), cost.ours_s / len(queries))


def _year(connection: duckdb.DuckDBPyConnection, columns: str, user: str) -> Query:
    query = f"SELECT {columns} FROM sleep_sessions WHERE user_id = ? ORDER BY start_time"  # noqa: S608 - ours
    return lambda: connection.sql(query, params=[user]).to_arrow_table()


def _year_of_files(connection: duckdb.DuckDBPyConnection, columns: str, files: str, user: str) -> Query:
    query = (
        f"SELECT {columns} FROM read_parquet(?, hive_partitioning = false) "  # noqa: S608 - names are ours
        "WHERE user_id = ? ORDER BY start_time"
    )
    return lambda: connection.sql(query, params=[files, user]).to_arrow_table()


def _day(connection: duckdb.DuckDBPyConnection, day: date) -> Query:
    query = "SELECT * FROM sleep_sessions WHERE start_time >= ?::TIMESTAMPTZ AND start_time < ?::TIMESTAMPTZ"
    values = [f"{day} 00:00+00", f"{day + timedelta(days=1)} 00:00+00"]
    return lambda: connection.sql(query, params=values).to_arrow_table()


def _day_file(connection: duckdb.DuckDBPyConnection, file: str) -> Query:
    query = "SELECT * FROM read_parquet(?, hive_partitioning = false)"
    return lambda: connection.sql(query, params=[file]).to_arrow_table()
