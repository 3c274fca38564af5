"""Serving a world over HTTP on loopback: blocking for the command line, in the background for tests.

Routes and checks are in ``app``; the server itself is that of every sandbox.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from connectors.asleep.sandbox.app import build_app
from connectors.asleep.sandbox.faults import Faults
from connectors.asleep.sandbox.meter import Meter
from connectors.asleep.sandbox.world import World
from connectors.sandbox import server


def serve(
    world: World,
    host: str = server.LOOPBACK,
    port: int = 0,
    on_ready: Callable[[str], None] = lambda base_url: None,
    faults: Faults | None = None,
    meter: Meter | None = None,
) -> None:
    """Serve ``world`` until SIGTERM or SIGINT, then finish open requests and return.

    Args:
        world: What is served.
        host: Address to listen on.
        port: Port to listen on, 0 for a free one.
        on_ready: Called once with the base URL as soon as requests are answered.
        faults: What goes wrong; nothing by default.
        meter: What counts arrivals, with the vendor's limit; no limit by default.

    Raises:
        OSError: the address is in use or not this machine's.
    """
    server.serve(build_app(world, faults, meter), host, port, on_ready)


@contextmanager
def running(world: World, faults: Faults | None = None, meter: Meter | None = None) -> Iterator[str]:
    """Serve ``world`` in a background thread on a free loopback port for the length of a ``with``; its base URL."""
    with server.running(build_app(world, faults, meter)) as base_url:
        yield base_url
