"""The shared HTTP room: what is retried and when, what a lost answer becomes, and what never gets out."""

import asyncio
import gzip
import itertools
import logging
import socket
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from email.utils import format_datetime
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.errors import CutShort, HostUnreachable, KeyRefused, RateLimited, ServerFailed, VendorError
from connectors.http import Call, Calls, Host, Reply
from connectors.patience import Patience, Retry, Tries, retry_after_s
from connectors.rate_limit import RateLimit
from connectors.transport import ANSWER_S
from tests.connectors import loopback
from tests.connectors.conftest import AT_ONCE, NOW
from tests.connectors.loopback import Loopback, Seen, Sent, answer
from tests.connectors.virtual_time import run_virtually, virtual_now

NO_JITTER = Retry(jitter_s=0)
GET = Call("list", "GET", "/sessions/of-someone", params={"name": "someone"})
POST = Call("make", "POST", "/users", body=b"{}", repeatable=False)

Handler = Callable[[httpx.Request], Awaitable[httpx.Response] | httpx.Response]


def judge(reply: Reply) -> VendorError | None:
    """A vendor's rules in miniature."""
    match reply.status:
        case 401:
            return KeyRefused("no key")
        case 429:
            return RateLimited("slow down", reply.retry_after_s)
        case 503:
            return ServerFailed("broken", reply.retry_after_s)
    return None if reply.body.endswith(b"}") else CutShort("cut")


def waits_between(host_of: Callable[..., Host], retry: Retry, replies: list[httpx.Response]) -> list[float]:
    """Seconds between the attempts at one call that is answered with ``replies`` in turn, in virtual time."""
    moments: list[float] = []

    def handle(request: httpx.Request) -> httpx.Response:
        moments.append(virtual_now())
        return replies[len(moments) - 1]

    async def main() -> None:
        async with host_of(retry=retry, transport=httpx.MockTransport(handle), time=virtual_now) as host:
            await host.call(GET, judge)

    run_virtually(main)
    return [round(later - earlier, 3) for earlier, later in itertools.pairwise(moments)]


def fail_for_good(host: Host, call: Call = GET) -> VendorError:
    """The error that a call ends with."""

    async def main() -> None:
        async with host:
            await host.call(call, judge)

    with pytest.raises(VendorError) as caught:
        asyncio.run(main())
    return caught.value


def test_waits_double_up_to_the_cap(make_host: Callable[..., Host]) -> None:
    """Without a wish of the host's the waits are 1, 2, 4 ... seconds, never longer than the cap."""
    replies = [httpx.Response(503)] * 5 + [httpx.Response(200, content=b"{}")]
    retry = Retry(attempts=6, cap_s=5, jitter_s=0)
    assert waits_between(make_host, retry, replies) == [1, 2, 4, 5, 5]


def test_jitter_spreads_the_waits_by_its_length_at_most(make_host: Callable[..., Host]) -> None:
    """Each wait is the doubled base plus something between nothing and ``jitter_s``."""
    replies = [httpx.Response(503)] * 4 + [httpx.Response(200, content=b"{}")]
    waits = waits_between(make_host, Retry(), replies)
    assert all(base <= wait <= base + 1 for base, wait in zip([1, 2, 4, 8], waits, strict=True))


