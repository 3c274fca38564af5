"""Asleep's documents as typed content: session details (also as a webhook brings them), average stats, users."""

from typing import Any, Literal, TypeVar

import msgspec

from assets.sources.decoding import Decoded, decode_tolerantly
from connectors.lake.raw import CurrentDocument
from schemas.asleep import COMPLETE, STATES, AverageStats, Envelope, Session, SessionDetail, Stat, User
from schemas.asleep_webhook import as_answer
from schemas.documented_fields import note_unknown_fields
from schemas.documents import WEBHOOK
from schemas.quirks import UNKNOWN_CODE, Notes

ResultT = TypeVar("ResultT")

_NEEDED = frozenset(
    {
        *("$", "$.result", "$.result.session", "$.result.session.id", "$.result.session.state"),
        *("$.result.session.start_time", "$.result.session.end_time"),
        *("$.result.period", "$.result.period.start_date", "$.result.period.end_date"),
        "$.result.user_id",
    }
)
"""Without these a document is of nobody's night: they refuse it. Whatever else cannot be read is left out."""


class _ExactSession(Session, frozen=True, forbid_unknown_fields=True):
    pass


class _ExactStat(Stat, frozen=True, forbid_unknown_fields=True):
    pass


class _ExactDetail(SessionDetail, frozen=True, forbid_unknown_fields=True, kw_only=True):
    session: _ExactSession
    stat: _ExactStat | None = None
    user_id: Any = None


class _ExactEnvelope(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    result: _ExactDetail
    detail: Any = None


class _ExactEvent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    event: Literal["SESSION_COMPLETE"]
    version: Literal["V3"]
    data: _ExactDetail


_EXACT_SESSION = msgspec.json.Decoder(_ExactEnvelope)
_EXACT_EVENT = msgspec.json.Decoder(_ExactEvent)


def decode_session(current: CurrentDocument) -> Decoded[SessionDetail]:
    """Type a session document: an answer, or the body of a SESSION_COMPLETE in any layout. Raises: Refused."""
    body = current.document.body
    try:
        # Nearly every document has all that is documented and nothing else: of those there is nothing to note.
        if current.document.reason == WEBHOOK:
            return Decoded(current, _EXACT_EVENT.decode(body).data)
        return Decoded(current, _EXACT_SESSION.decode(body).result)
    except (ValueError, RecursionError):
        return _decode(current, SessionDetail)


def decode_average_stats(current: CurrentDocument) -> Decoded[AverageStats]:
    """Type an average-stats document. Raises: Refused."""
    return _decode(current, AverageStats)


def decode_user(current: CurrentDocument) -> Decoded[User]:
    """Type a user document. Raises: Refused."""
    return _decode(current, User)


def is_complete(decoded: Decoded[SessionDetail]) -> bool:
    """Whether the vendor has ended and analysed the session; a state that is not documented waits, and is noted."""
    state = decoded.content.session.state
    if state not in STATES:
        decoded.notes.add(UNKNOWN_CODE, "$.result.session.state")
    return state == COMPLETE


def _decode(current: CurrentDocument, kind: type[ResultT]) -> Decoded[ResultT]:
    def prepare(document: Any, notes: Notes) -> Any:
        answer = as_answer(document)
        note_unknown_fields(current.document.document, answer, notes)
        return answer

    enveloped: Decoded[Envelope[ResultT]] = decode_tolerantly(current, Envelope[kind], _NEEDED, prepare)  # type: ignore[valid-type]
    return Decoded(current, enveloped.content.result, enveloped.notes)
