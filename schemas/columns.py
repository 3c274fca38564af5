"""What a table is, and the columns that many tables share. Which tables there are is said in ``tables``."""

from dataclasses import dataclass
from typing import Any

import pyarrow as pa

UTC_TIME = pa.timestamp("us", tz="UTC")
CLOCK_TIME = pa.time32("ms")
STAGES = pa.list_(pa.int8())


@dataclass(frozen=True, slots=True)
class Table:
    """A table: what one row means, its key and its Arrow schema (columns described in field metadata).

    ``partition_column`` is the date whose values are its partitions; empty for tables whose partition is the UTC date
    of a time, and for those that have none.
    """

    name: str
    row: str
    key: tuple[str, ...]
    sort_by: tuple[str, ...]
    schema: pa.Schema
    partition_column: str = ""

    def description(self, column: str) -> str:
        """What a column means, with its unit."""
        return _metadata(self.schema.field(column), b"description")

    def unit(self, column: str) -> str:
        """The unit of a column, or an empty text."""
        return _metadata(self.schema.field(column), b"unit")


def _metadata(field: "pa.Field[Any]", key: bytes) -> str:
    value: bytes = (field.metadata or {}).get(key, b"")
    return value.decode()


def column(
    name: str, arrow_type: pa.DataType, description: str, unit: str = "", *, required: bool = False
) -> "pa.Field[Any]":
    """A column with its meaning and unit; ``required`` ones are never null."""
    return pa.field(name, arrow_type, nullable=not required, metadata={"description": description, "unit": unit})


ORG = column("org_id", pa.string(), "Label of the organisation in the roster.", required=True)
SOURCE = column("source", pa.string(), "Where the data comes from: asleep or eight_sleep.", required=True)
USER = column("user_id", pa.string(), "The user's id at the source.", required=True)
SESSION = column("session_id", pa.string(), "The session's id at the source.", required=True)
