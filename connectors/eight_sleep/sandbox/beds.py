"""A simulated bed: two sides with a sleeper each, water that follows its target, and somebody in it or not.

Everything is a function of the moment asked for; no clock, no HTTP and no rights live here.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from connectors.eight_sleep.sandbox.seeding import stream

SIDES = ("left", "right")

LEVELS_A_MINUTE = 10.0
"""How fast the water follows its target, in levels."""

_DAY = timedelta(days=1)


@dataclass
class Sleeper:
    """Who sleeps on a side, with an account; goes to bed and rises at about the same hours (UTC) every night."""

    user_id: str
    email: str
    password: str
    seed: int

    def is_in_bed(self, now: datetime) -> bool:
        """Whether the night of yesterday or of today is under way; each has hours of its own."""
        return any(start <= now < end for start, end in (self._night(now, ago) for ago in (1, 0)))

    def _night(self, now: datetime, days_ago: int) -> tuple[datetime, datetime]:
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0) - days_ago * _DAY
        chance = stream(self.seed, "night", self.user_id, midnight.date())
        start = midnight + timedelta(hours=22, minutes=chance.randrange(90))
        return start, start + timedelta(hours=7, minutes=chance.randrange(90))


@dataclass
class Side:
    """One side: the level it was told to have, since when and until when (None: until told otherwise)."""

    name: str
    sleeper: Sleeper
    target: int = 0
    until: datetime | None = None
    presence: bool | None = None
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

    def sleepers(self) -> list[Sleeper]:
        """Left, then right."""
        return [side.sleeper for side in self.sides.values()]


def _moved(level: float, target: float, during: timedelta) -> float:
    most = LEVELS_A_MINUTE * during.total_seconds() / 60
    return level + max(-most, min(most, target - level))
