"""Reading a partition of raw as records, once for every table made from it; what is refused goes to quarantine.

The tables of one date share this reading, so that they always agree on which sessions exist.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from itertools import chain
from typing import Any

from assets.builds import Built
from assets.lake.drift import DriftTally
from assets.lake.normalise_averages import normalise_average_stats
from assets.results import UNIQUE_KEYS, doubled_keys
from assets.sources.asleep_documents import decode_average_stats
from assets.sources.decoding import Refused
from assets.sources.known import SOURCES
from assets.sources.source import RecordedSession
from connectors.home import Home
from connectors.lake.raw import CurrentDocument, RawDocument
from connectors.lake.tables import Rows
from connectors.state.quarantine import Quarantined, replace_quarantined
from connectors.state.roster import RosterUser, list_users
from schemas.asleep import ASLEEP
from schemas.documents import AVERAGE_STATS, SESSION
from schemas.tables import Table


@dataclass(slots=True)
class SessionPartition:
    """What the documents of a UTC date came to, as raw has them now."""

    documents: int = 0
    sessions: int = 0
    refused: list[tuple[CurrentDocument, Refused]] = field(default_factory=list)
    waiting: int = 0
    deleted: int = 0
    drift: DriftTally = field(default_factory=DriftTally)


def sessions_of(
    home: Home, day: date, found: SessionPartition, sources: Iterable[str] = SOURCES
) -> Iterator[RecordedSession]:
    """Every complete session of a date, of all sources or of these.

    One at a time, because a thousand nights of stages fill the memory; what is refused, waiting for the vendor or
    deleted is counted in ``found``, and what was noted of a session once the next one is asked for.
    """
    for current in chain.from_iterable(home.raw.current(source, SESSION, day) for source in sources):
        source = SOURCES[current.document.source]
        found.documents += 1
        if current.deleted:
            found.deleted += 1
            continue
        try:
            decoded = source.decode(current)
        except Refused as refused:
            found.refused.append((current, refused))
            continue
        try:
            if source.is_complete(decoded):
                session = source.record(decoded)
                found.sessions += 1
                yield session
            else:
                found.waiting += 1
        except Refused as refused:
            found.refused.append((current, refused))
        finally:
            found.drift.add(current.document, decoded.notes.drift)


def build_session_table(
    home: Home,
    table: Table,
    partition: str,
    rows: Callable[[Iterable[RecordedSession]], Rows],
    sources: Iterable[str] = SOURCES,
) -> tuple[Built, SessionPartition]:
    """Replace one date of a table with the rows made from its sessions, of all sources or of these."""
    found = SessionPartition()
    table_rows = rows(sessions_of(home, date.fromisoformat(partition), found, sources))
    built = Built(
        documents=found.documents,
        rows=found.sessions,
        quarantined=len(found.refused),
        waiting=found.waiting,
        deleted=found.deleted,
        files=int(home.lake.replace(table, f"date={partition}", table_rows)),
        findings=_doubled(table, table_rows),
        drift=found.drift.told(),
    )
    return built, found


def _doubled(table: Table, rows: Rows) -> dict[str, int]:
    if isinstance(rows, list):
        return doubled_keys(table, rows)
    return {UNIQUE_KEYS: rows.num_rows - rows.group_by(list(table.key)).aggregate([]).num_rows}


@dataclass(slots=True)
class AveragesPartition:
    """A month's statistics as raw has them now: rows by user, what was refused, what needed a tolerant rule."""

    documents: int = 0
    rows: list[dict[str, Any]] = field(default_factory=list)
    refused: list[tuple[CurrentDocument, Refused]] = field(default_factory=list)
    drift: DriftTally = field(default_factory=DriftTally)


def read_average_stats(home: Home, month: date) -> AveragesPartition:
    """Every user's statistics of a month (its first day): normalised or refused."""
    roster = roster_of(home)
    found = AveragesPartition()
    for current in home.raw.current(ASLEEP, AVERAGE_STATS, month):
        found.documents += 1
        org_id, zone = label_of(current.document, roster)
        try:
            decoded = decode_average_stats(current)
            found.rows.append(normalise_average_stats(decoded, org_id, zone))
        except Refused as refused:
            found.refused.append((current, refused))
        else:
            found.drift.add(current.document, decoded.notes.drift)
    return found


def quarantine(home: Home, asset: str, partition: str, found: Iterable[tuple[CurrentDocument, Refused]]) -> None:
    """Make what was refused all that this asset has in quarantine for this partition."""
    entries = [
        Quarantined(
            asset=asset,
            partition=partition,
            source=current.document.source,
            document=current.document.document,
            user_id=current.document.user_id,
            document_id=current.document.document_id,
            raw_sha256=current.document.raw_sha256,
            reason=refused.reason,
            path=refused.path,
            explanation=refused.explanation,
            first_seen_at=home.clock(),
        )
        for current, refused in found
    ]
    replace_quarantined(home.state, asset, partition, entries)


def roster_of(home: Home) -> dict[tuple[str, str], RosterUser]:
    """The rostered users by source and id."""
    with home.state.read() as connection:
        return {user.key: user for user in list_users(connection)}


def label_of(document: RawDocument, roster: Mapping[tuple[str, str], RosterUser]) -> tuple[str, str]:
    """Organisation and zone of a document: the roster's, or for a user no longer on it the document's and UTC."""
    user = roster.get((document.source, document.user_id))
    return (user.org_id, user.timezone) if user else (document.org_id, "UTC")
