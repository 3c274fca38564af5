"""The circuit breaker: what opens it, who asks while it is open, when it closes, and when the vendor is given up."""

import asyncio
import itertools
from collections.abc import Callable, Iterable
from pathlib import Path

import httpx
import pytest

from connectors.breaker import Breaker
from connectors.errors import (
    CutShort,
    HostUnreachable,
    RateLimited,
    ServerFailed,
    VendorDown,
    VendorError,
    stops_everything,
)
from connectors.http import Call, Host, Reply
from connectors.patience import Patience, Retry
from connectors.rate_limit import RateLimit
from tests.connectors.conftest import NOW
from tests.connectors.virtual_time import run_virtually, virtual_now

PATIENT = Patience(Retry(jitter_s=0))
DOWN = "Asleep has failed 10 calls in a row and for 2 minutes: the run stopped, start it again later; nothing is lost."


def judge(reply: Reply) -> VendorError | None:
    """A vendor's rules in miniature."""
    match reply.status:
        case 404:
            return VendorError("unknown")
        case 429:
            return RateLimited("slow down", reply.retry_after_s)
        case status if status >= 500:
            return ServerFailed("broken", reply.retry_after_s)
    return None if reply.body.endswith(b"}") else CutShort("cut")


def document(number: int) -> Call:
    """A call that is different from the others."""
    return Call("detail", "GET", f"/sessions/{number}", headers={"x-user": "someone"})


class Vendor:
    """Answers after half a second with what ``reply`` says for a path at a time, and keeps when it was asked."""

    def __init__(self, reply: Callable[[str, float], httpx.Response]) -> None:
        self._reply = reply
        self.asked: list[float] = []

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(virtual_now())
        await asyncio.sleep(0.5)
        return self._reply(request.url.path, virtual_now())


def good() -> httpx.Response:
    """An answer."""
    return httpx.Response(200, content=b"{}")


def failing(*_: object) -> httpx.Response:
    """No answer."""
    return httpx.Response(500)


def host(folder: Path, vendor: Vendor, patience: Patience = PATIENT, ahead_s: float = 0.0) -> Host:
    """A process of the home in ``folder``."""
    clock = lambda: virtual_now() + ahead_s  # noqa: E731
    return Host(
        "http://vendor.test",
        {},
        setting="VENDOR_URL",
        rate_limit=RateLimit(folder / "budget", 1000, clock=clock),
        breaker=Breaker(folder / "breaker", "Asleep", patience.breaker, clock=clock),
        concurrency=32,
        clock=lambda: NOW,
        patience=patience,
        transport=httpx.MockTransport(vendor),
    )


async def ask(folder: Path, vendor: Vendor, numbers: Iterable[int], **settings: float) -> list[Reply | BaseException]:
    """What becomes of these calls, made at once by one process."""
    async with host(folder, vendor, **settings) as one:  # type: ignore[arg-type]
        return await asyncio.gather(*(one.call(document(number), judge) for number in numbers), return_exceptions=True)


def test_a_vendor_that_is_down_is_tried_ever_more_rarely_and_then_given_up(tmp_path: Path) -> None:
    """Forty calls: those at once fail, then single probes after 5, 10, 20, 40 and 60 s, then one error for all."""
    vendor = Vendor(failing)
    outcomes = run_virtually(lambda: ask(tmp_path, vendor, range(40)))
    assert {str(outcome) for outcome in outcomes} == {DOWN}
    assert all(isinstance(outcome, VendorDown) and stops_everything(outcome) for outcome in outcomes)
    assert (VendorDown.kind, VendorDown.exit_code) == ("vendor_down", 1)
    probes = [moment for moment in vendor.asked if moment > vendor.asked[0] + 1]
    waits = [later - earlier for earlier, later in itertools.pairwise([vendor.asked[0], *probes])]
    assert waits == pytest.approx([5.5, 10.5, 20.5, 40.5, 60.5], abs=0.6)
    assert len(vendor.asked) <= 32 + 5


@pytest.mark.parametrize("down_s", [0.1, 4, 20, 70, 100])
def test_an_outage_that_ends_in_time_costs_no_call(tmp_path: Path, down_s: float) -> None:
    """Who waits for the vendor uses up no attempts: when it is back, every one of two hundred calls succeeds."""
    vendor = Vendor(lambda _, now: failing() if now < 1000 + down_s else good())
    outcomes = run_virtually(lambda: ask(tmp_path, vendor, range(200)))
    assert all(isinstance(outcome, Reply) for outcome in outcomes)
    assert len(vendor.asked) <= 200 + 32 + 5


def test_a_call_that_always_fails_never_opens_it(tmp_path: Path) -> None:
    """One poisoned document counts once, in however many attempts, runs and processes it is asked for."""
    vendor = Vendor(failing)

    async def main() -> None:
        for _ in range(20):
            outcomes = await ask(tmp_path, vendor, [7])
            assert isinstance(outcomes[0], ServerFailed)

    run_virtually(main)
    assert len(vendor.asked) == 20 * 5


