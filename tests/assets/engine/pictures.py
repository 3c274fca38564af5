"""What lies in a home after a run: the rows of every table, file by file, the warehouse's rows, the Observations."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq

from schemas.tables import LAKE_TABLES, Table

Row = dict[str, Any]
Mark = tuple[int, int]
"""Inode and time of change of a file."""

LAYERS = ("raw", "lake", "fhir")


def marks_of(root: Path) -> dict[str, Mark]:
    """Every object of raw, lake and fhir and the warehouse, with its inode and time of change."""
    files = [path for layer in LAYERS for path in (root / layer).rglob("*") if path.is_file()]
    warehouse = root / "warehouse.duckdb"
    stats = {path: path.stat() for path in [*files, *([warehouse] if warehouse.exists() else [])]}
    return {str(path.relative_to(root)): (stat.st_ino, stat.st_mtime_ns) for path, stat in stats.items()}


@dataclass
class Pictures:
    """Pictures of the home at ``root``; a file that has not changed is not read again."""

    root: Path
    _read: dict[Path, tuple[Mark, list[Row]]] = field(default_factory=dict)
    _warehouse: tuple[Mark, dict[str, list[str]]] | None = None

    def rows(self, table: Table) -> list[Row]:
        """All rows of a lake table."""
        return [row for _, rows in self.partitions(table) for row in rows]

    def partitions(self, table: Table) -> Iterator[tuple[str, list[Row]]]:
        """The rows of a lake table by folder (``date=2026-11-03``), in order."""
        for path in sorted((self.root / "lake" / table.name).rglob("*.parquet")):
            yield path.parent.name, self._rows_of(path)

    def observations(self) -> list[Row]:
        """All FHIR Observations of nights."""
        files = sorted((self.root / "fhir" / "Observation").glob("date=*/*.ndjson"))
        return [row for path in files for row in self._rows_of(path)]

    def warehouse_differences(self) -> list[str]:
        """The tables whose rows in the warehouse are not those of the lake."""
        warehouse = self._rows_of_warehouse()
        return [table.name for table in LAKE_TABLES if warehouse[table.name] != _in_order(self.rows(table))]

    def _rows_of(self, path: Path) -> list[Row]:
        stat = path.stat()
        mark = (stat.st_ino, stat.st_mtime_ns)
        if path not in self._read or self._read[path][0] != mark:
            if path.suffix == ".parquet":
                rows = pq.ParquetFile(path).read().to_pylist()
            else:
                rows = [json.loads(line) for line in path.read_text().splitlines()]
            self._read[path] = (mark, rows)
        return self._read[path][1]

    def _rows_of_warehouse(self) -> dict[str, list[str]]:
        path = self.root / "warehouse.duckdb"
        stat = path.stat()
        mark = (stat.st_ino, stat.st_mtime_ns)
        if self._warehouse is None or self._warehouse[0] != mark:
            with duckdb.connect(path, read_only=True) as connection:
                connection.execute("SET TimeZone = 'UTC'")
                found = {
                    table.name: _in_order(connection.table(table.name).to_arrow_table().to_pylist())
                    for table in LAKE_TABLES
                }
            self._warehouse = (mark, found)
        return self._warehouse[1]


def _in_order(rows: list[Row]) -> list[str]:
    return sorted(repr(sorted((name, _plain(value)) for name, value in row.items())) for row in rows)


def _plain(value: Any) -> str:
    # The warehouse gives times in a zone object of its own.
    return value.isoformat() if hasattr(value, "isoformat") else repr(value)
