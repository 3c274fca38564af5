"""A vendor of thousands of small sessions that come late, are analysed again and are deleted as time passes.

What happens to every session is drawn beforehand; the vendor answers as of the time its clock shows.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import orjson

from tests.assets.raw.scripted import NOT_FOUND
from tests.schemas import samples

ZONE = ZoneInfo("Asia/Seoul")
IN_BED = timedelta(hours=7)
EARLIER = timedelta(seconds=30)
LATEST = timedelta(days=90)
MOST_REVISIONS = 5

_DETAIL: dict[str, Any] = json.loads(samples.SESSION)
_AVERAGES: dict[str, Any] = json.loads(samples.AVERAGE_STATS)


@dataclass(frozen=True)
class ShortNight:
    """A session: when the vendor has it, when it is analysed again, and when it is deleted, if it ever is."""

    user_id: str
    session_id: str
    start: datetime
    arrives: datetime
    revised: tuple[datetime, ...]
    deleted: datetime | None

    @property
    def day(self) -> date:
        """UTC date of the start."""
        return self.start.date()

    def version(self, now: datetime) -> int | None:
        """How often it had been analysed again; None while the vendor does not have it."""
        if now < self.arrives or (self.deleted and now >= self.deleted):
            return None
        return sum(moment <= now for moment in self.revised)

    def end(self, version: int) -> datetime:
        """Every analysis finds an earlier end."""
        return self.start + IN_BED - version * EARLIER


def draw_nights(rng: Random, users: int, nights: int, first: datetime) -> list[ShortNight]:
    """A session for each user and night: a tenth late by up to 90 days, with 0-5 revisions, a twentieth deleted."""
    return [
        _drawn(rng, f"G-20250301120000-{user:020d}", first, night) for user in range(users) for night in range(nights)
    ]


def _drawn(rng: Random, user_id: str, first: datetime, night: int) -> ShortNight:
    start = first + timedelta(days=night, seconds=rng.randrange(12 * 3600))
    late = rng.random() < 0.1
    arrives = start + IN_BED + (LATEST * rng.random() if late else timedelta(minutes=rng.randrange(1, 90)))
    revised = sorted(arrives + timedelta(days=60) * rng.random() ** 3 for _ in range(rng.randint(0, MOST_REVISIONS)))
    deleted = arrives + timedelta(days=70) * rng.random() if rng.random() < 0.05 else None
    session_id = f"{start:%Y%m%d%H%M%S}_{rng.randrange(16**5):05x}"
    return ShortNight(user_id, session_id, start, arrives, tuple(revised), deleted)


class ShortNights:
    """The vendor; ``lists`` are the users and UTC dates that were asked for since it was emptied."""

    def __init__(self, nights: list[ShortNight], clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._by_id = {night.session_id: night for night in nights}
        self._of_user: dict[str, list[ShortNight]] = {}
        for night in sorted(nights, key=lambda night: night.start):
            self._of_user.setdefault(night.user_id, []).append(night)
        self.lists: list[tuple[str, date, date]] = []

    @property
    def user_ids(self) -> list[str]:
        """All users."""
        return sorted(self._of_user)

    @property
    def transport(self) -> httpx.MockTransport:
        """A way in for a client."""
        return httpx.MockTransport(self._answer)

    def listed(self, user_id: str, first: date, last: date) -> list[tuple[ShortNight, int | None]]:
        """All of a user's sessions of these UTC dates, past and future ones too, each with its version now."""
        now = self._clock()
        return [(night, night.version(now)) for night in self._of_user[user_id] if first <= night.day <= last]

    def _answer(self, request: httpx.Request) -> httpx.Response:
        path, query = request.url.path, request.url.params
        if path == "/data/v1/sessions":
            return self._list(request.headers["x-user-id"], query)
        name = path.rsplit("/", 1)[1]
        if path.startswith("/data/v3/sessions/"):
            night = self._by_id[name]
            version = night.version(self._clock())
            if version is None:
                return httpx.Response(404, content=NOT_FOUND)
            return httpx.Response(200, content=_detail(night, version))
        if name == "average-stats":
            return self._averages(path.split("/")[-2], query["start_date"], query["end_date"])
        return httpx.Response(200, content=samples.USER)

    def _list(self, user_id: str, query: httpx.QueryParams) -> httpx.Response:
        first, last = date.fromisoformat(query["date_gte"]), date.fromisoformat(query["date_lte"])
        self.lists.append((user_id, first, last))
        there = [(night, version) for night, version in self.listed(user_id, first, last) if version is not None]
        offset, limit = int(query["offset"]), int(query["limit"])
        rows = [_row(night, version) for night, version in there[offset : offset + limit]]
        return httpx.Response(200, content=orjson.dumps({"detail": "OK", "result": {"sleep_session_list": rows}}))

    def _averages(self, user_id: str, first: str, last: str) -> httpx.Response:
        days = (date.fromisoformat(first), date.fromisoformat(last))
        named = [{"id": night.session_id} for night in self._counted(user_id, *days)]
        period = {"timezone": ZONE.key, "start_date": first, "end_date": last}
        result = _AVERAGES["result"] | {"period": period, "slept_sessions": named}
        return httpx.Response(200, content=orjson.dumps({"detail": "OK", "result": result}))

    def _counted(self, user_id: str, first: date, last: date) -> Iterator[ShortNight]:
        now = self._clock()
        for night in self._of_user[user_id]:
            if first <= night.start.astimezone(ZONE).date() <= last and night.version(now) is not None:
                yield night


def _row(night: ShortNight, version: int) -> dict[str, Any]:
    end = night.end(version)
    return {
        "session_id": night.session_id,
        "state": "COMPLETE",
        "session_start_time": night.start.isoformat(),
        "session_end_time": end.isoformat(),
        "created_timezone": ZONE.key,
        "time_in_bed": (end - night.start).seconds,
    }


def _detail(night: ShortNight, version: int) -> bytes:
    result = _DETAIL["result"]
    stages = {f"{name}_stages": [0, 1, 0] for name in ("sleep", "breath", "snoring")}
    times = {"start_time": night.start.astimezone(UTC).isoformat(), "end_time": night.end(version).isoformat()}
    session = result["session"] | times | stages | {"id": night.session_id}
    stat = result["stat"] | {"snoring_count": version}
    return orjson.dumps({"detail": "OK", "result": result | {"session": session, "stat": stat}})
