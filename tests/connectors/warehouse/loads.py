"""Loads for any kind of warehouse, and what it then returns, so that two kinds can be compared to the bit."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa

from connectors.warehouse.loading import Warehouse
from schemas.documents import DELETED
from schemas.marts import WAREHOUSE_TABLES
from schemas.nights import utc_date
from schemas.stages import STAGE_NAMES, stage_intervals
from schemas.tables import (
    SESSION_HISTORY,
    SLEEP_HYPNOGRAMS,
    SLEEP_SESSIONS,
    SLEEP_STAGE_INTERVALS,
    USERS,
    Table,
)
from tests.connectors.warehouse.test_duckdb import arrow, version
from tests.schemas.fhir.rows import epochs, night

Row = dict[str, Any]
OF_NIGHTS = (SLEEP_SESSIONS, SLEEP_HYPNOGRAMS, SLEEP_STAGE_INTERVALS, SESSION_HISTORY)
PARTITIONED_BY = {
    SLEEP_SESSIONS.name: "start_time",
    SLEEP_HYPNOGRAMS.name: "start_time",
    SESSION_HISTORY.name: "start_date",
    **{table.name: table.partition_column for table in WAREHOUSE_TABLES if table.partition_column},
}
DAY = date(2025, 3, 10)
EPOCH = timedelta(seconds=30)


def load(warehouse: Warehouse, table: Table, rows: Sequence[Row]) -> None:
    """Load rows of one table as the partitions they are of."""
    partitions: dict[date, list[Row]] = {}
    for row in rows:
        partitions.setdefault(partition_of(table, row), []).append(row)
    tables = {day: arrow(table, mine) for day, mine in partitions.items()}
    if table is USERS:
        warehouse.load_whole(USERS, arrow(USERS, list(rows)))
    elif table.partition_column:
        warehouse.load_partitions(table, tables)
    else:
        nothing = {other.name: arrow(other, []) for other in OF_NIGHTS}
        warehouse.load_nights({day: nothing | {table.name: mine} for day, mine in tables.items()})


def partition_of(table: Table, row: Row) -> date:
    """The partition a row is of; one and the same for tables without."""
    value = row[PARTITIONED_BY[table.name]] if table.name in PARTITIONED_BY else DAY
    return utc_date(value) if isinstance(value, datetime) else value


def rows_of(warehouse: Warehouse, table: Table) -> list[Row]:
    """Every row of a table in the order of its key, of the types Arrow has for them."""
    names = table.schema.names
    with warehouse.read() as reader:
        query = f"SELECT {', '.join(names)} FROM {table.name} ORDER BY {', '.join(table.key)}"  # noqa: S608 - ours
        answer = reader.execute(query)
        rows = [dict(zip(names, row, strict=True)) for row in answer.fetchall()]
    found: list[Row] = arrow(table, rows).to_pylist()
    return found


def checksums(warehouse: Warehouse, table: Table) -> dict[date, str]:
    """A checksum of the rows of each partition, which also tells -0.0 from 0.0."""
    partitions: dict[date, list[Row]] = {}
    for row in rows_of(warehouse, table):
        partitions.setdefault(partition_of(table, row), []).append(row)
    return {day: hashlib.sha256(repr(rows).encode()).hexdigest() for day, rows in partitions.items()}


def nights(sessions: Mapping[str, tuple[datetime, Sequence[int] | None]], days: Sequence[date]) -> dict[date, Any]:
    """The tables of these dates where each session begins at a time with stages, or without them was deleted."""
    return {day: _night({key: told for key, told in sessions.items() if utc_date(told[0]) == day}) for day in days}


def _night(sessions: Mapping[str, tuple[datetime, Sequence[int] | None]]) -> dict[str, pa.Table]:
    rows: dict[str, list[Row]] = {table.name: [] for table in OF_NIGHTS}
    for name, (start, stages) in sessions.items():
        key = {"source": "asleep", "user_id": "anna", "session_id": name}
        reason = DELETED if stages is None else "first_seen"
        rows[SESSION_HISTORY.name].append(version(**key, start_time=start, reason=reason, awakenings=sum(stages or [])))
        if stages is None:
            continue
        rows[SLEEP_SESSIONS.name].append(night(**key, start_time=start, awakenings=sum(stages)))
        rows[SLEEP_HYPNOGRAMS.name].append(epochs(**key, start_time=start, sleep_stages=list(stages)))
        rows[SLEEP_STAGE_INTERVALS.name] += [
            {
                **key,
                "stage": STAGE_NAMES[interval.stage],
                "start_time": start + interval.first_epoch * EPOCH,
                "end_time": start + (interval.first_epoch + interval.epochs) * EPOCH,
                "first_epoch": interval.first_epoch,
                "epochs": interval.epochs,
            }
            for interval in stage_intervals(list(stages))
        ]
    return {table.name: arrow(table, rows[table.name]) for table in OF_NIGHTS}


def start_of(day: int, minute: int = 1) -> datetime:
    """A time in the night that ends a day of March 2025."""
    return datetime(2025, 3, day, 23, minute, tzinfo=UTC)
