"""What all payloads of Eight Sleep share: their silence, and how an answer is read however it is wrapped and filled."""

from typing import Any, Literal, TypeVar

import msgspec

T = TypeVar("T")

Number = int | float
"""A number as it comes; whether it can be true is not decided here."""

Point = tuple[str, Number | None]
"""One point of a timeseries: its moment (ISO), and the value."""

SideName = Literal["left", "right"]

NO_VALUE = "None"
"""A text that stands for no value at all, as null and a missing field do."""


class Silent(msgspec.Struct, frozen=True, rename="camel"):
    """A payload: camel case on the wire, and nothing of it in a ``repr``."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(…)"


class _Wrapping(msgspec.Struct, frozen=True):
    data: msgspec.Raw
    success: Any


def side_named(text: str | None) -> SideName | None:
    """The side that a text names; ``solo`` is both sides, and stands for the left."""
    return {"left": "left", "right": "right", "solo": "left"}.get(text or "")  # type: ignore[return-value]


def unwrapped(document: Any) -> Any:
    """The document without the ``{data, success}`` envelope, which only some answers wear; a failure keeps it."""
    if isinstance(document, dict) and {"data", "success"} <= document.keys() and document["success"] is not False:
        return document["data"]
    return document


def decoded(body: bytes | msgspec.Raw, shape: type[T]) -> T:
    """The answer as ``shape``, without its envelope; null, missing and the text ``None`` are all no value.

    Raises:
        msgspec.DecodeError: it is no JSON, or not of that shape (``ValidationError``).
    """
    return msgspec.convert(without_nothing(unwrapped(msgspec.json.decode(body))), shape)


def decoded_list(body: bytes, shape: type[T]) -> T:
    """The answer as ``shape``, which keeps the members of its list as received, without the answer's envelope.

    Raises:
        msgspec.DecodeError: as ``decoded``.
    """
    return msgspec.json.decode(_unwrapped_bytes(body), type=shape)


def without_nothing(document: Any) -> Any:
    """The document without the fields that hold no value; in lists such a member is null."""
    if isinstance(document, dict):
        kept = ((name, without_nothing(value)) for name, value in document.items())
        return {name: value for name, value in kept if value is not None}
    if isinstance(document, list):
        return [without_nothing(member) for member in document]
    return None if document == NO_VALUE else document


def _unwrapped_bytes(body: bytes) -> bytes | msgspec.Raw:
    try:
        wrapping = msgspec.json.decode(body, type=_Wrapping)
    except msgspec.ValidationError:
        return body
    return body if wrapping.success is False else wrapping.data
