"""Reading the body of a request with bounded memory and time, whoever sends it and however slowly.

Short bodies, such as those of every real event, are read at once. Long ones wait for each other, so that many of them
need the memory of one. A body that nobody wants is let pass without being kept.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import cast

from starlette.requests import Request

SHORT_BYTES = 64 * 1024
"""Every request may hold so much at any time."""

_UNWANTED_BYTES = 64 * 1024 * 1024
_UNWANTED_S = 1


class BodyTooLarge(Exception):
    """The body has more bytes than are accepted."""


class BodyTooSlow(Exception):
    """The body was not there in time."""


class BodyCutOff(Exception):
    """The sender went away before the end of the body."""


@dataclass
class Incoming:
    """The body of one request on its way; ``taken_bytes`` of it have come, and ``is_over`` says that this was all."""

    request: Request
    taken_bytes: int = 0
    is_over: bool = False

    async def piece(self) -> bytes:
        """The next piece.

        Raises: BodyCutOff.
        """
        message = await self.request.receive()
        if message["type"] != "http.request":
            raise BodyCutOff
        self.is_over = not message.get("more_body", False)
        piece: bytes = message.get("body", b"")
        self.taken_bytes += len(piece)
        return piece


@dataclass
class Bodies:
    """Reads bodies of up to ``largest_bytes``, each within ``within_s`` seconds."""

    largest_bytes: int
    within_s: float
    _long: asyncio.Lock = field(default_factory=asyncio.Lock)

    @asynccontextmanager
    async def whole(self, incoming: Incoming) -> AsyncIterator[bytes]:
        """The whole body, which is to be let go with the end of the block.

        Raises: BodyTooLarge, BodyTooSlow, BodyCutOff.
        """
        body = bytearray()
        is_long = False
        try:
            try:
                async with asyncio.timeout(self.within_s):
                    while not incoming.is_over:
                        piece = await incoming.piece()
                        if incoming.taken_bytes > self.largest_bytes:
                            body.clear()  # the error on its way up holds it
                            raise BodyTooLarge
                        if incoming.taken_bytes > SHORT_BYTES and not is_long:
                            is_long = await self._long.acquire()
                        body += piece
            except TimeoutError:
                raise BodyTooSlow from None
            # A long one is not copied: it is read as bytes are, and nobody changes it any more.
            yield cast("bytes", body) if is_long else bytes(body)
        finally:
            if is_long:
                self._long.release()

    async def let_pass(self, incoming: Incoming) -> None:
        """Take the rest of a body off the wire, so that its sender gets to read the answer; ``is_over`` if it was all.

        A sender who waits to be told to go on is not told so, and whoever pauses gets the answer at once.
        """
        if "expect" in incoming.request.headers and not incoming.taken_bytes:
            return
        with suppress(TimeoutError, BodyCutOff):
            async with asyncio.timeout(self.within_s):
                while not incoming.is_over and incoming.taken_bytes <= _UNWANTED_BYTES:
                    await asyncio.wait_for(incoming.piece(), _UNWANTED_S)
