"""The lake: one Parquet file a table and partition, sorted and deterministic; no rows means no file."""

from io import BytesIO
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from connectors.failpoints import failpoint
from connectors.lake.publish import publish, retract
from schemas.tables import Table


class LakeStore:
    """The lake tables under ``root``. A partition is a folder name such as ``date=2026-11-22``, or empty."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def path(self, table: Table, partition: str) -> Path:
        """Where the one file of a table and partition lies."""
        return self._root / table.name / partition / f"{table.name}.parquet"

    def replace(self, table: Table, partition: str, rows: list[dict[str, object]]) -> bool:
        """Make the partition hold exactly these rows; False if it already did.

        Raises: DiskUnavailable; pyarrow.ArrowInvalid if a row does not fit the schema.
        """
        path = self.path(table, partition)
        if not rows:
            return retract(path)
        changed = publish(path, _encode(table, rows))
        failpoint("lake.replaced")
        return changed

    def read(self, table: Table, partition: str, columns: list[str] | None = None) -> pa.Table:
        """The rows of a partition, all columns unless told; an empty table if it has no file."""
        path = self.path(table, partition)
        if not path.exists():
            return table.schema.empty_table().select(columns or table.schema.names)
        return pq.ParquetFile(path).read(columns=columns)


def _encode(table: Table, rows: list[dict[str, object]]) -> bytes:
    arrow = pa.Table.from_pylist(rows, schema=table.schema).sort_by([(name, "ascending") for name in table.sort_by])
    buffer = BytesIO()
    pq.write_table(arrow, buffer, compression="zstd")
    return buffer.getvalue()
