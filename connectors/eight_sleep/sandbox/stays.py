"""One time in bed as stretches of stages, and everything that follows from them: sums, bounds, what is known so far.

Where stays come from is in ``inventing`` and ``noise``, which of them there are in ``nights``, JSON in ``intervals``.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import groupby

EPOCH_S = 30
"""All stretches are whole multiples of this."""

SLEEP = ("light", "deep", "rem")
STAGES = ("awake", *SLEEP, "out")

UNSURE_S = 600
"""How much of the end of a stay in progress is not analysed yet, and told as ``awake``."""

Stretch = tuple[str, int]
"""A stage and its seconds."""


@dataclass(frozen=True)
class Stay:
    """From bed entry at ``start`` (UTC) on; ``edition`` counts how often the vendor has analysed it again."""

    id: str
    user_id: str
    start: datetime
    zone: str
    stages: tuple[Stretch, ...]
    edition: int = 0
    score_shift: int = 0

    @property
    def end(self) -> datetime:
        """When the bed is left for good."""
        return self.start + timedelta(seconds=self.total_s)

    @property
    def total_s(self) -> int:
        """From bed entry to the end, the time out of bed between included."""
        return sum(seconds for _, seconds in self.stages)

    def seconds(self, *stages: str) -> int:
        """How long these stages last together."""
        return sum(seconds for stage, seconds in self.stages if stage in stages)

    @property
    def asleep_s(self) -> int:
        """Light, deep and rem together."""
        return self.seconds(*SLEEP)

    @property
    def before_s(self) -> int:
        """From bed entry to the first sleep; all of it without any."""
        seconds = 0
        for stage, length in self.stages:
            if stage in SLEEP:
                break
            seconds += length
        return seconds

    @property
    def after_s(self) -> int:
        """From the last sleep to the end; nothing without any."""
        seconds = 0
        for stage, length in reversed(self.stages):
            if stage in SLEEP:
                return seconds
            seconds += length
        return 0

    @property
    def sleep_start(self) -> datetime | None:
        """When sleep begins, if it does."""
        return self.start + timedelta(seconds=self.before_s) if self.asleep_s else None

    @property
    def sleep_end(self) -> datetime | None:
        """When sleep ends."""
        return self.end - timedelta(seconds=self.after_s) if self.asleep_s else None

    def is_in_bed(self, moment: datetime) -> bool:
        """Whether the sleeper lies in bed then."""
        at_s = (moment - self.start).total_seconds()
        for stage, length in self.stages:
            if 0 <= at_s < length:
                return stage != "out"
            at_s -= length
        return False

    def known_at(self, moment: datetime) -> "Stay":
        """What is known of it while it lasts: the end of it is a placeholder ``awake``."""
        elapsed_s = int((moment - self.start).total_seconds()) // EPOCH_S * EPOCH_S
        sure_s = max(0, elapsed_s - UNSURE_S)
        if elapsed_s >= self.total_s:
            return self
        return replace(self, stages=merged([*_first(self.stages, sure_s), ("awake", elapsed_s - sure_s)]))

    def overlaps(self, other: "Stay") -> bool:
        """Whether both are under way at some moment."""
        return self.start < other.end and other.start < self.end


def merged(stretches: Iterable[Stretch]) -> tuple[Stretch, ...]:
    """The same without neighbours of one stage, and without empty ones."""
    kept = [stretch for stretch in stretches if stretch[1] > 0]
    return tuple((stage, sum(length for _, length in same)) for stage, same in groupby(kept, key=lambda one: one[0]))


def of_epochs(stages: Iterable[str]) -> tuple[Stretch, ...]:
    """Stretches of a stage per 30 s."""
    return tuple((stage, EPOCH_S * sum(1 for _ in same)) for stage, same in groupby(stages))


def epochs(stay: Stay) -> list[str]:
    """The stage of every 30 s from the start on."""
    return [stage for stage, length in stay.stages for _ in range(length // EPOCH_S)]


def _first(stretches: Iterable[Stretch], most_s: int) -> Iterable[Stretch]:
    left_s = most_s
    for stage, length in stretches:
        yield stage, min(length, left_s)
        left_s -= min(length, left_s)
