"""FHIR servers as the tests of exporters see them, past our own client: what they really hold, in which versions."""

from contextlib import ExitStack
from typing import Any, Protocol

from starlette.types import ASGIApp, Receive, Scope, Send

from connectors.fhir_server.sandbox import Fault, Faults, World, build_app
from connectors.fhir_server.sandbox.server import serving
from tests.fhir_server import RealFhirServer

TYPES = ("Patient", "Device", "Observation")
"""What lasts; Provenances come with every Bundle, however it was cut."""

Resource = dict[str, Any]


class FhirDestination(Protocol):
    """A FHIR server that a test has to itself."""

    address: str

    def found(self, type: str, identifier: str) -> list[Resource]:
        """Everything that has an identifier of this value."""

    def versions(self, *types: str) -> dict[str, int]:
        """How many versions each resource of these types has had, by the server's ``Type/id``."""

    def current(self, type: str) -> list[Resource]:
        """All resources of a type that are not deleted."""


class HostileServer:
    """The sandbox; ``world`` and ``faults`` tell how it behaves."""

    def __init__(self, address: str, world: World, faults: Faults) -> None:
        self.address = address
        self.world = world
        self.faults = faults

    def found(self, type: str, identifier: str) -> list[Resource]:
        """Everything that has an identifier of this value."""
        return [one for one in self.current(type) if identifier in (part["value"] for part in one["identifier"])]

    def versions(self, *types: str) -> dict[str, int]:
        """How many versions each has had."""
        return {f"{type}/{id}": len(all) for type, id, all in self.world.store.names() if type in (types or TYPES)}

    def current(self, type: str) -> list[Resource]:
        """All that are there."""
        return list(self.world.store.all(type))


class RealServer:
    """The real server from here on: what it held before is not seen. It numbers versions 1, 2, 3 …"""

    def __init__(self, server: RealFhirServer) -> None:
        self.address = server.address
        self._server = server
        self._before: set[str] = set()
        self._before = set(self.versions(*TYPES, "Provenance"))

    def found(self, type: str, identifier: str) -> list[Resource]:
        """Everything that has an identifier of this value, whatever its system."""
        bundle = self._server.get(type, identifier=identifier)
        return [entry["resource"] for entry in bundle.get("entry", [])]

    def versions(self, *types: str) -> dict[str, int]:
        """How many versions each that is there has had."""
        found = (one for type in types or TYPES for one in self.current(type))
        return {f"{one['resourceType']}/{one['id']}": int(one["meta"]["versionId"]) for one in found}

    def current(self, type: str) -> list[Resource]:
        """All that are there."""
        found: list[Resource] = []
        total = 1
        while len(found) < total:
            page = self._server.get(type, _count="500", _offset=str(len(found)))
            total = page["total"]
            found += [entry["resource"] for entry in page.get("entry", [])]
        return [one for one in found if f"{type}/{one['id']}" not in self._before]


class Stage:
    """One port for all sandboxes of a test run, one after the other: to start a server takes longer than most tests."""

    def __init__(self) -> None:
        self._app: ASGIApp | None = None
        self._server = ExitStack()
        self._address = ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on to the sandbox that is on."""
        assert self._app is not None
        await self._app(scope, receive, send)

    def show(self, *faults: Fault, world: World | None = None, **switches: Any) -> HostileServer:
        """Put a new sandbox on."""
        world, rules = world or World(), Faults(faults)
        world.switches.set(switches)
        self._app = build_app(world, rules)
        self._address = self._address or self._server.enter_context(serving(self))
        return HostileServer(self._address, world, rules)

    def close(self) -> None:
        """Stop the server."""
        self._server.close()
