"""Serving an application on loopback: blocking for the command line, in a thread of the process for tests.

What it answers is the application's business; it is lent a ``Wire``, so that it may mistreat connections.
"""

import asyncio
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from connectors.sandbox.wire import Wire

LOOPBACK = "127.0.0.1"

_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_FINISH_S = 2


def serve(
    app: ASGIApp, host: str = LOOPBACK, port: int = 0, on_ready: Callable[[str], None] = lambda origin: None
) -> None:
    """Serve ``app`` until SIGTERM or SIGINT, then finish open requests and return.

    Args:
        app: What answers.
        host: Address to listen on.
        port: Port to listen on, 0 for a free one.
        on_ready: Called once with the origin (``http://host:port``) as soon as requests are answered.

    Raises:
        OSError: the address is in use or not this machine's.
    """
    with socket.create_server((host, port)) as listener:
        _Server(app, lambda: on_ready(_origin(listener))).run(sockets=[listener])


@contextmanager
def running(app: ASGIApp) -> Iterator[str]:
    """Serve ``app`` in a background thread on a free loopback port for the length of a ``with``; its origin."""
    ready: Future[str] = Future()
    with socket.create_server((LOOPBACK, 0)) as listener:
        server = _Server(app, lambda: ready.set_result(_origin(listener)))
        thread = threading.Thread(target=_run, args=(server, listener, ready), name="sandbox", daemon=True)
        thread.start()
        try:
            yield ready.result()
        finally:
            server.should_exit = True
            thread.join()


class _Server(uvicorn.Server):
    """Quiet, tells when it is up, and returns on a signal where uvicorn would end the process with it."""

    def __init__(self, app: ASGIApp, on_ready: Callable[[], None]) -> None:
        self._wire = Wire(self._transport)

        async def with_wire(scope: Scope, receive: Receive, send: Send) -> None:
            await app(self._wire.lend(scope), receive, send)

        super().__init__(
            uvicorn.Config(
                with_wire,
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

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let go of whoever is kept waiting, then finish."""
        self._wire.stopping.set()
        await super().shutdown(sockets)

    def _transport(self, client: tuple[str, int]) -> asyncio.Transport | None:
        return next(
            (
                connection.transport
                for connection in self.server_state.connections
                if connection.transport.get_extra_info("peername")[:2] == client
            ),
            None,
        )

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take SIGINT and SIGTERM as a wish to stop; only the main thread may do that."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in _STOP_SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


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


def _origin(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://{host}:{port}"
