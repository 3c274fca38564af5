"""A night that really was, as a bed sees it: bounds some minutes off, stages confused, so that kappa is 0.5 to 0.7.

The truth comes from outside, so that somebody's phone can be given the same nights.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from random import Random

from connectors.eight_sleep.sandbox.seeding import stream
from connectors.eight_sleep.sandbox.stays import EPOCH_S, Stretch, of_epochs

CODES = {0: "awake", 1: "light", 2: "deep", 3: "rem"}
"""The stages of a true night; any other code is time in bed of which nothing is known."""

CONFUSED = 0.22
"""The share of a night that a bed takes for something else."""

_TAKEN_FOR = {
    "awake": ("light", "light", "rem"),
    "light": ("deep", "rem", "awake"),
    "deep": ("light",),
    "rem": ("light", "light", "awake"),
}


@dataclass(frozen=True)
class TrueNight:
    """Time in bed from ``start`` to ``end`` (aware), with a code per 30 s from the start, slept in ``zone`` (IANA)."""

    start: datetime
    end: datetime
    stages: Sequence[int]
    zone: str


Truth = Callable[[str, date], Iterable[TrueNight] | None]
"""The nights of a sleeper (user id) that begin from noon of a date on to the next noon, as far as they are over or
under way; None for somebody it knows nothing of, who has invented ones."""


def seen_by_bed(seed: int, user_id: str, night: TrueNight) -> tuple[datetime, tuple[Stretch, ...]]:
    """When the bed says that the night began, and its stages; the same night is always seen the same."""
    start = datetime.fromtimestamp(night.start.timestamp() // EPOCH_S * EPOCH_S, UTC)
    chance = stream(seed, "seen", user_id, start)
    seen = [CODES.get(code, "awake") for code in night.stages]
    seen = _blurred(chance, seen)
    seen = _confused(chance, seen)
    earlier, later = chance.randrange(-6, 13), chance.randrange(-6, 13)
    seen = ["awake"] * earlier + seen[max(0, -earlier) :]
    seen = seen[: len(seen) + min(0, later)] + ["awake"] * later
    return start - timedelta(seconds=EPOCH_S * earlier), of_epochs(seen or ["awake"])


def _blurred(chance: Random, stages: list[str]) -> list[str]:
    """Every change of stage some minutes off, the first sleep included."""
    blurred = list(stages)
    for place in (n for n in range(1, len(stages)) if stages[n] != stages[n - 1]):
        off = chance.randrange(-6, 7)
        first, last = sorted((place, place + off))
        blurred[max(0, first) : last] = [stages[place] if off < 0 else stages[place - 1]] * len(
            blurred[max(0, first) : last]
        )
    return blurred


def _confused(chance: Random, stages: list[str]) -> list[str]:
    """Some stretches of a few minutes taken for another stage."""
    confused = list(stages)
    place = 0
    while place < len(confused):
        length = chance.randrange(6, 24)
        if chance.random() < CONFUSED:
            taken_for = chance.choice(_TAKEN_FOR[confused[place]])
            stretch = confused[place : place + length]
            confused[place : place + length] = [taken_for] * len(stretch)
        place += length
    return confused
