"""The Asleep REST API (https://docs-en.asleep.ai) as typed async calls: one method an endpoint.

Retries, the budget and connections are in ``connectors.http``, the meaning of refusals in ``refusals``, payload shapes
in ``schemas.asleep``. What to ask for, and what becomes of the answers, does not live here.
"""

import re
from collections.abc import AsyncIterator, Callable
from datetime import date, datetime, timedelta
from types import TracebackType
from typing import Literal, Self, TypeVar
from urllib.parse import quote

import httpx
import msgspec

from connectors.answer import Answer
from connectors.asleep.answer import AsleepAnswer
from connectors.asleep.paging import every_row
from connectors.asleep.refusals import AsleepJudge
from connectors.asleep.session_list import SessionListAnswer
from connectors.breaker import Breaker
from connectors.call_tally import CallTally
from connectors.errors import (
    InvalidRequest,
    InvalidUserId,
    SessionNotFound,
    UserNotFound,
    WrongUsage,
)
from connectors.http import Call, Calls, Host, Reply
from connectors.patience import Patience
from connectors.rate_limit import RateLimit
from schemas.asleep import (
    AverageStats,
    CreatedUser,
    SessionDetail,
    SessionList,
    SessionRow,
    UpdatedUser,
    User,
    UserMetadata,
)

PAGE_ROWS = 100
"""Rows of the longest list page the vendor gives."""

STATS_DAYS = 100
"""Longest period of average stats in days, first and last day included: safe on either reading of the vendor's rule."""

LONGEST_ID = 256
"""Characters of the longest user or session id that is sent at all."""

_HEADER_SAFE = re.compile(r"[!-~](?:[ -~]*[!-~])?")

_NOBODY = "G-20000101000000-NobodyNobodyNobodyNo"

T = TypeVar("T")


class AsleepClient:
    """Asleep's REST API; an async context manager for one event loop. Times of receipt come from ``clock`` (aware UTC).

    Every method raises ``HostUnreachable``, ``VendorDown``, ``KeyRefused``, ``PlanExpired``, ``QuotaExceeded``,
    ``Forbidden``, ``RateLimited``, ``ServerFailed``, ``InvalidRequest``, ``InvalidUserId``, ``UnreadableAnswer`` or
    another ``VendorError``; ``UserNotFound`` and ``SessionNotFound`` where a method does not say otherwise. After an
    error that ``stops_everything`` a client asks no more: every call, waiting or new, raises that error. ``calls``
    counts requests under ``list``, ``detail``, ``stats``, ``user``, ``create_user``, ``update_user``, ``delete_user``,
    ``delete_session`` and ``alive``, which asks for the sessions of nobody while ``breaker`` is open.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str,
        *,
        rate_limit: RateLimit,
        clock: Callable[[], datetime],
        concurrency: int = 32,
        patience: Patience | None = None,
        breaker: Breaker | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        on_call: Callable[[str], None] | None = None,
        tally: CallTally | None = None,
    ) -> None:
        """Raise ``WrongUsage`` when the address or the key cannot be used at all; nothing is asked yet."""
        if not _HEADER_SAFE.fullmatch(api_key):
            raise WrongUsage("ASLEEP_API_KEY is not a usable key: check it in the environment or .env.")
        self._host = Host(
            base_url,
            {"x-api-key": api_key},
            setting="ASLEEP_BASE_URL",
            rate_limit=rate_limit,
            concurrency=concurrency,
            clock=clock,
            patience=patience,
            breaker=breaker,
            alive=Call("alive", "GET", "/data/v1/sessions", headers=_scope("UTC", _NOBODY), params={"limit": "1"}),
            transport=transport,
            on_call=on_call,
            tally=tally,
        )

    def __repr__(self) -> str:
        return f"<AsleepClient {self._host.origin}>"

    async def __aenter__(self) -> Self:
        await self._host.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._host.__aexit__(kind, error, trace)

    @property
    def calls(self) -> Calls:
        """Requests made so far, retries included."""
        return self._host.calls

    async def create_user(self, metadata: UserMetadata | None) -> str:
        """POST /ai/v1/users: make a user and return the id the vendor chose.

        Not asked again when the vendor may have made the user already.
        """
        body = None if metadata is None else _metadata_body(metadata)
        call = Call("create_user", "POST", "/ai/v1/users", body=body, repeatable=False)
        return (await self._document(call, CreatedUser)).result().user_id

    async def get_user(self, user_id: str) -> Answer[User]:
        """GET /ai/v1/users/{user_id}."""
        return await self._document(Call("user", "GET", _user_path(user_id)), User)

    async def update_user(self, user_id: str, metadata: UserMetadata | None) -> Answer[UpdatedUser]:
        """PUT /ai/v1/users/{user_id}: replace the user's metadata."""
        call = Call("update_user", "PUT", _user_path(user_id), body=_metadata_body(metadata))
        return await self._document(call, UpdatedUser)

    async def delete_user(self, user_id: str) -> bool:
        """DELETE /ai/v1/users/{user_id} with everything below; False when the vendor knew no such user."""
        return await self._delete(Call("delete_user", "DELETE", _user_path(user_id)))

    async def list_sessions(
        self,
        user_id: str,
        *,
        date_gte: date | None,
        date_lte: date | None,
        order_by: Literal["ASC", "DESC"] = "ASC",
        offset: int = 0,
        limit: int = PAGE_ROWS,
        zone: str = "UTC",
    ) -> Answer[SessionList]:
        """GET /data/v1/sessions: one page of sessions whose start date in ``zone`` is in the range, ends included.

        Rows are read one by one: see ``SessionListAnswer``.
        """
        days = {"date_gte": date_gte, "date_lte": date_lte}
        params = {name: day.isoformat() for name, day in days.items() if day is not None}
        params |= {"order_by": order_by, "offset": str(offset), "limit": str(limit)}
        call = Call("list", "GET", "/data/v1/sessions", headers=_scope(zone, user_id), params=params)
        reply = await self._host.call(call, AsleepJudge(call.endpoint, "result"))
        return SessionListAnswer(reply.body, reply.status, reply.received_at, SessionList)

    def iterate_sessions(
        self,
        user_id: str,
        *,
        date_gte: date | None,
        date_lte: date | None,
        zone: str = "UTC",
        on_page: Callable[[Answer[SessionList]], None] | None = None,
    ) -> AsyncIterator[SessionRow]:
        """Every session of the range once, oldest first; one call for a user with under ``PAGE_ROWS`` of them.

        Pages overlap by one row, so that a session deleted between two pages hides none (``paging`` tells how);
        ``on_page`` is given each as received.
        """

        async def page(offset: int) -> list[SessionRow]:
            answer = await self.list_sessions(
                user_id, date_gte=date_gte, date_lte=date_lte, offset=offset, limit=PAGE_ROWS, zone=zone
            )
            rows = answer.result().sleep_session_list
            if on_page:
                on_page(answer)
            return rows

        return every_row(page, PAGE_ROWS)

    async def get_session(self, user_id: str, session_id: str, *, zone: str = "UTC") -> Answer[SessionDetail]:
        """GET /data/v3/sessions/{session_id}; ``SessionNotFound`` carries the answer's body."""
        path = f"/data/v3/sessions/{_session_part(session_id)}"
        call = Call("detail", "GET", path, headers=_scope(zone, user_id))
        reply = await self._host.call(call, AsleepJudge(call.endpoint, "json"))
        return _answer(reply, SessionDetail)

    async def delete_session(self, user_id: str, session_id: str) -> bool:
        """DELETE /ai/v1/sessions/{session_id} with audio and analysis; False when it, or the user, was gone already."""
        path = f"/ai/v1/sessions/{_session_part(session_id)}"
        return await self._delete(Call("delete_session", "DELETE", path, headers={"x-user-id": _user_id(user_id)}))

    async def average_stats(self, user_id: str, start: date, end: date, *, zone: str = "UTC") -> Answer[AverageStats]:
        """GET /data/v1/users/{user_id}/average-stats from ``start`` to ``end``, both included.

        Raises ``WrongUsage`` without a call when the dates are reversed or more than ``STATS_DAYS`` days apart.
        """
        if len(split_period(start, end)) > 1:
            raise WrongUsage(f"Average stats cover at most {STATS_DAYS} days: split the period.")
        path = f"/data/v1/users/{_user_part(user_id)}/average-stats"
        params = {"start_date": start.isoformat(), "end_date": end.isoformat()}
        return await self._document(Call("stats", "GET", path, headers=_scope(zone), params=params), AverageStats)

    async def _document(self, call: Call, shape: type[T]) -> Answer[T]:
        return _answer(await self._host.call(call, AsleepJudge(call.endpoint, "result")), shape)

    async def _delete(self, call: Call) -> bool:
        try:
            await self._host.call(call, AsleepJudge(call.endpoint, "empty"))
        except (UserNotFound, SessionNotFound):
            return False
        return True


