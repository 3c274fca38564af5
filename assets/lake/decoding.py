"""From the bytes of a raw document to its typed content; what cannot be used is refused with a reason.

Nothing is guessed: a document either becomes a record or a ``Refused`` that names the field and the rule. What had to
be read by a tolerant rule is noted beside the content.
"""

import re
from dataclasses import dataclass, field
from datetime import MAXYEAR, MINYEAR, UTC, date, datetime
from typing import Any, Generic, Literal, TypeVar

import msgspec

from connectors.lake.raw import CurrentDocument
from schemas.asleep import COMPLETE, STATES, AverageStats, Envelope, Session, SessionDetail, Stat, User
from schemas.asleep_webhook import as_answer
from schemas.documented_fields import note_unknown_fields
from schemas.documents import WEBHOOK
from schemas.quirks import UNKNOWN_CODE, UNREADABLE_VALUE, Notes

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

_MOST_UNREADABLE = 5_000
_STEP = re.compile(r"\.(\w+)|\[(\d+)\]")
_INDEX = re.compile(r"\[\d+\]")


class Refused(Exception):
    """A document that cannot be normalised: a fixed word, the JSON path of the field, one sentence without values."""

    def __init__(self, reason: str, path: str, explanation: str) -> None:
        super().__init__(explanation)
        self.reason = reason
        self.path = path
        self.explanation = explanation


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


@dataclass(frozen=True, slots=True)
class Decoded(Generic[ResultT]):
    """A raw document with its typed content; ``notes`` collects what was read by a tolerant rule."""

    current: CurrentDocument
    content: ResultT
    notes: Notes = field(default_factory=Notes)


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


def readable_instant(text: str | None, path: str, notes: Notes) -> datetime | None:
    """The UTC time at ``path``; null, and noted, when it cannot be read as one."""
    try:
        return optional_instant(text, path)
    except Refused:
        notes.add(UNREADABLE_VALUE, path)
        return None


def day(text: str, path: str) -> date:
    """The calendar day at ``path``. Raises: Refused."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Refused("bad_date", path, "Not a date like 2026-11-22.") from None


def _decode(current: CurrentDocument, kind: type[ResultT]) -> Decoded[ResultT]:
    notes = Notes()
    try:
        answer: Any = as_answer(msgspec.json.decode(current.document.body))
        note_unknown_fields(current.document.document, answer, notes)
        content = _typed(answer, kind, notes)
    except msgspec.ValidationError as error:
        # msgspec names types and the path, never the value.
        rule, path = _complaint(error)
        raise Refused("wrong_shape", path, rule + ".") from None
    except (ValueError, RecursionError):  # no JSON, not UTF-8, or nested without end
        raise Refused("not_json", "$", "The document is not valid JSON.") from None
    return Decoded(current, content, notes)


def _typed(answer: Any, kind: type[ResultT], notes: Notes) -> ResultT:
    """The content, without the values of a wrong type that it can do without."""
    for _ in range(_MOST_UNREADABLE):
        try:
            return msgspec.convert(answer, Envelope[kind]).result  # type: ignore[valid-type]
        except msgspec.ValidationError as error:
            _, path = _complaint(error)
            if path in _NEEDED or not _taken_out(answer, path):
                raise
            notes.add(UNREADABLE_VALUE, _INDEX.sub("", path))
    raise Refused("wrong_shape", "$", "Nothing in the document has the type that is documented.")


def _complaint(error: msgspec.ValidationError) -> tuple[str, str]:
    """What msgspec expected, and where."""
    rule, _, path = str(error).partition(" - at `")
    return rule, path.rstrip("`") or "$"


def _taken_out(answer: Any, path: str) -> bool:
    """Take a value out of the answer, of a list of epochs only its place is kept; False when it is not found."""
    way: list[Any] = [int(index) if index else name for name, index in _STEP.findall(path)]
    place = answer
    try:
        for step in way[:-1]:
            place = place[step]
        if isinstance(place, list) and len(way) > 1 and str(way[-2]).endswith("_stages"):
            place[way[-1]] = None
        else:
            del place[way[-1]]
    except (KeyError, IndexError, TypeError):
        return False
    return True
