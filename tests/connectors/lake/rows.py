"""Rows that the schema of a table allows, whatever the table: every type, nulls where they are allowed."""

from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

from schemas.tables import Table

_CODES = st.lists(st.integers(-1, 5), max_size=4)

VALUES: dict[pa.DataType, st.SearchStrategy[Any]] = {
    pa.string(): st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=6),
    pa.int64(): st.integers(-(2**63), 2**63 - 1),
    pa.float64(): st.floats(allow_nan=False),
    pa.bool_(): st.booleans(),
    pa.date32(): st.dates(date(1900, 1, 1), date(2200, 1, 1)),
    pa.time32("ms"): st.times().map(lambda clock: clock.replace(microsecond=0)),
    pa.timestamp("us", tz="UTC"): st.datetimes(
        datetime(1900, 1, 1),  # noqa: DTZ001 - the strategy adds the zone
        datetime(2200, 1, 1),  # noqa: DTZ001
        timezones=st.just(UTC),
    ),
    pa.list_(pa.int8()): _CODES,
    pa.list_(pa.string()): st.lists(st.text(max_size=3), max_size=2),
}


def any_row(table: Table) -> st.SearchStrategy[dict[str, Any]]:
    """Any row of a table."""
    return st.fixed_dictionaries(
        {field.name: st.none() | VALUES[field.type] if field.nullable else VALUES[field.type] for field in table.schema}
    )


def any_rows(table: Table, most: int = 4) -> st.SearchStrategy[list[dict[str, Any]]]:
    """Any rows of a table that keep its key unique; at least one."""
    return st.lists(
        any_row(table), min_size=1, max_size=most, unique_by=lambda row: tuple(row[name] for name in table.key)
    )
