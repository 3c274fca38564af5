"""A small HTTP/1.1 server on loopback that can also misbehave: cut an answer, reset a connection, talk nonsense.

It counts connections and keeps every request, so that tests see what really went over the wire.
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self


@dataclass(frozen=True)
class Seen:
    """A request as it came over the wire; header names in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Sent:
    """Raw bytes to write; then keep the connection, close it, or reset it."""

    raw: bytes
    then: str = "keep"


def answer(status: int, document: Any = None, /, **headers: str) -> Sent:
    """A well-formed JSON answer, or one without a body."""
    body = b"" if document is None else json.dumps(document).encode()
    lines = [f"HTTP/1.1 {status} Some Reason", f"content-length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return Sent("\r\n".join([*lines, "", ""]).encode() + body)


def result(document: Any) -> Sent:
    """A success in Asleep's envelope."""
    return answer(200, {"detail": "OK", "result": document})


RESET = Sent(b"", "reset")
CLOSED = Sent(b"", "close")
CUT_BY_LENGTH = Sent(b'HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{"detail":"OK","resu', "close")
CUT_CHUNK = Sent(b'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n400\r\n{"detail":"OK",', "close")
CUT_UNNOTICED = Sent(b'HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{"detail":"OK","result":{"a', "close")
BAD_CHUNK = Sent(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nnonsense\r\n{}\r\n", "close")
BAD_GZIP = Sent(b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\n{{}}", "close")
NONSENSE = Sent(b"SSH-2.0-OpenSSH_9.6\r\n", "close")


@dataclass
class Loopback:
    """The server; an async context manager. ``reply`` makes the answer to each request."""

    reply: Callable[[Seen], Sent]
    seen: list[Seen] = field(default_factory=list)
    connections: int = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while (request := await _read(reader)) is not None:
                self.seen.append(request)
                sent = self.reply(request)
                writer.write(sent.raw)
                if sent.then == "reset":
                    writer.transport.abort()
                if sent.then != "keep":
                    break
                await writer.drain()
        finally:
            writer.close()


async def _read(reader: asyncio.StreamReader) -> Seen | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Seen(method, target, headers, body)
