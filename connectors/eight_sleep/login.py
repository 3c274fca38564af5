"""Logging in to Eight Sleep with e-mail address and password: at the authentication host, else at the client host.

The fallback is asked when the first host cannot be reached, knows no login (404) or fails (5xx), and only then: a
refusal is a refusal everywhere. When a token is bought and how long it is kept is decided in ``tokens``.
"""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import httpx
import msgspec

from connectors.eight_sleep.budget import GroupBudget
from connectors.eight_sleep.refusals import NotServedHere, document_of, judge_login, unreadable
from connectors.errors import HostUnreachable, RateLimited, ServerFailed, VendorError, WrongUsage
from connectors.http import Call, Calls, Host, Reply
from connectors.patience import Patience, Tries
from schemas.eight_sleep import LoginAnswer

SHORTEST_LEFT = timedelta(seconds=120)
"""A token is renewed this long before it expires; one that lives less than five times as long, a fifth before."""

UNSAID_LIFETIME = timedelta(hours=1)
"""How long a token is taken to live when the answer does not say."""

ROUNDS = 2
"""How often both hosts are tried: more would use up the logins of a minute."""

_HEADER_SAFE = re.compile(r"[!-~]+")
_ELSEWHERE = (HostUnreachable, ServerFailed, NotServedHere)


@dataclass(frozen=True)
class Credentials:
    """What an account is opened with; the application's id and secret are optional."""

    email: str = field(repr=False)
    password: str = field(repr=False)
    client_id: str | None = field(default=None, repr=False)
    client_secret: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        """Raise ``WrongUsage`` when one of the two is empty."""
        if not self.email or not self.password:
            raise WrongUsage("EIGHT_SLEEP_EMAIL and EIGHT_SLEEP_PASSWORD are not both set: put them into .env.")

    def body(self) -> bytes:
        """The login's request body."""
        told = {"email": self.email, "password": self.password}
        optional = {"client_id": self.client_id, "client_secret": self.client_secret}
        return msgspec.json.encode(told | {name: value for name, value in optional.items() if value is not None})


class Token(msgspec.Struct, frozen=True):
    """A token, whose it is, and when it is to be renewed and no longer used."""

    value: str
    user_id: str
    renew_at: datetime
    expires_at: datetime

    def __repr__(self) -> str:
        return "Token(…)"


@dataclass(frozen=True)
class LoginHost:
    """One of the hosts that may log us in; ``setting`` is the name of the setting that holds its address."""

    setting: str
    base_url: str


class Login:
    """Buys a token at the first of ``hosts`` that can be asked, within ``budget``, which all of them share."""

    def __init__(
        self,
        credentials: Credentials,
        hosts: tuple[LoginHost, ...],
        *,
        budget: GroupBudget,
        clock: Callable[[], datetime],
        patience: Patience,
        transport: httpx.AsyncBaseTransport | None = None,
        on_call: Callable[[str], None] | None = None,
    ) -> None:
        self._credentials = credentials
        self._hosts = hosts
        self._budget = budget
        self._clock = clock
        self._patience = patience
        self._transport = transport
        self._on_call = on_call
        self.calls = Calls()

    def __repr__(self) -> str:
        return "<Login>"

    async def buy(self) -> Token:
        """A new token. Raises: LoginRefused, HostUnreachable, or another VendorError of the first host."""
        tries = Tries(replace(self._patience.retry, attempts=ROUNDS), repeatable=True)
        while True:
            try:
                return self._token(await self._anywhere())
            except VendorError as error:
                wait_s = None if isinstance(error, RateLimited) else tries.wait_s(error)
                if wait_s is None:
                    raise
            await asyncio.sleep(wait_s)

    async def _anywhere(self) -> Reply:
        failures: list[VendorError] = []
        for host in self._hosts:
            try:
                return await self._at(host)
            except _ELSEWHERE as error:
                failures.append(error)
        raise failures[0]

    async def _at(self, host: LoginHost) -> Reply:
        """One attempt at one host; only a refusal for haste is waited out there."""
        # A host of its own for each attempt, because one that could not be reached is not asked any more.
        opened = Host(
            host.base_url,
            {},
            setting=host.setting,
            rate_limit=self._budget,
            concurrency=1,
            clock=self._clock,
            patience=replace(self._patience, retry=replace(self._patience.retry, attempts=1)),
            transport=self._transport,
            on_call=self._on_call,
        )
        call = Call("login", "POST", "/v1/login", body=self._credentials.body())
        try:
            async with opened:
                reply = await opened.call(call, judge_login)
        finally:
            self.calls.by_endpoint.update(opened.calls.by_endpoint)
            self.calls.retries += opened.calls.retries
        await self._budget.told(reply.headers)
        return reply

    def _token(self, reply: Reply) -> Token:
        try:
            session = msgspec.convert(document_of(reply), LoginAnswer).session
        except msgspec.ValidationError:
            session = None
        if session is None or not _HEADER_SAFE.fullmatch(session.token) or not session.user_id:
            raise unreadable("login")
        now = self._clock()
        life = _until(session.expires_at or session.expiration_date, now) or UNSAID_LIFETIME
        renew_at = now + life - min(SHORTEST_LEFT, life / 5)
        return Token(session.token, session.user_id, renew_at, now + life)


def _until(text: str | None, now: datetime) -> timedelta | None:
    """How far ahead an ISO time lies; None when it says nothing, or is over by our clock, which may be wrong."""
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    life = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - now
    return life if life > timedelta(0) else None
