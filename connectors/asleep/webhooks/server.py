"""Listening for webhooks: blocking for the command line, in the background for tests and demonstrations.

What is answered is for the application; here it gets its connections, and time to finish at the end.
"""

import ctypes
import gc
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress

import uvicorn
from starlette.types import ASGIApp

from connectors.asleep.webhooks.bodies import SHORT_BYTES
from connectors.asleep.webhooks.connection import HEAD_S, BoundedConnection

FINISH_S = 10
"""Seconds that open requests have when the server stops."""

# Longer than reverse proxies keep idle connections, so that none of them sends into one that is just being closed.
_IDLE_S = 75

_M_MMAP_THRESHOLD = -3

_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def serve(app: ASGIApp, host: str, port: int, on_ready: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT, then take no connection more, finish open requests and return.

    Args:
        app: What answers.
        host: Name or address to listen on.
        port: Port to listen on, 0 for a free one.
        on_ready: Called once with the base URL as soon as requests are answered.

    Raises:
        OSError: the address is in use or not this machine's.
    """
    _give_long_bodies_back()
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, port), family=family) as listener, _collecting_only_what_is_new():
        _Server(app, lambda: on_ready(_base_url(listener)), HEAD_S).run(sockets=[listener])


@contextmanager
def running(app: ASGIApp, head_s: float = HEAD_S) -> Iterator[str]:
    """Serve in a background thread on a free loopback port for the length of a ``with``; its base URL."""
    ready: Future[str] = Future()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = _Server(app, lambda: ready.set_result(_base_url(listener)), head_s)
        thread = threading.Thread(target=server.run, args=([listener],), name="webhooks", daemon=True)
        thread.start()
        try:
            yield ready.result(timeout=60)
        finally:
            server.should_exit = True
            thread.join()


class _Server(uvicorn.Server):
    """Says nothing, tells when it is up, and returns on a signal where uvicorn would end the process with it."""

    def __init__(self, app: ASGIApp, on_ready: Callable[[], None], head_s: float) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=type("Connection", (BoundedConnection,), {"head_s": head_s}),
                lifespan="off",
                ws="none",
                log_config=None,
                log_level="critical",
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=_IDLE_S,
                timeout_graceful_shutdown=FINISH_S,
            )
        )
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to answer, then say so."""
        await super().startup(sockets)
        if self.started:
            self._on_ready()

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


def _give_long_bodies_back() -> None:
    """Have the memory of each long body returned to the system as soon as it is done with.

    The C library of Linux moves its threshold up with every long body that is freed, and then keeps the next ones in
    its heap, in whose gaps the longer ones no longer fit.
    """
    with suppress(OSError, AttributeError, TypeError):  # other systems have no such thing
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, SHORT_BYTES)


@contextmanager
def _collecting_only_what_is_new() -> Iterator[None]:
    """Have the garbage collector leave alone what was there before the first request.

    All of it stays until the end. To look through it takes a twentieth of a second, in which nobody is answered.
    """
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _base_url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
