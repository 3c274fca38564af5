"""The way to a host: connections, proxies, addresses, and what it means when there is no answer.

Nothing of httpx or aiohttp leaves this room: their errors and logs carry addresses, and addresses carry user ids.
"""

import ipaddress
import logging
import socket
import ssl
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.metadata import version
from typing import Any
from urllib.request import getproxies, proxy_bypass

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

from connectors.errors import WrongUsage

CONNECT_S = 10.0
"""Seconds for name resolution, TCP and TLS together."""

ANSWER_S = 30.0
"""Seconds for one attempt from connecting to the last byte of the answer."""

IDLE_S = 4.0
"""Seconds an idle connection is kept: shorter than any usual server, so that we never write to one just closed."""


def open_client(
    url: httpx.URL,
    headers: Mapping[str, str],
    concurrency: int,
    transport: httpx.AsyncBaseTransport | None = None,
    *,
    answer_s: float = ANSWER_S,
) -> httpx.AsyncClient:
    """A client for one host on aiohttp's connection pool, with our time-outs and User-Agent and without logs."""
    silence_libraries()
    return _Client(
        base_url=url,
        headers={"user-agent": f"nightshift/{version('nightshift')}", "accept": "application/json", **headers},
        # "pool" becomes aiohttp's limit for getting a connection, opened or reused: it covers name resolution too.
        timeout=httpx.Timeout(answer_s, connect=CONNECT_S, pool=CONNECT_S),
        transport=transport or _pool(url, concurrency),
        verify=_trust(),
    )


@cache
def silence_libraries() -> None:
    """Once a process: no log lines of the HTTP libraries; they hold addresses."""
    for name in ("httpx", "httpcore", "aiohttp"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)


class _Client(httpx.AsyncClient):
    """Goes straight to the transport and reads the answer whole.

    What httpx would do on the way (redirects, cookies, authentication, hooks) costs as much CPU as all the rest of a
    small request, and no host of ours needs it.
    """

    def __init__(self, *, transport: httpx.AsyncBaseTransport, **settings: Any) -> None:
        super().__init__(transport=transport, **settings)
        self._direct = transport

    async def send(self, request: httpx.Request, **_: Any) -> httpx.Response:
        response = await self._direct.handle_async_request(request)
        try:
            await response.aread()
        finally:
            await response.aclose()
        return response


class _Pool(AiohttpTransport):
    def get_client(self) -> aiohttp.ClientSession:
        session = super().get_client()
        # aiohttp repeats a request once by itself when a kept connection breaks: uncounted and outside the limit.
        session._retry_connection = False
        return session


def _pool(url: httpx.URL, concurrency: int) -> httpx.AsyncBaseTransport:
    limits = httpx.Limits(max_connections=concurrency, max_keepalive_connections=concurrency, keepalive_expiry=IDLE_S)
    return _Pool(verify=_trust(), limits=limits, proxy=_proxy(url))


@cache
def _trust() -> ssl.SSLContext:
    """Whom to believe; read once a process, because all the certificates take longer than many a request."""
    return httpx.create_ssl_context()


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


def parsed(base_url: str, setting: str) -> httpx.URL:
    """The address of a host; ``setting`` is the name of the setting that holds it. Raises ``WrongUsage``."""
    try:
        url = httpx.URL(base_url)
    except (httpx.InvalidURL, UnicodeError):
        url = httpx.URL("")
    if url.scheme not in ("http", "https") or not url.host or url.userinfo or url.query or url.fragment:
        raise WrongUsage(f"{setting} is not an address such as https://api.example.com: correct it.")
    return url


def origin(url: httpx.URL) -> str:
    """Scheme, host and port: the part of an address that may be shown."""
    host = f"[{url.host}]" if ":" in url.host else url.host
    return f"{url.scheme}://{host}" + (f":{url.port}" if url.port else "")


TRANSPORT_ERRORS = (httpx.HTTPError, httpx.StreamError, aiohttp.ClientError, OSError)
"""Whatever a request can end with instead of an answer."""

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


def diagnosis(error: BaseException) -> tuple[str, bool]:
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
