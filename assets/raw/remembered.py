"""What raw should hold, as the ledger remembers it, and which of it cannot be read there."""

from collections.abc import Iterable
from datetime import timedelta

from connectors.lake.raw import HTTP_OK, CurrentDocument, RawDocument
from connectors.state.ledger import OWED, PENDING, LedgerDocument, LedgerSession
from schemas import documents
from schemas.documents import SESSION

ONE_PULL = timedelta(hours=1)
"""A session fetched this soon after it was first seen was fetched by the pull that saw it."""

SessionKey = tuple[str, str]
"""User id, session id."""


def session_document(seen: LedgerSession, body: bytes) -> RawDocument:
    """The document that the ledger remembers, with these bytes."""
    settled = seen.verdict != PENDING  # while it is pending, the time of its last change is not that of the document
    return RawDocument(
        org_id=seen.org_id,
        source=seen.source,
        document=SESSION,
        user_id=seen.user_id,
        document_id=seen.session_id,
        date=seen.partition,
        status=HTTP_OK,
        fetched_at=seen.changed_at,
        content_hash=seen.content_hash or "",
        body=body,
        reason=_reason(seen),
        known_revision=seen.revision,
        known_since=seen.changed_at if settled else None,
    )


def _reason(seen: LedgerSession) -> str:
    """Why the version that the ledger remembers was kept, as far as its times tell."""
    if seen.revision > 1:
        return documents.RE_ANALYSED
    return documents.FIRST_SEEN if seen.changed_at - seen.first_seen_at < ONE_PULL else documents.COMPLETED


def missing_of(known: Iterable[LedgerDocument], readable: Iterable[CurrentDocument]) -> list[LedgerDocument]:
    """The documents of the ledger that are not there, or not in the version of the ledger."""
    there = {key: current.document.content_hash for key, current in by_id(readable).items()}
    return [
        seen
        for seen in known
        if (content_hash := there.get((seen.user_id, seen.document_id))) is None
        or seen.content_hash not in (OWED, content_hash)
    ]


def by_id(readable: Iterable[CurrentDocument]) -> dict[SessionKey, CurrentDocument]:
    """Documents by user id and document id."""
    return {key_of(current): current for current in readable}


def key_of(current: CurrentDocument) -> SessionKey:
    """User id and document id."""
    return current.document.user_id, current.document.document_id
