"""The events that Asleep posts to a webhook: from the bytes of a body, in every documented layout, to one typed event.

Three layouts are documented: facts nested under ``data`` (V3), under ``callback_data`` (V2), or beside the name of the
event. Nothing is guessed: a body is a typed event or an ``UnreadableEvent``, which says where and why, without values.
"""

import codecs
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import msgspec

from schemas.asleep import Epochs, SessionDetail
from schemas.quirks import LONGEST_S

SESSION_COMPLETE = "SESSION_COMPLETE"
"""A session has been analysed; the event carries all of it."""

INFERENCE_COMPLETE = "INFERENCE_COMPLETE"
"""A batch of a running session has been staged; the event carries its last minutes."""

VERSIONS = frozenset({"V2", "V3"})
"""The versions whose layout is documented; a new number means that fields or codes have another meaning."""

NOT_JSON = "not_json"
"""The reason of a body that is no JSON at all."""

LONGEST_BODY = 1_000_000
"""Bytes. Three arrays of the longest session there can be take less; what is longer is no event."""

LONGEST_TEXT = 200
"""Characters of an id or of an event's name."""

BATCH_EPOCHS = 10
"""Epochs (30 s) of one analysis batch; ``inference_seq_num`` counts batches from 0."""

_LAST_EPOCH = LONGEST_S // 30
_LONE_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")
_ARRAYS = ("sleep_stages", "breath_stages", "snoring_stages")
_IDS = frozenset({"user_id", "session_id"})
_ENVELOPE = frozenset({"event", "callback_event", "version", "callback_version", "timestamp"})
_NESTS = frozenset({"data", "callback_data", "sleep_data"})

_WHOLE = frozenset({"peculiarities", "missing_data_ratio", "stat"})
_WHOLE_SESSION = frozenset({"end_time", "created_timezone", "sleep_stages", "breath_stages", "snoring_stages"})
_WITHOUT_FIGURES = frozenset(
    {"NEVER_SLEPT", "TOO_SHORT_FOR_ANALYSIS", "TOO_MANY_DEFECTS_IN_SLEEP_STAGES", "NO_REALTIME_POLLING"}
)

ShapeT = TypeVar("ShapeT")


@dataclass(frozen=True, slots=True)
class SessionComplete:
    """A session is COMPLETE. ``result`` is what GET session answers under that name, for the same session."""

    user_id: str
    session_id: str
    result: dict[str, Any]

    event = SESSION_COMPLETE

    def __repr__(self) -> str:
        return "SessionComplete(…)"

    @property
    def is_whole(self) -> bool:
        """Whether all fields are there, null or not, that GET session has, and figures unless a remark says why not.

        The flat layout leaves some out: what it says is true, and is not all.
        """
        has_figures = self.result.get("stat") is not None
        return (
            self.result.keys() >= _WHOLE
            and self.result["session"].keys() >= _WHOLE_SESSION
            and (has_figures or not _WITHOUT_FIGURES.isdisjoint(self.result["peculiarities"] or ()))
        )


@dataclass(frozen=True, slots=True)
class InferenceComplete:
    """A batch has been staged: the codes of the last minutes, one per epoch (30 s), each list null where not analysed.

    The first code of every list is that of ``first_epoch`` (counted from 0). None: the event's own numbers contradict
    each other, so that nobody knows where its codes belong. Numbers are kept as sent.
    """

    user_id: str
    session_id: str
    inference_seq_num: float
    seq_num: float | None
    first_epoch: int | None
    sleep_stages: Epochs | None
    breath_stages: Epochs | None
    snoring_stages: Epochs | None

    event = INFERENCE_COMPLETE

    def __repr__(self) -> str:
        return "InferenceComplete(…)"


@dataclass(frozen=True, slots=True)
class OtherEvent:
    """An event that is not documented; only who and what it seems to be about is read."""

    event: str
    user_id: str | None
    session_id: str | None

    def __repr__(self) -> str:
        return "OtherEvent(…)"


WebhookEvent = SessionComplete | InferenceComplete | OtherEvent


@dataclass(frozen=True, slots=True)
class About:
    """What could be read of an event's name and ids, whether or not the rest makes sense."""

    event: str | None = None
    user_id: str | None = None
    session_id: str | None = None

    def __repr__(self) -> str:
        return "About(…)"


class UnreadableEvent(Exception):
    """A body that makes no sense: a fixed word, a JSON path, one sentence without values; ``about`` is beside it."""

    def __init__(self, reason: str, path: str, explanation: str) -> None:
        super().__init__(explanation)
        self.reason = reason
        self.path = path
        self.explanation = explanation
        self.about = About()


