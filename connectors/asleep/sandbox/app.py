"""The vendor's eight endpoints over a world, with the documented envelopes, checks and their order.

A request passes the key (401), then the vendor's limit and the faults in force, then the ids of header or path (401),
then the parameters (400, 422), then existence (404). Faults are carried out in ``misbehaviour``; the control endpoints
are in ``control``, the server is in ``server``.
"""

from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from connectors.asleep.sandbox import answers, parameters, variants
from connectors.asleep.sandbox.control import CONTROL_PATH, Control
from connectors.asleep.sandbox.faults import Asked, Faults
from connectors.asleep.sandbox.meter import Meter
from connectors.asleep.sandbox.misbehaviour import ASKED, Misbehaviour
from connectors.asleep.sandbox.refusals import (
    BAD_ZONE_IN_AVERAGES,
    BAD_ZONE_IN_DETAIL,
    BAD_ZONE_IN_LIST,
    METHOD_NOT_ALLOWED,
    NO_SESSION_TO_DELETE,
    NO_SESSION_TO_SHOW,
    NO_SUCH_ROUTE,
    NO_USER,
    NO_USER_TO_UPDATE,
    PERIOD_TOO_LONG,
    RATE_LIMIT_EXCEEDED,
    WRONG_KEY,
    Refusal,
    Wording,
    invalid,
    no_user_to_average,
)
from connectors.asleep.sandbox.world import Session, User, World

_LONGEST_PERIOD = timedelta(days=100)
_LONGEST_PAGE = 100
_USUAL_PAGE = 20


def build_app(world: World, faults: Faults | None = None, meter: Meter | None = None) -> Starlette:
    """The simulator as an ASGI application; two applications of one world share the world, not the counters.

    Without ``faults`` nothing goes wrong, without ``meter`` there is no limit, until the controls say otherwise.
    """
    calls: Counter[str] = Counter()
    faults, meter = faults or Faults(seed=world.seed), meter or Meter()
    vendor = Vendor(world).routes()
    app = Starlette(
        routes=[*vendor, *Control(world, calls, faults, meter).routes()],
        exception_handlers={
            Refusal: _refused,
            404: _plain(NO_SUCH_ROUTE),
            405: _plain(METHOD_NOT_ALLOWED),
        },
    )
    app.router.redirect_slashes = False
    app.add_middleware(Misbehaviour, faults=faults)
    app.add_middleware(Arrivals, routes=vendor, calls=calls, meter=meter)
    app.add_middleware(KeyGate, world=world, calls=calls)
    return app


class KeyGate:
    """Lets in requests with the world's key, and everybody to the control endpoints."""

    def __init__(self, app: ASGIApp, world: World, calls: Counter[str]) -> None:
        self._app = app
        self._key = world.api_key
        self._calls = calls

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 401."""
        if scope["type"] != "http" or _is_control(scope["path"]) or self._has_key(scope):
            await self._app(scope, receive, send)
        else:
            self._calls["refused"] += 1
            await _json({"detail": WRONG_KEY.detail}, WRONG_KEY.status)(scope, receive, send)

    def _has_key(self, scope: Scope) -> bool:
        return Headers(scope=scope).get("x-api-key") == self._key


class Arrivals:
    """Sees every request that has the key: counts it, measures the pace, and refuses what is over the limit."""

    def __init__(self, app: ASGIApp, routes: list[Route], calls: Counter[str], meter: Meter) -> None:
        self._app = app
        self._routes = routes
        self._calls = calls
        self._meter = meter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with what it asks for, or answer 403."""
        if scope["type"] != "http" or _is_control(scope["path"]):
            await self._app(scope, receive, send)
            return
        asked = self._asked(scope)
        if asked:
            self._calls[asked.endpoint] += 1
        if self._meter.admit():
            await self._app({**scope, ASKED: asked}, receive, send)
        else:
            await _json({"detail": RATE_LIMIT_EXCEEDED.detail}, RATE_LIMIT_EXCEEDED.status)(scope, receive, send)

    def _asked(self, scope: Scope) -> Asked | None:
        headers = Headers(scope=scope)
        for route in self._routes:
            match, found = route.matches(scope)
            if match is Match.FULL:
                return Asked(
                    route.name,
                    scope["method"],
                    scope["path"],
                    scope["query_string"].decode("latin-1"),
                    found["path_params"].get("user_id") or headers.get("x-user-id"),
                    headers.get("timezone", ""),
                )
        return None


