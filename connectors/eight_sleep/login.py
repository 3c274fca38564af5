"""Logging in to Eight Sleep with e-mail address and password, in either of two ways; the settings choose.

As the SmartBedAPI reference has it: at the authentication host, else at the client host. That fallback is asked when
the first host cannot be reached, knows no login (404) or fails (5xx), and only then: a refusal is a refusal everywhere.
Or, with an application's id and secret, as community clients do: OAuth, at the authentication host alone, with the
refresh token of the time before as long as it is good. When a token is bought is decided in ``tokens``.
"""

import asyncio
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import httpx
import msgspec

from connectors.eight_sleep.budget import GroupBudget
from connectors.eight_sleep.jwt import subject_of
from connectors.eight_sleep.refusals import LoginRefused, NotServedHere, document_of, judge_login, unreadable
from connectors.errors import HostUnreachable, InvalidRequest, RateLimited, ServerFailed, VendorError, WrongUsage
from connectors.http import Call, Calls, Host, Reply
from connectors.patience import Patience, Tries
from schemas.eight_sleep import LoginAnswer, TokenAnswer

SHORTEST_LEFT = timedelta(seconds=120)
"""A token is renewed this long before it expires; one that lives less than five times as long, a fifth before."""

UNSAID_LIFETIME = timedelta(hours=1)
"""How long a token is taken to live when the answer does not say."""

ROUNDS = 2
"""How often both hosts are tried: more would use up the logins of a minute."""

LONGEST_LIFE = timedelta(days=3650)
"""A lifetime that is longer is taken for this one."""

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

    @property
    def name_an_application(self) -> bool:
        """Whether there are an application's id and its secret, as OAuth wants them."""
        return bool(self.client_id and self.client_secret)

    def password_grant(self) -> bytes:
        """The request body that asks for a token."""
        return self._grant("password", username=self.email, password=self.password)

    def refresh_grant(self, refresh: str) -> bytes:
        """The request body that asks for another token in exchange for the one of the time before."""
        return self._grant("refresh_token", refresh_token=refresh)

    def _grant(self, kind: str, **more: str) -> bytes:
        application = {"client_id": self.client_id, "client_secret": self.client_secret}
        return msgspec.json.encode({"grant_type": kind, **application, **more})


class Token(msgspec.Struct, frozen=True):
    """A token, whose it is, and when it is to be renewed and no longer used.

    One of OAuth stands in one header alone, ``refresh`` is what the next one is bought with.
    """

    value: str
    user_id: str
    renew_at: datetime
    expires_at: datetime
    refresh: str | None = None
    is_oauth: bool = False

    def __repr__(self) -> str:
        return "Token(…)"

    def headers(self) -> dict[str, str]:
        """What a call carries: the token as a bearer, and again by itself when it is a login's."""
        bearer = {"authorization": f"Bearer {self.value}"}
        return bearer if self.is_oauth else bearer | {"session-token": self.value}


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

    async def buy(self, before: Token | None = None) -> Token:
        """A new token, after that of the time ``before``, which may be over.

        Raises: LoginRefused, HostUnreachable, or another VendorError of the first host.
        """
        if not self._credentials.name_an_application:
            return self._of_login(await self._patiently("/v1/login", self._credentials.body(), self._hosts))
        if before and before.refresh:
            with suppress(LoginRefused, InvalidRequest):  # the password is good for another one
                return await self._granted(self._credentials.refresh_grant(before.refresh), before)
        return await self._granted(self._credentials.password_grant(), before)

    async def _granted(self, body: bytes, before: Token | None) -> Token:
        return self._of_grant(await self._patiently("/v1/tokens", body, self._hosts[:1]), before)

    async def _patiently(self, path: str, body: bytes, hosts: tuple[LoginHost, ...]) -> Reply:
        tries = Tries(replace(self._patience.retry, attempts=ROUNDS), repeatable=True)
        call = Call("login", "POST", path, body=body)
        while True:
            try:
                return await self._anywhere(call, hosts)
            except VendorError as error:
                wait_s = None if isinstance(error, RateLimited) else tries.wait_s(error)
                if wait_s is None:
                    raise
            await asyncio.sleep(wait_s)

    async def _anywhere(self, call: Call, hosts: tuple[LoginHost, ...]) -> Reply:
        failures: list[VendorError] = []
        for host in hosts:
            try:
                return await self._at(host, call)
            except _ELSEWHERE as error:
                failures.append(error)
        raise failures[0]

    async def _at(self, host: LoginHost, call: Call) -> Reply:
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
        try:
            async with opened:
                reply = await opened.call(call, judge_login)
        finally:
            self.calls.by_endpoint.update(opened.calls.by_endpoint)
            self.calls.retries += opened.calls.retries
        await self._budget.told(reply.headers)
        return reply

    def _of_login(self, reply: Reply) -> Token:
        try:
            session = msgspec.convert(document_of(reply), LoginAnswer).session
        except msgspec.ValidationError:
            session = None
        if session is None or not _HEADER_SAFE.fullmatch(session.token) or not session.user_id:
            raise unreadable("login")
        now = self._clock()
        life = _until(session.expires_at or session.expiration_date, now) or UNSAID_LIFETIME
        return Token(session.token, session.user_id, _renewal(now, life), now + life)

    def _of_grant(self, reply: Reply, before: Token | None) -> Token:
        try:
            given = msgspec.convert(document_of(reply), TokenAnswer, strict=False)
        except msgspec.ValidationError:
            given = None
        if given is None or not _HEADER_SAFE.fullmatch(given.access_token):
            raise unreadable("login")
        user_id = given.userId or subject_of(given.access_token) or (before.user_id if before else None)
        if not user_id:
            raise unreadable("login")
        now = self._clock()
        life = _lasting(given.expires_in)
        refresh = given.refresh_token or (before.refresh if before else None)
        return Token(given.access_token, user_id, _renewal(now, life), now + life, refresh, is_oauth=True)


def _until(text: str | None, now: datetime) -> timedelta | None:
    """How far ahead an ISO time lies; None when it says nothing, or is over by our clock, which may be wrong."""
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    life = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - now
    return life if life > timedelta(0) else None


def _lasting(seconds: float | None) -> timedelta:
    """A lifetime in seconds as it was told, if it was and can be."""
    if not seconds or seconds <= 0:
        return UNSAID_LIFETIME
    return timedelta(seconds=min(seconds, LONGEST_LIFE.total_seconds()))


def _renewal(now: datetime, life: timedelta) -> datetime:
    return now + life - min(SHORTEST_LEFT, life / 5)
