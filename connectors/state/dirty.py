"""Dirty partitions: which object of which asset must be built again because raw has changed under it.

A row is an asset, a partition and a generation, which is new with every change. Who builds claims the generation first
and clears the row afterwards only if it is still the same, so that a change that arrives during a build is never lost.
Generations are random: one that was cleared never comes back.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from secrets import token_hex

import sqlalchemy as sa

from connectors.state.database import State, upsert
from connectors.state.tables import dirty_partitions


@dataclass(frozen=True, slots=True)
class Claim:
    """The state of one partition when a build began.

    ``generation`` is None when it was clean. ``inputs_clean`` says that everything the build reads was up to date; if
    not, the result may be old and the partition stays dirty.
    """

    asset: str
    partition: str
    generation: str | None
    inputs_clean: bool


def mark_dirty(connection: sa.Connection, assets: Iterable[str], partitions: Iterable[str]) -> None:
    """Give every asset and partition given a new generation."""
    partitions = sorted(set(partitions))
    rows = [
        {"asset": asset, "partition": partition, "generation": token_hex(8)}
        for asset in assets
        for partition in partitions
    ]
    upsert(connection, dirty_partitions, rows)


def claim(state: State, asset: str, partition: str, inputs: Sequence[str], *, of_all_partitions: bool = False) -> Claim:
    """Look at a partition before building it; call this before any input is read.

    It reads the same partition of its inputs, or with ``of_all_partitions`` every partition of them.
    """
    columns = dirty_partitions.c
    mine = (columns.asset == asset) & (columns.partition == partition)
    read = columns.asset.in_(inputs) & (sa.true() if of_all_partitions else columns.partition == partition)
    with state.read() as connection:
        found = connection.execute(sa.select(columns.asset, columns.generation).where(mine | read))
        dirty = {row.asset: row.generation for row in found}
    return Claim(asset, partition, dirty.get(asset), not any(name in dirty for name in inputs))


def clear(state: State, claims: Iterable[Claim]) -> list[Claim]:
    """Clear the partitions that were built from up-to-date inputs and have not changed since; give back the others.

    Call this only after the built objects are durable.
    """
    left = []
    with state.write() as connection:
        for built in claims:
            mine = (dirty_partitions.c.asset == built.asset) & (dirty_partitions.c.partition == built.partition)
            if built.inputs_clean:
                # One statement: on PostgreSQL a pull may commit between a look and a delete.
                connection.execute(
                    sa.delete(dirty_partitions).where(mine, dirty_partitions.c.generation == built.generation)
                )
            if connection.execute(sa.select(dirty_partitions.c.generation).where(mine)).first() is not None:
                left.append(built)
    return left


def list_dirty(connection: sa.Connection) -> dict[str, dict[str, str]]:
    """Dirty partitions by asset: partition to generation, in order."""
    query = sa.select(dirty_partitions).order_by(dirty_partitions.c.asset, dirty_partitions.c.partition)
    dirty: dict[str, dict[str, str]] = {}
    for row in connection.execute(query):
        dirty.setdefault(row.asset, {})[row.partition] = row.generation
    return dirty
