"""Documents as the vendor sends them, for tests of everything that reads them: bytes, and the same with changes."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

Json = dict[str, Any]

ABSENT: Any = object()
"""Stands for a field that is to be left out."""


def _bytes(name: str) -> bytes:
    return (Path(__file__).parent / f"{name}.json").read_bytes()


SESSION = _bytes("session_complete")
"""A complete night in Seoul with four stages and breathing analysis."""

SESSION_ENDED_LATE = _bytes("session_unexpected_end")
"""A complete night that the app closed hours after its end; no breathing analysis."""

SESSION_OPEN = _bytes("session_open")
"""A session that is still being recorded."""

SESSION_WEBHOOK = _bytes("session_webhook")
"""A complete session of light sleep only, as a SESSION_COMPLETE webhook."""

AVERAGE_STATS = _bytes("average_stats")
"""Averages over three slept sessions; a fourth had no sleep."""

USER = _bytes("user")
"""A user with all metadata."""

SAMPLES = {
    "complete": SESSION,
    "ended late": SESSION_ENDED_LATE,
    "light sleep only": SESSION_WEBHOOK,
}
"""The complete sessions, by what is special about them."""


def changed(document: bytes, changes: Mapping[str, Any]) -> bytes:
    """A document with fields set or, with ``ABSENT``, left out: ``{"result.stat.time_in_bed": 0}``."""
    content = json.loads(document)
    for path, value in changes.items():
        *way, last = path.split(".")
        place = content
        for name in way:
            place = place[name]
        if value is ABSENT:
            place.pop(last, None)
        else:
            place[last] = value
    return json.dumps(content).encode()


def result_of(document: bytes) -> Json:
    """What is inside the envelope of an answer or a webhook."""
    content: Json = json.loads(document)
    result: Json = content.get("result") or content["data"]
    return result
