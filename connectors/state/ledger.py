"""The session ledger: what is known of every session and document without opening raw, and which users failed.

Written only after the raw documents it describes are durable. Fingerprints are of list rows, content hashes of details.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import sqlalchemy as sa

from connectors.state.database import upsert
from connectors.state.tables import documents, sessions, unpulled_users
from schemas.documents import AVERAGE_STATS

COMPLETE = "complete"
PENDING = "pending"
DELETED = "deleted"

OWED = ""
"""Content hash of statistics that must be asked for again, because the last answer failed or does not fit."""

NOT_ASKED = "not_asked"
"""Why a user is unpulled when no error is known: the pull was stopped or killed before."""


@dataclass(frozen=True, slots=True)
class LedgerSession:
    """A session as last seen: ``partition`` is the UTC date of its start, ``verdict`` complete, pending or deleted.

    ``averaged_hash`` is that of its figures in the last statistics that showed them, None as long as none did.
    """

    source: str
    user_id: str
    session_id: str
    org_id: str
    partition: date
    fingerprint: str
    verdict: str
    content_hash: str | None
    revision: int
    first_seen_at: datetime
    changed_at: datetime
    averaged_hash: str | None = None

    def __repr__(self) -> str:
        return f"LedgerSession(partition={self.partition}, verdict={self.verdict}, revision={self.revision})"


@dataclass(frozen=True, slots=True)
class LedgerDocument:
    """A document other than a session (average stats of a month, a user), as last fetched."""

    source: str
    document: str
    user_id: str
    document_id: str
    content_hash: str
    fetched_at: datetime

    def __repr__(self) -> str:
        return f"LedgerDocument(document={self.document})"


def sessions_of(connection: sa.Connection, source: str, user_ids: Sequence[str]) -> dict[str, list[LedgerSession]]:
    """The known sessions of these users, by user id; at most some hundred users a call."""
    query = sa.select(sessions).where(sessions.c.source == source, sessions.c.user_id.in_(user_ids))
    found: dict[str, list[LedgerSession]] = {user_id: [] for user_id in user_ids}
    for row in connection.execute(query.order_by(sessions.c.session_id)):
        found[row.user_id].append(LedgerSession(**row._mapping))
    return found


def sessions_called(connection: sa.Connection, source: str, session_id: str) -> list[LedgerSession]:
    """The known sessions of this id, nearly always one, in the order of their users."""
    query = sa.select(sessions).where(sessions.c.source == source, sessions.c.session_id == session_id)
    return [LedgerSession(**row._mapping) for row in connection.execute(query.order_by(sessions.c.user_id))]


def put_sessions(connection: sa.Connection, rows: Iterable[LedgerSession]) -> None:
    """Add sessions, or replace what is known of them."""
    upsert(connection, sessions, [{name: getattr(row, name) for name in LedgerSession.__slots__} for row in rows])


def sessions_between(connection: sa.Connection, source: str, first: date, last: date) -> set[tuple[str, str]]:
    """The complete sessions of these inclusive dates, as (user id, session id)."""
    mine = (sessions.c.source == source) & (sessions.c.verdict == COMPLETE)
    query = sa.select(sessions.c.user_id, sessions.c.session_id).where(mine, sessions.c.partition.between(first, last))
    return {(row.user_id, row.session_id) for row in connection.execute(query)}


def users_with_pending(connection: sa.Connection, source: str) -> set[str]:
    """The users who have a session that is not complete yet."""
    query = sa.select(sessions.c.user_id).where(sessions.c.source == source, sessions.c.verdict == PENDING).distinct()
    return set(connection.execute(query).scalars())


def count_sessions(connection: sa.Connection, verdict: str, source: str | None = None) -> int:
    """How many sessions stand at a verdict, of all sources or of one."""
    query = sa.select(sa.func.count()).where(sessions.c.verdict == verdict)
    return connection.execute(query.where(sessions.c.source == source) if source else query).scalar_one()


def documents_of(
    connection: sa.Connection, source: str, user_ids: Sequence[str]
) -> dict[str, dict[tuple[str, str], LedgerDocument]]:
    """The known documents of these users: by user id, then by (kind, document id)."""
    query = sa.select(documents).where(documents.c.source == source, documents.c.user_id.in_(user_ids))
    found: dict[str, dict[tuple[str, str], LedgerDocument]] = {user_id: {} for user_id in user_ids}
    for row in connection.execute(query):
        found[row.user_id][row.document, row.document_id] = LedgerDocument(**row._mapping)
    return found


def documents_of_kind(
    connection: sa.Connection, source: str, document: str, document_id: str | None = None
) -> list[LedgerDocument]:
    """The known documents of a kind, or those of one id (a month), in the order of their users."""
    query = sa.select(documents).where(documents.c.source == source, documents.c.document == document)
    if document_id is not None:
        query = query.where(documents.c.document_id == document_id)
    rows = connection.execute(query.order_by(documents.c.user_id, documents.c.document_id))
    return [LedgerDocument(**row._mapping) for row in rows]


def forget_documents(connection: sa.Connection, rows: Iterable[LedgerDocument]) -> None:
    """Know nothing of these documents any more: the next pull asks for them as if for the first time."""
    for row in rows:
        same = [column == getattr(row, column.name) for column in documents.primary_key]
        connection.execute(sa.delete(documents).where(*same))


def days_of(connection: sa.Connection, source: str, user_ids: Sequence[str]) -> set[str]:
    """The partitions (``YYYY-MM-DD``) in which any of these users has sessions."""
    query = sa.select(sessions.c.partition).where(sessions.c.source == source).distinct()
    theirs = (query.where(sessions.c.user_id.in_(part)) for part in _parts(user_ids))
    return {day.isoformat() for query in theirs for day in connection.execute(query).scalars()}


def months_of(connection: sa.Connection, source: str, user_ids: Sequence[str]) -> set[str]:
    """The months (``YYYY-MM``) of which any of these users has average stats."""
    mine = (documents.c.source == source) & (documents.c.document == AVERAGE_STATS)
    query = sa.select(documents.c.document_id).where(mine).distinct()
    theirs = (query.where(documents.c.user_id.in_(part)) for part in _parts(user_ids))
    return {month for query in theirs for month in connection.execute(query).scalars()}


def owe_average_stats(connection: sa.Connection, source: str, user_id: str) -> None:
    """Have every month of a user's statistics asked for again: it was asked for in another zone."""
    mine = (documents.c.source == source) & (documents.c.user_id == user_id) & (documents.c.document == AVERAGE_STATS)
    connection.execute(sa.update(documents).where(mine).values(content_hash=OWED))


