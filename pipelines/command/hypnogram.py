"""A night drawn in the terminal: one line a stage, time from left to right. Gives lines of text; prints nothing."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from schemas.stages import ASLEEP, DEEP, EPOCH_S, LIGHT, OUT_OF_BED, REM, UNKNOWN, WAKE

_LINES: tuple[tuple[str, frozenset[int]], ...] = (
    ("wake", frozenset({WAKE, OUT_OF_BED})),
    ("REM", frozenset({REM})),
    ("light", frozenset({LIGHT, ASLEEP})),
    ("deep", frozenset({DEEP})),
)
_LABEL_WIDTH = 6


def draw_hypnogram(stages: Sequence[int], start: datetime, zone: str, width: int = 72) -> list[str]:
    """Lines of a hypnogram; each column shows its most frequent stage, hours are the local wall clock."""
    columns = [_most_frequent(stages, column, width) for column in range(width)]
    lines = [
        f"{label:>{_LABEL_WIDTH}} ┤" + "".join("█" if stage in codes else " " for stage in columns).rstrip()
        for label, codes in _LINES
    ]
    return [
        *lines,
        " " * (_LABEL_WIDTH + 1) + "└" + "─" * width,
        " " * (_LABEL_WIDTH + 2) + _hours(stages, start, zone, width),
    ]


def _most_frequent(stages: Sequence[int], column: int, width: int) -> int:
    first = column * len(stages) // width
    part = stages[first : max(first + 1, (column + 1) * len(stages) // width)]
    return Counter(part).most_common(1)[0][0] if part else UNKNOWN


def _hours(stages: Sequence[int], start: datetime, zone: str, width: int) -> str:
    length = timedelta(seconds=EPOCH_S * len(stages))
    line = [" "] * (width + 5)
    moment = start.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    while moment < start + length:
        column = int((moment - start) / length * width)
        line[column : column + 5] = f"{moment.astimezone(ZoneInfo(zone)):%H:%M}"
        moment += timedelta(hours=max(1, round(length / timedelta(hours=8))))
    return "".join(line).rstrip()
