"""A vendor with a limit of its own, lower than the configured one, in simulated time: it counts and it refuses."""

import asyncio
import itertools
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from connectors.errors import RateLimited, VendorError
from connectors.http import Call, Host, Reply
from connectors.patience import Patience, Retry
from connectors.rate_limit import RateLimit
from tests.connectors.conftest import NOW
from tests.connectors.virtual_time import virtual_now

GET = Call("list", "GET", "/sessions")
PATIENCE = Patience(Retry(jitter_s=0))


@dataclass
class HiddenLimit:
    """At most ``most`` calls in any ``window_s`` seconds, answers after ``latency_s``.

    With ``hammering`` a refused call counts like any other: who goes on asking stays out.
    """

    most: int
    window_s: float
    latency_s: float = 0.2
    hammering: bool = True
    counted: list[float] = field(default_factory=list)
    arrived: list[float] = field(default_factory=list)
    accepted: list[float] = field(default_factory=list)

    async def __call__(self, _: httpx.Request) -> httpx.Response:
        """Answer a request."""
        now = virtual_now()
        self.arrived.append(now)
        within = sum(moment > now - self.window_s for moment in self.counted)
        refused = within >= self.most
        if self.hammering or not refused:
            self.counted.append(now)
        if not refused:
            self.accepted.append(now)
        await asyncio.sleep(self.latency_s)
        return httpx.Response(403 if refused else 200)

    @property
    def refused(self) -> int:
        """Calls that were refused."""
        return len(self.arrived) - len(self.accepted)


def judge(reply: Reply) -> VendorError | None:
    """403 is the rate limit."""
    return RateLimited("slow down", reply.retry_after_s) if reply.status == 403 else None


async def work(
    vendor: Callable[[httpx.Request], object], per_second: float, calls: Iterable[int], *, processes: int = 2
) -> list[BaseException | Reply]:
    """Make the calls at once, shared out over processes of one home, and tell what became of each."""
    with tempfile.TemporaryDirectory() as folder:
        hosts = [host(Path(folder), vendor, per_second) for _ in range(processes)]
        shares = itertools.cycle(hosts)
        made = [next(shares).call(GET, judge) for _ in calls]
        for one in hosts:
            await one.__aenter__()
        outcomes = await asyncio.gather(*made, return_exceptions=True)
        for one in hosts:
            await one.__aexit__(None, None, None)
        return outcomes


def host(folder: Path, vendor: Callable[[httpx.Request], object], per_second: float, **settings: object) -> Host:
    """A process of the home in ``folder``, with a clock that is simulated."""
    return Host(
        "http://vendor.test",
        {},
        setting="VENDOR_URL",
        rate_limit=RateLimit(folder / "budget", per_second, clock=virtual_now),
        concurrency=32,
        clock=lambda: NOW,
        patience=PATIENCE,
        transport=httpx.MockTransport(vendor),  # type: ignore[arg-type]
        **settings,  # type: ignore[arg-type]
    )