def _parts(user_ids: Sequence[str], size: int = 500) -> Iterator[Sequence[str]]:
    # Databases take a limited number of parameters in one statement.
    for start in range(0, len(user_ids), size):
        yield user_ids[start : start + size]


def put_documents(connection: sa.Connection, rows: Iterable[LedgerDocument]) -> None:
    """Add documents, or replace what is known of them."""
    upsert(connection, documents, [{name: getattr(row, name) for name in LedgerDocument.__slots__} for row in rows])


def unpulled(connection: sa.Connection, source: str) -> dict[str, str]:
    """The users whom the last pull did not get to, or could not pull: ``NOT_ASKED`` or the kind of error."""
    query = sa.select(unpulled_users.c.user_id, unpulled_users.c.kind).where(unpulled_users.c.source == source)
    return {row.user_id: row.kind for row in connection.execute(query)}


def unpulled_days(connection: sa.Connection, source: str) -> tuple[date, date] | None:
    """The first and last UTC start date that any unpulled user was to be pulled for."""
    bounds = sa.select(sa.func.min(unpulled_users.c.first_day), sa.func.max(unpulled_users.c.last_day))
    first, last = connection.execute(bounds.where(unpulled_users.c.source == source)).one()
    return (first, last) if first else None


def put_unpulled(
    connection: sa.Connection, source: str, kinds: Mapping[str, str], at: datetime, days: tuple[date, date]
) -> None:
    """Note users who are still to be pulled over ``days`` (and over whatever they were noted for before)."""
    noted = sa.select(unpulled_users).where(_of(source))
    parts = (noted.where(unpulled_users.c.user_id.in_(part)) for part in _parts(list(kinds)))
    known = {row.user_id: row for part in parts for row in connection.execute(part)}
    rows = [
        {
            "source": source,
            "user_id": user_id,
            "kind": kind,
            "since": at,
            "first_day": min(days[0], known[user_id].first_day) if user_id in known else days[0],
            "last_day": max(days[1], known[user_id].last_day) if user_id in known else days[1],
        }
        for user_id, kind in kinds.items()
    ]
    upsert(connection, unpulled_users, rows)


def clear_unpulled(connection: sa.Connection, source: str, user_ids: Sequence[str], days: tuple[date, date]) -> None:
    """Note that these users have been pulled over ``days``; who was to be pulled for more stays noted."""
    covered = (unpulled_users.c.first_day >= days[0]) & (unpulled_users.c.last_day <= days[1])
    connection.execute(sa.delete(unpulled_users).where(_of(source), unpulled_users.c.user_id.in_(user_ids), covered))


def _of(source: str) -> sa.ColumnElement[bool]:
    return unpulled_users.c.source == source