def split_period(start: date, end: date, days: int = STATS_DAYS) -> list[tuple[date, date]]:
    """Cut ``start`` to ``end``, both included, into consecutive pieces of at most ``days`` days, ends included.

    Raises ``WrongUsage`` when the dates are reversed.
    """
    if end < start:
        raise WrongUsage("The period ends before it starts: swap the two dates.")
    length = (end - start).days + 1
    firsts = [start + timedelta(days=skipped) for skipped in range(0, length, days)]
    return [(first, min(end, first + timedelta(days=days - 1))) for first in firsts]


def _answer(reply: Reply, shape: type[T]) -> Answer[T]:
    return AsleepAnswer(reply.body, reply.status, reply.received_at, shape)


def _metadata_body(metadata: UserMetadata | None) -> bytes:
    return msgspec.json.encode({"metadata": metadata})


def _scope(zone: str, user_id: str | None = None) -> dict[str, str]:
    """Headers that say whose data is asked for, and in which zone."""
    if not _HEADER_SAFE.fullmatch(zone):
        raise InvalidRequest("The time zone asked for cannot be sent in a header: use an IANA name.")
    return {"timezone": zone} if user_id is None else {"timezone": zone, "x-user-id": _user_id(user_id)}


def _user_id(user_id: str) -> str:
    """The id itself, if it can be sent unchanged both in a header and in a path."""
    if not _is_sendable(user_id):
        raise InvalidUserId("A user id cannot be sent to Asleep as it is: correct it in the roster.")
    return user_id


def _user_part(user_id: str) -> str:
    return quote(_user_id(user_id), safe="")


def _user_path(user_id: str) -> str:
    return f"/ai/v1/users/{_user_part(user_id)}"


def _session_part(session_id: str) -> str:
    if not _is_sendable(session_id):
        raise InvalidRequest("A session id cannot be sent to Asleep as it is: check where it came from.")
    return quote(session_id, safe="")


def _is_sendable(name: str) -> bool:
    # Servers drop blanks around a header, and "." and ".." in a path name another resource.
    return bool(_HEADER_SAFE.fullmatch(name)) and len(name) <= LONGEST_ID and name not in (".", "..")
