"""The sandbox's own endpoints under ``/_control``: what is true, how it behaves, what goes wrong. No login is needed.

A body they cannot use gets 422 with one sentence and changes nothing.
"""

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any, NamedTuple

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from connectors.fhir_server.sandbox.faults import ENDPOINTS, KINDS, RETRY_AFTER, Fault, Faults
from connectors.fhir_server.sandbox.world import World

CONTROL_PATH = "/_control"


class Knob(NamedTuple):
    """One control; ``path`` lies under ``/_control``."""

    method: str
    path: str
    does: str
    answer: Callable[[Request], Awaitable[Response]]


class Control:
    """All controls of a world."""

    def __init__(self, world: World, faults: Faults) -> None:
        self._world = world
        self._faults = faults
        self._knobs = [
            Knob("GET", "", "this list", self.describe),
            Knob("GET", "/counts", "resources of each type that are there", self.counts),
            Knob(
                "GET", "/versions", "versions of everything that ever was, by Type/id; tombstones count", self.versions
            ),
            Knob("GET", "/resources", "every resource that is there, by Type/id", self.resources),
            Knob("GET", "/requests", "requests by endpoint since the start", self.requests),
            Knob("GET", "/faults", "the rules in force, how often each has fired, and every kind", self.faults),
            Knob("POST", "/faults", 'replace all rules: {"faults": [{"kind": "drop", "times": 2}]}', self.set_faults),
            Knob("DELETE", "/faults", "let everything go right again", self.clear_faults),
            Knob("GET", "/switches", "how the server behaves where the standard leaves a choice", self.switches),
            Knob("POST", "/switches", 'change some of them: {"update_create": false}', self.set_switches),
            Knob("POST", "/expire", "refuse every token given so far", self.expire),
        ]

    def routes(self) -> list[Route]:
        """Everything under ``/_control``."""
        return [Route(CONTROL_PATH + knob.path, knob.answer, methods=[knob.method]) for knob in self._knobs]

    async def describe(self, _: Request) -> Response:
        """The list of controls."""
        controls = [
            {"method": knob.method, "path": CONTROL_PATH + knob.path, "does": knob.does} for knob in self._knobs
        ]
        return _json({"about": "a simulated FHIR R4 server; its base is /fhir", "controls": controls})

    async def counts(self, _: Request) -> Response:
        """How many there are."""
        return _json(Counter(type for type, _, versions in self._world.store.names() if versions[-1].resource))

    async def versions(self, _: Request) -> Response:
        """How many versions each has had."""
        return _json({f"{type}/{id}": len(versions) for type, id, versions in self._world.store.names()})

    async def resources(self, _: Request) -> Response:
        """What is there."""
        newest = ((f"{type}/{id}", versions[-1].resource) for type, id, versions in self._world.store.names())
        return _json({name: resource for name, resource in newest if resource})

    async def requests(self, _: Request) -> Response:
        """What was asked."""
        return _json(self._world.asked)

    async def faults(self, _: Request) -> Response:
        """The rules in force."""
        words = {"kinds": KINDS, "endpoints": ENDPOINTS, "retry_after": RETRY_AFTER}
        return _json({"faults": self._faults.described(), **words})

    async def set_faults(self, request: Request) -> Response:
        """Replace the rules."""
        body = await _body(request)
        rules = body.get("faults") if isinstance(body, dict) else None
        try:
            if not isinstance(rules, list):
                raise ValueError('The body must be {"faults": [...]}.')
            self._faults.set([Fault.of(rule) for rule in rules])
        except ValueError as error:
            return _json({"error": str(error)}, 422)
        return await self.faults(request)

    async def clear_faults(self, request: Request) -> Response:
        """No rules."""
        self._faults.set(())
        return await self.faults(request)

    async def switches(self, _: Request) -> Response:
        """The switches."""
        return _json(asdict(self._world.switches))

    async def set_switches(self, request: Request) -> Response:
        """Change some."""
        body = await _body(request)
        try:
            if not isinstance(body, dict):
                raise ValueError("The body must be an object of switches.")
            self._world.switches.set(body)
        except ValueError as error:
            return _json({"error": str(error)}, 422)
        return await self.switches(request)

    async def expire(self, _: Request) -> Response:
        """Take all tokens back."""
        self._world.tokens.clear()
        return _json({})


async def _body(request: Request) -> Any:
    try:
        return orjson.loads(await request.body())
    except orjson.JSONDecodeError:
        return None


def _json(document: object, status: int = 200) -> Response:
    return Response(orjson.dumps(document), status, media_type="application/json")
