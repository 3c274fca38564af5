"""The vendor's endpoints that community clients read: users, beds, intervals and trends."""

from datetime import date
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from starlette.requests import Request

from connectors.eight_sleep.sandbox import intervals, people, refusals, trends
from connectors.eight_sleep.sandbox.beds import Bed, Side, Sleeper
from connectors.eight_sleep.sandbox.callers import bed_of, sleeper_of
from connectors.eight_sleep.sandbox.measurements import instant
from connectors.eight_sleep.sandbox.nights import Nights, Told
from connectors.eight_sleep.sandbox.world import World

_BORN = "2024-06-22T01:31:55.222Z"
_FEATURES = ["warming", "cooling", "vibration"]


class SleepEndpoints:
    """Each method is an endpoint and returns its JSON document."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def user(self, request: Request) -> dict[str, Any]:
        """GET /v1/users/me and /v1/users/{userId}, oneself or the partner."""
        sleeper = sleeper_of(self._world, request)
        bed, side = self._world.place_of(sleeper.user_id)
        partners = [other.user_id for other in bed.sleepers() if other.user_id != sleeper.user_id]
        return {
            "user": {
                "userId": sleeper.user_id,
                "email": sleeper.email,
                **people.invented(self._world.seed, sleeper.user_id).told(),
                "tempPreference": "cool",
                "devices": [one.id for one in self._world.beds_of(sleeper.user_id)],
                "emailVerified": True,
                "sharingMetricsTo": partners,
                "sharingMetricsFrom": partners,
                "timezone": bed.zone,
                "createdAt": _BORN,
                "autopilotEnabled": False,
                "displaySettings": {"useRealTemperatures": False},
                "chronotype": "bear",
                "features": _FEATURES,
                "currentDevice": {
                    "id": bed.id,
                    "side": "solo" if bed.is_solo else side.name,
                    "timeZone": bed.zone,
                    "specialization": "pod",
                },
                "hotelGuest": False,
            }
        }

    async def bed(self, request: Request) -> dict[str, Any]:
        """GET /v1/devices/{deviceId}; ``filter`` names the fields that are told, ``offlineView`` changes nothing."""
        bed = bed_of(self._world, request)
        result = self._told(bed)
        if wanted := request.query_params.get("filter"):
            result = {name: result[name] for name in wanted.split(",") if name in result}
        return {"result": result}

    async def intervals(self, request: Request) -> dict[str, Any]:
        """GET /v1/users/{userId}/intervals: a page, newest first; ``next`` is the cursor of the page before."""
        sleeper = sleeper_of(self._world, request)
        nights = self._world.nights_of(sleeper.user_id)
        cursor = request.query_params.get("next")
        return intervals.page(
            nights.told(self._world.now), cursor, self._world.variants, lambda told: self._interval(sleeper, told)
        )

    async def interval(self, request: Request) -> dict[str, Any]:
        """GET /v1/users/{userId}/intervals/{id}."""
        sleeper = sleeper_of(self._world, request)
        nights = self._world.nights_of(sleeper.user_id)
        return self._interval(sleeper, self._found(nights, request))

    async def delete_interval(self, request: Request) -> dict[str, Any]:
        """DELETE /v1/users/{userId}/intervals/{id}."""
        nights = self._world.nights_of(sleeper_of(self._world, request).user_id)
        nights.delete(self._found(nights, request).whole.id)
        return {}

    async def trends(self, request: Request) -> dict[str, Any]:
        """GET /v1/users/{userId}/trends: the nights that ended on the days asked for."""
        sleeper = sleeper_of(self._world, request)
        query = request.query_params
        first, last = _day(query.get("from")), _day(query.get("to"))
        zone = query.get("tz", self._world.place_of(sleeper.user_id)[0].zone)
        model = query.get("model-version", "v1")
        if first is None or last is None or last < first or zone not in _ZONES or model not in trends.MODELS:
            raise refusals.community(400, "BadRequest", error="invalid query")
        nights = self._world.nights_of(sleeper.user_id)
        mornings = trends.mornings(nights.told(self._world.now), ZoneInfo(zone))
        with_sessions = query.get("include-all-sessions") == "true"
        days: list[dict[str, Any]] = []
        for number in range((last - first).days + 1):
            day = date.fromordinal(first.toordinal() + number)
            if told := mornings.get(day):
                document = trends.day_document(self._world.seed, day, told, ZoneInfo(zone), model)
                if with_sessions:
                    document["sessions"] = [self._interval(sleeper, one) for one in told]
                days.append(self._varied(document, model, with_sessions))
            elif "placeholder_days" in self._world.variants:
                days.append({"day": day.isoformat(), "score": 0, "tags": [], "sessionIds": []})
        nights_told = [day for day in days if "sleepDuration" in day]
        return {"days": days, **(trends.averages(nights_told) if model == "v1" else {})}

    def _varied(self, document: dict[str, Any], model: str, with_sessions: bool) -> dict[str, Any]:
        variants = self._world.variants
        if with_sessions and model == "v3":
            lost = ("score", "sleepQualityScore", "sleepRoutineScore")
            document = {name: value for name, value in document.items() if name not in lost}
        if "score_in_health" in variants and "score" in document:
            document["health"] = {"sleepFitnessScore": document.pop("score")}
            document.pop("sleepFitnessScore", None)
        if "newer_fields" in variants:
            document |= {"hotFlash": {"count": 0}, "performanceWindows": {"windows": []}}
        if "text_none" in variants:
            document = {name: "None" if value is None else value for name, value in document.items()}
            document |= {"tnt": "None", "latencyOutSeconds": "None"}
        return document

    def _found(self, nights: Nights, request: Request) -> Told:
        if told := nights.find(request.path_params["interval_id"], self._world.now):
            return told
        raise refusals.community(404, "NotFound")

    def _interval(self, sleeper: Sleeper, told: Told) -> dict[str, Any]:
        bed, side = self._world.place_of(sleeper.user_id)
        return intervals.interval(
            self._world.seed,
            told,
            {"id": bed.id, "side": "solo" if bed.is_solo else side.name, "specialization": "pod"},
            self._world.variants,
        )

    def _told(self, bed: Bed) -> dict[str, Any]:
        now = instant(self._world.now)
        sides: dict[str, Any] = {}
        for name, side in bed.sides.items():
            sides |= self._side(name, side)
        away = {f"{name}UserId": side.sleeper.user_id for name, side in bed.sides.items() if side.is_away}
        return {
            "deviceId": bed.id,
            "ownerId": bed.sides["left"].sleeper.user_id,
            **sides,
            **({"awaySides": away} if away else {}),
            "priming": False,
            "needsPriming": False,
            "hasWater": True,
            "lastPrime": "2025-03-10T01:09:08.234Z",
            "lastLowWater": "2025-02-28T01:08:38.561Z",
            "ledBrightnessLevel": 40,
            "sensorInfo": {
                "label": people.serial_number(self._world.seed, bed.id),
                "serialNumber": people.serial_number(self._world.seed, bed.id),
                "skuName": "queen",
                "model": "Pod3",
                "version": 3,
                "lastConnected": now,
                "connected": bed.online,
            },
            **people.network(self._world.seed, bed.id),
            "timezone": bed.zone,
            "firmwareVersion": bed.firmware,
            "firmwareUpdated": True,
            "firmwareUpdating": False,
            "lastHeard": now,
            "online": bed.online,
            "features": _FEATURES,
            "modelString": bed.model,
            "isTemperatureAvailable": True,
        }

    def _side(self, name: str, side: Side) -> dict[str, Any]:
        now = self._world.now
        target, level = side.target_at(now), round(side.level(now))
        left_s = max(0, int((side.until - now).total_seconds())) if side.until else 0
        return {
            f"{name}UserId": side.sleeper.user_id,
            f"{name}HeatingLevel": level,
            f"{name}TargetHeatingLevel": target,
            f"{name}NowHeating": target != 0,
            f"{name}HeatingDuration": left_s,
            f"{name}Kelvin": {
                "targetLevels": [side.smart[key] for key in side.smart],
                "alarms": [],
                "scheduleProfiles": [],
                "phases": [],
                "level": level,
                "currentTargetLevel": target,
                "active": side.is_on,
                "currentActivity": "schedule" if side.is_on else "off",
            },
        }


_ZONES = available_timezones()


def _day(text: str | None) -> date | None:
    try:
        return date.fromisoformat(text or "")
    except ValueError:
        return None
