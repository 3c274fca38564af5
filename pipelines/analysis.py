"""Tables of the warehouse as pandas frames, for notebooks and scripts: ``from pipelines.analysis import read_table``.

Which warehouse it is (DuckDB, PostgreSQL or another) makes no difference to the frame: columns, types and the order of
the rows come from ``schemas``.
"""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa

from connectors.errors import WrongUsage
from connectors.warehouse.duckdb import DuckDbWarehouse
from connectors.warehouse.loading import Answer, Reader, Warehouse, WarehouseUnavailable
from pipelines.resources import open_home, open_warehouse
from pipelines.settings import load_settings
from schemas.marts import MART_TABLES
from schemas.tables import LAKE_TABLES, SLEEP_SESSIONS, Table

TABLES: dict[str, Table] = {table.name: table for table in (*MART_TABLES, *LAKE_TABLES)}
"""Every table that can be read, by name."""

_DATE_COLUMNS = ("start_date", "night_of", "week_start", "month_start", "period_start")
"""The column that ``start`` and ``end`` are about; the history has one that its deletions have, too."""


def read_table(
    name: str,
    user_id: str | None = None,
    start: date | str | None = None,
    end: date | str | None = None,
    *,
    home: Path | str | None = None,
) -> pd.DataFrame:
    """A table of the warehouse, or the rows of one user, or those of some dates, sorted as docs/tables.md says.

    Args:
        name: One of ``TABLES``: nights, user_weeks, user_months, cohort_days, sleep_sessions, ...
        user_id: Rows of this user only.
        start: First date, inclusive: a date, a datetime (of which the date counts) or ISO text.
        end: Last date, inclusive.
        home: Read ``warehouse.duckdb`` of this home, whatever the settings say; by default the settings' warehouse.

    Dates are local dates of the table's own column: ``night_of``, or the first day in ``week_start``, ``month_start``
    and ``period_start``. Hypnograms and stage intervals are those of the sessions with such a ``night_of``. Only in
    ``session_history`` it is ``start_date``, which is a UTC date.

    Columns have Arrow's types (whole numbers that may be null, dates, lists); times are aware, in UTC. ``frame.attrs``
    has ``table``, ``row`` (what one row is) and, by column, ``descriptions`` and ``units``: "s", "fraction", "count",
    ...; columns without a unit are not in it.

    Raises: WrongUsage for a table, a date or a user that cannot be; WarehouseUnavailable.
    """
    table = TABLES.get(name)
    if table is None:
        raise WrongUsage(f"There is no table of that name: the tables are {', '.join(TABLES)}.")
    query = _query(table, user_id, _date(start, "start"), _date(end, "end"))
    # Equal rows in equal order wherever they come from: databases sort texts by rules of their own.
    rows = _rows(_warehouse(home), table, query).sort_by([(column, "ascending") for column in table.sort_by])
    frame: pd.DataFrame = rows.to_pandas(types_mapper=pd.ArrowDtype)
    frame.attrs = {
        "table": table.name,
        "row": table.row,
        "units": {column: unit for column in table.schema.names if (unit := table.unit(column))},
        "descriptions": {column: table.description(column) for column in table.schema.names},
    }
    return frame


def _warehouse(home: Path | str | None) -> Warehouse:
    if home is None:
        settings = load_settings()
        return open_warehouse(settings, open_home(settings))
    file = Path(home) / "warehouse.duckdb"
    if not file.is_file():
        raise WrongUsage("There is no warehouse.duckdb in that home: name one that `nightshift sync` or `demo` filled.")
    return DuckDbWarehouse(file)


def _date(value: date | str | None, argument: str) -> date | None:
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
        if not pd.isna(moment):
            return moment.date() if isinstance(moment, datetime) else moment
    except ValueError:
        pass
    raise WrongUsage(f"{argument}: not a date like 2026-11-22.")


def _query(table: Table, user_id: str | None, start: date | None, end: date | None) -> str:
    names = table.schema.names
    conditions = []
    if user_id is not None:
        if "user_id" not in names:
            raise WrongUsage(f"{table.name} has no users: leave user_id out.")
        conditions.append(f"t.user_id = {_literal(user_id)}")
    if start and end and start > end:
        raise WrongUsage(f"start {start} is after end {end}: swap them.")
    bounds = [f">= '{start.isoformat()}'"] if start else []
    bounds += [f"<= '{end.isoformat()}'"] if end else []
    if bounds:
        column = next((name for name in _DATE_COLUMNS if name in names), None)
        if column:
            conditions += [f"t.{column} {bound}" for bound in bounds]
        elif "session_id" in names:
            conditions.append(_of_sessions(bounds))
        else:
            raise WrongUsage(f"{table.name} has no dates: leave start and end out.")
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    return f"SELECT {', '.join(f't.{name}' for name in names)} FROM {table.name} AS t{where}"  # noqa: S608 - quoted


def _of_sessions(bounds: Sequence[str]) -> str:
    same = [f"s.{name} = t.{name}" for name in SLEEP_SESSIONS.key]
    dates = [f"s.night_of {bound}" for bound in bounds]
    return f"EXISTS (SELECT 1 FROM sleep_sessions AS s WHERE {' AND '.join([*same, *dates])})"  # noqa: S608 - ours


def _literal(text: str) -> str:
    # A backslash ends a text early in some databases, and some read no further than a null.
    if not text.isprintable() or "\\" in text:
        raise WrongUsage("user_id: no user's id holds a backslash or characters that cannot be printed.")
    return "'" + text.replace("'", "''") + "'"


def _rows(warehouse: Warehouse, table: Table, query: str) -> pa.Table:
    with warehouse.read() as reader:
        try:
            return _arrow(reader, table, query)
        except warehouse.query_errors:
            pass
    # Its own words are not passed on: they can quote values.
    raise WarehouseUnavailable(
        f"{table.name} cannot be read from the warehouse: run `nightshift sync`, which brings its tables up to date."
    )


def _arrow(reader: Reader, table: Table, query: str) -> pa.Table:
    if isinstance(reader, duckdb.DuckDBPyConnection):
        return reader.sql(query).to_arrow_table().cast(table.schema)
    answer: Answer = reader.execute(query)
    rows = answer.fetchall()
    columns = [
        pa.array([_meant(field.type, row[number]) for row in rows], field.type)
        for number, field in enumerate(table.schema)
    ]
    return pa.Table.from_arrays(columns, schema=table.schema)


_FROM_TEXT: dict[pa.DataType, Callable[[str], Any]] = {
    pa.date32(): date.fromisoformat,
    pa.time32("ms"): time.fromisoformat,
    pa.timestamp("us", tz="UTC"): datetime.fromisoformat,
    pa.list_(pa.int8()): json.loads,
    pa.list_(pa.string()): json.loads,
}
_FROM_NUMBER: dict[pa.DataType, Callable[[Any], Any]] = {pa.bool_(): bool, pa.int64(): int, pa.float64(): float}


def _meant(arrow_type: pa.DataType, value: Any) -> Any:
    """What a driver's value stands for: some databases have neither times nor lists and keep texts, nor booleans."""
    if value is None:
        return None
    if isinstance(value, str) and arrow_type in _FROM_TEXT:
        value = _FROM_TEXT[arrow_type](value)
    if isinstance(value, datetime) and value.tzinfo is None:
        return value.replace(tzinfo=UTC)
    return _FROM_NUMBER[arrow_type](value) if arrow_type in _FROM_NUMBER else value