@pytest.mark.parametrize(("calls", "given_up"), [(9, False), (10, True)])
def test_ten_calls_open_it_and_nine_do_not(tmp_path: Path, calls: int, given_up: bool) -> None:
    """Nine calls that fail are nine calls that failed."""
    outcomes = run_virtually(lambda: ask(tmp_path, Vendor(failing), range(calls)))
    assert {type(outcome) for outcome in outcomes} == {VendorDown if given_up else ServerFailed}


@pytest.mark.parametrize("status", [200, 404])
def test_a_good_answer_begins_the_count_anew(tmp_path: Path, status: int) -> None:
    """Thirty documents that fail, with an answer between every nine of them, are no outage."""
    patience = Patience(Retry(attempts=1))

    def reply(path: str, _: float) -> httpx.Response:
        return httpx.Response(status, content=b"{}") if path.endswith("0") else failing()

    async def main() -> list[Reply | BaseException]:
        async with host(tmp_path, Vendor(reply), patience) as one:
            calls = (one.call(document(number), judge) for number in range(1, 35))
            return [outcome for call in calls for outcome in await asyncio.gather(call, return_exceptions=True)]

    outcomes = run_virtually(main)
    assert sum(isinstance(outcome, ServerFailed) for outcome in outcomes) == 31
    assert not any(isinstance(outcome, VendorDown) for outcome in outcomes)


@pytest.mark.parametrize("answer", [failing(), httpx.Response(200, content=b'{"cut'), httpx.ReadError("reset")])
def test_failures_of_every_kind_count(tmp_path: Path, answer: httpx.Response | Exception) -> None:
    """5xx, an answer cut short and no answer after the request has left."""

    def reply(*_: object) -> httpx.Response:
        if isinstance(answer, Exception):
            raise answer
        return answer

    outcomes = run_virtually(lambda: ask(tmp_path, Vendor(reply), range(10)))
    assert {type(outcome) for outcome in outcomes} == {VendorDown}


def test_a_host_that_cannot_be_reached_stops_everything_by_itself(tmp_path: Path) -> None:
    """A refused connection is told as such, after five attempts and within half a minute, however many calls wait."""

    def refuse(*_: object) -> httpx.Response:
        raise httpx.ConnectError("refused") from ConnectionRefusedError()

    vendor = Vendor(refuse)
    outcomes = run_virtually(lambda: ask(tmp_path, vendor, range(60)))
    assert {type(outcome) for outcome in outcomes} == {HostUnreachable}
    assert "after 5 attempts" in str(outcomes[0])
    assert vendor.asked[-1] - vendor.asked[0] < 30


def test_a_later_run_waits_for_the_rest_of_the_cool_down_and_probes_once(tmp_path: Path) -> None:
    """Started again within the minute after it was given up: one request, and the same error."""
    vendor = Vendor(failing)

    async def main() -> tuple[list[Reply | BaseException], float]:
        await ask(tmp_path, vendor, range(40))
        vendor.asked.clear()
        start = virtual_now()
        return await ask(tmp_path, vendor, range(100, 150)), vendor.asked[0] - start

    outcomes, waited_s = run_virtually(main)
    assert len(vendor.asked) == 1
    assert waited_s == pytest.approx(60, abs=0.7)
    assert {type(outcome) for outcome in outcomes} == {VendorDown}
    assert "for 3 minutes" in str(outcomes[0])


def test_parallel_runs_share_the_breaker(tmp_path: Path) -> None:
    """Two runs of one home that meet an outage send one probe at a time between them, and both go on afterwards."""
    vendor = Vendor(lambda _, now: failing() if now < 1030 else good())

    async def main() -> tuple[list[Reply | BaseException], list[Reply | BaseException]]:
        return await asyncio.gather(ask(tmp_path, vendor, range(40)), ask(tmp_path, vendor, range(40, 80)))

    assert all(isinstance(outcome, Reply) for outcomes in run_virtually(main) for outcome in outcomes)
    during = [moment for moment in vendor.asked if 1001 < moment < 1030]
    assert len(during) == 2


def test_a_night_later_nothing_is_left_of_it(tmp_path: Path) -> None:
    """One failed call of the next run is one failed call."""
    patience = Patience(Retry(attempts=1))

    async def main() -> list[Reply | BaseException]:
        await ask(tmp_path, Vendor(failing), range(40))
        await asyncio.sleep(86_400)
        return await ask(tmp_path, Vendor(failing), range(9), patience=patience)  # type: ignore[arg-type]

    assert {type(outcome) for outcome in run_virtually(main)} == {ServerFailed}


