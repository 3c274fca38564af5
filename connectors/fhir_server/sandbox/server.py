"""Serving the sandbox on a free loopback port, in a thread of the calling process."""

from collections.abc import Iterator
from contextlib import contextmanager

from starlette.types import ASGIApp

from connectors.fhir_server.sandbox.app import build_app
from connectors.fhir_server.sandbox.faults import Faults
from connectors.fhir_server.sandbox.world import World
from connectors.sandbox import server


@contextmanager
def running(world: World, faults: Faults | None = None) -> Iterator[str]:
    """Serve ``world`` for the length of a ``with``; its FHIR base address."""
    with serving(build_app(world, faults)) as address:
        yield address


@contextmanager
def serving(app: ASGIApp) -> Iterator[str]:
    """Serve an application that has FHIR under ``/fhir`` for the length of a ``with``; that address."""
    with server.running(app) as origin:
        yield f"{origin}/fhir"
