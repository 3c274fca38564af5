"""Carrying faults out: what a client sees on the wire instead of, or together with, the right answer.

Which request meets which fault is decided in ``faults``; closing and resetting connections is in ``wire``, lists that
change in ``listing``.
"""

import gzip
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any, cast

import orjson
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from connectors.asleep.sandbox import listing
from connectors.asleep.sandbox.faults import Asked, Chosen, Faults
from connectors.asleep.sandbox.refusals import (
    BAD_HEADER_USER,
    BAD_PATH_USER,
    OTHER_INVALID,
    OTHER_WORDINGS,
    PLAN_EXPIRED,
    QUOTA_EXCEEDED,
    RATE_LIMIT_EXCEEDED,
    TOO_MANY_REQUESTS,
    UNKNOWN_REFUSAL,
    Wording,
)
from connectors.asleep.sandbox.rules import ON_DATE, Rule
from connectors.sandbox import wire

ASKED = "sandbox.asked"
"""Key of a request's scope under which ``Asked`` stands for the vendor's endpoints."""

_LONGEST_PAGE = 100
_USUAL_PAGE = 20
_PROMISED_TOO_MUCH = 100
_PAGE = """<!DOCTYPE html>
<html><head><title>{title}</title></head>
<body><h1>{title}</h1>{rest}</body></html>
"""
_LOGIN_PAGE = _PAGE.format(
    title="Sign in", rest='<form method="post"><input name="user"><input name="password"></form>'
)
_REASONS = {500: "Internal Server Error", 502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Time-out"}
_TEXTS = {403: "Rate limit exceeded", 404: "Not Found"}
_REFUSALS: Mapping[str, Wording] = {
    "rate_limit": RATE_LIMIT_EXCEEDED,
    "quota": QUOTA_EXCEEDED,
    "plan": PLAN_EXPIRED,
    "forbidden": UNKNOWN_REFUSAL,
    "too_many": TOO_MANY_REQUESTS,
}


class Misbehaviour:
    """The layer between the key check and the vendor's endpoints; without faults it only passes requests on."""

    def __init__(self, app: ASGIApp, faults: Faults) -> None:
        self._app = app
        self._faults = faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, rightly or not."""
        asked: Asked | None = scope.get(ASKED)
        chosen = self._faults.choose(asked) if asked else None
        if asked is None or chosen is None:
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(self._app, scope, receive, send, asked, chosen, lambda: self._faults.count(chosen))
        if chosen.rule.kind in _REFUSALS:
            await _refuse(exchange)
        else:
            await _ACTS[chosen.rule.kind](exchange)


@dataclass(frozen=True)
class _Answer:
    """An answer of the application below, in full."""

    start: Message
    body: bytes

    @property
    def status(self) -> int:
        return cast("int", self.start["status"])

    @property
    def is_good(self) -> bool:
        """Whether there is something to spoil."""
        return self.status < 300 and bool(self.body)

    def with_headers(self, **changed: str) -> Message:
        """The start with these headers in place of its own."""
        headers = {name.replace("_", "-").encode(): value.encode() for name, value in changed.items()}
        kept = [(name, value) for name, value in self.start["headers"] if name.lower() not in headers]
        return {**self.start, "headers": [*kept, *headers.items()]}

    def with_body(self, body: bytes, **changed: str) -> tuple[Message, bytes]:
        """The start and body of the same answer with another body of right length."""
        return self.with_headers(content_length=str(len(body)), **changed), body


@dataclass(frozen=True)
class _Exchange:
    """One request with the fault it meets; ``count`` is to be called when the fault is really carried out."""

    app: ASGIApp
    scope: Scope
    receive: Receive
    send: Send
    asked: Asked
    chosen: Chosen
    count: Callable[[], None]

    @property
    def rule(self) -> Rule:
        return self.chosen.rule

    async def pass_on(self, **changed: object) -> None:
        """Let the application answer, with a scope changed in some places."""
        await self.app({**self.scope, **changed}, self.receive, self.send)

    async def answered(self, **changed: object) -> _Answer:
        """What the application answers, kept back."""
        messages: list[Message] = []

        async def keep(message: Message) -> None:
            messages.append(message)

        await self.app({**self.scope, **changed}, self.receive, keep)
        return _Answer(messages[0], b"".join(message.get("body", b"") for message in messages[1:]))

    async def reply(self, start: Message, body: bytes, more_body: bool = False) -> None:
        await self.send(start)
        await self.send({"type": "http.response.body", "body": body, "more_body": more_body})

    async def reply_with(self, response: Response) -> None:
        self.count()
        await response(self.scope, self.receive, self.send)

    async def reply_as_it_is(self, answer: _Answer) -> None:
        await self.reply(answer.start, answer.body)


async def _refuse(exchange: _Exchange) -> None:
    wording = _REFUSALS[exchange.rule.kind]
    await exchange.reply_with(
        Response(_detail(wording.detail), wording.status, _retry_after(exchange.rule), media_type="application/json")
    )


async def _refuse_user(exchange: _Exchange) -> None:
    in_path = exchange.asked.endpoint in ("stats", "user", "update_user", "delete_user")
    wording = BAD_PATH_USER if in_path else BAD_HEADER_USER
    await exchange.reply_with(Response(_detail(wording.detail), wording.status, media_type="application/json"))


async def _fail(exchange: _Exchange) -> None:
    status = exchange.rule.status or 503
    page = _PAGE.format(title=f"{status} {_REASONS[status]}", rest="<hr>nginx")
    await exchange.reply_with(Response(page, status, _retry_after(exchange.rule), media_type="text/html"))


async def _mistype(exchange: _Exchange) -> None:
    if exchange.rule.way == "page":
        await exchange.reply_with(Response(_LOGIN_PAGE, media_type="text/html"))
    else:
        await _spoil(exchange, lambda good: (good.with_headers(content_type="text/html; charset=utf-8"), good.body))


async def _truncate(exchange: _Exchange) -> None:
    await _spoil(exchange, lambda good: good.with_body(good.body[: len(good.body) // 2]))


async def _empty(exchange: _Exchange) -> None:
    await _spoil(exchange, lambda good: good.with_body(b""))


async def _compress(exchange: _Exchange) -> None:
    if "gzip" in Headers(scope=exchange.scope).get("accept-encoding", ""):
        await _spoil(exchange, lambda good: good.with_body(gzip.compress(good.body, mtime=0), content_encoding="gzip"))
    else:
        await exchange.pass_on()


async def _spoil(
    exchange: _Exchange, change: Callable[[_Answer], tuple[Message, bytes]], **changed_scope: object
) -> None:
    """Send a good answer changed, any other as it is."""
    answer = await exchange.answered(**changed_scope)
    if answer.is_good:
        exchange.count()
        await exchange.reply(*change(answer))
    else:
        await exchange.reply_as_it_is(answer)


async def _promise_too_much(exchange: _Exchange) -> None:
    answer = await exchange.answered()
    if answer.is_good:
        exchange.count()
        promised = str(len(answer.body) + _PROMISED_TOO_MUCH)
        await exchange.reply(answer.with_headers(content_length=promised), answer.body, more_body=True)
        await wire.hang_up(exchange.scope, exchange.receive)
    else:
        await exchange.reply_as_it_is(answer)


async def _reset(exchange: _Exchange) -> None:
    answer = await exchange.answered()
    exchange.count()
    if answer.body:
        await exchange.reply(answer.start, answer.body[: len(answer.body) // 2], more_body=True)
    await wire.hang_up(exchange.scope, exchange.receive, reset=True)


async def _stall(exchange: _Exchange) -> None:
    answer = await exchange.answered()
    exchange.count()
    if exchange.rule.way == "headers" and answer.body:
        await exchange.reply(answer.start, b"", more_body=True)
    await wire.until_gone(exchange.scope, exchange.receive, exchange.rule.delay_s)
    await wire.hang_up(exchange.scope, exchange.receive)


async def _unwrap(exchange: _Exchange) -> None:
    empty = exchange.rule.way == "empty"
    if status := exchange.rule.status:
        await exchange.reply_with(Response(b"" if empty else _TEXTS[status], status, media_type="text/plain"))
        return
    answer = await exchange.answered()
    if answer.status in _TEXTS:
        exchange.count()
        detail = orjson.loads(answer.body)["detail"]
        text = b"" if empty else str(detail).encode()
        await exchange.reply(*answer.with_body(text, content_type="text/plain; charset=utf-8"))
    else:
        await exchange.reply_as_it_is(answer)


async def _reword(exchange: _Exchange) -> None:
    answer = await exchange.answered()
    others = [] if answer.is_good or not answer.body else _other_wordings(answer)
    if others:
        exchange.count()
        await exchange.reply(*answer.with_body(_detail(others[exchange.chosen.asked_before % len(others)])))
    else:
        await exchange.reply_as_it_is(answer)


async def _tell_twice(exchange: _Exchange) -> None:
    page = _page_asked_for(exchange.asked)
    if page is None:
        await exchange.pass_on()
        return
    rows = listing.rows_behind(*page)
    real_page = listing.paged(exchange.asked.query, rows)
    await _spoil(
        exchange, lambda good: good.with_body(listing.repeated(good.body, rows)), query_string=real_page.encode()
    )


async def _shift(exchange: _Exchange) -> None:
    exchange.count()
    by = 1 if exchange.rule.way == "disappears" else -1
    await exchange.pass_on(query_string=listing.shifted(exchange.asked.query, by).encode())


async def _delay(exchange: _Exchange) -> None:
    exchange.count()
    await wire.pause(exchange.scope, 1.0 if exchange.rule.delay_s is None else exchange.rule.delay_s)
    await exchange.pass_on()


_ACTS: Mapping[str, Callable[[_Exchange], Awaitable[None]]] = {
    "server_error": _fail,
    "truncated": _truncate,
    "wrong_length": _promise_too_much,
    "stall": _stall,
    "reset": _reset,
    "wrong_type": _mistype,
    "empty_body": _empty,
    "user_refused": _refuse_user,
    "no_envelope": _unwrap,
    "odd_texts": _reword,
    "duplicated_rows": _tell_twice,
    "shifting_rows": _shift,
    "slow": _delay,
    "gzip": _compress,
}


def _detail(text: str) -> bytes:
    return orjson.dumps({"detail": text})


def _retry_after(rule: Rule) -> dict[str, str]:
    if rule.retry_after is None:
        return {}
    if rule.retry_after == ON_DATE:
        moment = datetime.now(UTC) + timedelta(seconds=2)
        return {"retry-after": format_datetime(moment.replace(microsecond=0), usegmt=True)}
    return {"retry-after": str(rule.retry_after)}


def _other_wordings(answer: _Answer) -> tuple[str, ...]:
    detail: Any = orjson.loads(answer.body).get("detail")
    return OTHER_WORDINGS.get(detail, ()) if isinstance(detail, str) else (OTHER_INVALID,)


def _page_asked_for(asked: Asked) -> tuple[int, int] | None:
    """Offset and limit of a list request; None when there is no row to repeat, or a value the endpoint will refuse."""
    limit = asked.number("limit", _USUAL_PAGE)
    offset = asked.number("offset", 0)
    return None if offset is None or limit is None or not 0 < limit <= _LONGEST_PAGE else (offset, limit)
