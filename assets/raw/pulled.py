"""What pulling one user comes to: documents to keep, what to remember, what to build again. Nothing is asked here."""

import asyncio
from collections.abc import Awaitable, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import TypeVar

from connectors.answer import Answer
from connectors.errors import VendorError, stops_everything
from connectors.lake.raw import HTTP_OK, RawDocument
from connectors.state.ledger import LedgerDocument, LedgerSession
from connectors.state.roster import RosterUser

T = TypeVar("T")

USER_DOCUMENT_AGE = timedelta(days=7)
"""How old a user document may become before it is fetched again."""


@dataclass(slots=True)
class SessionCounts:
    """Sessions by what the pull found (contract of ``sync --json``)."""

    new: int = 0
    changed: int = 0
    unchanged: int = 0
    deleted: int = 0
    pending: int = 0

    def add(self, other: "SessionCounts") -> None:
        """Count another user in."""
        for name in self.__slots__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


@dataclass(slots=True)
class UserPull:
    """What pulling one user came to.

    ``failure`` is the error that left it incomplete, if any; ``heard`` says that the vendor answered at all;
    ``averaged`` holds the new sessions with figures, which statistics over all of these local dates should name;
    ``scored_days`` are those of which the vendor's scores have changed; ``to_be_deleted`` is what the user document
    says of that, None if it was not asked for or does not tell. ``sessions`` have changed; of those ``remembered``, by
    id, nothing has but what statistics showed of them.
    """

    user: RosterUser
    heard: bool = False
    counts: SessionCounts = field(default_factory=SessionCounts)
    raw: list[RawDocument] = field(default_factory=list)
    sessions: list[LedgerSession] = field(default_factory=list)
    documents: list[LedgerDocument] = field(default_factory=list)
    dirty_days: set[date] = field(default_factory=set)
    touched_months: set[date] = field(default_factory=set)
    dirty_months: set[date] = field(default_factory=set)
    scored_days: set[date] = field(default_factory=set)
    users_dirty: bool = False
    averaged: dict[str, frozenset[date]] = field(default_factory=dict)
    failure: VendorError | None = None
    listed: tuple[date, date] | None = None
    to_be_deleted: bool | None = None
    remembered: dict[str, LedgerSession] = field(default_factory=dict)

    def __repr__(self) -> str:
        return "UserPull(…)"


@dataclass(frozen=True, slots=True)
class Known:
    """What the ledger knows of a user: sessions by id, documents by (kind, document id), the first date answered."""

    sessions: dict[str, LedgerSession]
    documents: dict[tuple[str, str], LedgerDocument]
    begun: date | None = None

    def __repr__(self) -> str:
        return "Known(…)"


def keep_if_new(
    pull: UserPull, known: Known, kind: str, document_id: str, answer: Answer[T], content_hash: str, day: date
) -> bool:
    """Keep a document in raw if its content is not the known one, and note its fetch; whether it was kept."""
    before = known.documents.get((kind, document_id))
    changed = before is None or before.content_hash != content_hash
    if changed:
        pull.raw.append(raw_document(pull.user, kind, document_id, day, answer, content_hash))
    pull.documents.append(
        LedgerDocument(pull.user.source, kind, pull.user.user_id, document_id, content_hash, answer.fetched_at)
    )
    return changed


def raw_document(
    user: RosterUser, kind: str, document_id: str, day: date, answer: Answer[T], content_hash: str
) -> RawDocument:
    """An answer as raw keeps it, under the UTC date ``day``."""
    return RawDocument(
        org_id=user.org_id,
        source=user.source,
        document=kind,
        user_id=user.user_id,
        document_id=document_id,
        date=day,
        status=HTTP_OK,
        fetched_at=answer.fetched_at,
        content_hash=content_hash,
        body=answer.body,
    )


def time_after(seen: LedgerSession, moment: datetime) -> datetime:
    """When a version came that replaces the one the ledger knows: ``moment``, unless the clock was set back since.

    The version with the latest time counts, so that it must be later than the one before.
    """
    return moment if seen.content_hash is None else max(moment, seen.changed_at + timedelta(microseconds=1))


async def all_or_first_error(calls: Iterable[Awaitable[None]]) -> None:
    """Let every call end, so that what succeeded is kept, then raise the gravest error."""
    errors = [outcome for outcome in await asyncio.gather(*calls, return_exceptions=True) if outcome is not None]
    for error in sorted(errors, key=lambda error: not stops_everything(error)):
        raise error


def last_day(month: date) -> date:
    """The last day of the month that starts on ``month``."""
    return (month + timedelta(days=31)).replace(day=1) - timedelta(days=1)
