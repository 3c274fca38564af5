"""Addresses of hosts: which are possible, what of them is shown, and when a proxy stands between."""

import asyncio
import os
from collections.abc import Callable

import pytest

from connectors.errors import HostUnreachable, WrongUsage
from connectors.http import Call, Host, Reply
from connectors.patience import Retry
from tests.connectors.loopback import Loopback, answer

GET = Call("list", "GET", "/sessions/of-someone", params={"name": "someone"})


def judge(_: Reply) -> None:
    """Every answer is good."""


def test_a_proxy_of_the_environment_is_used_but_never_for_this_machine(
    make_host: Callable[..., Host], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other hosts are asked through HTTP_PROXY, loopback directly, and NO_PROXY is obeyed."""
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)

    async def main() -> None:
        async with Loopback(lambda _: answer(200, {})) as proxy, Loopback(lambda _: answer(200, {})) as server:
            monkeypatch.setenv("http_proxy", proxy.url)
            async with make_host("http://vendor.invalid") as host:
                await host.call(GET, judge)
            assert [seen.target for seen in proxy.seen] == ["http://vendor.invalid/sessions/of-someone?name=someone"]
            async with make_host(server.url) as host:
                await host.call(GET, judge)
            monkeypatch.setenv("no_proxy", "vendor.invalid")
            async with make_host("http://vendor.invalid", Retry(attempts=1)) as host:
                with pytest.raises(HostUnreachable):
                    await host.call(GET, judge)
            assert (len(proxy.seen), len(server.seen)) == (1, 1)

    asyncio.run(main())


@pytest.mark.parametrize(
    "address",
    [
        "",
        "vendor.test",
        "ftp://vendor.test",
        "http://",
        "http://vendor.test:port",
        "http://vendor.test/?key=s3cret",
        "http://me:s3cret@vendor.test",
    ],
)
def test_an_impossible_address_is_a_wrong_setting(make_host: Callable[..., Host], address: str) -> None:
    """It needs a scheme, a host and a real port, and no secrets; the text names the setting and not its value."""
    with pytest.raises(WrongUsage, match=r"^VENDOR_URL is not an address") as caught:
        make_host(address)
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    ("address", "origin"),
    [
        ("https://vendor.test/path", "https://vendor.test"),
        ("http://[::1]:8080", "http://[::1]:8080"),
        ("https://vendor.test:443/", "https://vendor.test"),
    ],
)
def test_the_origin_shows_scheme_host_and_port_only(make_host: Callable[..., Host], address: str, origin: str) -> None:
    """The path of the address stays out of sight."""
    assert make_host(address).origin == origin
