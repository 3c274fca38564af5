"""Sleep-stage codes: the lake's own, their names, and how Asleep's codes become ours.

Pure functions over lists of 30-second epochs. Statistics derived from stages do not live here.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

EPOCH_S = 30
"""Length of one epoch in seconds (AASM scoring epoch; Asleep's upload chunk)."""

UNKNOWN = -1
WAKE = 0
LIGHT = 1
DEEP = 2
REM = 3
ASLEEP = 4
OUT_OF_BED = 5

STAGE_NAMES: dict[int, str] = {
    UNKNOWN: "unknown",
    WAKE: "wake",
    LIGHT: "light",
    DEEP: "deep",
    REM: "rem",
    ASLEEP: "asleep",
    OUT_OF_BED: "out_of_bed",
}
"""Lake code to lake name; ``asleep`` is sleep whose stage the source does not tell apart."""

FOUR_STAGE = "4-stage"
TWO_STAGE = "2-stage"
NO_STAGES = "none"

ASLEEP_STAGE_CODES = frozenset({-1, 0, 1, 2, 3})
"""The documented codes of ``sleep_stages``."""

ASLEEP_BINARY_CODES = frozenset({-1, 0, 1})
"""The documented codes of ``breath_stages`` and ``snoring_stages``, and the one for no data."""

_ASLEEP_FOUR_STAGE: dict[float | None, int] = {-1: UNKNOWN, 0: WAKE, 1: LIGHT, 2: DEEP, 3: REM}
_ASLEEP_TWO_STAGE: dict[float | None, int] = {-1: UNKNOWN, 0: WAKE, 1: ASLEEP}


class StageInterval(NamedTuple):
    """An unbroken run of one stage: lake code, index of its first epoch, number of epochs."""

    stage: int
    first_epoch: int
    epochs: int


def from_asleep_codes(codes: Sequence[float | None], has_stages: str) -> list[int]:
    """Translate Asleep's ``sleep_stages`` (asleep API, GET session) to lake codes; an unknown code becomes -1."""
    table = _ASLEEP_TWO_STAGE if has_stages == TWO_STAGE else _ASLEEP_FOUR_STAGE
    return [table.get(code, UNKNOWN) for code in codes]


def stage_intervals(stages: Sequence[int]) -> Iterator[StageInterval]:
    """Yield the unbroken runs of a hypnogram in order."""
    first_epoch = 0
    for stage, run in groupby(stages):
        epochs = sum(1 for _ in run)
        yield StageInterval(stage, first_epoch, epochs)
        first_epoch += epochs
