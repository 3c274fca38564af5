"""What every vendor client shares: one host's connections, its budget, retries, time-outs, and a count of its calls.

No vendor lives here: which answers are errors is told by a ``Judge`` that the vendor's own client brings along.
Nothing of httpx or aiohttp leaves this room: their errors and logs carry addresses, and addresses carry user ids.
"""

import asyncio
import ipaddress
import logging
import socket
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache, partial
from importlib.metadata import version
from types import TracebackType
from typing import Self
from urllib.request import getproxies, proxy_bypass

import aiohttp
import httpx
import stamina
from httpx_aiohttp import AiohttpTransport

from connectors.errors import HostUnreachable, RateLimited, ServerFailed, UnreadableAnswer, VendorError, WrongUsage
from connectors.rate_limit import RateLimit

CONNECT_S = 10.0
"""Seconds for name resolution, TCP and TLS together."""

ANSWER_S = 30.0
"""Seconds for one attempt from connecting to the last byte of the answer."""

IDLE_S = 4.0
"""Seconds an idle connection is kept: shorter than any usual server, so that we never write to one just closed."""

LONGEST_RETRY_AFTER_S = 300.0
"""A longer ``Retry-After`` is ignored: no run sits still that long for one call."""


class CutShort(UnreadableAnswer):
    """A 2xx answer that is no JSON at all: taken for one cut on the way, and asked for again."""


@dataclass
class Calls:
    """What was asked of a host so far: requests by endpoint name (retries included), and how many were retries."""

    by_endpoint: Counter[str] = field(default_factory=Counter)
    retries: int = 0


@dataclass(frozen=True)
class Call:
    """One request; ``body`` is a JSON document. ``repeatable`` says that running it twice does no harm.

    Only ``endpoint`` and ``method`` may be shown.
    """

    endpoint: str
    method: str
    path: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    params: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)
    repeatable: bool = True


@dataclass(frozen=True)
class Reply:
    """An answer in full. ``body`` as received; ``attempts`` counts this one; ``retry_after_s`` is the host's wish."""

    status: int
    body: bytes = field(repr=False)
    attempts: int
    received_at: datetime
    retry_after_s: float | None = None


Judge = Callable[[Reply], VendorError | None]
"""Tells the error an answer stands for, or None when it is good."""


@dataclass(frozen=True)
class Retry:
    """How often and how patiently a call is repeated: ``attempts`` in all, waits doubling from ``base_s`` to ``cap_s``.

    Up to ``jitter_s`` seconds are added at random, so that calls that failed together do not come back together.
    """

    attempts: int = 5
    base_s: float = 1.0
    cap_s: float = 60.0
    jitter_s: float = 1.0

    def rounds(self, *, repeatable: bool) -> AsyncIterator[stamina.Attempt]:
        """The attempts at one call, each to be entered as a context manager."""
        return stamina.retry_context(
            on=partial(retry_wait, repeatable=repeatable),
            attempts=self.attempts,
            timeout=None,
            wait_initial=self.base_s,
            wait_max=self.cap_s,
            wait_jitter=self.jitter_s,
        )


def retry_wait(error: Exception, *, repeatable: bool) -> bool | float:
    """Whether to try again after ``error``: False, True (wait as usual), or the seconds the host asked for."""
    if not _is_passing(error, repeatable):
        return False
    wish_s: float | None = getattr(error, "retry_after_s", None)
    return True if wish_s is None else wish_s


def _is_passing(error: Exception, repeatable: bool) -> bool:
    """True when the same call may succeed later and cannot have run already, unless it may run twice."""
    match error:
        case RateLimited():
            return True
        case HostUnreachable():
            return repeatable or not error.may_have_run
        case ServerFailed() | CutShort():
            return repeatable
    return False


def retry_after_s(header: str | None, now: datetime) -> float | None:
    """Seconds a ``Retry-After`` header asks for (RFC 9110: a number or a date); None when missing or absurd."""
    if header is None:
        return None
    wish_s = _seconds(header, now)
    return wish_s if wish_s is not None and 0 < wish_s <= LONGEST_RETRY_AFTER_S else None