class _Inference(msgspec.Struct, frozen=True):
    inference_seq_num: int | float
    seq_num: int | float | None = None
    sleep_stages: Epochs | None = None
    breath_stages: Epochs | None = None
    snoring_stages: Epochs | None = None


class _Facts(NamedTuple):
    """The facts of an event, wherever they lay: ``path`` is that place."""

    fields: Mapping[str, Any]
    path: str


def webhook_event(body: bytes | bytearray) -> WebhookEvent:
    """The event a body tells of.

    Raises: UnreadableEvent; its reason is ``NOT_JSON`` only for what is no JSON.
    """
    document = _decoded(body)
    if not isinstance(document, dict):
        raise UnreadableEvent("wrong_shape", "$", "An event is a JSON object.")
    try:
        return _event(document)
    except UnreadableEvent as unreadable:
        unreadable.about = _about(document)
        raise


def as_answer(document: Any) -> Any:
    """The JSON value of a SESSION_COMPLETE as GET session answers it: its facts under ``result``.

    What stands beside the facts and is not documented stays beside ``result``. Anything else is given back as it is.
    """
    if not isinstance(document, dict) or SESSION_COMPLETE not in (
        document.get("event"),
        document.get("callback_event"),
    ):
        return document
    try:
        told = _facts(document)
        facts = _session_facts(told)
    except UnreadableEvent:
        return document
    around = [place for place in (document, told.fields) if place is not facts.fields]
    known = _ENVELOPE | _NESTS | _IDS
    beside = {name: value for place in around for name, value in place.items() if name not in known}
    return {**beside, "result": _result(facts)}


def _event(document: Mapping[str, Any]) -> WebhookEvent:
    name = _text(_either(document, "$", "event", "callback_event"), "$.event")
    facts = _facts(document)
    if name not in (SESSION_COMPLETE, INFERENCE_COMPLETE):
        about = _about(document)
        return OtherEvent(name, about.user_id, about.session_id)
    version = _either(document, "$", "version", "callback_version")
    if version is not None and not (isinstance(version, str) and version in VERSIONS):
        raise UnreadableEvent("unknown_version", "$.version", "The layout of this version is not documented.")
    user_id = _text(facts.fields.get("user_id"), f"{facts.path}.user_id")
    return _session(facts, user_id) if name == SESSION_COMPLETE else _inference(facts, user_id)


def _facts(document: Mapping[str, Any]) -> _Facts:
    nested = _either(document, "$", "data", "callback_data")
    if nested is None:
        return _Facts(document, "$")
    path = "$.data" if document.get("data") is not None else "$.callback_data"
    return _Facts(_object(nested, path), path)


def _session(told: _Facts, user_id: str) -> SessionComplete:
    facts = _session_facts(told)
    result = _result(facts)
    session_id = _text(_converted(result, SessionDetail, facts.path).session.id, f"{facts.path}.session.id")
    for place in (told, facts):
        _same(place, "user_id", user_id)
        _same(place, "session_id", session_id)
    return SessionComplete(user_id, session_id, result)


def _session_facts(told: _Facts) -> _Facts:
    """The facts of a session, which one layout has a step further in."""
    fields, path = told
    if fields.get("sleep_data") is None:
        return told
    path = f"{path}.sleep_data"
    return _Facts(_object(fields["sleep_data"], path), path)


def _result(facts: _Facts) -> dict[str, Any]:
    transport = _IDS | _ENVELOPE if facts.path == "$" else _IDS
    return {name: value for name, value in facts.fields.items() if name not in transport}


def _inference(facts: _Facts, user_id: str) -> InferenceComplete:
    fields, path = facts
    session_id = _text(fields.get("session_id"), f"{path}.session_id")
    stages = _either(fields, path, "sleep_stages", "stage_list")
    told = _converted({**fields, "sleep_stages": stages}, _Inference, path)
    return InferenceComplete(
        user_id,
        session_id,
        told.inference_seq_num,
        told.seq_num,
        _first_epoch(told),
        told.sleep_stages,
        told.breath_stages,
        told.snoring_stages,
    )


