"""Eight Sleep's sleep sessions (GET /v1/users/{userId}/intervals, as community clients read them) as typed content."""

from typing import Any

import msgspec

from assets.sources.decoding import Decoded, decode_tolerantly
from connectors.lake.raw import CurrentDocument
from schemas.documented_fields import fields_of, note_fields_beyond
from schemas.eight_sleep import Interval, IntervalStage, Snoring, unwrapped
from schemas.eight_sleep.reading import without_nothing
from schemas.quirks import UNREADABLE_VALUE, Notes

_NEEDED = frozenset({"$", "$.id", "$.ts"})
"""Without these a document is of nobody's night: they refuse it. Whatever else cannot be read is left out."""

_LARGEST = 2**63 - 1

_FIELDS = fields_of(Interval)
_FOLLOWING_EACH_OTHER: dict[str, type[msgspec.Struct]] = {"stages": IntervalStage, "snoring": Snoring}


def decode_interval(current: CurrentDocument) -> Decoded[Interval]:
    """Type a session document: an interval as it stood on its page, or alone. Raises: Refused."""
    return decode_tolerantly(current, Interval, _NEEDED, _prepared)


def is_final(decoded: Decoded[Interval]) -> bool:
    """Whether the vendor says that the session is over and analysed; until then its last stage is a placeholder."""
    return decoded.content.is_final


def _prepared(document: Any, notes: Notes) -> Any:
    answer = without_nothing(unwrapped(document))
    if not isinstance(answer, dict):
        return answer
    note_fields_beyond(_FIELDS, answer, notes)
    answer |= with_numbers_that_fit({name: value for name, value in answer.items() if name != "timeseries"})
    if isinstance(answer.get("id"), int):
        answer["id"] = str(answer["id"])
    # Each stretch begins where the one before it ends, so that one that cannot be read leaves no place for the others.
    for name, shape in _FOLLOWING_EACH_OTHER.items():
        try:
            msgspec.convert(answer.get(name, []), tuple[shape, ...])  # type: ignore[valid-type]
        except msgspec.ValidationError:
            answer[name] = []
            notes.add(UNREADABLE_VALUE, f"$.{name}[]")
    answer.setdefault("stages", [])
    return answer


def with_numbers_that_fit(value: Any) -> Any:
    """JSON whose whole numbers fit into 64 bits: a text stands for one that does not, and is no number to a reader."""
    if isinstance(value, dict):
        return {name: with_numbers_that_fit(member) for name, member in value.items()}
    if isinstance(value, list):
        return [with_numbers_that_fit(member) for member in value]
    return "too large" if isinstance(value, int) and not -_LARGEST <= value <= _LARGEST else value
