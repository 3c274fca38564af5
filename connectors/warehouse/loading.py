"""What every warehouse can do, whatever keeps it: the interface the assets load through, and its error.

A load replaces whole partitions in one step: afterwards the warehouse has the rows given for them and no other, and
loading the same again changes nothing. What is loaded and when is not decided here.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import date
from typing import Any, Protocol

import pyarrow as pa

from connectors.errors import NightshiftError
from schemas.tables import Table


class WarehouseUnavailable(NightshiftError):
    """The warehouse cannot be read or written.

    ``may_pass`` is True when the same load can succeed later without anybody doing something: the server restarts, the
    network is away, another program holds a lock. Nothing of the failed load is in the warehouse, and trying it again
    is always safe.
    """

    def __init__(self, message: str, may_pass: bool = False) -> None:
        super().__init__(message)
        self.may_pass = may_pass


class IncompatibleWarehouse(WarehouseUnavailable):
    """The warehouse's tables do not fit this release and cannot be changed without risk to what is in them.

    ``statement`` is the SQL that an owner of the tables runs to go on.
    """

    def __init__(self, message: str, statement: str) -> None:
        super().__init__(message)
        self.statement = statement


class Answer(Protocol):
    """The rows of a query."""

    @property
    def description(self) -> Sequence[Sequence[Any]] | None:
        """A sequence per column that begins with its name."""

    def fetchall(self) -> list[Any]:
        """Every row, as a tuple."""


class Reader(Protocol):
    """A read-only connection, on which times are given in UTC."""

    def execute(self, query: str, /) -> Answer:
        """Run one query; raises the database's own error when it cannot be run."""


class Warehouse(Protocol):
    """A place with the tables of ``schemas.marts.WAREHOUSE_TABLES``; every method may raise WarehouseUnavailable."""

    def load_nights(self, nights: Mapping[date, Mapping[str, pa.Table]]) -> None:
        """Replace the sessions, hypnograms, stage intervals and history of these UTC dates: tables by name, by date.

        A session is under one date: one that has moved to these is taken from where it was.
        """

    def load_partitions(self, table: Table, partitions: Mapping[date, pa.Table]) -> None:
        """Replace these partitions of a table that has a partition column."""

    def load_tables(self, tables: Mapping[Table, Mapping[date, pa.Table]]) -> None:
        """The same of several tables, in one step."""

    def load_whole(self, table: Table, rows: pa.Table) -> None:
        """Replace all rows of a table that has no partitions."""

    def load_marts(self, marts: Mapping[str, pa.Table], partitions: pa.Table) -> dict[str, int]:
        """Replace the partitions of the marts that are not as they were loaded last; how many, by mart.

        ``marts`` are whole, by name; ``partitions`` (``schemas.marts.MART_PARTITIONS``) says what is in them. What is
        in the warehouse beyond them goes, and what was loaded is noted in the same step.
        """

    @property
    def query_errors(self) -> tuple[type[Exception], ...]:
        """What a query that cannot be run raises."""

    def exists(self) -> bool:
        """Whether there is anything to read; False before the first load."""

    def read(self) -> AbstractContextManager[Reader]:
        """A connection to the present state, which stays the same in all of the block."""
