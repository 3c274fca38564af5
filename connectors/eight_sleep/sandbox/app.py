"""The vendor's endpoints over a world, with checks, limits and faults; those of the SmartBedAPI reference are here.

Those that community clients use besides are in ``sleep_endpoints`` and ``temperature_endpoints``.

The three hosts lie under one origin with the prefixes ``/auth-api``, ``/client-api`` and ``/app-api``. A request passes
the token (401), then its group's limit (429), then the faults in force, then existence (404), then the body (400), then
whether the bed is online (503). The server is in ``server``.
"""

from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from connectors.eight_sleep.sandbox import refusals
from connectors.eight_sleep.sandbox.beds import SIDES, Bed, Side
from connectors.eight_sleep.sandbox.callers import bed_of, body_of, token_of
from connectors.eight_sleep.sandbox.control import Control
from connectors.eight_sleep.sandbox.faults import Faults
from connectors.eight_sleep.sandbox.limits import Limits, Verdict
from connectors.eight_sleep.sandbox.refusals import Refusal
from connectors.eight_sleep.sandbox.sleep_endpoints import SleepEndpoints
from connectors.eight_sleep.sandbox.temperature_endpoints import TemperatureEndpoints
from connectors.eight_sleep.sandbox.world import World

_WISH_S = 7

Endpoint = Callable[[Request], Awaitable[Any]]


def build_app(
    world: World, faults: Faults | None = None, limits: Limits | None = None, calls: Counter[str] | None = None
) -> Starlette:
    """The simulator as an ASGI application; ``calls`` counts requests by endpoint, whatever the answer."""
    faults, limits = faults or Faults(), limits or Limits(world.clock)
    calls = calls if calls is not None else Counter()
    vendor, control = _Vendor(world, faults, limits, calls), Control(world, faults, limits, calls)
    return Starlette(routes=[*vendor.routes(), *control.routes()])


