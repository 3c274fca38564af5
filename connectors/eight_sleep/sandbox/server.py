"""Serving the sandbox on a free loopback port, in a thread of the calling process."""

import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import NamedTuple

import uvicorn
from starlette.types import ASGIApp

from connectors.eight_sleep.sandbox.app import build_app
from connectors.eight_sleep.sandbox.control import CONTROL_PATH
from connectors.eight_sleep.sandbox.faults import Faults
from connectors.eight_sleep.sandbox.limits import Limits
from connectors.eight_sleep.sandbox.world import World

LOOPBACK = "127.0.0.1"

_FINISH_S = 1


class Addresses(NamedTuple):
    """The base URLs of the vendor's three hosts, all under one origin."""

    auth: str
    client: str
    app: str

    @property
    def control(self) -> str:
        """The controls of the sandbox itself, which lie beside the hosts."""
        return self.auth.removesuffix("/auth-api") + CONTROL_PATH


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
    ready: Future[None] = Future()
    with socket.create_server((LOOPBACK, 0)) as listener:
        origin = f"http://{LOOPBACK}:{listener.getsockname()[1]}"
        server = _Server(app, lambda: ready.set_result(None))
        thread = threading.Thread(target=_run, args=(server, listener, ready), name="eight-sandbox", daemon=True)
        thread.start()
        try:
            ready.result()
            yield Addresses(f"{origin}/auth-api", f"{origin}/client-api", f"{origin}/app-api")
        finally:
            server.should_exit = True
            thread.join()


class _Server(uvicorn.Server):
    """Quiet, and tells when it is up."""

    def __init__(self, app: ASGIApp, on_ready: Callable[[], None]) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                lifespan="off",
                ws="none",
                log_config=None,
                log_level="critical",  # broken answers are on purpose
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=_FINISH_S,
            )
        )
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to answer, then say so."""
        await super().startup(sockets)
        if self.started:
            self._on_ready()


def _run(server: _Server, listener: socket.socket, ready: Future[None]) -> None:
    """The background thread: a server that does not come up is reported to who waits for it."""
    try:
        server.run(sockets=[listener])
    except BaseException as failure:
        if ready.done():
            raise
        ready.set_exception(failure)
    if not ready.done():
        ready.set_exception(RuntimeError("the sandbox did not start"))