@pytest.mark.parametrize(
    ("header", "wait_s"),
    [
        ("7", 7),
        ("2.5", 2.5),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90),
        ("0", 1),
        ("-3", 1),
        ("301", 1),
        ("1e300", 1),
        ("nan", 1),
        ("soon", 1),
        (format_datetime(NOW - timedelta(hours=1), usegmt=True), 1),
        (format_datetime(NOW + timedelta(days=2), usegmt=True), 1),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_a_sane_retry_after_replaces_the_wait(
    make_host: Callable[..., Host], status: int, header: str, wait_s: float
) -> None:
    """A number or a date within five minutes is honoured to the second; anything else means the usual wait."""
    replies = [httpx.Response(status, headers={"retry-after": header}), httpx.Response(200, content=b"{}")]
    assert waits_between(make_host, NO_JITTER, replies) == [wait_s]


@given(st.text())
def test_no_retry_after_header_can_break_a_call(header: str) -> None:
    """Whatever a host writes there, the result is a wait of sane length or none."""
    wish_s = retry_after_s(header, NOW)
    assert wish_s is None or 0 < wish_s <= 300


@pytest.mark.parametrize(
    ("error", "repeatable", "once_only"),
    [
        (RateLimited("x"), True, True),
        (ServerFailed("x"), True, False),
        (CutShort("x"), True, False),
        (HostUnreachable("x", may_have_run=True), True, False),
        (HostUnreachable("x", may_have_run=False), True, True),
        (KeyRefused("x"), False, False),
    ],
)
def test_what_may_have_run_is_repeated_only_when_that_does_no_harm(
    error: VendorError, repeatable: bool, once_only: bool
) -> None:
    """A call that must not run twice is repeated only after a failure that came before it ran."""
    assert (Tries(Retry(), repeatable=True).wait_s(error) is not None) is repeatable
    assert (Tries(Retry(), repeatable=False).wait_s(error) is not None) is once_only


def test_the_last_error_comes_out_after_all_attempts(make_host: Callable[..., Host]) -> None:
    """Five attempts by default, then the error of the last answer with its text, and a count of all of them."""
    host = make_host(transport=httpx.MockTransport(lambda _: httpx.Response(503, headers={"retry-after": "9e9"})))
    error = fail_for_good(host)
    assert isinstance(error, ServerFailed)
    assert host.calls == Calls({"list": 5}, 4)  # type: ignore[arg-type]


def test_a_lasting_refusal_is_not_repeated(make_host: Callable[..., Host]) -> None:
    """An error that another attempt cannot mend ends the call at once."""
    host = make_host(transport=httpx.MockTransport(lambda _: httpx.Response(401)))
    assert isinstance(fail_for_good(host), KeyRefused)
    assert host.calls == Calls({"list": 1}, 0)  # type: ignore[arg-type]


def served(make_host: Callable[..., Host], sent: Sent, call: Call = GET) -> tuple[VendorError, list[Seen]]:
    """The error that a call to a misbehaving server ends with, and the requests the server saw."""

    async def main() -> tuple[VendorError, list[Seen]]:
        async with Loopback(lambda _: sent) as server, make_host(server.url) as host:
            with pytest.raises(VendorError) as caught:
                await host.call(call, judge)
            assert host.calls.by_endpoint[call.endpoint] == len(server.seen)
            return caught.value, server.seen

    return asyncio.run(main())


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (loopback.RESET, "connection closed early"),
        (loopback.CLOSED, "connection closed early"),
        (loopback.CUT_BY_LENGTH, "connection closed early"),
        (loopback.CUT_CHUNK, "connection closed early"),
        (loopback.BAD_CHUNK, "not a valid HTTP answer"),
        (loopback.BAD_GZIP, "not a valid HTTP answer"),
        (loopback.NONSENSE, "not a valid HTTP answer"),
    ],
)
def test_a_lost_answer_is_asked_for_again_and_then_host_unreachable(
    make_host: Callable[..., Host], sent: Sent, reason: str
) -> None:
    """Resets, cuts and nonsense are repeated five times in all and end in one error that names host and reason."""
    error, seen = served(make_host, sent)
    assert isinstance(error, HostUnreachable)
    assert error.may_have_run
    assert f"after 5 attempts ({reason}): check VENDOR_URL and the network." in str(error)
    assert len(seen) == 5


def test_an_answer_cut_without_a_trace_is_asked_for_again(make_host: Callable[..., Host]) -> None:
    """A body that ends early without breaking HTTP is repeated on the judge's word."""
    error, seen = served(make_host, loopback.CUT_UNNOTICED)
    assert isinstance(error, CutShort)
    assert len(seen) == 5


@pytest.mark.parametrize("sent", [loopback.RESET, loopback.CUT_BY_LENGTH, answer(503, {})])
def test_a_call_that_may_have_run_is_not_repeated_when_it_must_not_run_twice(
    make_host: Callable[..., Host], sent: Sent
) -> None:
    """The server sees such a call exactly once, whatever it does with it."""
    _, seen = served(make_host, sent, POST)
    assert len(seen) == 1


