"""From the bytes of a raw document to its typed content; what cannot be used is refused with a reason.

Nothing is guessed: a document either becomes a record or a ``Refused`` that names the field and the rule. What had to
be read by a tolerant rule is noted beside the content.
"""

from dataclasses import dataclass, field
from datetime import MAXYEAR, MINYEAR, UTC, date, datetime
from typing import Any, Generic, TypeVar

import msgspec

from connectors.lake.raw import CurrentDocument
from schemas.asleep import COMPLETE, STATES, AverageStats, Envelope, SessionDetail, User
from schemas.documented_fields import note_unknown_fields
from schemas.quirks import UNKNOWN_CODE, Notes

ResultT = TypeVar("ResultT")


class Refused(Exception):
    """A document that cannot be normalised: a fixed word, the JSON path of the field, one sentence without values."""

    def __init__(self, reason: str, path: str, explanation: str) -> None:
        super().__init__(explanation)
        self.reason = reason
        self.path = path
        self.explanation = explanation


@dataclass(frozen=True, slots=True)
class Decoded(Generic[ResultT]):
    """A raw document with its typed content; ``notes`` collects what was read by a tolerant rule."""

    current: CurrentDocument
    content: ResultT
    notes: Notes = field(default_factory=Notes)


def decode_session(current: CurrentDocument) -> Decoded[SessionDetail]:
    """Type a session document. Raises: Refused."""
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


def instant(text: str | None, path: str) -> datetime:
    """The UTC time that must be at ``path``. Raises: Refused."""
    time = optional_instant(text, path)
    if time is None:
        raise Refused("time_missing", path, "A complete session must have this time.")
    return time


def optional_instant(text: str | None, path: str) -> datetime | None:
    """The UTC time at ``path``, if there is one. Raises: Refused if it is not ISO 8601 with an offset."""
    if text is None:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise Refused("bad_time", path, "Not an ISO 8601 time.") from None
    if time.tzinfo is None:
        raise Refused("time_without_offset", path, "The time has no UTC offset.")
    if time.year in (MINYEAR, MAXYEAR):
        raise Refused("bad_time", path, "Not a time that has a date in every zone.")
    return time.astimezone(UTC)


def day(text: str, path: str) -> date:
    """The calendar day at ``path``. Raises: Refused."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Refused("bad_date", path, "Not a date like 2026-11-22.") from None


def _decode(current: CurrentDocument, kind: type[ResultT]) -> Decoded[ResultT]:
    try:
        answer: Any = msgspec.json.decode(current.document.body)
        content = msgspec.convert(answer, Envelope[kind]).result  # type: ignore[valid-type]
    except msgspec.ValidationError as error:
        # msgspec names types and the path, never the value.
        rule, _, path = str(error).partition(" - at `")
        raise Refused("wrong_shape", path.rstrip("`") or "$", rule + ".") from None
    except (ValueError, RecursionError):  # no JSON, not UTF-8, or nested without end
        raise Refused("not_json", "$", "The document is not valid JSON.") from None
    decoded = Decoded(current, content)
    note_unknown_fields(current.document.document, answer, decoded.notes)
    return decoded
