"""A simulated bed: two sides with a sleeper each, water that follows its target, and somebody in it or not.

Everything is a function of the moment asked for; no clock, no HTTP and no rights live here. Nights are in ``nights``.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

SIDES = ("left", "right")

LEVELS_A_MINUTE = 10.0
"""How fast the water follows its target, in levels."""


@dataclass
class Sleeper:
    """Who sleeps on a side, with an account; ``is_in_bed`` tells whether they lie there at a moment."""

    user_id: str
    email: str
    password: str
    is_in_bed: Callable[[datetime], bool] = field(default=lambda _: False, repr=False, compare=False)


@dataclass
class Side:
    """One side: the level it was told to have, since when and until when (None: until told otherwise)."""

    name: str
    sleeper: Sleeper
    target: int = 0
    until: datetime | None = None
    presence: bool | None = None
    is_on: bool = False
    is_away: bool = False
    smart: dict[str, int] = field(
        default_factory=lambda: {"bedTimeLevel": -20, "initialSleepLevel": -20, "finalSleepLevel": 0}
    )
    _level: float = 0.0
    _since: datetime | None = None

    def set(self, level: int, duration_s: int, now: datetime) -> None:
        """Aim at ``level`` for so many seconds, 0 for ever."""
        self._level = self.level(now)
        self._since = now
        self.target = level
        self.until = now + timedelta(seconds=duration_s) if duration_s else None

    def target_at(self, now: datetime) -> int:
        """What is aimed at: 0 once the duration is over."""
        return 0 if self.until is not None and now >= self.until else self.target

    def level(self, now: datetime) -> float:
        """Where the water is on its way to the target, or back to 0 afterwards."""
        if self._since is None:
            return self._level
        turned = min(now, self.until) if self.until is not None else now
        reached = _moved(self._level, self.target, turned - self._since)
        return _moved(reached, 0, now - turned)

    def is_occupied(self, now: datetime) -> bool:
        """Somebody is in bed: as it was set, else as the sleeper's nights say."""
        return self.sleeper.is_in_bed(now) if self.presence is None else self.presence


@dataclass
class Bed:
    """A hub with two sides; the left one's sleeper has bought it."""

    id: str
    device_id: str
    model: str
    firmware: str
    sides: dict[str, Side] = field(default_factory=dict)
    online: bool = True
    zone: str = "UTC"

    @property
    def is_solo(self) -> bool:
        """Whether one sleeper has both sides."""
        left, right = self.sleepers()
        return left.user_id == right.user_id

    def sleepers(self) -> list[Sleeper]:
        """Left, then right."""
        return [side.sleeper for side in self.sides.values()]


def _moved(level: float, target: float, during: timedelta) -> float:
    most = LEVELS_A_MINUTE * during.total_seconds() / 60
    return level + max(-most, min(most, target - level))
