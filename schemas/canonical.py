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

_TRANSPORT = frozenset({"timezone", "user_id"})
_VOLATILE_IN_USER = frozenset({"last_session_info", "user_id"})
_ISO_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


def session_hash(body: bytes) -> str:
    """Hash of a session detail or SESSION_COMPLETE body. Raises: msgspec.DecodeError if it is not JSON."""
    return _hash(_result(body), _TRANSPORT)


def average_stats_hash(body: bytes) -> str:
    """Hash of an average-stats body. Raises: msgspec.DecodeError if it is not JSON."""
    return _hash(_result(body), frozenset({"user_id"}))


def user_hash(body: bytes) -> str:
    """Hash of a user body without the last session, which changes every night. Raises: msgspec.DecodeError."""
    return _hash(_result(body), _VOLATILE_IN_USER)


def _result(body: bytes) -> Any:
    document = msgspec.json.decode(body)
    return document.get("result", document) if isinstance(document, dict) else document


def _hash(result: Any, left_out: frozenset[str]) -> str:
    if isinstance(result, dict):
        result = {key: value for key, value in result.items() if key not in left_out}
    return sha256(msgspec.json.encode(_canonical(result), order="deterministic")).hexdigest()


def _canonical(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _canonical(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        if value and isinstance(value[0], int):
            return value
        return [_canonical(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and _ISO_TIME.fullmatch(value):
        return datetime.fromisoformat(value).astimezone(UTC).isoformat()
    return value
