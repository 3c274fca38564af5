"""Raw documents for the tests of the lake: the samples under their days, with changes."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from connectors.lake.raw import HTTP_OK, NOT_FOUND, CurrentDocument, RawDocument
from schemas.asleep import ASLEEP
from schemas.canonical import average_stats_hash, session_hash, user_hash
from schemas.documents import AVERAGE_STATS, SESSION, USER
from tests.schemas import samples
from tests.schemas.samples import changed

USER_ID = "G-20250301120000-kQmZrTbLwXcVnHjPdSfA"
SESSION_ID = "20250310141208_h3k9q"
DAY = date(2025, 3, 10)
MONTH = date(2025, 1, 1)
FETCHED = datetime(2025, 3, 11, 4, 0, 0, 250_000, tzinfo=UTC)

MONTH_STATS = changed(samples.AVERAGE_STATS, {"result.period.start_date": "2025-01-01"})
"""The averages of the sample as the answer for a month up to its 19th."""


def session_document(
    body: bytes = samples.SESSION,
    *,
    user_id: str = USER_ID,
    session_id: str = SESSION_ID,
    day: date = DAY,
    fetched_at: datetime = FETCHED,
) -> RawDocument:
    """A session detail as received."""
    content_hash = session_hash(body)
    return RawDocument("raw-org", ASLEEP, SESSION, user_id, session_id, day, HTTP_OK, fetched_at, content_hash, body)


def changed_session(
    changes: dict[str, Any], *, user_id: str = USER_ID, session_id: str = SESSION_ID, after_h: float = 0
) -> RawDocument:
    """The sample with changes below ``result``, fetched ``after_h`` hours after the first."""
    below = {"result.session.id": session_id} | {f"result.{path}": value for path, value in changes.items()}
    body = changed(samples.SESSION, below)
    fetched_at = FETCHED + timedelta(hours=after_h)
    return session_document(body, user_id=user_id, session_id=session_id, fetched_at=fetched_at)


def tombstone(*, user_id: str = USER_ID, session_id: str = SESSION_ID, after_h: float = 1) -> RawDocument:
    """The vendor's word that a session is no more."""
    body = b'{"detail":"Session not found"}'
    fetched_at = FETCHED + timedelta(hours=after_h)
    return RawDocument("raw-org", ASLEEP, SESSION, user_id, session_id, DAY, NOT_FOUND, fetched_at, "tombstone:1", body)


def stats_document(
    body: bytes = MONTH_STATS, *, user_id: str = USER_ID, month: date = MONTH, fetched_at: datetime = FETCHED
) -> RawDocument:
    """Average statistics as received."""
    content_hash = average_stats_hash(body)
    return RawDocument(
        "raw-org", ASLEEP, AVERAGE_STATS, user_id, f"{month:%Y-%m}", month, HTTP_OK, fetched_at, content_hash, body
    )


def user_document(body: bytes = samples.USER, *, user_id: str = USER_ID, fetched_at: datetime = FETCHED) -> RawDocument:
    """A user as received."""
    content_hash, day = user_hash(body), fetched_at.date()
    return RawDocument("raw-org", ASLEEP, USER, user_id, user_id, day, HTTP_OK, fetched_at, content_hash, body)


def current(document: RawDocument, revision: int = 1) -> CurrentDocument:
    """The document as the version that counts."""
    return CurrentDocument(document, revision, document.fetched_at)
