"""The temperature endpoints of the community clients: by user on the application host, and the older one by bed."""

from typing import Any

from starlette.requests import Request

from connectors.eight_sleep.sandbox import refusals
from connectors.eight_sleep.sandbox.beds import SIDES, Bed, Side
from connectors.eight_sleep.sandbox.callers import bed_of, body_of, sleeper_of, token_of
from connectors.eight_sleep.sandbox.measurements import instant
from connectors.eight_sleep.sandbox.world import World


class TemperatureEndpoints:
    """Each method is an endpoint and returns its JSON document; a side that is off takes no level."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def read(self, request: Request) -> dict[str, Any]:
        """GET app-api /v1/users/{id}/temperature."""
        return self._setting(*self._place(request))

    async def read_all(self, request: Request) -> dict[str, Any]:
        """GET app-api /v1/users/{id}/temperature/all."""
        bed, side = self._place(request)
        device = {"device": {"deviceId": bed.id, "side": side.name, "specialization": "pod"}}
        return {
            "devices": [device | self._setting(bed, side)],
            "temperatureSettings": [],
            "schedules": [],
            "nextScheduledTimestamp": None,
        }

    async def change(self, request: Request) -> dict[str, Any]:
        """PUT app-api /v1/users/{id}/temperature: on, off, a level, or what the smart levels are."""
        _, side = self._place(request)
        body = await body_of(request)
        now = self._world.now
        match body:
            case {"currentState": {"type": "off"}}:
                side.set(0, 0, now)
                side.is_on = False
            case {"currentState": {"type": "smart"}}:
                side.set(side.smart["bedTimeLevel"], 0, now)
                side.is_on = True
            case {"currentLevel": int() as level} if _is_level(level):
                if side.is_on:
                    side.set(level, 0, now)
            case {"smart": dict() as smart} if smart.keys() <= side.smart.keys() and all(
                map(_is_level, smart.values())
            ):
                side.smart |= smart
            case {"overrideLevels": {"bedTime": int() as level}} if _is_level(level):
                side.smart["bedTimeLevel"] = level
            case _:
                raise refusals.community(400, "BadRequest")
        return {}

    async def change_bed(self, request: Request) -> dict[str, Any]:
        """PUT client-api /v1/devices/{id}: levels and durations by side; a login's token is refused here."""
        if token_of(self._world, request).kind == "session":
            raise refusals.bare(401)
        bed, body = bed_of(self._world, request), await body_of(request)
        for name in SIDES:
            level, duration = body.get(f"{name}TargetHeatingLevel"), body.get(f"{name}HeatingDuration", 0)
            if level is None:
                continue
            if not _is_level(level) or not isinstance(duration, int) or duration < 0:
                raise refusals.community(400, "BadRequest")
            bed.sides[name].set(level, duration, self._world.now)
        return {"device": {"deviceId": bed.id}}

    def _place(self, request: Request) -> tuple[Bed, Side]:
        return self._world.place_of(sleeper_of(self._world, request).user_id)

    def _setting(self, _: Bed, side: Side) -> dict[str, Any]:
        now = self._world.now
        state = ("smart:initial" if side.is_occupied(now) else "smart:bedtime") if side.is_on else "off"
        return {
            "currentLevel": side.target_at(now),
            "currentDeviceLevel": round(side.level(now)),
            "currentState": {"type": state, "started": instant(now)},
            "smart": dict(side.smart),
        }


def _is_level(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and -100 <= value <= 100