def _seconds(header: str, now: datetime) -> float | None:
    try:
        return float(header)
    except ValueError:
        pass
    try:
        moment = parsedate_to_datetime(header)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - now).total_seconds()


class Host:
    """One vendor host; an async context manager, for use in one event loop.

    ``setting`` is the name of the setting that holds ``base_url``, for texts. At most ``concurrency`` requests are
    under way at once, each after a slot of ``rate_limit``; ``on_call`` is told each endpoint name as it is asked.
    """

    def __init__(
        self,
        base_url: str,
        headers: Mapping[str, str],
        *,
        setting: str,
        rate_limit: RateLimit,
        concurrency: int,
        clock: Callable[[], datetime],
        retry: Retry,
        transport: httpx.AsyncBaseTransport | None = None,
        on_call: Callable[[str], None] | None = None,
    ) -> None:
        self._url = _parsed(base_url, setting)
        self._headers = dict(headers)
        self._setting = setting
        self._rate_limit = rate_limit
        self._concurrency = concurrency
        self._clock = clock
        self._retry = retry
        self._transport = transport
        self._on_call = on_call
        self._places = asyncio.Semaphore(concurrency)
        self.calls = Calls()

    @property
    def origin(self) -> str:
        """Scheme, host and port: the part of the address that may be shown."""
        return _origin(self._url)

    async def __aenter__(self) -> Self:
        self._client = open_client(self._url, self._headers, self._concurrency, self._transport)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def call(self, call: Call, judge: Judge) -> Reply:
        """Ask until the answer is good or the attempts are used up.

        Raises ``HostUnreachable``, or whatever error ``judge`` found in the last answer.
        """
        async for attempt in self._retry.rounds(repeatable=call.repeatable):
            with attempt:
                reply = await self._ask(call, judge, attempt.num)
        return reply

    async def _ask(self, call: Call, judge: Judge, attempt: int) -> Reply:
        async with self._places:
            await self._rate_limit.acquire()
            self._count(call.endpoint, attempt)
            reply = await self._send(call, attempt)
        if error := judge(reply):
            raise error
        return reply

    def _count(self, endpoint: str, attempt: int) -> None:
        self.calls.by_endpoint[endpoint] += 1
        self.calls.retries += attempt > 1
        if self._on_call:
            self._on_call(endpoint)

    async def _send(self, call: Call, attempt: int) -> Reply:
        kind = {} if call.body is None else {"content-type": "application/json"}
        try:
            async with asyncio.timeout(ANSWER_S):
                response = await self._client.request(
                    call.method, call.path, headers={**kind, **call.headers}, params=call.params, content=call.body
                )
        except _TRANSPORT_ERRORS as error:
            reason, may_have_run = _diagnosis(error)
        else:
            now = self._clock()
            wish_s = retry_after_s(response.headers.get("retry-after"), now)
            return Reply(response.status_code, response.content, attempt, now, wish_s)
        # Raised out here because an error raised in the handler would carry the library's one as its context.
        raise self._unreachable(reason, may_have_run, attempt)

    def _unreachable(self, reason: str, may_have_run: bool, attempts: int) -> HostUnreachable:
        return HostUnreachable(
            f"No answer from {self.origin} after {attempts_text(attempts)} ({reason}): "
            f"check {self._setting} and the network.",
            may_have_run=may_have_run,
        )


def attempts_text(attempts: int) -> str:
    """``1 attempt`` or ``5 attempts``, for error texts."""
    return f"{attempts} attempt" if attempts == 1 else f"{attempts} attempts"


def open_client(
    url: httpx.URL, headers: Mapping[str, str], concurrency: int, transport: httpx.AsyncBaseTransport | None = None
) -> httpx.AsyncClient:
    """A client for one host on aiohttp's connection pool, with our time-outs and User-Agent and without logs."""
    silence_libraries()
    return httpx.AsyncClient(
        base_url=url,
        headers={"user-agent": f"nightshift/{version('nightshift')}", "accept": "application/json", **headers},
        # "pool" becomes aiohttp's limit for getting a connection, opened or reused: it covers name resolution too.
        timeout=httpx.Timeout(ANSWER_S, connect=CONNECT_S, pool=CONNECT_S),
        transport=transport or _pool(url, concurrency),
    )


