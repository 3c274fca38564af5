"""A good answer of Asleep: its bytes, and what is inside the envelope as the documented type."""

import re
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from connectors.answer import Answer
from connectors.errors import UnreadableAnswer
from schemas.asleep import Envelope

T = TypeVar("T")

_SAFE_COMPLAINT = re.compile(
    r"(?:Expected `[a-z |]+`, got `[a-z]+`|Object missing required field `\w+`|Number out of range)"
    r"(?: - at `\$[\w.\[\]]*`)?"
)


@dataclass(frozen=True)
class AsleepAnswer(Answer[T]):
    """``shape`` is the struct that ``result`` decodes to; the envelope's ``detail`` is never looked at."""

    shape: type[T]

    def _decoded(self) -> T:
        try:
            envelope: Envelope[T] = msgspec.json.decode(self.body, type=Envelope[self.shape])  # type: ignore[name-defined]
        except (ValueError, RecursionError) as error:
            complaint = _complaint(error)
        else:
            return envelope.result
        raise UnreadableAnswer(
            f"Asleep's answer is not the documented {self.shape.__name__} ({complaint}): "
            "its format has changed, look for a newer Nightshift."
        )


def _complaint(error: Exception) -> str:
    """What msgspec says, as long as it is of a form that holds no value."""
    if not isinstance(error, msgspec.ValidationError):
        return "not JSON"
    text = str(error)
    return text.replace("`", "") if _SAFE_COMPLAINT.fullmatch(text) else "unexpected content"
