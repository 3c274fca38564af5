"""A vendor whose every session a test decides: what the list says, what the detail says, and what is gone."""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

import httpx

from tests.schemas import samples
from tests.schemas.samples import changed

NOT_FOUND = b'{"detail":"Session not found"}'


@dataclass
class Night:
    """One session: the state its row shows, and the detail's body, None for a 404."""

    start: datetime
    row_state: str = "COMPLETE"
    detail: bytes | None = b""
    row_changes: dict[str, Any] = field(default_factory=dict)

    def row(self, session_id: str) -> dict[str, Any]:
        """The row of the list."""
        end = self.start + timedelta(hours=7)
        plain = {
            "session_id": session_id,
            "state": self.row_state,
            "session_start_time": self.start.isoformat(),
            "session_end_time": end.isoformat() if self.row_state != "OPEN" else None,
            "created_timezone": "Asia/Seoul",
            "time_in_bed": 25_200,
        }
        return plain | self.row_changes

    def body(self, session_id: str) -> bytes | None:
        """The detail as it is sent."""
        return self.detail if self.detail != b"" else detail_of(session_id, self.start)


def detail_of(session_id: str, start: datetime, **changes: Any) -> bytes:
    """A plain detail of seven hours, with changes below ``result``; a dot is written ``__``."""
    below = {f"result.{path.replace('__', '.')}": value for path, value in changes.items()}
    times = {"start_time": start.isoformat(), "end_time": (start + timedelta(hours=7)).isoformat()}
    short = {f"{name}_stages": [0, 1, 0] for name in ("sleep", "breath", "snoring")}
    session = {f"result.session.{name}": value for name, value in (times | short | {"id": session_id}).items()}
    return changed(samples.SESSION, session | below)


@dataclass
class ScriptedVendor:
    """All users have the same ``nights``, by session id, unless it ``knows`` none; ``asked`` is what it was asked.

    Its statistics name every night but those ``not_averaged``, of those in ``averaged_in`` only the statistics of that
    month; ``unlisted`` ones are not in its lists.
    """

    nights: dict[str, Night] = field(default_factory=dict)
    knows: bool = True
    user: bytes = samples.USER
    asked: list[str] = field(default_factory=list)
    not_averaged: set[str] = field(default_factory=set)
    averaged_in: dict[str, str] = field(default_factory=dict)
    unlisted: set[str] = field(default_factory=set)

    @property
    def transport(self) -> httpx.MockTransport:
        """A way in for a client."""
        return httpx.MockTransport(self._answer)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        path, last = request.url.path, request.url.path.rsplit("/", 1)[1]
        query = request.url.params
        if not self.knows:
            return httpx.Response(404, json={"detail": "user does not exist"})
        if path == "/data/v1/sessions":
            self.asked.append("list")
            nights = {name: night for name, night in self.nights.items() if name not in self.unlisted}
            rows = [night.row(name) for name, night in nights.items() if _within(night, query)]
            return httpx.Response(200, json={"detail": "OK", "result": {"sleep_session_list": rows}})
        if path.startswith("/data/v3/sessions/"):
            self.asked.append(last)
            body = self.nights[last].body(last) if last in self.nights else None
            return httpx.Response(404 if body is None else 200, content=NOT_FOUND if body is None else body)
        if last == "average-stats":
            self.asked.append(f"{query['start_date']}..{query['end_date']} {request.headers['timezone']}")
            changes = {
                "result.period": {name: query[name] for name in ("start_date", "end_date")},
                "result.slept_sessions": [{"id": name} for name in self._averaged(query["start_date"])],
            }
            return httpx.Response(200, content=changed(samples.AVERAGE_STATS, changes))
        self.asked.append("user")
        return httpx.Response(200, content=self.user)

    def _averaged(self, start: str) -> list[str]:
        names = [name for name in self.nights if name not in self.not_averaged]
        return [name for name in names if start.startswith(self.averaged_in.get(name, ""))]


def _within(night: Night, query: httpx.QueryParams) -> bool:
    return date.fromisoformat(query["date_gte"]) <= night.start.date() <= date.fromisoformat(query["date_lte"])
