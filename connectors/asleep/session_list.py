"""Reading a page of the session list row by row, so that one odd row does not hide a user's other nights.

What a row is for is known to the pull; which fields it has is in ``schemas.asleep``.
"""

from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import msgspec
from msgspec.structs import fields

from connectors.asleep.answer import AsleepAnswer
from connectors.errors import UnreadableAnswer
from schemas.asleep import Envelope, SessionList, SessionRow


class OddRow(SessionRow, frozen=True):
    """A row with values that are not of the documented type: those are None here, an unreadable state is empty.

    ``odd`` is a mark of these values, so that the row looks changed when they change.
    """

    odd: str = ""


class _LooseList(msgspec.Struct, frozen=True):
    sleep_session_list: list[dict[str, msgspec.Raw]]
    timezone: msgspec.Raw = msgspec.Raw(b"null")


_DECODER = msgspec.json.Decoder(Envelope[_LooseList])
_TEXT = msgspec.json.Decoder(str)
_NEEDED = ("session_id", "session_start_time")
_OTHERS = {field.name: msgspec.json.Decoder(field.type) for field in fields(SessionRow) if field.name not in _NEEDED}
_NULL = msgspec.Raw(b"null")


@dataclass(frozen=True)
class SessionListAnswer(AsleepAnswer[SessionList]):
    """A page of GET /data/v1/sessions, its bytes as received."""

    def _decoded(self) -> SessionList:
        """Every row of the page; one that is not as documented in anything but id and start is an ``OddRow``.

        Raises ``UnreadableAnswer`` when there is no list, or a row in it without an id or without a text as start: no
        row is left out. Whether that text is a time is for whoever uses the row.
        """
        try:
            found = _DECODER.decode(self.body).result
        except (ValueError, RecursionError):
            found = None
        if found is None:
            return super()._decoded()  # which says what is wrong, and where
        rows = [_row(number, row) for number, row in enumerate(found.sleep_session_list)]
        return SessionList(rows, _read(found.timezone, _TEXT))


def _row(number: int, raw: dict[str, msgspec.Raw]) -> SessionRow:
    needed = {name: _read(raw.get(name, _NULL), _TEXT) for name in _NEEDED}
    if not needed["session_id"] or needed["session_start_time"] is None:
        raise UnreadableAnswer(
            f"Asleep's session list has a row without a readable id and start (row {number} of the page): "
            "its format has changed, look for a newer Nightshift."
        )
    others = {name: _read(raw.get(name, _NULL), decoder) for name, decoder in _OTHERS.items()}
    odd = [name for name, value in others.items() if value is None and bytes(raw.get(name, _NULL)) != b"null"]
    if not odd and others["state"] is not None:
        return SessionRow(**needed, **others)
    mark = sha256(b"\n".join(b"%b:%b" % (name.encode(), bytes(raw[name])) for name in odd)).hexdigest()
    return OddRow(**needed, **others | {"state": others["state"] or ""}, odd=mark)


def _read(raw: msgspec.Raw, decoder: msgspec.json.Decoder[Any]) -> Any:
    """The value, or None when there is none of this type."""
    try:
        return decoder.decode(raw)
    except (ValueError, RecursionError):
        return None
