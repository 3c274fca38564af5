"""A simulator whose answers a test may replace, and the refusals of the vendor's documentation as replacements."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from socket import create_server
from typing import Any

import uvicorn
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from connectors.asleep.sandbox import World, build_app

Fault = Callable[[Request], Response | None]


@dataclass
class FaultySandbox:
    """The simulator at ``base_url``; while ``fault`` gives an answer for a request, that one is sent."""

    world: World
    base_url: str = ""
    fault: Fault | None = None
    requests: list[str] = field(default_factory=list)

    def begin_again(self, world: World) -> None:
        """Serve another world from now on, at the same address and without a fault."""
        self.world, self.fault = world, None
        self.requests.clear()
        self.__dict__.pop("_app", None)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request as ASGI application."""
        if scope["type"] == "http" and self.fault:
            request = Request(scope, receive)
            self.requests.append(request.url.path)
            response = self.fault(request)
            if response is not None:
                await response(scope, receive, send)
                return
        await build_app_once(self)(scope, receive, send)


def build_app_once(sandbox: FaultySandbox) -> Any:
    """The simulator's own application, made on first use."""
    if not hasattr(sandbox, "_app"):
        sandbox._app = build_app(sandbox.world)  # type: ignore[attr-defined]
    return sandbox._app  # type: ignore[attr-defined]


@contextmanager
def faulty_sandbox(world: World) -> Iterator[FaultySandbox]:
    """Serve a world on a free port in a background thread."""
    sandbox, ready = FaultySandbox(world), Future[None]()

    class Server(uvicorn.Server):
        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets)
            ready.set_result(None)

    with create_server(("127.0.0.1", 0)) as listener:
        sandbox.base_url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        server = Server(uvicorn.Config(sandbox, log_config=None, lifespan="off", ws="none"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        ready.result(timeout=30)
        try:
            yield sandbox
        finally:
            server.should_exit = True
            thread.join()


def answer(status: int, body: str, media_type: str = "application/json", path: str = "") -> Fault:
    """A fault that answers every vendor request whose path contains ``path``."""

    def fault(request: Request) -> Response | None:
        if request.url.path.startswith("/_control") or path not in request.url.path:
            return None
        return Response(body, status, media_type=media_type)

    return fault
