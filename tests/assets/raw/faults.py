"""The simulator behind a test's own door: some requests get another answer, and all are written down."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from connectors.asleep.sandbox import World, build_app

Fault = Callable[[Request], Response | None]
"""Another answer to a request, or None for the simulator's own."""


def no_fault(_: Request) -> None:
    """Every request gets the simulator's own answer."""


@dataclass
class Door:
    """An ASGI application in front of a world; ``asked`` holds the path of every request since it was emptied."""

    world: World
    fault: Fault = no_fault
    gate: "Gate | None" = None
    asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._behind = build_app(self.world)

    @property
    def transport(self) -> httpx.ASGITransport:
        """A way in for a client, without a socket."""
        return httpx.ASGITransport(self)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        request = Request(scope, receive)
        self.asked.append(request.url.path)
        if self.gate:
            await self.gate.wait(request)
        await (self.fault(request) or self._behind)(scope, receive, send)

    def count(self, part: str) -> int:
        """How many requests had this in their path."""
        return sum(part in path for path in self.asked)


def failing(part: str) -> Fault:
    """Fails every request with ``part`` in its path as a broken server does."""

    def fault(request: Request) -> Response | None:
        return Response("<html>502</html>", 502) if part in request.url.path else None

    return fault


class Gate:
    """Holds the requests about one user back until the pull has told that ``others`` users are done."""

    def __init__(self, user_id: str, others: int) -> None:
        self._user_id = user_id
        self._others = others
        self._open = asyncio.Event()

    async def wait(self, request: Request) -> None:
        """Let a request pass now or later."""
        if user_of(request) == self._user_id:
            await self._open.wait()

    def users(self, total: int) -> None:
        """The pull begins."""

    def user_done(self, counts: object) -> None:
        """One more user is done."""
        self._others -= 1
        if self._others == 0:
            self._open.set()


def user_of(request: Request) -> str:
    """Whom a request is about: the header's user, or the path's."""
    named = [part for part in request.url.path.split("/") if part.startswith("G-")]
    return request.headers.get("x-user-id") or (named[0] if named else "")