def test_a_connection_broken_after_an_answer_is_not_repeated_in_secret(make_host: Callable[..., Host]) -> None:
    """Every request the server sees is one that was counted, on a kept connection too."""
    replies: Iterator[Sent] = iter([answer(200, {}), loopback.RESET, answer(200, {})])

    async def main() -> None:
        async with Loopback(lambda _: next(replies)) as server, make_host(server.url) as host:
            await host.call(GET, judge)
            await host.call(GET, judge)
            assert len(server.seen) == 3
            assert host.calls == Calls({"list": 3}, 1)  # type: ignore[arg-type]

    asyncio.run(main())


@pytest.mark.parametrize("call", [GET, POST])
def test_a_refused_connection_is_always_repeated(make_host: Callable[..., Host], call: Call) -> None:
    """Nothing has been asked yet, so even a call that must not run twice is tried again."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    host = make_host(f"http://127.0.0.1:{port}")
    error = fail_for_good(host, call)
    assert str(error) == (
        f"No answer from http://127.0.0.1:{port} after 5 attempts (connection refused): "
        "check VENDOR_URL and the network."
    )
    assert isinstance(error, HostUnreachable)
    assert not error.may_have_run
    assert host.calls.retries == 4


def test_tls_against_a_plain_server_is_told_as_such(make_host: Callable[..., Host]) -> None:
    """A failed handshake is a failure before sending, and says TLS."""

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Plain text only\r\n\r\n")
        writer.close()

    async def main() -> None:
        async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            async with make_host(f"https://127.0.0.1:{port}", Retry(attempts=1)) as host:
                with pytest.raises(HostUnreachable, match=r"after 1 attempt \(TLS failed\)") as caught:
                    await host.call(POST, judge)
                assert not caught.value.may_have_run

    asyncio.run(main())


def test_an_unknown_host_name_is_told_as_such(make_host: Callable[..., Host]) -> None:
    """A name that never resolves (RFC 6761) says so."""
    host = make_host("http://vendor.invalid", Retry(attempts=1))
    assert "(host name not found)" in str(fail_for_good(host))


def test_a_silent_host_is_given_up_after_the_time_limit(make_host: Callable[..., Host]) -> None:
    """An attempt ends after ``ANSWER_S`` seconds even when the connection stays up."""

    async def never(request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(10 * ANSWER_S)
        return httpx.Response(200)

    async def main() -> None:
        start = virtual_now()
        transport = httpx.MockTransport(never)
        async with make_host(retry=Retry(attempts=2, jitter_s=0), transport=transport, time=virtual_now) as host:
            with pytest.raises(HostUnreachable, match="timed out"):
                await host.call(GET, judge)
        assert round(virtual_now() - start) == 2 * ANSWER_S + 1

    run_virtually(main)


def test_nothing_of_the_library_hangs_on_the_error(make_host: Callable[..., Host]) -> None:
    """Neither cause nor context leads to an error that knows the address."""
    for sent in (loopback.RESET, loopback.CUT_BY_LENGTH, loopback.NONSENSE):
        error, _ = served(make_host, sent)
        assert error.__cause__ is None
        assert error.__context__ is None


def test_connections_are_reused_and_never_more_than_the_concurrency(make_host: Callable[..., Host]) -> None:
    """Two hundred calls at once go over four connections, four at a time."""

    async def main() -> None:
        async with Loopback(lambda _: answer(200, {})) as server:
            async with make_host(server.url, concurrency=4) as host:
                await asyncio.gather(*(host.call(GET, judge) for _ in range(200)))
            assert len(server.seen) == 200
            assert server.connections <= 4

    asyncio.run(main())


def test_every_attempt_takes_a_slot_of_the_budget() -> None:
    """Retries do not come out of nowhere: five attempts at one call a second take four seconds."""

    async def main() -> None:
        with tempfile.TemporaryDirectory() as folder:
            host = Host(
                "http://vendor.test",
                {},
                setting="VENDOR_URL",
                rate_limit=RateLimit(Path(folder) / "budget", 1, clock=virtual_now),
                concurrency=4,
                clock=lambda: NOW,
                patience=Patience(AT_ONCE),
                transport=httpx.MockTransport(lambda _: httpx.Response(503)),
            )
            start = virtual_now()
            async with host:
                with pytest.raises(ServerFailed):
                    await host.call(GET, judge)
            assert virtual_now() - start >= 4

    run_virtually(main)


def test_waiting_for_a_retry_keeps_no_place_occupied(make_host: Callable[..., Host]) -> None:
    """With one place, another call gets through while the first waits to be repeated."""
    order: list[str] = []

    def handle(request: httpx.Request) -> httpx.Response:
        order.append(request.url.path)
        first = request.url.path == "/first" and len(order) == 1
        return httpx.Response(503) if first else httpx.Response(200, content=b"{}")

    async def main() -> None:
        transport = httpx.MockTransport(handle)
        async with make_host(retry=NO_JITTER, concurrency=1, transport=transport, time=virtual_now) as host:
            await asyncio.gather(
                host.call(Call("list", "GET", "/first"), judge), host.call(Call("list", "GET", "/second"), judge)
            )

    run_virtually(main)
    assert order == ["/first", "/second", "/first"]


def test_requests_say_who_asks(make_host: Callable[..., Host]) -> None:
    """User-Agent, Accept and the vendor's own headers are on every request, a body is sent with its type."""
    asked: list[str] = []

    async def main() -> Seen:
        async with Loopback(lambda _: answer(200, {})) as server, make_host(server.url, on_call=asked.append) as host:
            await host.call(Call("make", "POST", "/users", body=b"{}"), judge)
            return server.seen[0]

    seen = asyncio.run(main())
    assert seen.headers["user-agent"].startswith("nightshift/0")
    assert seen.headers["accept"] == "application/json"
    assert seen.headers["x-key"] == "k"
    assert seen.headers["content-type"] == "application/json"
    assert seen.body == b"{}"
    assert asked == ["make"]