class Vendor:
    """The endpoints; each method is one of them."""

    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self) -> list[Route]:
        """Paths as documented; an empty user id is a malformed one, so it must reach the endpoint."""
        user, session = "/ai/v1/users/{user_id:path}", "/ai/v1/sessions/{session_id}"
        averages = "/data/v1/users/{user_id:path}/average-stats"
        return [
            Route("/ai/v1/users", self.create_user, methods=["POST"], name="create_user"),
            Route(user, self.show_user, methods=["GET"], name="user"),
            Route(user, self.update_user, methods=["PUT"], name="update_user"),
            Route(user, self.delete_user, methods=["DELETE"], name="delete_user"),
            Route("/data/v3/sessions/{session_id}", self.show_session, methods=["GET"], name="detail"),
            Route("/data/v1/sessions", self.list_sessions, methods=["GET"], name="list"),
            Route(session, self.delete_session, methods=["DELETE"], name="delete_session"),
            Route(averages, self.average_stats, methods=["GET"], name="stats"),
        ]

    async def create_user(self, request: Request) -> Response:
        """POST /ai/v1/users."""
        metadata = await parameters.metadata(request, self._world.now.year, required=False)
        user = self._world.create_user(metadata)
        return self._success("create_user", "success", {"user_id": user.user_id}, 201)

    async def show_user(self, request: Request) -> Response:
        """GET /ai/v1/users/{user_id}."""
        user = self._user(parameters.path_user(request), NO_USER)
        return self._success("user", "success", answers.user_detail(user, self._world.now))

    async def update_user(self, request: Request) -> Response:
        """PUT /ai/v1/users/{user_id}: the new metadata replaces the old."""
        user_id = parameters.path_user(request)
        metadata = await parameters.metadata(request, self._world.now.year, required=True)
        user = self._user(user_id, NO_USER_TO_UPDATE)
        user.metadata = metadata
        return self._success("update_user", "success", {"user_id": user_id, "metadata": metadata})

    async def delete_user(self, request: Request) -> Response:
        """DELETE /ai/v1/users/{user_id}, with all sessions, at once."""
        user = self._user(parameters.path_user(request), NO_USER)
        self._world.delete_user(user.user_id)
        return Response(status_code=204)

    async def show_session(self, request: Request) -> Response:
        """GET /data/v3/sessions/{session_id}."""
        user_id = parameters.header_user(request)
        zone = parameters.zone(request, BAD_ZONE_IN_DETAIL)
        session = self._session(self._user(user_id, NO_USER), request, NO_SESSION_TO_SHOW)
        return self._success("detail", "OK", answers.session_detail(session, self._world.now, zone))

    async def list_sessions(self, request: Request) -> Response:
        """GET /data/v1/sessions: start dates in the header's zone."""
        user_id = parameters.header_user(request)
        zone = parameters.zone(request, BAD_ZONE_IN_LIST)
        first, last = parameters.day(request, "date_gte"), parameters.day(request, "date_lte")
        newest_first = parameters.newest_first(request)
        offset = parameters.whole_number(request, "offset", 0)
        limit = parameters.whole_number(request, "limit", _USUAL_PAGE, _LONGEST_PAGE)
        sessions = [
            session
            for session in self._user(user_id, NO_USER).sessions
            if (first is None or first <= session.start.astimezone(zone).date())
            and (last is None or session.start.astimezone(zone).date() <= last)
        ]
        page = (sessions[::-1] if newest_first else sessions)[offset : offset + limit]
        return self._success("list", "OK", answers.session_list(page, self._world.now, zone))

    async def delete_session(self, request: Request) -> Response:
        """DELETE /ai/v1/sessions/{session_id}."""
        user = self._user(parameters.header_user(request), NO_USER)
        self._world.delete_session(user, self._session(user, request, NO_SESSION_TO_DELETE))
        return Response(status_code=204)

    async def average_stats(self, request: Request) -> Response:
        """GET /data/v1/users/{user_id}/average-stats over COMPLETE sessions by start date in the header's zone."""
        user_id = parameters.path_user(request)
        zone = parameters.zone(request, BAD_ZONE_IN_AVERAGES)
        first, last = parameters.required_day(request, "start_date"), parameters.required_day(request, "end_date")
        if last < first:
            raise invalid("query", "end_date", "ensure this value is not before start_date")
        if last - first > _LONGEST_PERIOD:
            raise PERIOD_TOO_LONG.refusal()
        user = self._world.user(user_id)
        if user is None:
            raise no_user_to_average(user_id)
        sessions = [
            session
            for session in user.sessions
            if session.state(self._world.now) == "COMPLETE" and first <= session.start.astimezone(zone).date() <= last
        ]
        return self._success("stats", "OK", answers.average_stats(user, sessions, first, last, zone))

    def _success(self, endpoint: str, detail: str, result: answers.Json, status: int = 200) -> Response:
        """The documented envelope, in the variants that are in force."""
        body = {"detail": detail, "result": result}
        return _json(variants.applied(self._world.variants, endpoint, body), status)

    def _user(self, user_id: str, missing: Wording) -> User:
        user = self._world.user(user_id)
        if user is None:
            raise missing.refusal()
        return user

    def _session(self, user: User, request: Request, missing: Wording) -> Session:
        session = user.session(request.path_params["session_id"])
        if session is None:
            raise missing.refusal()
        return session


def _is_control(path: str) -> bool:
    return path == CONTROL_PATH or path.startswith(f"{CONTROL_PATH}/")


def _json(body: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(body), status, media_type="application/json")


async def _refused(_: Request, refusal: Exception) -> Response:
    if not isinstance(refusal, Refusal):
        raise refusal
    return _json({"detail": refusal.detail}, refusal.status)


def _plain(wording: Wording) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def answer(_request: Request, _error: Exception) -> Response:
        return _json({"detail": wording.detail}, wording.status)

    return answer
