"""Which partitions of the marts are not in a warehouse as they are now. Nothing is loaded here."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from schemas.marts import MART_PARTITIONS, MART_TABLES
from schemas.tables import Table

LOADED = f"SELECT mart, partition_date, fingerprint FROM {MART_PARTITIONS.name}"  # noqa: S608 - names are ours
"""The query for what a warehouse has."""


@dataclass(frozen=True, slots=True)
class MartChange:
    """The partitions of a mart that differ: their dates, their rows now, and their rows of ``MART_PARTITIONS``.

    Dates without rows are partitions that are gone.
    """

    table: Table
    dates: list[date]
    rows: pa.Table
    partitions: pa.Table


def mart_changes(
    marts: Mapping[str, pa.Table], partitions: pa.Table, loaded: Iterable[tuple[str, date, str]]
) -> list[MartChange]:
    """What has to be loaded so that a warehouse that has ``loaded`` (the rows of ``LOADED``) has these marts."""
    now: defaultdict[str, set[tuple[date, str]]] = defaultdict(set)
    was: defaultdict[str, set[tuple[date, str]]] = defaultdict(set)
    for row in partitions.select(["mart", "partition_date", "fingerprint"]).to_pylist():
        now[row["mart"]].add((row["partition_date"], row["fingerprint"]))
    for mart, day, fingerprint in loaded:
        was[mart].add((day, fingerprint))
    changes = []
    for table in MART_TABLES:
        dates = sorted({day for day, _ in now[table.name] ^ was[table.name]})
        if dates:
            mine = partitions.filter(pc.equal(partitions["mart"], table.name))
            changes.append(
                MartChange(
                    table,
                    dates,
                    _of(marts[table.name], table.partition_column, dates),
                    _of(mine, "partition_date", dates),
                )
            )
    return changes


def _of(rows: pa.Table, column: str, dates: list[date]) -> pa.Table:
    wanted: Any = pa.array(dates, pa.date32())
    return rows.filter(pc.is_in(rows[column], value_set=wanted))