class _Vendor:
    """The endpoints; each method below ``routes`` is one of them and returns its JSON document."""

    def __init__(self, world: World, faults: Faults, limits: Limits, calls: Counter[str]) -> None:
        self._world = world
        self._faults = faults
        self._limits = limits
        self._calls = calls

    def routes(self) -> list[Route]:
        """Paths as documented, below the prefixes of the hosts."""
        device, user = "/client-api/v1/devices/{device_id}", "/client-api/v1/users/{user_id}"
        app_user = "/app-api/v1/users/{user_id}"
        sleep, temperature = SleepEndpoints(self._world), TemperatureEndpoints(self._world)
        return [
            self._route("/auth-api/v1/login", "POST", "auth_login", self.login),
            self._route("/client-api/v1/login", "POST", "client_login", self.login),
            self._route("/auth-api/v1/tokens", "POST", "tokens", self.tokens),
            self._route("/client-api/v1/users/{user_id}/devices", "GET", "devices", self.devices),
            self._route(f"{device}/temperature", "PUT", "temperature", self.set_temperature),
            self._route(f"{device}/status", "GET", "status", self.status),
            self._route("/client-api/v1/users/me", "GET", "me", sleep.user),
            self._route(user, "GET", "user", sleep.user),
            self._route(device, "GET", "bed", sleep.bed),
            self._route(device, "PUT", "set_bed_temperature", temperature.change_bed),
            self._route(f"{user}/intervals", "GET", "intervals", sleep.intervals),
            self._route(f"{user}/intervals/{{interval_id}}", "GET", "interval", sleep.interval),
            self._route(f"{user}/intervals/{{interval_id}}", "DELETE", "delete_interval", sleep.delete_interval),
            self._route(f"{user}/trends", "GET", "trends", sleep.trends),
            self._route(f"{app_user}/temperature", "GET", "user_temperature", temperature.read),
            self._route(f"{app_user}/temperature/all", "GET", "user_temperature_all", temperature.read_all),
            self._route(f"{app_user}/temperature", "PUT", "set_user_temperature", temperature.change),
            self._route(f"{app_user}/temperature/pod", "PUT", "set_user_temperature", temperature.change),
        ]

    def _route(self, path: str, method: str, name: str, endpoint: Endpoint) -> Route:
        async def answer(request: Request) -> Response:
            self._calls[name] += 1
            verdict: Verdict | None = None
            try:
                group, who = await self._asker(request, name)
                verdict = self._limits.arrive(group, who)
                if verdict and not verdict.admitted:
                    raise refusals.too_many(verdict.limit)
                if kind := self._faults.next(name):
                    raise self._fault(kind, request)
                response = self._success(await endpoint(request))
            except Refusal as refusal:
                response = refusal.response
            except _Cut:
                return Response(b'{"session":{"tok', headers={"content-length": "4000"})
            return _with_limits(response, verdict)

        return Route(path, answer, methods=[method], name=name)

    async def _asker(self, request: Request, name: str) -> tuple[str, str]:
        """The group of a request and who is counted for it."""
        if name in ("auth_login", "client_login", "tokens"):
            body = await body_of(request)
            return "auth", str(body.get("email") or body.get("username") or body.get("refresh_token"))
        group = name if name in ("devices", "temperature", "status") else "sleep"
        return group, self._user(request)

    def _fault(self, kind: str, request: Request) -> Exception:
        device_id = request.path_params.get("device_id", "")
        faults: dict[str, Callable[[], Exception]] = {
            "token_expired": lambda: refusals.token_expired(self._world.now),
            "rate_limit": lambda: refusals.too_many(0),
            "rate_limit_with_wish": lambda: _wishing(refusals.too_many(0)),
            "throttled": lambda: refusals.community(429, "Too Many Requests"),
            "offline": lambda: refusals.offline(device_id),
            "bad_gateway": lambda: refusals.page(502, "Bad Gateway"),
            "gateway_timeout": lambda: refusals.page(504, "Gateway Time-out"),
            "failed": lambda: refusals.bare(500),
            "unavailable": lambda: refusals.bare(503),
            "not_there": lambda: refusals.bare(404),
            "forbidden": lambda: refusals.bare(403),
            "cut": _Cut,
        }
        return faults[kind]()

    async def login(self, request: Request) -> dict[str, Any]:
        """POST /v1/login with e-mail and password."""
        body = await body_of(request)
        sleeper = self._world.account(body.get("email"), body.get("password"))
        if sleeper is None:
            raise refusals.bad_credentials()
        token = self._world.give_token(sleeper.user_id, "session")
        session: dict[str, Any] = {"token": token.value, "userId": sleeper.user_id}
        if "expiration_date" in self._world.variants:
            session["expirationDate"] = _instant(token.expires_at, ".000Z")
        elif "no_expiry" not in self._world.variants:
            session["expiresAt"] = _instant(token.expires_at, "Z")
        return {"session": session}

    async def tokens(self, request: Request) -> dict[str, Any]:
        """POST /v1/tokens with the grants ``password`` and ``refresh_token``; refreshing leaves the old one valid."""
        body = await body_of(request)
        if body.get("grant_type") == "refresh_token":
            old = self._world.token(str(body.get("refresh_token")))
            if old is None or old.kind != "refresh":
                raise refusals.community(400, "BadRequest", error="invalid_grant")
            return self._given(old.user_id)
        sleeper = self._world.account(body.get("username"), body.get("password"))
        if body.get("grant_type") != "password" or sleeper is None or not body.get("client_id"):
            raise refusals.community(400, "BadRequest", error="invalid_grant")
        given = self._given(sleeper.user_id)
        return given if "no_user_id" in self._world.variants else {**given, "userId": sleeper.user_id}

    def _given(self, user_id: str) -> dict[str, Any]:
        given: dict[str, Any] = {
            "access_token": self._world.give_token(user_id, "access").value,
            "token_type": "bearer",
        }
        if "no_expires_in" not in self._world.variants:
            given["expires_in"] = self._world.token_life_s
        if "no_refresh_token" not in self._world.variants:
            given["refresh_token"] = self._world.give_token(user_id, "refresh").value
        return given

    async def devices(self, request: Request) -> list[dict[str, Any]]:
        """GET /v1/users/{userId}/devices, of oneself only."""
        user_id = self._user(request)
        if request.path_params["user_id"] != user_id:
            raise refusals.bare(403)
        return [
            {
                "id": bed.id,
                "deviceId": bed.device_id,
                "model": bed.model,
                "firmwareVersion": bed.firmware,
                "sides": list(bed.sides),
            }
            for bed in self._world.beds_of(user_id)
        ]

    async def set_temperature(self, request: Request) -> dict[str, Any]:
        """PUT /v1/devices/{deviceId}/temperature; a side that is not named stays as it is."""
        bed = bed_of(self._world, request)
        body = await body_of(request)
        wishes = {name: body[name] for name in SIDES if name in body}
        for name, wish in wishes.items():
            level = wish.get("level") if isinstance(wish, dict) else None
            if not isinstance(level, int) or isinstance(level, bool) or not -100 <= level <= 100:
                raise refusals.bad_temperature(name, level)
        if not wishes or not all(_is_duration(wish.get("duration")) for wish in wishes.values()):
            raise refusals.bare(400)
        if not bed.online:
            raise refusals.offline(bed.id)
        for name, wish in wishes.items():
            bed.sides[name].set(wish["level"], wish["duration"], self._world.now)
        return {"success": True, "message": "Temperature updated"}

    async def status(self, request: Request) -> dict[str, Any]:
        """GET /v1/devices/{deviceId}/status; of a bed that is offline only that is known."""
        bed, user_id = bed_of(self._world, request), self._user(request)
        sides = {name: self._side(side, bed, user_id) for name, side in bed.sides.items()}
        return {"deviceId": bed.id, "online": bed.online, **sides}

    def _side(self, side: Side, bed: Bed, user_id: str) -> dict[str, Any]:
        now = self._world.now
        return {
            "isOwner": side.sleeper.user_id == user_id,
            "userId": side.sleeper.user_id,
            "side": side.name,
            "presence": bed.online and side.is_occupied(now),
            "tempTarget": side.target_at(now) if bed.online else 0,
            "tempBed": round(side.level(now)) if bed.online else 0,
        }

    def _user(self, request: Request) -> str:
        return token_of(self._world, request).user_id

    def _success(self, document: Any) -> Response:
        if "wrapped" in self._world.variants:
            document = {"data": document, "success": True}
        return Response(orjson.dumps(document), media_type="application/json")


class _Cut(Exception):
    """The connection is to end in the middle of the answer."""


def _wishing(refusal: Refusal) -> Refusal:
    refusal.response.headers["retry-after"] = str(_WISH_S)
    return refusal


def _with_limits(response: Response, verdict: Verdict | None) -> Response:
    if verdict:
        response.headers["x-ratelimit-limit"] = str(verdict.limit)
        response.headers["x-ratelimit-remaining"] = str(verdict.remaining)
        if not verdict.admitted:
            response.headers["retry-after"] = str(verdict.retry_after_s)
    return response


def _is_duration(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _instant(moment: datetime, end: str) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}{end}"
