"""An experiment: what our pull would cost over the leanest transport that could still do its work.

Requests are written to and answers read from asyncio's streams, without httpx and aiohttp: no proxies, no TLS, no
redirects, no compression, no chunked answers. It shows what a leaner transport could give at most; it is not one.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import httpx

from connectors.http import Call, Host, Reply

_Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Streams:
    """Kept connections to one host; as many as are asked for at once."""

    def __init__(self, url: httpx.URL, headers: dict[str, str]) -> None:
        self._host, self._port = url.host, url.port or 80
        self._headers = {"host": f"{url.host}:{self._port}", **headers}
        self._idle: list[_Stream] = []

    async def ask(self, call: Call, attempt: int, answer_s: float, received_at: datetime) -> Reply:
        """One request and its answer."""
        async with asyncio.timeout(answer_s):
            reader, writer = self._idle.pop() if self._idle else await self._connect()
            writer.write(self._head(call))
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
            body = await reader.readexactly(length)
            self._idle.append((reader, writer))
            return Reply(int(head[9:12]), body, attempt, received_at)

    def close(self) -> None:
        """Hang up."""
        for _, writer in self._idle:
            writer.close()

    async def _connect(self) -> _Stream:
        return await asyncio.open_connection(self._host, self._port, limit=2**20)

    def _head(self, call: Call) -> bytes:
        target = f"{call.path}?{urlencode(call.params)}" if call.params else call.path
        headers = {**self._headers, **call.headers}
        lines = [f"{call.method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        return "\r\n".join([*lines, "", ""]).encode()


@contextmanager
def lean_transport() -> Iterator[None]:
    """In here every host of this process is asked over ``Streams``; budget, breaker and judges stay as they are."""
    opened: dict[Host, Streams] = {}

    async def send(self: Host, call: Call, attempt: int) -> Reply:
        if self not in opened:
            opened[self] = Streams(self._url, self._headers)
        return await opened[self].ask(call, attempt, self._patience.answer_s, self._clock())

    async def leave(self: Host, *error: Any) -> None:
        if self in opened:
            opened.pop(self).close()
        await usual_leave(self, *error)

    usual_send, usual_leave = Host._send, Host.__aexit__
    Host._send, Host.__aexit__ = send, leave  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        Host._send, Host.__aexit__ = usual_send, usual_leave  # type: ignore[method-assign]
