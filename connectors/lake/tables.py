"""The lake: one Parquet file a table and partition, sorted and deterministic; no rows means no file.

Every page carries a checksum, so that a flipped bit is noticed when it is read. What is damaged is made again from raw.
"""

import os
from calendar import monthrange
from datetime import date
from errno import EIO
from io import BytesIO
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq

from connectors.errors import NightshiftError
from connectors.failpoints import failpoint
from connectors.lake.publish import disk_unavailable, publish, retract
from schemas.tables import SLEEP_HYPNOGRAMS, Table

Rows: TypeAlias = list[dict[str, Any]] | pa.Table
"""Rows one by one, or in columns that are those of the table."""


if "ARROW_DEFAULT_MEMORY_POOL" not in os.environ:
    # Arrow's other allocators keep what a large table took for the rest of the process.
    pa.set_memory_pool(pa.system_memory_pool())


_ENCODINGS: dict[str, dict[str, Any]] = {
    SLEEP_HYPNOGRAMS.name: {
        "compression_level": 9,
        "use_dictionary": [
            "source",
            "epoch_s",
            *(f"{name}.list.element" for name in ("sleep_stages", "breath_stages", "snoring_stages")),
        ],
        "column_encoding": {
            "start_time": "DELTA_BINARY_PACKED",
            "user_id": "DELTA_LENGTH_BYTE_ARRAY",
            "session_id": "DELTA_BYTE_ARRAY",
        },
    }
}
"""How Parquet writes a table, where it is worth it: hypnograms are most of the lake, and an eighth smaller so."""


class LakeDamaged(NightshiftError):
    """The bytes of a lake file are not those that were written."""


class LakeStore:
    """The lake tables under ``root``. A partition is a folder name such as ``date=2026-11-22``, or empty."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def path(self, table: Table, partition: str) -> Path:
        """Where the one file of a table and partition lies."""
        return self._root / table.name / partition / f"{table.name}.parquet"

    def replace(self, table: Table, partition: str, rows: Rows) -> bool:
        """Make the partition hold exactly these rows; False if it already did.

        Raises: DiskUnavailable; pyarrow.ArrowInvalid if a row, or the columns of rows that come in columns, do not fit
        the schema.
        """
        path = self.path(table, partition)
        if not len(rows):
            return retract(path)
        changed = publish(path, _encode(table, rows))
        failpoint("lake.replaced")
        return changed

    def read(self, table: Table, partition: str, columns: list[str] | None = None) -> pa.Table:
        """The rows of a partition, all columns unless told; an empty table if it has no file.

        Raises: LakeDamaged, DiskUnavailable.
        """
        try:
            return _read(self.path(table, partition), table, columns)
        except FileNotFoundError:
            return table.schema.empty_table().select(columns or table.schema.names)
        except OSError as error:
            if error.errno not in (None, EIO):  # Arrow's own complaints about content carry no number
                raise disk_unavailable(OSError(error.errno, os.strerror(error.errno)), "read") from None
        except (pa.ArrowException, UnicodeDecodeError):
            pass
        raise LakeDamaged(
            f"The lake file of {table.name}, {partition.replace('=', ' ') or 'all users'}, is damaged: run "
            f"`{_making_it_again(partition)}`, which takes no call."
        )

    def read_all(self, table: Table) -> pa.Table:
        """The rows of every partition; columns that a file of an older release lacks are null.

        Raises: LakeDamaged, DiskUnavailable.
        """
        files = sorted((self._root / table.name).rglob(f"{table.name}.parquet"))
        parts = [self.read(table, "" if path.parent.name == table.name else path.parent.name) for path in files]
        return pa.concat_tables([table.schema.empty_table(), *parts], promote_options="permissive")


def _read(path: Path, table: Table, columns: list[str] | None) -> pa.Table:
    file = pq.ParquetFile(path, page_checksum_verification=True)
    # A file of an older release may lack columns; one that has others than we write was changed by somebody else.
    known = {field.name: field.type for field in table.schema}
    if any(field.type != known.get(field.name) for field in file.schema_arrow):
        raise pa.ArrowInvalid("columns that the table does not have")
    rows = file.read(columns=columns, use_threads=False)
    rows.validate(full=True)
    return rows


def _making_it_again(partition: str) -> str:
    """The command that makes a partition again; the users are made again whatever its dates are."""
    key, _, day = partition.partition("=")
    first = last = day
    if key == "month":
        year, month = map(int, day.split("-"))
        first, last = f"{day}-01", date(year, month, monthrange(year, month)[1]).isoformat()
    return f"nightshift rebuild --from {first} --to {last}" if day else "nightshift rebuild"


def _encode(table: Table, rows: Rows) -> bytes:
    arrow = pa.Table.from_pylist(rows, schema=table.schema) if isinstance(rows, list) else rows
    if not arrow.schema.equals(table.schema, check_metadata=True):
        raise pa.ArrowInvalid("other columns than those of the table")
    arrow = arrow.sort_by([(name, "ascending") for name in table.sort_by])
    buffer = BytesIO()
    pq.write_table(arrow, buffer, compression="zstd", write_page_checksum=True, **_ENCODINGS.get(table.name, {}))
    return buffer.getvalue()
