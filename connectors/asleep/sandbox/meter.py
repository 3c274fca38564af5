"""What the vendor sees of a client's pace: every arrival, the busiest and the idlest window, and a limit.

Windows slide and are exact; a window holds its first moment and not its last. Nothing here knows HTTP.
"""

import math
import time
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

WINDOW_S = 10.0
"""Length of the windows that ``/_control/rate`` tells about."""

_LONGEST_WINDOW_S = 86_400
_FASTEST_PER_S = 1_000_000
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Limit:
    """At most ``limit_per_s`` times ``window_s`` requests in any ``window_s`` seconds.

    Raises ``ValueError`` with one sentence for a limit that cannot be, or that lets nothing through.
    """

    limit_per_s: float
    window_s: float = WINDOW_S

    def __post_init__(self) -> None:
        """Check both."""
        _check("limit_per_s", self.limit_per_s, _FASTEST_PER_S)
        _check("window_s", self.window_s, _LONGEST_WINDOW_S)
        if self.most < 1:
            raise ValueError("limit_per_s times window_s must be at least 1 request.")

    @property
    def most(self) -> int:
        """Requests that fit into a window."""
        return math.floor(self.limit_per_s * self.window_s + _ROUNDING)


class Meter:
    """Arrivals since the last reset; ``clock`` is monotonic, in seconds.

    Requests over ``limit`` are arrivals like any other: who goes on hammering stays out.
    """

    def __init__(self, limit: Limit | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.limit = limit
        self._clock = clock
        self._started = datetime.now(UTC) - timedelta(seconds=clock())
        self.reset()

    def reset(self) -> None:
        """Forget all arrivals."""
        self._arrivals = array("d")
        self._refused = 0

    def admit(self) -> bool:
        """Write down an arrival; False when it is one too many for the limit."""
        now = self._clock()
        self._arrivals.append(now)
        if self.limit is None:
            return True
        window = len(self._arrivals) - bisect_right(self._arrivals, now - self.limit.window_s)
        self._refused += window > self.limit.most
        return window <= self.limit.most

    def rate(self) -> dict[str, Any]:
        """What ``GET /_control/rate`` answers: totals, the most in any window, and the busy stretches."""
        arrivals = self._arrivals
        return {
            "requests": len(arrivals),
            "refused": self._refused,
            "first": self._moment(arrivals[0]) if arrivals else None,
            "last": self._moment(arrivals[-1]) if arrivals else None,
            "window_s": WINDOW_S,
            "most_in_window": most_in_window(arrivals),
            "busy": [
                {
                    "first": self._moment(stretch[0]),
                    "seconds": round(stretch[-1] - stretch[0], 3),
                    "requests": len(stretch),
                    "most_in_window": most_in_window(stretch),
                    "least_in_window": least_in_window(stretch),
                }
                for stretch in busy_stretches(arrivals)
            ],
        }

    def _moment(self, seconds: float) -> str:
        return (self._started + timedelta(seconds=seconds)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def busy_stretches(arrivals: Sequence[float], window_s: float = WINDOW_S) -> Iterator[Sequence[float]]:
    """Cut ascending ``arrivals`` where nothing comes for a whole window; only stretches of at least a window."""
    begins = [0, *(i for i in range(1, len(arrivals)) if arrivals[i] - arrivals[i - 1] > window_s), len(arrivals)]
    for begin, end in pairwise(begins):
        if end > begin and arrivals[end - 1] - arrivals[begin] >= window_s:
            yield arrivals[begin:end]


def most_in_window(arrivals: Sequence[float], window_s: float = WINDOW_S) -> int:
    """The most of the ascending ``arrivals`` that lie in any window: one that begins with an arrival."""
    return max((bisect_left(arrivals, first + window_s) - i for i, first in enumerate(arrivals)), default=0)


def least_in_window(arrivals: Sequence[float], window_s: float = WINDOW_S) -> int | None:
    """The fewest in any window within the stretch: one that ends just before an arrival. None when too short."""
    counts = (
        i - bisect_left(arrivals, last - window_s)
        for i, last in enumerate(arrivals)
        if last - window_s >= arrivals[0] and (i == 0 or arrivals[i - 1] < last)
    )
    return min(counts, default=None)


def _check(name: str, value: object, highest: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= highest:
        raise ValueError(f"{name} must be a number greater than 0 and at most {highest:.0f}.")
