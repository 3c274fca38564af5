"""Serving the sandbox on a free loopback port, in a thread of the calling process, and where its hosts are then."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from starlette.types import ASGIApp

from connectors.eight_sleep.sandbox.app import build_app
from connectors.eight_sleep.sandbox.control import CONTROL_PATH
from connectors.eight_sleep.sandbox.faults import Faults
from connectors.eight_sleep.sandbox.limits import Limits
from connectors.eight_sleep.sandbox.world import World
from connectors.sandbox import server


class Addresses(NamedTuple):
    """The base URLs of the vendor's three hosts, all under one origin."""

    auth: str
    client: str
    app: str

    @property
    def control(self) -> str:
        """The controls of the sandbox itself, which lie beside the hosts."""
        return self.auth.removesuffix("/auth-api") + CONTROL_PATH


def addresses_under(origin: str) -> Addresses:
    """Where the hosts are of an application that is served at ``origin``."""
    return Addresses(f"{origin}/auth-api", f"{origin}/client-api", f"{origin}/app-api")


@contextmanager
def running(
    world: World, faults: Faults | None = None, limits: Limits | None = None, calls: Counter[str] | None = None
) -> Iterator[Addresses]:
    """Serve ``world`` for the length of a ``with``; its hosts. Without ``limits`` the documented ones hold."""
    with serving(build_app(world, faults, limits, calls)) as addresses:
        yield addresses


@contextmanager
def serving(app: ASGIApp) -> Iterator[Addresses]:
    """Serve an application made by ``build_app`` for the length of a ``with``; where the hosts are."""
    with server.running(app) as origin:
        yield addresses_under(origin)
