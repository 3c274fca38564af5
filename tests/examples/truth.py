"""What the simulated people really slept, worked out from the simulator's own sessions and from no table.

The rules (night, main sleep, nap) are those that assets/marts/nights.sql states in words, written down once more.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

from connectors.asleep.sandbox import World
from connectors.asleep.sandbox.sessions import Session
from connectors.asleep.sandbox.statistics import Stat

NOON = timedelta(hours=12)
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Sleep:
    """A complete session with the vendor's figures of it."""

    session_id: str
    start: datetime
    end: datetime
    zone: ZoneInfo
    stat: Stat

    @cached_property
    def night_of(self) -> date:
        """Noon to noon on the local clocks."""
        return (self.start.astimezone(self.zone).replace(tzinfo=None) - NOON).date()

    @property
    def hours_asleep(self) -> float:
        """Hours of sleep in it."""
        return self.stat.time_in_sleep / 3600

    @property
    def length(self) -> timedelta:
        """From start to end."""
        return self.end - self.start

    @property
    def at_night(self) -> bool:
        """Whether it is a night's sleep and not a nap: 3 hours, or mostly between 21:00 and 09:00."""
        evening = datetime.combine(self.night_of, time(21), self.zone)
        morning = datetime.combine(self.night_of + DAY, time(9), self.zone)
        inside = min(self.end, morning) - max(self.start, evening)
        return self.length >= timedelta(hours=3) or 2 * inside > self.length

    @property
    def mid_sleep_h(self) -> float:
        """Halfway between onset and final wake, in hours after midnight by the local clock."""
        middle = self.start + timedelta(seconds=(self.stat.sleep_time + self.stat.wake_time) / 2)
        local = middle.astimezone(self.zone).replace(tzinfo=None)
        return (local - datetime.combine(self.night_of + DAY, time())) / timedelta(hours=1)


@dataclass(frozen=True)
class Night:
    """What somebody recorded from noon to noon."""

    main: Sleep | None
    naps: list[Sleep]
    rests: list[Sleep]


def sleep_of(session: Session) -> Sleep:
    """A session as it is now."""
    return Sleep(session.id, session.start, session.end, ZoneInfo(session.timezone), session.stat)


def nights_of(sleeps: Iterable[Sleep]) -> dict[date, Night]:
    """The nights of one person; no two of the recordings may overlap."""
    recorded: defaultdict[date, list[Sleep]] = defaultdict(list)
    for sleep in sleeps:
        recorded[sleep.night_of].append(sleep)
    nights = {}
    for night, all_of in recorded.items():
        slept = [sleep for sleep in all_of if sleep.stat.slept]
        main = max((sleep for sleep in slept if sleep.at_night), key=lambda sleep: sleep.length, default=None)
        naps = [sleep for sleep in slept if not sleep.at_night]
        assert len(naps) + (main is not None) == len(slept), "a split night: write down the rule for it as well"
        nights[night] = Night(main, naps, [sleep for sleep in all_of if not sleep.stat.slept])
    return nights


def people_of(world: World) -> dict[str, dict[date, Night]]:
    """Everybody's nights, by user id: of the sessions that are complete."""
    return {
        user.user_id: nights_of(
            sleep_of(session) for session in user.sessions if session.state(world.now) == "COMPLETE"
        )
        for user in world.users()
    }


def mains_of(nights: dict[date, Night]) -> list[Sleep]:
    """The main sleeps in the order of their nights."""
    return [main for _, night in sorted(nights.items()) if (main := night.main)]
