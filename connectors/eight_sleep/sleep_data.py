"""What community clients read besides: users, beds, sleep sessions (intervals) and scored nights (trends).

Answers carry the bytes as received. Intervals know no date filter: ``intervals_between`` pages back as far as needed.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal, TypeVar
from urllib.parse import quote

import msgspec

from connectors.eight_sleep.answer import EightSleepAnswer
from connectors.eight_sleep.asking import Asking
from connectors.eight_sleep.budget import APP, SLEEP, Group
from connectors.errors import WrongUsage
from connectors.http import Call
from schemas.eight_sleep import (
    Bed,
    BedAnswer,
    BedUser,
    Interval,
    IntervalsPage,
    TrendDay,
    Trends,
    UserAnswer,
    UserTemperature,
    decoded,
    decoded_list,
)

Model = Literal["v1", "v2", "v3"]
"""How trends are told: as in 2022, or by either of the later models."""

T = TypeVar("T")

_DAY = timedelta(days=1)
_WHAT_TO_DO = {
    "user": "correct it in the roster",
    "bed": "list the beds to see their ids",
    "session": "check where it came from",
}
_SENDABLE = re.compile(r"[!-~]{1,256}")


@dataclass(frozen=True)
class ListedInterval:
    """One interval as a page has it: ``body`` is its own bytes, ``fetched_at`` when the page came (UTC).

    ``ts`` is the text of its beginning; None when that cannot be read, and so is ``id``.
    """

    id: str | None = field(repr=False)
    ts: str | None = field(repr=False)
    body: bytes = field(repr=False)
    fetched_at: datetime


class SleepData:
    """These calls, over ``asking``; a user may be anybody whose data the account may see."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking

    async def get_me(self) -> EightSleepAnswer[BedUser]:
        """GET /v1/users/me: the account's user. The body holds personal data and is not to be kept."""
        return await self._answer(Call("me", "GET", "/v1/users/me"), _user)

    async def get_user(self, user_id: str) -> EightSleepAnswer[BedUser]:
        """GET /v1/users/{userId}, also the partner's; likewise not to be kept. ``UserNotFound``, ``Forbidden``."""
        return await self._answer(Call("user", "GET", f"/v1/users/{path_part(user_id)}"), _user)

    async def get_bed(self, device_id: str) -> EightSleepAnswer[Bed]:
        """GET /v1/devices/{deviceId}; the body holds network data and is not to be kept. ``DeviceNotFound``."""
        return await self._answer(Call("bed", "GET", f"/v1/devices/{path_part(device_id, 'bed')}"), _bed)

    async def get_temperature(self, user_id: str) -> EightSleepAnswer[UserTemperature]:
        """GET /v1/users/{userId}/temperature of the application host: the user's side, whichever that is; levels."""
        call = Call("user_temperature", "GET", f"/v1/users/{path_part(user_id)}/temperature")
        return await self._answer(call, _temperature, APP)

    async def intervals_page(self, user_id: str, cursor: str | None = None) -> EightSleepAnswer[IntervalsPage]:
        """GET /v1/users/{userId}/intervals: about ten sessions, newest first; ``cursor`` is ``next`` of a page."""
        path = f"/v1/users/{path_part(user_id)}/intervals"
        call = Call("intervals", "GET", path, params={} if cursor is None else {"next": cursor})
        return await self._answer(call, _page)

    async def get_interval(self, user_id: str, interval_id: str) -> EightSleepAnswer[Interval]:
        """GET /v1/users/{userId}/intervals/{id}; ``SessionNotFound`` carries the answer's body."""
        path = f"/v1/users/{path_part(user_id)}/intervals/{path_part(interval_id, 'session')}"
        return await self._answer(Call("interval", "GET", path), _interval)

    async def trends(
        self, user_id: str, first: date, last: date, zone: str, *, model: Model = "v3", sessions: bool = False
    ) -> EightSleepAnswer[Trends]:
        """GET /v1/users/{userId}/trends: the nights that ended from ``first`` to ``last``, both included, in ``zone``.

        With ``sessions`` each day holds its intervals. Some answers then tell no scores: the question is repeated
        without, and if that tells more scores it is the answer. Raises ``WrongUsage`` without a call when the dates are
        reversed.
        """
        if last < first:
            raise WrongUsage("The period ends before it starts: swap the two dates.")
        answer = await self._trends(user_id, first, last, zone, model, sessions)
        if not sessions or not (lacking := _days_without_score(answer)):
            return answer
        again = await self._trends(user_id, first, last, zone, model, False)
        return again if _days_without_score(again) < lacking else answer

    async def intervals_between(self, user_id: str, first: date, last: date) -> list[ListedInterval]:
        """Every session that began from a day before ``first`` to a day after ``last`` (UTC dates), oldest first.

        Each id once, as it was received last; then those whose beginning cannot be read, whenever they were. Pages are
        read until one reaches further back, says no ``next``, is empty, repeats a cursor or tells nothing new.
        """
        earliest = datetime.combine(first, time.min, UTC) - _DAY
        latest = datetime.combine(last, time.min, UTC) + 2 * _DAY
        found: dict[str | bytes, ListedInterval] = {}
        cursor, seen = None, set[str]()
        while True:
            answer = await self.intervals_page(user_id, cursor)
            page = answer.result()
            listed = [_listed(bytes(raw), answer.fetched_at) for raw in page.intervals]
            known = len(found)
            found |= {one.id or one.body: one for one in listed}
            began = [moment for one in listed if (moment := _moment(one.ts))]
            cursor = page.next
            if (began and min(began) < earliest) or cursor is None or cursor in seen or len(found) == known:
                break
            seen.add(cursor)
        dated = [(_moment(one.ts), one) for one in found.values()]
        wanted = [(moment, one) for moment, one in dated if moment and earliest <= moment < latest]
        unreadable_ones = [one for moment, one in dated if moment is None]
        return [one for _, one in sorted(wanted, key=lambda pair: pair[0])] + unreadable_ones

    async def _trends(
        self, user_id: str, first: date, last: date, zone: str, model: Model, sessions: bool
    ) -> EightSleepAnswer[Trends]:
        params = {"tz": zone, "from": first.isoformat(), "to": last.isoformat()}
        if sessions or model != "v1":
            params |= {"include-main": "false", "include-all-sessions": "true" if sessions else "false"}
        if model != "v1":
            params |= {"model-version": model, "consistent-read": "false"}
        return await self._answer(
            Call("trends", "GET", f"/v1/users/{path_part(user_id)}/trends", params=params), _trend_days
        )

    async def _answer(self, call: Call, decoder: Callable[[bytes], T], group: Group = SLEEP) -> EightSleepAnswer[T]:
        reply = await self._asking.reply(group, lambda _: call)
        return EightSleepAnswer(reply.body, reply.status, reply.received_at, call.endpoint, decoder)


