"""Serving the sandbox on a free loopback port, in a thread of the calling process."""

import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

from connectors.fhir_server.sandbox.app import build_app
from connectors.fhir_server.sandbox.faults import Faults
from connectors.fhir_server.sandbox.world import World

LOOPBACK = "127.0.0.1"

_FINISH_S = 1


@contextmanager
def running(world: World, faults: Faults | None = None) -> Iterator[str]:
    """Serve ``world`` for the length of a ``with``; its FHIR base address."""
    with serving(build_app(world, faults)) as address:
        yield address


@contextmanager
def serving(app: ASGIApp) -> Iterator[str]:
    """Serve an application that has FHIR under ``/fhir`` for the length of a ``with``; that address."""
    ready: Future[str] = Future()
    with socket.create_server((LOOPBACK, 0)) as listener:
        address = f"http://{LOOPBACK}:{listener.getsockname()[1]}/fhir"
        server = _Server(app, lambda: ready.set_result(address))
        thread = threading.Thread(target=_run, args=(server, listener, ready), name="fhir-sandbox", daemon=True)
        thread.start()
        try:
            yield ready.result()
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


def _run(server: _Server, listener: socket.socket, ready: Future[str]) -> None:
    """The background thread: a server that does not come up is reported to who waits for it."""
    try:
        server.run(sockets=[listener])
    except BaseException as failure:
        if ready.done():
            raise
        ready.set_exception(failure)
    if not ready.done():
        ready.set_exception(RuntimeError("the sandbox did not start"))
