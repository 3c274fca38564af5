"""Controls that tell what is true and what has been asked: users, the stays they must end up with, counters."""

from collections import Counter
from typing import Any

from starlette.requests import Request

from connectors.eight_sleep.sandbox.control.knobs import Knob
from connectors.eight_sleep.sandbox.limits import Limits
from connectors.eight_sleep.sandbox.measurements import instant
from connectors.eight_sleep.sandbox.nights import Told
from connectors.eight_sleep.sandbox.stays import STAGES
from connectors.eight_sleep.sandbox.world import World


class Observing:
    """These controls; each method is one of them."""

    def __init__(self, world: World, limits: Limits, calls: Counter[str]) -> None:
        self._world = world
        self._limits = limits
        self._calls = calls

    def knobs(self) -> list[Knob]:
        """Each with its path and description."""
        return [
            Knob("GET", "/users", None, "every user: id, how to log in, bed, side, zone", self.users),
            Knob("GET", "/truth", None, "every stay the vendor tells of, by user, in seconds", self.truth),
            Knob("GET", "/calls", None, "requests by endpoint, and by group: all, the most in a window", self.calls),
            Knob("POST", "/calls/reset", None, "set the counters of requests by endpoint to zero", self.reset_calls),
        ]

    async def users(self, _: Request) -> list[dict[str, Any]]:
        """Everybody who has an account."""
        return [self._user(user.user_id, user.email, user.password) for user in self._world.accounts()]

    def _user(self, user_id: str, email: str, password: str) -> dict[str, Any]:
        bed, side = self._world.place_of(user_id)
        place = {"bed": bed.id, "side": "solo" if bed.is_solo else side.name, "timezone": bed.zone}
        return {"user_id": user_id, "email": email, "password": password, **place}

    async def truth(self, _: Request) -> dict[str, Any]:
        """What a client must end up with."""
        users = [
            {
                "user_id": user.user_id,
                "intervals": [_told(one) for one in self._world.nights_of(user.user_id).told(self._world.now)],
            }
            for user in self._world.accounts()
            if user.user_id not in self._world.forgotten
        ]
        return {"now": instant(self._world.now), "users": users}

    async def calls(self, _: Request) -> dict[str, Any]:
        """The counters."""
        groups = Counter(group for _, group, _ in self._limits.arrivals)
        busiest = {group: self._limits.most_in_a_window(group) for group in groups}
        return {
            "calls": dict(self._calls),
            "groups": dict(groups),
            "most_in_a_window": busiest,
            "refused": self._limits.refused,
        }

    async def reset_calls(self, request: Request) -> dict[str, Any]:
        """Set them to zero."""
        self._calls.clear()
        return await self.calls(request)


def _told(told: Told) -> dict[str, Any]:
    stay = told.stay
    return {
        "id": stay.id,
        "start": instant(stay.start),
        "end": instant(stay.end),
        "timezone": stay.zone,
        "final": told.is_final,
        "edition": stay.edition,
        "seconds": {stage: stay.seconds(stage) for stage in STAGES},
    }