def test_a_path_in_the_base_address_is_kept(make_host: Callable[..., Host]) -> None:
    """A vendor behind a gateway's path is reached below that path."""

    async def main() -> str:
        async with Loopback(lambda _: answer(200, {})) as server, make_host(f"{server.url}/gate/way/") as host:
            await host.call(GET, judge)
            return server.seen[0].target

    assert asyncio.run(main()) == "/gate/way/sessions/of-someone?name=someone"


def test_a_compressed_answer_is_read(make_host: Callable[..., Host]) -> None:
    """The body handed on is the document, whatever coding it travelled in."""
    body = gzip.compress(b'{"a": 1}')
    head = f"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {len(body)}\r\n\r\n".encode()

    async def main() -> bytes:
        async with Loopback(lambda _: Sent(head + body)) as server, make_host(server.url) as host:
            return (await host.call(GET, judge)).body

    assert asyncio.run(main()) == b'{"a": 1}'


def test_the_libraries_log_nothing(make_host: Callable[..., Host], caplog: pytest.LogCaptureFixture) -> None:
    """Even with everything switched on, no record of a library's tells an address or a retry."""
    caplog.set_level(logging.DEBUG)
    served(make_host, loopback.RESET)
    assert [record.name for record in caplog.records if record.name != "asyncio"] == []


def test_a_cancelled_call_frees_its_place(make_host: Callable[..., Host]) -> None:
    """A run that is stopped in the middle of a request leaves the host usable."""
    hang = True
    under_way = asyncio.Event()

    async def handle(request: httpx.Request) -> httpx.Response:
        if hang:
            under_way.set()
            await asyncio.Event().wait()
        return httpx.Response(200, content=b"{}")

    async def main() -> None:
        nonlocal hang
        transport = httpx.MockTransport(handle)
        async with make_host(concurrency=1, transport=transport) as host:
            task = asyncio.create_task(host.call(GET, judge))
            await under_way.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            hang = False
            assert (await host.call(GET, judge)).status == 200

    asyncio.run(main())
