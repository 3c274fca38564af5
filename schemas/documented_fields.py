"""The fields that the vendor documents, per document, and which fields of an answer are not among them.

Read or not, every documented name of every documented variant stands here: what is left is news from the vendor.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, get_args

import msgspec

from schemas import asleep
from schemas.documents import AVERAGE_STATS, SESSION, USER
from schemas.quirks import UNKNOWN_FIELD, Drift, Notes

Fields = Mapping[str, "Fields | None"]
"""Names with the fields below them; None where nothing is looked at below. A list has the fields of its members."""

_TELLABLE = re.compile(r"(?!.*\d{3})(?!(?:.*\d){5})[A-Za-z_]\w{0,39}", re.ASCII)
_UNTELLABLE = "(a name that is not told)"


def _all(*names: str) -> dict[str, None]:
    return dict.fromkeys(names)


_STAT = _all(*asleep.Stat.__struct_fields__)
_SESSION = _all(*asleep.Session.__struct_fields__)
_LISTED = _all("id", "session_id", "session_start_time", "completed_time", "created_timezone", "start_time", "end_time")

_RESULTS: dict[str, dict[str, "Fields | None"]] = {
    SESSION: {**_all("timezone", "peculiarities", "missing_data_ratio", "user_id"), "session": _SESSION, "stat": _STAT},
    AVERAGE_STATS: {
        "peculiarities": None,
        "period": _all("timezone", "start_date", "end_date", "days"),
        "average_stats": {**_STAT, **_all("start_time", "end_time")},
        "never_slept_sessions": _LISTED,
        "slept_sessions": {**_LISTED, **_STAT},
    },
    USER: {
        **_all("user_id", "to_be_deleted"),
        "metadata": _all(*asleep.UserMetadata.__struct_fields__),
        "last_session_info": _all(
            *("session_id", "state", "inference_type", "service", "complete_time"),
            *("start_time", "end_time", "session_start_time", "session_end_time"),
        ),
    },
}


def note_unknown_fields(document: str, answer: Any, notes: Notes) -> None:
    """Note every field of an answer (envelope included) that is not documented for this kind of document."""
    for path in _unknown(answer, {"detail": None, "result": _RESULTS[document]}, "$"):
        notes.add(UNKNOWN_FIELD, path)


def note_fields_beyond(fields: Fields, answer: Any, notes: Notes) -> None:
    """Note every field of an answer that is not among these."""
    for path in _unknown(answer, fields, "$"):
        notes.add(UNKNOWN_FIELD, path)


def fields_of(shape: type[msgspec.Struct]) -> dict[str, "Fields | None"]:
    """The names that a struct has on the wire, with those of the structs in it, alone or in a tuple."""
    return {field.encode_name: _fields_below(field.type) for field in msgspec.structs.fields(shape)}


def _fields_below(kind: Any) -> "Fields | None":
    for inner in (kind, *get_args(kind)):
        if isinstance(inner, type) and issubclass(inner, msgspec.Struct):
            return fields_of(inner)
    return None


def untold(drift: Drift) -> Drift:
    """The same without the name of the field."""
    return drift._replace(path=f"{drift.path.rpartition('.')[0]}.{_UNTELLABLE}")


def _unknown(value: Any, fields: Fields, path: str) -> Iterator[str]:
    if isinstance(value, list):
        for member in value:
            yield from _unknown(member, fields, f"{path}[]")
    elif isinstance(value, dict):
        for name, member in value.items():
            if name not in fields:
                # A name may itself be an id, when a vendor keys an object by user or session.
                yield f"{path}.{name if _TELLABLE.fullmatch(name) else _UNTELLABLE}"
            elif (below := fields[name]) is not None:
                yield from _unknown(member, below, f"{path}.{name}")
