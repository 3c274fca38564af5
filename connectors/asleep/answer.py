"""A good answer of Asleep: its bytes exactly as received, and its typed content on request.

Making the call does not live here, nor does what the content means.
"""

import re
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Generic, TypeVar

import msgspec

from connectors.errors import UnreadableAnswer
from schemas.asleep import Envelope

T = TypeVar("T")

_SAFE_COMPLAINT = re.compile(
    r"(?:Expected `[a-z |]+`, got `[a-z]+`|Object missing required field `\w+`|Number out of range)"
    r"(?: - at `\$[\w.\[\]]*`)?"
)


@dataclass(frozen=True)
class Answer(Generic[T]):
    """``body`` as received (content decoding undone), with its HTTP status and the aware UTC time of receipt.

    ``shape`` is the struct that ``result`` decodes to; the envelope's ``detail`` is never looked at.
    """

    body: bytes = field(repr=False)
    status: int
    fetched_at: datetime
    shape: type[T]

    def result(self) -> T:
        """The envelope's result, decoded once however often it is asked for.

        Raises ``UnreadableAnswer`` that names the place and type, never a value.
        """
        return self._result

    @cached_property
    def _result(self) -> T:
        return self._decoded()

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
