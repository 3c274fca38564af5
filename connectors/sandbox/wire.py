"""What a server lends to the application so that it can mistreat a connection: the bytes' own way out, and its end.

HTTP knows no word for a reset or a broken promise, so ASGI has none either; this is the way around it.
"""

import asyncio
import os
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import cast

from starlette.types import Receive, Scope

_EXTENSION = "sandbox.wire"
_RST_ON_CLOSE = struct.pack("ii", 1, 0)
_FLUSH_ROUNDS = 100


@dataclass(frozen=True)
class Wire:
    """One server's connections; ``transport`` finds the one with a client's address, ``stopping`` is set at the end."""

    transport: Callable[[tuple[str, int]], asyncio.Transport | None]
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    def lend(self, scope: Scope) -> Scope:
        """The scope of a request with the wire in it."""
        return {**scope, "extensions": {**scope.get("extensions", {}), _EXTENSION: self}}


async def pause(scope: Scope, seconds: float) -> None:
    """Wait, but not longer than the server runs."""
    wire = _wire(scope)
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await (wire.stopping.wait() if wire else asyncio.Event().wait())


async def until_gone(scope: Scope, receive: Receive, seconds: float | None = None) -> None:
    """Wait until the client goes away, ``seconds`` are over, or the server stops."""
    waits: list[asyncio.Future[object]] = [asyncio.ensure_future(_gone(receive))]
    if wire := _wire(scope):
        waits.append(asyncio.ensure_future(wire.stopping.wait()))
    try:
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()


async def hang_up(scope: Scope, receive: Receive, *, reset: bool = False) -> None:
    """Close the connection after what has been written, with a TCP reset if wished.

    Under another server than the sandbox's own nothing can be done here: it closes the connection itself when an
    answer is not finished.
    """
    wire, client = _wire(scope), scope.get("client")
    transport = wire.transport(tuple(client)) if wire and client else None
    if transport is None:
        return
    if reset:
        for _ in range(_FLUSH_ROUNDS):
            await asyncio.sleep(0)
        _reset_on_close(transport)
        transport.abort()
    else:
        transport.close()
    await _gone(receive)


def _reset_on_close(transport: asyncio.Transport) -> None:
    # Through a copy of the descriptor: not every event loop lets its own socket be changed.
    shared = socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno()))
    with shared:
        shared.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST_ON_CLOSE)


async def _gone(receive: Receive) -> object:
    while (message := await receive())["type"] != "http.disconnect":
        pass
    return message


def _wire(scope: Scope) -> Wire | None:
    return cast("Wire | None", scope.get("extensions", {}).get(_EXTENSION))
