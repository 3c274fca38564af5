"""Logging in to a FHIR server: not at all, with a token that somebody gave us, or as a SMART backend service.

SMART backend services (https://hl7.org/fhir/smart-app-launch/backend-services.html): the token endpoint is found
through ``.well-known/smart-configuration``, an assertion signed with our private key buys a token for minutes. It is
renewed before it expires, and once when the server refuses it before its time.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode

import httpx

from connectors.errors import (
    CutShort,
    KeyRefused,
    RateLimited,
    ServerFailed,
    UnreadableAnswer,
    VendorError,
    WrongUsage,
)
from connectors.fhir_server.assertion import SigningKey
from connectors.fhir_server.refusals import NO_ANSWER_BUT_MAYBE_LATER, document_of
from connectors.http import Call, Host, Reply, attempts_text
from connectors.patience import Patience, Tries

SHORTEST_LEFT = timedelta(seconds=60)
"""A token is renewed this long before it expires; one that lives less than five times as long, a fifth before."""

UNSAID_LIFETIME_S = 300.0
"""Seconds a token is taken to live when the server does not say (SMART: at most 5 minutes are recommended)."""

_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_SCOPES = {True: "system/*.cruds", False: "system/*.read system/*.write"}
_FORM = {"content-type": "application/x-www-form-urlencoded", "accept": "application/json"}
_HEADER_SAFE = re.compile(r"[!-~]+")
_OAUTH_ERRORS = frozenset(
    {
        *("invalid_request", "invalid_client", "invalid_grant", "unauthorized_client"),
        *("unsupported_grant_type", "invalid_scope"),
    }
)


@dataclass(frozen=True)
class NoLogin:
    """The server asks nobody who he is."""


@dataclass(frozen=True)
class BearerToken:
    """A token that is used until the server refuses it. Raises WrongUsage: no header could hold it."""

    token: str = field(repr=False)

    def __post_init__(self) -> None:
        """Check the token."""
        if not _HEADER_SAFE.fullmatch(self.token):
            raise WrongUsage("FHIR_TOKEN is not a usable token: check it in the environment or .env.")


@dataclass(frozen=True)
class SmartClient:
    """A client registered at the server with the public half of ``key``.

    ``scope`` None asks for reading and writing everything, in the form the server knows; ``token_url`` None asks the
    server for it.
    """

    client_id: str = field(repr=False)
    key: SigningKey
    scope: str | None = None
    token_url: str | None = None


@dataclass(frozen=True)
class UnusableLogin:
    """The login as it is set cannot be used; ``reason`` says why, to who wants to write to the server."""

    reason: str


Login = NoLogin | BearerToken | SmartClient


@dataclass(frozen=True)
class _Token:
    value: str = field(repr=False)
    renew_at: datetime


@dataclass(frozen=True)
class _Endpoint:
    url: httpx.URL = field(repr=False)
    scope: str
    host: Host = field(repr=False)


class SmartTokens:
    """The access token of a SMART client: bought when first needed, one purchase at a time for all who wait for it.

    ``configuration`` asks the server for its smart-configuration, ``open_host`` makes a host of an origin, ``secure``
    says that the token must not travel in the clear. An async context manager. ``current`` and ``after`` raise
    ``KeyRefused`` when the login is refused, ``WrongUsage`` when there is no place to log in, or the ``VendorError``
    for which it could not be asked.
    """

    def __init__(
        self,
        client: SmartClient,
        *,
        configuration: Callable[[], Awaitable[Mapping[str, Any]]],
        open_host: Callable[[str], Host],
        secure: bool,
        clock: Callable[[], datetime],
        patience: Patience,
    ) -> None:
        self._client = client
        self._configuration = configuration
        self._open_host = open_host
        self._secure = secure
        self._clock = clock
        self._patience = patience
        self._turn = asyncio.Lock()
        self._opened = AsyncExitStack()
        self._token: _Token | None = None
        self._endpoint: _Endpoint | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._opened.aclose()

    async def current(self) -> str:
        """A token that holds for a while yet."""
        async with self._turn:
            if self._token is None or self._clock() >= self._token.renew_at:
                self._token = await self._bought()
            return self._token.value

    async def after(self, refused: str) -> str:
        """A token other than ``refused``; bought only if nobody has renewed it meanwhile."""
        async with self._turn:
            if self._token is None or self._token.value == refused:
                self._token = await self._bought()
            return self._token.value

    async def _bought(self) -> _Token:
        endpoint = self._endpoint = self._endpoint or await self._found()
        tries = Tries(self._patience.retry, repeatable=True)
        while True:
            try:
                reply = await endpoint.host.call(self._request(endpoint), _judged)
                return self._read(reply)
            except VendorError as error:
                wait_s = None if isinstance(error, RateLimited) else tries.wait_s(error)
                if wait_s is None:
                    raise
            await asyncio.sleep(wait_s)

    def _request(self, endpoint: _Endpoint) -> Call:
        # Not to be repeated by the host: a server takes each assertion once.
        assertion = self._client.key.assertion(self._client.client_id, str(endpoint.url), self._clock())
        form = {
            "grant_type": "client_credentials",
            "scope": endpoint.scope,
            "client_assertion_type": _ASSERTION_TYPE,
            "client_assertion": assertion,
        }
        return Call("login", "POST", str(endpoint.url), headers=_FORM, body=urlencode(form).encode(), repeatable=False)

    def _read(self, reply: Reply) -> _Token:
        document = document_of(reply)
        lives_s = document.get("expires_in", UNSAID_LIFETIME_S)
        lives = timedelta(seconds=float(lives_s) if _is_span(lives_s) else UNSAID_LIFETIME_S)
        return _Token(document["access_token"], self._clock() + lives - min(SHORTEST_LEFT, lives / 5))

    async def _found(self) -> _Endpoint:
        """Where to log in, and for what."""
        told: Mapping[str, Any] = {}
        if self._client.token_url is None or self._client.scope is None:
            told = await self._configuration()
        url = _address(self._client.token_url or told.get("token_endpoint"), self._secure)
        capabilities = told.get("capabilities")
        scope = self._client.scope or _SCOPES[isinstance(capabilities, list) and "permission-v2" in capabilities]
        host = await self._opened.enter_async_context(self._open_host(str(url.copy_with(raw_path=b"/"))))
        return _Endpoint(url, scope, host)


def _address(found: object, secure: bool) -> httpx.URL:
    try:
        url = httpx.URL(found) if isinstance(found, str) else httpx.URL("")
    except (httpx.InvalidURL, UnicodeError):
        url = httpx.URL("")
    if url.scheme not in ("https", "http") or not url.host or url.userinfo or url.fragment:
        raise WrongUsage("The FHIR server names no usable token endpoint: check FHIR_BASE_URL, or name it yourself.")
    if secure and url.scheme != "https":
        raise WrongUsage("The FHIR server's token endpoint is not an https address: have that corrected there.")
    return url


def _is_span(found: object) -> bool:
    return isinstance(found, int | float) and not isinstance(found, bool) and 0 < found < 1e9


def _judged(reply: Reply) -> VendorError | None:
    """The error an answer of the token endpoint stands for."""
    document = document_of(reply)
    match reply.status:
        case status if 200 <= status < 300:
            token = document.get("access_token")
            kind = document.get("token_type", "bearer")
            if isinstance(token, str) and _HEADER_SAFE.fullmatch(token) and str(kind).lower() == "bearer":
                return None
            wrong: type[VendorError] = UnreadableAnswer if document else CutShort
            return wrong(
                f"The FHIR server's token endpoint gave no bearer token ({status}): check what it is for, and whether "
                "FHIR_BASE_URL is right."
            )
        case 429:
            return RateLimited(
                f"The FHIR server's token endpoint refuses still more logins after {attempts_text(reply.attempts)} "
                "(429): start again later.",
                reply.retry_after_s,
            )
        case status if status in NO_ANSWER_BUT_MAYBE_LATER:
            return ServerFailed(
                f"The FHIR server's token endpoint fails ({status}): start again later.", reply.retry_after_s
            )
    code = document.get("error")
    reason = f"{code}, {reply.status}" if code in _OAUTH_ERRORS else str(reply.status)
    return KeyRefused(
        f"The FHIR server refused the SMART client's login ({reason}): check its client id, scope, key and key id, and "
        "that the public key is registered there."
    )
