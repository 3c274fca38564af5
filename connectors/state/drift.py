"""Which differences from the vendor's documentation have been met, and when first: each is news only once."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from connectors.state.database import State, upsert
from connectors.state.tables import vendor_drift
from schemas.quirks import Drift


@dataclass(frozen=True, slots=True)
class SeenDrift:
    """One difference: in which document of which source, of which kind, where, and when it was met first (UTC)."""

    source: str
    document: str
    kind: str
    path: str
    first_seen_at: datetime


def note_drift(state: State, source: str, document: str, found: Iterable[Drift], now: datetime) -> set[Drift]:
    """Remember these differences; gives those that were not known yet. Raises: StateUnavailable."""
    wanted = set(found)
    if not wanted:
        return set()
    mine = (vendor_drift.c.source == source) & (vendor_drift.c.document == document)
    with state.read() as connection:
        known = {Drift(row.kind, row.path) for row in connection.execute(sa.select(vendor_drift).where(mine))}
    new = wanted - known
    if new:
        rows = [
            {"source": source, "document": document, "kind": kind, "path": path, "first_seen_at": now}
            for kind, path in sorted(new)
        ]
        with state.write() as connection:
            upsert(connection, vendor_drift, rows)
    return new


def list_drift(connection: sa.Connection) -> list[SeenDrift]:
    """Every difference met so far, the oldest first."""
    query = sa.select(vendor_drift).order_by(
        vendor_drift.c.first_seen_at, vendor_drift.c.source, vendor_drift.c.document, vendor_drift.c.path
    )
    return [SeenDrift(**row._mapping) for row in connection.execute(query)]