@cache
def silence_libraries() -> None:
    """Once a process: no log lines of the HTTP libraries (they hold addresses) and none of stamina (we count)."""
    for name in ("httpx", "httpcore", "aiohttp"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    stamina.instrumentation.set_on_retry_hooks([])


class _Pool(AiohttpTransport):
    def get_client(self) -> aiohttp.ClientSession:
        session = super().get_client()
        # aiohttp repeats a request once by itself when a kept connection breaks: uncounted and outside the limit.
        session._retry_connection = False
        return session


def _pool(url: httpx.URL, concurrency: int) -> httpx.AsyncBaseTransport:
    limits = httpx.Limits(max_connections=concurrency, max_keepalive_connections=concurrency, keepalive_expiry=IDLE_S)
    return _Pool(limits=limits, proxy=_proxy(url))


def _proxy(url: httpx.URL) -> httpx.Proxy | None:
    """The proxy the environment names for this host (HTTPS_PROXY, NO_PROXY); never one for this machine itself."""
    if _is_loopback(url.host) or proxy_bypass(url.host):
        return None
    proxies = getproxies()
    address = proxies.get(url.scheme) or proxies.get("all")
    if not address:
        return None
    return httpx.Proxy(address if "://" in address else f"http://{address}")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _parsed(base_url: str, setting: str) -> httpx.URL:
    try:
        url = httpx.URL(base_url)
    except (httpx.InvalidURL, UnicodeError):
        url = httpx.URL("")
    if url.scheme not in ("http", "https") or not url.host or url.userinfo or url.query or url.fragment:
        raise WrongUsage(f"{setting} is not an address such as https://api.example.com: correct it.")
    return url


def _origin(url: httpx.URL) -> str:
    host = f"[{url.host}]" if ":" in url.host else url.host
    return f"{url.scheme}://{host}" + (f":{url.port}" if url.port else "")


_TRANSPORT_ERRORS = (httpx.HTTPError, httpx.StreamError, aiohttp.ClientError, OSError)

_BEFORE_SENDING = (
    aiohttp.ClientConnectorError,
    aiohttp.ConnectionTimeoutError,
    aiohttp.ClientHttpProxyError,
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.ProxyError,
)
"""Failures that happen before a byte of the request has left."""

_REASONS: tuple[tuple[tuple[type[BaseException], ...], str], ...] = (
    ((aiohttp.ClientProxyConnectionError, aiohttp.ClientHttpProxyError, httpx.ProxyError), "proxy refused"),
    ((socket.gaierror, aiohttp.ClientConnectorDNSError), "host name not found"),
    ((ssl.SSLError, ssl.CertificateError, aiohttp.ClientSSLError), "TLS failed"),
    ((ConnectionRefusedError,), "connection refused"),
    ((TimeoutError, httpx.TimeoutException), "timed out"),
    (
        (aiohttp.ServerDisconnectedError, aiohttp.ClientPayloadError, ConnectionError, httpx.NetworkError),
        "connection closed early",
    ),
    ((aiohttp.ClientResponseError, httpx.ProtocolError, httpx.DecodingError), "not a valid HTTP answer"),
)


def _diagnosis(error: BaseException) -> tuple[str, bool]:
    """What happened, in fixed words, and whether the host may have run the request."""
    # httpx-aiohttp maps most of aiohttp's errors to ConnectTimeout; only the cause tells them apart.
    root = error.__cause__ if isinstance(error.__cause__, aiohttp.ClientError) else error
    links = tuple(_chain(root))
    words = (text for kinds, text in _REASONS if any(isinstance(link, kinds) for link in links))
    return next(words, "connection failed"), not isinstance(root, _BEFORE_SENDING)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
