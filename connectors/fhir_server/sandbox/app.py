"""The HTTP face of a world: FHIR under ``/fhir``, the token endpoint beside it, controls under ``/_control``.

A request passes the size limit (413), the login (401), then the fault in force, then the interaction.
"""

from collections.abc import Callable
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from connectors.fhir_server.sandbox.bundling import process
from connectors.fhir_server.sandbox.control import Control
from connectors.fhir_server.sandbox.faults import Faults
from connectors.fhir_server.sandbox.interactions import Asked, Interactions, Refused
from connectors.fhir_server.sandbox.login import NoToken, is_let_in, token_for
from connectors.fhir_server.sandbox.misbehaviour import Broken, json_response, spoiled
from connectors.fhir_server.sandbox.store import Document
from connectors.fhir_server.sandbox.world import World

TYPES = ("CodeSystem", "Device", "Observation", "Patient", "Provenance")
"""Resource types that are kept."""

Work = Callable[[], Response]
"""Doing what was asked, and the right answer to it."""

_METHODS = ["GET", "POST", "PUT", "DELETE"]


def build_app(world: World, faults: Faults | None = None) -> Starlette:
    """The sandbox as an ASGI application; without ``faults`` nothing goes wrong until the controls say otherwise."""
    faults = faults or Faults()
    face = _Face(world, faults)
    return Starlette(
        routes=[
            *Control(world, faults).routes(),
            Route("/auth/token", face.token, methods=["POST"]),
            Route("/fhir/.well-known/smart-configuration", face.smart, methods=["GET"]),
            Route("/fhir", face.fhir, methods=_METHODS),
            Route("/fhir/{path:path}", face.fhir, methods=_METHODS),
        ]
    )


class _Face:
    """The endpoints."""

    def __init__(self, world: World, faults: Faults) -> None:
        self._world = world
        self._faults = faults
        self._late: list[Work] = []
        self._later: list[Work] = []

    async def fhir(self, request: Request) -> Response:
        """Everything under the FHIR base."""
        raw = await request.body()
        path = tuple(part for part in request.path_params.get("path", "").split("/") if part)
        endpoint = _endpoint(request.method, path, raw)
        self._world.asked[endpoint] += 1
        if len(raw) > self._world.switches.largest_body:
            return json_response(Refused(413, "too-long", "the body is too large").outcome, 413)
        fault = self._faults.choose(endpoint)
        if fault and fault.kind == "expired":
            self._world.tokens.clear()
            fault = None
        if endpoint != "metadata" and not is_let_in(self._world, request.headers.get("authorization", "")):
            return json_response(Refused(401, "login", "who are you?").outcome, 401)

        def work() -> Response:
            return self._answered(request, path, raw, endpoint)

        if endpoint == "bundle":
            _catch_up(self._late)
        if fault and fault.kind == "late":
            (self._later if fault.after else self._late).append(work)
            return Broken()
        answer = spoiled(fault, work) if fault else work()
        if endpoint == "bundle":
            _catch_up(self._later)
        return answer

    async def smart(self, request: Request) -> Response:
        """Where to log in."""
        self._world.asked["smart"] += 1
        fault = self._faults.choose("smart")
        root = str(request.base_url).rstrip("/")

        def work() -> Response:
            methods = ["private_key_jwt"]
            document = {
                "token_endpoint": f"{root}/auth/token",
                "token_endpoint_auth_methods_supported": methods,
                "grant_types_supported": ["client_credentials"],
                "capabilities": ["client-confidential-asymmetric", "permission-v2"],
            }
            return json_response(document)

        return spoiled(fault, work) if fault else work()

    async def token(self, request: Request) -> Response:
        """A token for an assertion."""
        self._world.asked["token"] += 1
        form = await request.body()
        fault = self._faults.choose("token")

        def work() -> Response:
            try:
                return json_response(token_for(self._world, form, str(request.url)))
            except NoToken as refused:
                return json_response({"error": refused.error, "error_description": str(refused)}, 401)

        return spoiled(fault, work) if fault else work()

    def _answered(self, request: Request, path: tuple[str, ...], raw: bytes, endpoint: str) -> Response:
        base = f"{str(request.base_url).rstrip('/')}/fhir"
        interactions = Interactions(self._world, base)
        try:
            if path == ("metadata",):
                return json_response(_capability(self._world))
            body = _parsed(raw) if request.method in ("POST", "PUT") else None
            if not path:
                return json_response(
                    process(
                        self._world,
                        interactions,
                        body,
                        base,
                        lambda _: self._faults.choose_for_entry(endpoint),
                    )
                )
            headers = request.headers
            conditions = {"if_match": headers.get("if-match"), "if_none_exist": headers.get("if-none-exist")}
            asked = Asked(request.method, path, dict(request.query_params), body, **conditions)
            answer = interactions.carry_out(asked)
        except Refused as refused:
            return json_response(refused.outcome, refused.status)
        versioned = {"etag": f'W/"{answer.version}"'} if answer.version else {}
        return json_response(answer.body, answer.status, **versioned)


def _catch_up(late: list[Work]) -> None:
    """Do the work that has been put off."""
    while late:
        late.pop(0)()


def _endpoint(method: str, path: tuple[str, ...], raw: bytes) -> str:
    """What a request is for, in the words of ``faults.ENDPOINTS``."""
    if path == ("metadata",):
        return "metadata"
    if not path:
        return "bundle" if b'"PUT"' in raw or b'"POST"' in raw or b'"DELETE"' in raw else "reads"
    if method == "GET":
        return "search" if len(path) == 1 else "read"
    return "delete" if method == "DELETE" else "write"


def _parsed(raw: bytes) -> Any:
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise Refused(400, "structure", "the body is not JSON") from None


def _capability(world: World) -> Document:
    switches = world.switches
    about = {
        "versioning": "versioned",
        "updateCreate": switches.update_create,
        "conditionalCreate": True,
        "conditionalUpdate": switches.conditional_update,
        "interaction": [{"code": code} for code in ("read", "update", "delete", "create", "search-type")],
    }
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "kind": "instance",
        "fhirVersion": switches.fhir_version,
        "software": {"name": "Nightshift's FHIR sandbox"},
        "format": ["json"],
        "rest": [
            {
                "mode": "server",
                "interaction": [{"code": code} for code in ("batch", "transaction") if getattr(switches, code)],
                "resource": [{"type": type, **about} for type in TYPES],
            }
        ],
    }
