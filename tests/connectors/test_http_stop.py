"""An error that concerns everybody: after it not one more request leaves, and nobody goes on waiting."""

import asyncio
import socket
from collections.abc import Callable

import httpx
import pytest

from connectors.errors import HostUnreachable, QuotaExceeded, RateLimited, ServerFailed, VendorError
from connectors.http import Call, Host, Reply
from connectors.patience import Retry
from tests.connectors.loopback import Loopback, Seen, Sent, answer
from tests.connectors.virtual_time import run_virtually, virtual_now


def judge(reply: Reply) -> VendorError | None:
    """A vendor's rules in miniature."""
    match reply.status:
        case 402:
            return QuotaExceeded("used up")
        case 429:
            return RateLimited("slow down", reply.retry_after_s)
        case 503:
            return ServerFailed("broken", reply.retry_after_s)
    return None


def call(number: int) -> Call:
    """A call that is different from the others."""
    return Call("detail", "GET", f"/sessions/{number}")


@pytest.mark.parametrize("good", [0, 1, 40, 170])
def test_after_a_refusal_of_everything_only_what_was_on_its_way_arrives(
    make_host: Callable[..., Host], good: int
) -> None:
    """300 calls over 32 connections: once the first such answer is read, the server sees no new request."""

    def reply(_: Seen) -> Sent:
        return answer(200, {}) if len(server.seen) <= good else answer(402, {})

    async def main() -> tuple[list[Reply | BaseException], int]:
        async with make_host(server.url, concurrency=32) as host:
            outcomes = await asyncio.gather(*(host.call(call(n), judge) for n in range(300)), return_exceptions=True)
            with pytest.raises(QuotaExceeded):
                await host.call(call(1), judge)
            return outcomes, host.calls.by_endpoint["detail"]

    async def with_server() -> tuple[list[Reply | BaseException], int]:
        async with server:
            return await main()

    server = Loopback(reply)
    outcomes, counted = asyncio.run(with_server())
    assert counted == len(server.seen) <= good + 32
    assert sum(isinstance(outcome, Reply) for outcome in outcomes) == good
    assert sum(type(outcome) is QuotaExceeded for outcome in outcomes) == 300 - good


def test_no_request_begins_after_the_answer(make_host: Callable[..., Host]) -> None:
    """The bound is exact: with thirty-two requests under way, thirty-two were made, and their answers are kept."""
    under_way: list[asyncio.Event] = []
    made = 0

    async def handle(request: httpx.Request) -> httpx.Response:
        nonlocal made
        made += 1
        if request.url.path == "/sessions/31":
            return httpx.Response(402)
        under_way.append(event := asyncio.Event())
        await event.wait()
        return httpx.Response(200)

    async def main() -> list[Reply | BaseException]:
        async with make_host(concurrency=32, transport=httpx.MockTransport(handle)) as host:
            calls = [asyncio.create_task(host.call(call(number), judge)) for number in range(100)]
            await asyncio.wait([calls[31]])
            assert made == 32
            for event in under_way:
                event.set()
            outcomes = await asyncio.gather(*calls, return_exceptions=True)
            assert made == 32
            return outcomes

    outcomes = asyncio.run(main())
    assert all(isinstance(outcome, Reply) for outcome in outcomes[:31])
    assert all(isinstance(outcome, QuotaExceeded) for outcome in outcomes[31:])


@pytest.mark.parametrize("status", [503, 429])
def test_who_waits_is_woken(make_host: Callable[..., Host], status: int) -> None:
    """A call that would be repeated in five minutes, or is paused for them, ends with the error at once."""

    async def handle(request: httpx.Request) -> httpx.Response:
        first = request.url.path == "/sessions/0"
        await asyncio.sleep(0.5 if first else 1)
        return httpx.Response(status, headers={"retry-after": "300"}) if first else httpx.Response(402)

    async def main() -> None:
        async with make_host(retry=Retry(), time=virtual_now, transport=httpx.MockTransport(handle)) as host:
            start = virtual_now()
            calls = (host.call(call(number), judge) for number in range(10))
            outcomes = await asyncio.gather(*calls, return_exceptions=True)
            assert all(isinstance(outcome, QuotaExceeded) for outcome in outcomes)
            assert virtual_now() - start < 2
            assert host.calls.by_endpoint["detail"] <= 5

    run_virtually(main)


def test_each_call_raises_an_error_of_its_own(make_host: Callable[..., Host]) -> None:
    """Tracebacks do not pile up on one exception, and nothing hangs on any of them."""

    async def main() -> list[BaseException]:
        async with make_host(transport=httpx.MockTransport(lambda _: httpx.Response(402))) as host:
            calls = (host.call(call(number), judge) for number in range(10))
            return [
                error
                for error in await asyncio.gather(*calls, return_exceptions=True)
                if isinstance(error, BaseException)
            ]

    errors = asyncio.run(main())
    assert len({id(error) for error in errors}) == len(errors) == 10
    assert {str(error) for error in errors} == {"used up"}
    assert all(error.__context__ is None and error.__cause__ is None for error in errors)


def test_an_unreachable_host_stops_everything_after_the_attempts_of_one_call(make_host: Callable[..., Host]) -> None:
    """Sixty calls to a closed port: the first that has failed five times ends them all."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

    async def main() -> tuple[list[Reply | BaseException], int]:
        async with make_host(f"http://127.0.0.1:{port}", concurrency=4) as host:
            calls = (host.call(call(number), judge) for number in range(60))
            outcomes = await asyncio.gather(*calls, return_exceptions=True)
            return outcomes, host.calls.by_endpoint["detail"]

    outcomes, asked = asyncio.run(main())
    assert {type(outcome) for outcome in outcomes} == {HostUnreachable}
    assert "after 5 attempts (connection refused)" in str(outcomes[0])
    assert asked < 60 * 5
