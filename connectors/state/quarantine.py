"""Quarantine: documents that could not be normalised, with the reason, until a build succeeds with them.

The explanation names the field and the rule, never a value. The document itself stays in raw.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256

import sqlalchemy as sa

from connectors.state.database import State, upsert
from connectors.state.tables import quarantine


@dataclass(frozen=True, slots=True)
class Quarantined:
    """One document that an asset could not use.

    ``reason`` is a fixed word, ``path`` the JSON path of the offending field, ``explanation`` one sentence.
    """

    asset: str
    partition: str
    source: str
    document: str
    user_id: str
    document_id: str
    raw_sha256: str
    reason: str
    path: str
    explanation: str
    first_seen_at: datetime
    quarantine_id: str = ""

    def __repr__(self) -> str:
        return f"Quarantined(asset={self.asset}, partition={self.partition}, reason={self.reason})"

    def with_id(self) -> "Quarantined":
        """The same with its id: 12 hex digits that stay the same as long as the document and the reason do."""
        parts = (self.asset, self.source, self.user_id, self.document_id, self.raw_sha256, self.reason, self.path)
        return replace(self, quarantine_id=sha256("\x1f".join(parts).encode()).hexdigest()[:12])


def replace_quarantined(state: State, asset: str, partition: str, found: Sequence[Quarantined]) -> None:
    """Make ``found`` all that this asset has in quarantine for this partition; first sightings keep their time."""
    mine = (quarantine.c.asset == asset) & (quarantine.c.partition == partition)
    with state.read() as connection:
        known = {row.quarantine_id for row in connection.execute(sa.select(quarantine.c.quarantine_id).where(mine))}
    rows = [item.with_id() for item in found]
    if not known and not rows:
        return
    with state.write() as connection:
        gone = known - {row.quarantine_id for row in rows}
        if gone:
            this = quarantine.c.quarantine_id == sa.bindparam("gone_id")
            connection.execute(sa.delete(quarantine).where(this), [{"gone_id": gone_id} for gone_id in gone])
        new = [row for row in rows if row.quarantine_id not in known]
        upsert(connection, quarantine, [{name: getattr(row, name) for name in Quarantined.__slots__} for row in new])


def list_quarantined(connection: sa.Connection) -> list[Quarantined]:
    """Everything in quarantine, oldest partition first."""
    query = sa.select(quarantine).order_by(quarantine.c.partition, quarantine.c.quarantine_id)
    return [Quarantined(**row._mapping) for row in connection.execute(query)]


def count_quarantined(connection: sa.Connection) -> int:
    """How many documents are in quarantine."""
    return connection.execute(sa.select(sa.func.count()).select_from(quarantine)).scalar_one()
