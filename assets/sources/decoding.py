"""From the bytes of a raw document to typed content; what cannot be used is refused with a reason.

Nothing is guessed: a document either becomes a record or a ``Refused`` that names the field and the rule. What had to
be read by a tolerant rule is noted beside the content. Which documents a source has is in that source's file.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import MAXYEAR, MINYEAR, UTC, date, datetime
from typing import Any, Generic, TypeVar

import msgspec

from connectors.lake.raw import CurrentDocument
from schemas.quirks import UNREADABLE_VALUE, Notes

ContentT = TypeVar("ContentT")

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


@dataclass(frozen=True, slots=True)
class Decoded(Generic[ContentT]):
    """A raw document with its typed content; ``notes`` collects what was read by a tolerant rule."""

    current: CurrentDocument
    content: ContentT
    notes: Notes = field(default_factory=Notes)


def decode_tolerantly(
    current: CurrentDocument, shape: type[ContentT], needed: frozenset[str], prepare: Callable[[Any, Notes], Any]
) -> Decoded[ContentT]:
    """Type a document, without the values of a wrong type that it can do without.

    ``needed`` are the JSON paths of what it cannot do without. ``prepare`` is given the JSON first, and notes things.

    Raises: Refused.
    """
    notes = Notes()
    try:
        content = _typed(prepare(msgspec.json.decode(current.document.body), notes), shape, needed, notes)
    except msgspec.ValidationError as error:
        # msgspec names types and the path, never the value.
        rule, path = _complaint(error)
        raise Refused("wrong_shape", path, rule + ".") from None
    except (ValueError, RecursionError):  # no JSON, not UTF-8, or nested without end
        raise Refused("not_json", "$", "The document is not valid JSON.") from None
    return Decoded(current, content, notes)


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


def _typed(answer: Any, shape: type[ContentT], needed: frozenset[str], notes: Notes) -> ContentT:
    for _ in range(_MOST_UNREADABLE):
        try:
            return msgspec.convert(answer, shape)
        except msgspec.ValidationError as error:
            _, path = _complaint(error)
            if path in needed or not _taken_out(answer, path):
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
