"""The vendor's limits per endpoint group and user: fixed windows of a minute, counted and enforced.

Windows begin with the full minute of the world's clock. Headers and status are made in ``app``.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

WINDOW_S = 60

DOCUMENTED: Mapping[str, int] = {"auth": 5, "status": 30, "temperature": 20, "devices": 10}
"""Calls a minute by group; none is known of the group ``sleep`` (users, beds, intervals, trends)."""


@dataclass(frozen=True)
class Verdict:
    """What an arrival came to: ``remaining`` is what is left of ``limit``, ``retry_after_s`` until the window ends."""

    admitted: bool
    limit: int
    remaining: int
    retry_after_s: int


class Limits:
    """Counts every arrival; refuses those beyond ``most`` of their group, None for no limit at all."""

    def __init__(self, clock: Callable[[], datetime], most: Mapping[str, int] | None = DOCUMENTED) -> None:
        self._clock = clock
        self.most = most
        self.arrivals: list[tuple[float, str, str]] = []
        """Time (seconds), group and user of every request that counted."""
        self.refused = 0
        self._counts: dict[tuple[int, str, str], int] = {}

    def arrive(self, group: str, user: str) -> Verdict | None:
        """Write down an arrival; None when its group is not limited."""
        now = self._clock().timestamp()
        self.arrivals.append((now, group, user))
        key = (math.floor(now / WINDOW_S), group, user)
        self._counts[key] = self._counts.get(key, 0) + 1
        if self.most is None:
            return None
        if (most := self.most.get(group)) is None:
            return None
        count = self._counts[key]
        self.refused += count > most
        left_s = max(1, math.ceil((key[0] + 1) * WINDOW_S - now))
        return Verdict(count <= most, most, max(0, most - count), left_s)

    def spend(self, group: str, user: str, calls: int) -> None:
        """Somebody else uses the account too: so many calls of the present window are gone, uncounted as arrivals."""
        key = (math.floor(self._clock().timestamp() / WINDOW_S), group, user)
        self._counts[key] = self._counts.get(key, 0) + calls

    def most_in_a_window(self, group: str) -> int:
        """The most calls that one user has made in one window."""
        return max((count for (_, name, _), count in self._counts.items() if name == group), default=0)
