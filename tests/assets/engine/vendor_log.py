"""What a vendor was asked and what it answered, noted on the way between a real client and a real server."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import date
from urllib.parse import parse_qs, urlsplit

import httpx
from httpx_aiohttp import AiohttpTransport

from schemas.canonical import session_hash

DELETED = "deleted"
"""In the place of a version: the vendor said that a session is no more."""

SessionKey = tuple[str, str]
"""User id, session id."""


@dataclass
class VendorLog:
    """The lists asked for (user, first and last date), the versions of sessions sent, the months of statistics."""

    lists: list[tuple[str, date, date]] = field(default_factory=list)
    listed: set[str] = field(default_factory=set)
    sent: list[tuple[SessionKey, str]] = field(default_factory=list)
    months: Counter[tuple[str, str]] = field(default_factory=Counter)
    calls: Counter[str] = field(default_factory=Counter)

    def note(self, request: httpx.Request, status: int, body: bytes) -> None:
        """Note a request and its answer."""
        path, query = urlsplit(str(request.url)).path, parse_qs(request.url.query.decode())
        if path == "/data/v1/sessions":
            self._note_list(request.headers["x-user-id"], query, status)
        elif path.startswith("/data/v3/sessions/"):
            self.calls["detail"] += 1
            key = (request.headers["x-user-id"], path.rsplit("/", 1)[1])
            if status == httpx.codes.OK:
                self.sent.append((key, session_hash(body)))
            elif b"session" in body.lower():
                self.sent.append((key, DELETED))
        elif path.endswith("/average-stats"):
            self.calls["stats"] += 1
            if status == httpx.codes.OK:
                self.months[path.split("/")[-2], query["start_date"][0][:7]] += 1
        else:
            self.calls["user"] += 1

    def window(self, user_id: str) -> tuple[date, date] | None:
        """The dates that were listed of a user; None if the vendor did not answer."""
        dates = [(first, last) for asked, first, last in self.lists if asked == user_id]
        if user_id not in self.listed or not dates:
            return None
        return min(first for first, _ in dates), max(last for _, last in dates)

    def _note_list(self, user_id: str, query: dict[str, list[str]], status: int) -> None:
        self.calls["list"] += 1
        first, last = (date.fromisoformat(query[name][0]) for name in ("date_gte", "date_lte"))
        self.lists.append((user_id, first, last))
        if status == httpx.codes.OK:
            self.listed.add(user_id)


class Listening(httpx.AsyncBaseTransport):
    """The usual way to a host, with everything that passes noted in ``log``."""

    def __init__(self, log: VendorLog) -> None:
        self._log = log
        self._way = AiohttpTransport()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request and hand back its whole answer."""
        response = await self._way.handle_async_request(request)
        body = await response.aread()
        self._log.note(request, response.status_code, body)
        return httpx.Response(response.status_code, headers=response.headers, content=body)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._way.aclose()
