"""Sleep-stage codes: the lake's own, their names, and how Asleep's codes become ours.

Pure functions over sequences of 30-second epochs. Statistics derived from stages do not live here.
"""

from array import array
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple, cast

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


EIGHT_SLEEP_STAGE_CODES: dict[str, int] = {
    "awake": WAKE,
    "light": LIGHT,
    "deep": DEEP,
    "rem": REM,
    "asleep": ASLEEP,
    "out": OUT_OF_BED,
}
"""Eight Sleep's names of stages (community clients: intervals, and their edits) in lake codes."""


class _Translation:
    """A source's codes in lake codes, and the same as a table for ``bytes.translate``."""

    def __init__(self, codes: dict[float | None, int]) -> None:
        self.codes = codes
        self.of_bytes = array("b", (codes.get(code, UNKNOWN) for code in range(256))).tobytes()


_ASLEEP_FOUR_STAGE = _Translation({-1: UNKNOWN, 0: WAKE, 1: LIGHT, 2: DEEP, 3: REM})
_ASLEEP_TWO_STAGE = _Translation({-1: UNKNOWN, 0: WAKE, 1: ASLEEP})
_ASLEEP_MARKS = _Translation({0: 0, 1: 1})


class StageInterval(NamedTuple):
    """An unbroken run of one stage: lake code, index of its first epoch, number of epochs."""

    stage: int
    first_epoch: int
    epochs: int


def from_asleep_codes(codes: Sequence[float | None], has_stages: str) -> list[int]:
    """Translate Asleep's ``sleep_stages`` (asleep API, GET session) to lake codes; an unknown code becomes -1."""
    return packed_asleep_codes(codes, has_stages).tolist()


def packed_asleep_codes(codes: Sequence[float | None], has_stages: str) -> "array[int]":
    """As ``from_asleep_codes``, a signed byte an epoch, where a list takes eight."""
    return _packed(codes, _ASLEEP_TWO_STAGE if has_stages == TWO_STAGE else _ASLEEP_FOUR_STAGE)


def packed_asleep_marks(codes: Sequence[float | None]) -> "array[int]":
    """Translate Asleep's ``breath_stages`` or ``snoring_stages``: 1, 0 or -1 (unknown), a signed byte an epoch."""
    return _packed(codes, _ASLEEP_MARKS)


def _packed(codes: Sequence[float | None], table: _Translation) -> "array[int]":
    packed = array("b")
    try:
        # Most nights have nothing but small whole numbers: without a line of Python for each of a thousand epochs.
        packed.frombytes(bytes(cast("Sequence[int]", codes)).translate(table.of_bytes))
    except (TypeError, ValueError):
        found = {code: table.codes.get(code, UNKNOWN) for code in set(codes)}
        packed.extend(map(found.__getitem__, codes))
    return packed


def stage_intervals(stages: Sequence[int]) -> Iterator[StageInterval]:
    """Yield the unbroken runs of a hypnogram in order."""
    first_epoch = 0
    for stage, run in groupby(stages):
        epochs = len(list(run))
        yield StageInterval(stage, first_epoch, epochs)
        first_epoch += epochs
