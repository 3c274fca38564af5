"""The canonical form of a vendor document, and its hash: what is equal however it travelled has the same hash.

Transport is left out (envelope, request zone, user id), times are written in UTC, absent and null are the same, and
whole numbers have one form. A new ``content_hash`` is a new revision; ``raw_sha256`` is of the bytes and lives in raw.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import msgspec

from schemas.asleep import Stat
from schemas.asleep_webhook import as_answer
from schemas.eight_sleep.reading import unwrapped, without_nothing

_TRANSPORT = frozenset({"timezone", "user_id"})
_RATIOS = frozenset(name for name in Stat.__struct_fields__ if name.endswith(("_ratio", "_efficiency")))
_TOLD_IN_SEVERAL_WAYS = {
    *("sleep_time", "wake_time", "sleep_cycle", "sleep_cycle_time", "light_latency", "deep_latency", "rem_latency"),
    *("sleep_index", "time_in_no_snoring"),
}
_AVERAGED = frozenset(Stat.__struct_fields__) - _RATIOS - _TOLD_IN_SEVERAL_WAYS
_VOLATILE_IN_USER = frozenset({"last_session_info", "user_id"})
_ISO_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


def session_hash(body: bytes) -> str:
    """Hash of a session detail or SESSION_COMPLETE body; a body that cannot be read has the hash of its bytes.

    Ratios are left out: they are computed from the seconds, and come in several scales and numbers of decimals.
    """
    return _hash(body, _TRANSPORT, _RATIOS)


def row_hash(row: Mapping[str, Any]) -> str:
    """Hash of a row of the session list, times in UTC: 32 hex digits that change with any of its facts."""
    return sha256(msgspec.json.encode(_canonical(dict(row)), order="deterministic")).hexdigest()[:32]


def average_stats_hash(body: bytes) -> str:
    """Hash of an average-stats body; a body that cannot be read has the hash of its bytes."""
    return _hash(body, frozenset({"user_id"}))


def averaged_hashes(body: bytes) -> dict[str, str]:
    """Hash of the figures that an average-stats body shows of each slept session, by session id.

    Only figures that every documented variant shows alike count, and when the analysis was completed: another hash
    means another analysis. Sessions without figures are left out; a body that cannot be read shows none.
    """
    try:
        content = _result(body)
        rows = content.get("slept_sessions") if isinstance(content, dict) else None
        return dict(filter(None, map(_averaged, rows))) if isinstance(rows, list) else {}
    except (ValueError, RecursionError):
        return {}


def interval_hash(body: bytes) -> str:
    """Hash of an Eight Sleep interval, on a page or alone; a body that cannot be read has the hash of its bytes.

    The time of the device's last update is left out: it moves on while nothing else changes.
    """
    return _hash_of_eight(body, frozenset({"deviceTimeAtUpdate"}))


def trend_hash(body: bytes) -> str:
    """Hash of one day of Eight Sleep's trends; a body that cannot be read has the hash of its bytes."""
    return _hash_of_eight(body, frozenset())


def _hash_of_eight(body: bytes, left_out: frozenset[str]) -> str:
    try:
        content = without_nothing(unwrapped(msgspec.json.decode(body)))
        if isinstance(content, dict):
            content = {key: value for key, value in content.items() if key not in left_out}
        form = msgspec.json.encode(_canonical(content), order="deterministic")
    except (ValueError, RecursionError):
        form = body
    return sha256(form).hexdigest()


def _averaged(row: Any) -> tuple[str, str] | None:
    """Session id and hash of a row of ``slept_sessions``; None if it has no id or no figures."""
    if not isinstance(row, dict) or all(row.get(name) is None for name in _AVERAGED):
        return None
    session_id = row.get("id") or row.get("session_id")
    if not isinstance(session_id, str):
        return None
    return session_id, row_hash({name: row.get(name) for name in (*_AVERAGED, "completed_time")})


def user_hash(body: bytes) -> str:
    """Hash of a user body without the last session, which changes every night; otherwise as ``session_hash``."""
    return _hash(body, _VOLATILE_IN_USER)


def _hash(body: bytes, left_out: frozenset[str], not_in_stat: frozenset[str] = frozenset()) -> str:
    try:
        content = _result(body)
        if isinstance(content, dict):
            content = {key: value for key, value in content.items() if key not in left_out}
            if isinstance(stat := content.get("stat"), dict):
                content["stat"] = {key: value for key, value in stat.items() if key not in not_in_stat}
        form = msgspec.json.encode(_canonical(content), order="deterministic")
    except (ValueError, RecursionError):
        # One answer that is no JSON, not UTF-8, out of range or nested too deeply must not end a pull.
        form = body
    return sha256(form).hexdigest()


def _result(body: bytes) -> Any:
    """What is inside the envelope: ``result`` of an answer, the facts of a SESSION_COMPLETE in any layout."""
    document = as_answer(msgspec.json.decode(body))
    return document.get("result", document.get("data", document)) if isinstance(document, dict) else document


def _canonical(value: Any) -> Any:
    # Texts and numbers first, because there are most of them; no abstract classes, which are slow to ask.
    if isinstance(value, str):
        return _in_utc(value) if _ISO_TIME.fullmatch(value) else value
    if isinstance(value, dict):
        return {key: _canonical(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return value if _is_of_integers(value) else [_canonical(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _is_of_integers(values: list[Any]) -> bool:
    """Whether there is nothing else in a list: so the thousand stages of a night are left as they are."""
    try:
        msgspec.convert(values, list[int])
    except msgspec.ValidationError:
        return False
    return True


def _in_utc(time: str) -> str:
    try:
        return datetime.fromisoformat(time).astimezone(UTC).isoformat()
    except (ValueError, OverflowError):
        return time  # looks like a time, but is on no calendar