def path_part(text: str, whose: str = "user") -> str:
    """The id of a ``user``, ``bed`` or ``session`` as a part of a path. Raises ``WrongUsage``."""
    if not _SENDABLE.fullmatch(text) or text in (".", ".."):
        raise WrongUsage(f"The id of the {whose} cannot be sent to Eight Sleep: {_WHAT_TO_DO[whose]}.")
    return quote(text, safe="")


def _user(body: bytes) -> BedUser:
    return decoded(body, UserAnswer).user


def _bed(body: bytes) -> Bed:
    return decoded(body, BedAnswer).result


def _temperature(body: bytes) -> UserTemperature:
    return decoded(body, UserTemperature)


def _interval(body: bytes) -> Interval:
    return decoded(body, Interval)


def _page(body: bytes) -> IntervalsPage:
    return decoded_list(body, IntervalsPage)


def _trend_days(body: bytes) -> Trends:
    return decoded_list(body, Trends)


class _Named(msgspec.Struct, frozen=True):
    id: str | int | None = None
    ts: object = None


def _listed(body: bytes, fetched_at: datetime) -> ListedInterval:
    """What can be read of an interval, however little that is."""
    try:
        named = msgspec.json.decode(body, type=_Named)
    except (ValueError, RecursionError):
        return ListedInterval(None, None, body, fetched_at)
    ts = named.ts if isinstance(named.ts, str) and _moment(named.ts) else None
    return ListedInterval(None if named.id is None else str(named.id), ts, body, fetched_at)


def _moment(text: str | None) -> datetime | None:
    """An ISO time with an offset; None for anything else."""
    try:
        moment = datetime.fromisoformat(text or "")
        return moment.astimezone(UTC) if moment.tzinfo else None
    except (ValueError, OverflowError):  # the first and the last day of the calendar have no date in every zone
        return None


def _days_without_score(answer: EightSleepAnswer[Trends]) -> int:
    """How many finished nights of the answer have no score; unreadable ones are none of ours."""
    count = 0
    for raw in answer.result().days:
        try:
            day = decoded(raw, TrendDay)
        except (ValueError, RecursionError):
            continue
        count += day.has_night and day.is_final and day.fitness_score is None
    return count
