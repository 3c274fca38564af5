"""A connection that cannot be kept busy for nothing: the head of a request comes in time and in bounds, or not at all.

uvicorn ends connections that are idle between two requests. It waits for ever for the first request and for the rest of
a head, and takes fields of any length, before and behind the body.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_S = 10.0
"""Seconds from the first moment, or the first byte after an answer, to the end of the head."""

FRAME_BYTES = 64 * 1024
"""Bytes that may come in a row without ending a head or being of a body."""

_BYTES_AROUND_ONE = 8  # a chunk of one byte has less around it

_TOO_LARGE = b'{"error":"The request is too large."}'
_ANSWER = b"\r\n".join(
    [
        b"HTTP/1.1 413 Content Too Large",
        b"content-type: application/json",
        b"content-length: %d" % len(_TOO_LARGE),
        b"connection: close",
        b"",
        _TOO_LARGE,
    ]
)


class BoundedConnection(HttpToolsProtocol):
    """uvicorn's connection with a time limit for heads and a size limit for all that is not body."""

    head_s = HEAD_S
    _deadline: asyncio.TimerHandle | None = None
    _in_head = False
    _frame_bytes = 0

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for a head."""
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what has come, and close when it is too much beside the body."""
        if self._deadline is None and self._answered():
            self._await_head()
        self._frame_bytes += len(data)
        super().data_received(data)
        if self._frame_bytes > FRAME_BYTES and not self.transport.is_closing():
            if self._answered():
                self.transport.write(_ANSWER)
            self.transport.close()

    def on_message_begin(self) -> None:
        """A head begins."""
        self._in_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """A head is there; the application has its own limits for the rest."""
        self._in_head = False
        self._stop_waiting()
        self._frame_bytes = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """What is body does not count."""
        self._frame_bytes = max(0, self._frame_bytes - _BYTES_AROUND_ONE * len(body))
        super().on_body(body)

    def on_response_complete(self) -> None:
        """An answer is on its way; the next head may have begun before."""
        super().on_response_complete()
        if self._in_head and not self.transport.is_closing():
            self._await_head()

    def _answered(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _await_head(self) -> None:
        self._deadline = self.loop.call_later(self.head_s, self._too_late)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_late(self) -> None:
        self.transport.close()