def _first_epoch(told: _Inference) -> int | None:
    """Where the lists begin: they end with the batch, however long they are; None unless everything agrees."""
    batch, chunk = told.inference_seq_num, told.seq_num
    lengths = {len(values) for name in _ARRAYS if (values := getattr(told, name)) is not None}
    if not 0 <= batch < _LAST_EPOCH / BATCH_EPOCHS or batch != int(batch) or len(lengths) != 1:
        return None
    end = (int(batch) + 1) * BATCH_EPOCHS
    if chunk not in (None, end - 1):
        return None
    first = end - lengths.pop()
    return first if 0 <= first < end else None


def _about(document: Mapping[str, Any]) -> About:
    """The name and ids that can be read, looked for in every place where they may lie; never raises."""
    places = [document, *(document.get(name) for name in ("data", "callback_data"))]
    places += [place.get("sleep_data") for place in places if isinstance(place, dict)]
    facts = [place for place in places if isinstance(place, dict)]
    sessions = [place["session"] for place in facts if isinstance(place.get("session"), dict)]
    return About(
        _first_text([document], "event", "callback_event"),
        _first_text(facts, "user_id"),
        _first_text(facts, "session_id") or _first_text(sessions, "id"),
    )


def _first_text(places: Sequence[Mapping[str, Any]], *names: str) -> str | None:
    return next((place[name] for place in places for name in names if _is_text(place.get(name))), None)


def _either(fields: Mapping[str, Any], path: str, name: str, other: str) -> Any:
    """The value of a field that has two documented names."""
    if fields.get(name) is not None and fields.get(other) is not None:
        raise UnreadableEvent("told_twice", f"{path}.{other}", "Two names of one field are both there.")
    value = fields.get(name)
    return fields.get(other) if value is None else value


def _same(facts: _Facts, name: str, value: str) -> None:
    if facts.fields.get(name) not in (None, value):
        raise UnreadableEvent("ids_differ", f"{facts.path}.{name}", "The event names two of them.")


def _object(value: Any, path: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise UnreadableEvent("wrong_shape", path, "Expected `object`.")
    return value


def _text(value: Any, path: str) -> str:
    if not _is_text(value):
        raise UnreadableEvent("bad_text", path, f"Expected 1 to {LONGEST_TEXT} printable characters.")
    text: str = value
    return text


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= LONGEST_TEXT and value.isprintable() and value == value.strip()


def _converted(fields: Mapping[str, Any], kind: type[ShapeT], path: str) -> ShapeT:
    try:
        return msgspec.convert(fields, kind)
    except msgspec.ValidationError as error:
        # msgspec names types and the path, never the value.
        rule, _, below = str(error).partition(" - at `$")
        raise UnreadableEvent("wrong_shape", path + below.rstrip("`"), rule + ".") from None


def _decoded(body: bytes | bytearray) -> Any:
    if len(body) > LONGEST_BODY:
        if not _is_json(body):
            raise _not_json()
        raise UnreadableEvent("too_long", "$", f"An event has at most {LONGEST_BODY} bytes.")
    try:
        return msgspec.json.decode(body)
    except msgspec.ValidationError as error:
        if not _is_json(body):  # the number is met before the end of a body that was cut off
            raise _not_json() from None
        path = str(error).partition(" - at `")[2].rstrip("`")
        raise UnreadableEvent("number_out_of_range", path or "$", "A number is out of range.") from None
    except RecursionError:
        raise _too_deep() from None
    except ValueError:  # malformed, or not UTF-8
        if _is_json(body):
            raise UnreadableEvent("not_unicode", "$", "A text has half of a surrogate pair.") from None
        raise _not_json() from None


def _is_json(body: bytes | bytearray) -> bool:
    """Whether the bytes follow the grammar of RFC 8259, without building what they stand for.

    Raises: UnreadableEvent for what is nested too deeply to tell.
    """
    try:
        # The grammar allows half a surrogate pair, msgspec does not.
        whole = _LONE_SURROGATE.sub(rb"\\u0000", body) if _LONE_SURROGATE.search(body) else body
        msgspec.json.decode(whole, type=msgspec.Raw)
    except RecursionError:
        raise _too_deep() from None
    except ValueError:
        return False
    return _is_utf8(body)


def _is_utf8(body: bytes | bytearray) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        # In pieces, because one character beyond ASCII makes a long text four times as long as its bytes.
        for start in range(0, len(body), 65_536):
            decoder.decode(body[start : start + 65_536])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _not_json() -> UnreadableEvent:
    return UnreadableEvent(NOT_JSON, "$", "The body is not JSON.")


def _too_deep() -> UnreadableEvent:
    return UnreadableEvent("too_deep", "$", "The body is nested too deeply.")