def test_a_probe_that_never_ends_does_not_keep_the_breaker_open(tmp_path: Path) -> None:
    """Whoever probed has died: after its time-out and 5 s another one probes."""

    async def main() -> float:
        breaker = Breaker(tmp_path / "breaker", "Asleep", clock=virtual_now)
        await opened(breaker)
        await breaker.wait()
        start = virtual_now()
        assert await breaker.enter(30)
        assert await breaker.enter(30) is None
        await breaker.wait()
        assert await breaker.enter(30)
        return virtual_now() - start

    assert run_virtually(main) == pytest.approx(35, abs=0.6)


def test_a_probe_that_is_refused_decides_nothing(tmp_path: Path) -> None:
    """A rate limit is no outage and no recovery: the next call probes, without a longer cool-down."""
    replies = itertools.chain(itertools.repeat(500, 32), [429], itertools.repeat(200))
    vendor = Vendor(lambda *_: httpx.Response(next(replies), content=b"{}"))
    outcomes = run_virtually(lambda: ask(tmp_path, vendor, range(32)))
    assert all(isinstance(outcome, Reply) for outcome in outcomes)
    assert vendor.asked[33] - vendor.asked[32] < 3


def test_who_fails_late_does_not_lengthen_the_cool_down(tmp_path: Path) -> None:
    """Only the probe's own failure counts while the breaker is open."""

    async def main() -> float:
        breaker = Breaker(tmp_path / "breaker", "Asleep", clock=virtual_now)
        early = await breaker.enter(30)
        assert early
        await opened(breaker)
        start = virtual_now()
        for number in range(50):
            assert await breaker.failed(early, b"%d" % number) is None
        await breaker.wait()
        return virtual_now() - start

    assert run_virtually(main) == pytest.approx(5, abs=0.6)


def test_a_late_good_answer_closes_it(tmp_path: Path) -> None:
    """An answer is an answer, whenever it was asked for."""

    async def main() -> None:
        breaker = Breaker(tmp_path / "breaker", "Asleep", clock=virtual_now)
        await opened(breaker)
        assert await breaker.enter(30) is None
        await breaker.succeeded()
        assert await breaker.enter(30)

    run_virtually(main)


@pytest.mark.parametrize("set_back_s", [1, 300, 86_400 * 365])
def test_a_clock_set_back_does_not_keep_it_open(tmp_path: Path, set_back_s: float) -> None:
    """After the change the breaker is tried within one cool-down."""
    ahead_s = set_back_s

    async def main() -> float:
        nonlocal ahead_s
        breaker = Breaker(tmp_path / "breaker", "Asleep", clock=lambda: virtual_now() + ahead_s)
        await opened(breaker)
        ahead_s = 0.0
        start = virtual_now()
        await breaker.wait()
        assert await breaker.enter(30)
        return virtual_now() - start

    assert run_virtually(main) <= 7


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"nan", b"\xff\x00", b"x" * 1_000_000, b"[]", b'{"failed":[1]}', b'{"since":"x"}', b'{"since":1e400}'),
        *(b'{"since":1e300,"touched_at":1e300,"ask_at":1e300,"probe_until":1e300}', b'{"since":999.0}'),
        b'{"since":-1e300,"ask_at":1e300,"touched_at":999.0}',
        b'{"since":999.0,"touched_at":999.0,"probe_until":9e17}',
        b'{"since":1e300,"touched_at":999.0,"ask_at":1001.0,"probe_until":1500.0}',
    ],
)
def test_any_file_content_is_survived(tmp_path: Path, content: bytes) -> None:
    """A missing, torn or absurd file means closed, or at worst open for one cool-down."""
    (tmp_path / "breaker").write_bytes(content)

    async def main() -> float:
        start = virtual_now()
        outcomes = await ask(tmp_path, Vendor(lambda *_: good()), range(5))
        assert all(isinstance(outcome, Reply) for outcome in outcomes)
        return virtual_now() - start

    assert run_virtually(main) <= 7


def test_the_file_names_nobody(tmp_path: Path) -> None:
    """What tells calls apart is a salted mark of 32 bits: neither paths nor ids, and not the same in two outages."""

    async def main() -> str:
        breaker = Breaker(tmp_path / "breaker", "Asleep", clock=virtual_now)
        await opened(breaker, b"/users/CANARY/")
        text = (tmp_path / "breaker").read_text()
        await breaker.succeeded()
        return text

    first, second = run_virtually(main), run_virtually(main)
    assert "CANARY" not in first
    assert first.partition('"salt"')[0] != second.partition('"salt"')[0]
    assert len(first) < 1000


async def opened(breaker: Breaker, prefix: bytes = b"") -> None:
    """Let ten calls fail."""
    for number in range(10):
        entry = await breaker.enter(30)
        assert entry
        await breaker.failed(entry, prefix + b"%d" % number)
