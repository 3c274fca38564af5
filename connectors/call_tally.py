"""How often a vendor was called and how it answered: counts that all processes of a home add to, for whoever watches.

A client adds its own when it is closed. What a killed process had asked is missing from them.
"""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import msgspec

from connectors.shared_state import SharedState

NO_ANSWER = "no_answer"
"""In place of a status: the host was not reached, or did not answer in time."""

OTHER = "other"

_STATUSES = frozenset({200, 201, 204, 400, 401, 403, 404, 422, 429, 500, 502, 503, 504})

EndpointAndStatus = tuple[str, str]


def status_word(status: int) -> str:
    """A status as a label: those that are known by themselves, so that no host can invent others."""
    return str(status) if status in _STATUSES else OTHER


class CallTally:
    """The counts in the file ``path``."""

    def __init__(self, path: Path) -> None:
        self._shared = SharedState(path, _decoded)

    async def add(self, calls: Mapping[EndpointAndStatus, int]) -> None:
        """Add calls, by endpoint name and status word. Raises: DiskUnavailable."""
        async with self._shared.held() as held:
            counts = Counter(held.value)
            counts.update({" ".join(key): count for key, count in calls.items()})
            held.value = dict(counts)


def read_tally(path: Path) -> dict[EndpointAndStatus, int]:
    """What was counted so far; nothing if there is no such file. Raises: OSError."""
    if not path.exists():
        return {}
    told = (((*key.split(" "),), count) for key, count in _decoded(path.read_bytes()).items())
    return {(key[0], key[1]): count for key, count in told if len(key) == 2}


def _decoded(text: bytes) -> dict[str, int]:
    try:
        return msgspec.json.decode(text, type=dict[str, int])
    except msgspec.DecodeError:
        return {}
