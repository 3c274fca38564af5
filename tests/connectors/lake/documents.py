"""Raw documents for tests: one plain one, and a strategy in which ids, versions and bytes often meet again."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from connectors.lake.raw import HTTP_OK, NOT_FOUND, RawDocument

USER_ID = "G-20250101000000-CANARYCANARYCANARYCA"
SESSION_ID = "20250310141208_canry"
DAY = date(2025, 3, 10)
FETCHED_AT = datetime(2025, 3, 11, 4, 0, 0, 250_000, tzinfo=UTC)


def document(**changes: Any) -> RawDocument:
    """A session detail of one user, or what the changes make of it."""
    plain: dict[str, Any] = {
        "org_id": "canary-clinic",
        "source": "asleep",
        "document": "session",
        "user_id": USER_ID,
        "document_id": SESSION_ID,
        "date": DAY,
        "status": HTTP_OK,
        "fetched_at": FETCHED_AT,
        "content_hash": "hash of version 1",
        "body": b'{"detail": "OK", "result": {}}',
    }
    return RawDocument(**{**plain, **changes})


def any_document() -> st.SearchStrategy[RawDocument]:
    """Two users, two sessions, few versions and times, so that most documents have a history."""
    return st.builds(
        document,
        user_id=st.sampled_from(["one", "two"]),
        document_id=st.sampled_from(["", "night", "nap"]),
        status=st.sampled_from([HTTP_OK, HTTP_OK, NOT_FOUND]),
        fetched_at=st.integers(0, 3).map(lambda hours: FETCHED_AT + timedelta(hours=hours)),
        content_hash=st.sampled_from(["first", "second", "third"]),
        body=st.binary(max_size=20),
    )
