"""Small resources as the mappings make them, and clients of the sandbox: what the tests of this room share."""

import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from starlette.types import ASGIApp, Receive, Scope, Send

from connectors.fhir_server.auth import Login, NoLogin
from connectors.fhir_server.bundles import Bundle, Resource, Write, WriteForm, bundles
from connectors.fhir_server.client import FhirServer
from connectors.fhir_server.sandbox import Fault, Faults, World, build_app
from connectors.fhir_server.sandbox.server import serving
from connectors.patience import Patience, Retry
from connectors.rate_limit import RateLimit

SYSTEM = "https://example.org/fhir/identifier/asleep-"
CLIENT = httpx.Client(timeout=30)
"""For questions past our own client."""

AT_ONCE = Patience(Retry(base_s=0, jitter_s=0), answer_s=10)
"""Retries without waiting."""


def patient(id: str) -> dict[str, Any]:
    """A pseudonymous person."""
    return {"resourceType": "Patient", "id": id, "identifier": [{"system": f"{SYSTEM}patient", "value": id}]}


def night(id: str, of: str = "p1", minutes: float = 412.5, members: tuple[str, ...] = ()) -> dict[str, Any]:
    """A night's Observation."""
    refers = {"hasMember": [{"reference": f"Observation/{member}"} for member in members]} if members else {}
    return {
        "resourceType": "Observation",
        "id": id,
        "identifier": [{"system": f"{SYSTEM}session", "value": id}],
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "93832-4", "display": "Sleep duration"}]},
        "subject": {"reference": f"Patient/{of}"},
        "effectivePeriod": {"start": "2026-03-28T23:10:00+01:00", "end": "2026-03-29T07:02:00+02:00"},
        "valueQuantity": {
            "value": minutes,
            "unit": "min",
            "system": "http://unitsofmeasure.org",
            "code": "min",
        },
        **refers,
    }


def nights(count: int, of: str = "p1") -> list[dict[str, Any]]:
    """So many nights of a person, each with an id of its own."""
    return [night(f"n{number}", of) for number in range(count)]


def one_bundle(
    resources: list[dict[str, Any]] | list[Resource],
    form: WriteForm = "by_id",
    kind: Any = "batch",
    ids: dict[str, str] | None = None,
) -> Bundle:
    """All of them in one Bundle; in the conditional form person p1 is s1 on the server."""
    known = {"Patient/p1": "s1"} if ids is None else ids
    (bundle,) = bundles([Write(resource) for resource in resources], form, kind, ids=known)
    return bundle


@asynccontextmanager
async def opened(address: str, login: Login | None = None, **settings: Any) -> AsyncIterator[FhirServer]:
    """A client with a budget that never binds and retries without waiting."""
    with tempfile.TemporaryDirectory() as folder:
        usual: dict[str, Any] = {"patience": AT_ONCE, "clock": lambda: datetime.now(UTC)}
        budget = RateLimit(Path(folder) / "budget", 1e6)
        async with FhirServer(address, login or NoLogin(), rate_limit=budget, **usual | settings) as server:
            yield server


@dataclass(frozen=True)
class Sandbox:
    """A sandbox that runs, and what is true in it."""

    address: str
    world: World
    faults: Faults

    def control(self, path: str) -> Any:
        """What a control says."""
        return CLIENT.get(self.address.removesuffix("fhir") + f"_control/{path}").json()

    def versions(self) -> dict[str, int]:
        """Versions of everything, by Type/id; tombstones count."""
        return {f"{type}/{id}": len(versions) for type, id, versions in self.world.store.names()}


class Stage:
    """One server for all sandboxes of a test run, one after the other: to start one takes longer than most tests."""

    def __init__(self) -> None:
        self._app: ASGIApp | None = None
        self._server = ExitStack()
        self._address = ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on to the sandbox that is on."""
        assert self._app is not None
        await self._app(scope, receive, send)

    def show(self, world: World, faults: Faults) -> str:
        """Put a sandbox on; its address."""
        self._app = build_app(world, faults)
        self._address = self._address or self._server.enter_context(serving(self))
        return self._address

    def close(self) -> None:
        """Stop the server."""
        CLIENT.close()
        self._server.close()


STAGE = Stage()


@contextmanager
def sandbox(*faults: Fault, world: World | None = None, **switches: Any) -> Iterator[Sandbox]:
    """A sandbox of the test's own; one at a time."""
    world, rules = world or World(), Faults(faults)
    world.switches.set(switches)
    yield Sandbox(STAGE.show(world, rules), world, rules)
