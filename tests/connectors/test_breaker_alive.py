"""A breaker probed with a call bound to nobody: the trouble of some calls is theirs, an outage is everybody's."""

import asyncio
import itertools
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from connectors.asleep.client import AsleepClient
from connectors.breaker import Breaker
from connectors.errors import KeyRefused, ServerFailed, VendorDown
from connectors.patience import Patience, Retry
from connectors.rate_limit import RateLimit
from tests.connectors.conftest import NOW
from tests.connectors.virtual_time import run_virtually, virtual_now

LIST = httpx.Response(200, json={"detail": "OK", "result": {"timezone": "UTC", "sleep_session_list": []}})
UNKNOWN = httpx.Response(404, json={"detail": "user does not exist"})
ATTEMPTS = 5


class Vendor:
    """Answers the lists of users, after half a second; ``reply`` is told the user and the time since the start."""

    def __init__(self, reply: Callable[[str, float], httpx.Response]) -> None:
        self._reply = reply
        self.asked: list[tuple[str, float]] = []
        self.calls: Counter[str] = Counter()
        self.took_s = 0.0

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        user = request.headers["x-user-id"]
        self.asked.append((user, virtual_now() - 1000))
        await asyncio.sleep(0.5)
        return self._reply(user, virtual_now() - 1000)

    def probes(self) -> list[tuple[str, float]]:
        """What was asked of nobody, and when."""
        return [(user, moment) for user, moment in self.asked if not user.startswith("user-")]


def lists(folder: Path, vendor: Vendor, users: int) -> list[type[object]]:
    """What becomes of the lists of so many users, all asked for at once by one client."""

    async def main() -> list[type[object]]:
        async with AsleepClient(
            "http://asleep.test",
            "key",
            rate_limit=RateLimit(folder / "budget", 1000, clock=virtual_now),
            clock=lambda: NOW,
            patience=Patience(Retry(attempts=ATTEMPTS, jitter_s=0)),
            breaker=Breaker(folder / "breaker", "Asleep", clock=virtual_now),
            transport=httpx.MockTransport(vendor),
        ) as client:
            questions = (client.list_sessions(f"user-{n}", date_gte=None, date_lte=None) for n in range(users))
            outcomes = await asyncio.gather(*questions, return_exceptions=True)
            vendor.calls = client.calls.by_endpoint
            vendor.took_s = virtual_now() - 1000
            return [type(outcome) for outcome in outcomes]

    return run_virtually(main)


def poisoned(number: int, nobody: httpx.Response = UNKNOWN) -> Vendor:
    """A vendor that is well but for the users below ``number``, and that answers who asks for nobody with this."""

    def reply(user: str, _: float) -> httpx.Response:
        if not user.startswith("user-"):
            return nobody
        return httpx.Response(503) if int(user.removeprefix("user-")) < number else LIST

    return Vendor(reply)


@pytest.mark.parametrize("status", [200, 302, 400, 401, 403, 404, 429])
def test_twelve_poisoned_users_starve_nobody(tmp_path: Path, status: int) -> None:
    """Any answer below 500 shows that the vendor is alive: 118 of 130 users are pulled, and twelve fail by themselves.

    It takes one cool-down: the calls that opened the breaker do not open it again.
    """
    vendor = poisoned(12, httpx.Response(status, json={"detail": "too many requests"}))
    outcomes = lists(tmp_path, vendor, 130)
    assert outcomes[:12] == [ServerFailed] * 12
    assert not any(issubclass(outcome, Exception) for outcome in outcomes[12:])
    assert vendor.calls == {"list": 118 + 12 * ATTEMPTS, "alive": 1}
    assert len(vendor.asked) == vendor.calls.total()
    assert vendor.took_s < (60 if status in (403, 429) else 30)  # a refusal slows the pace down as well


def test_poisoned_users_at_the_end_of_the_roster_end_as_well(tmp_path: Path) -> None:
    """A vendor that is alive and fails every single list: each ends by itself, and few cool-downs are spent on it."""
    users = 300
    vendor = poisoned(users)
    assert lists(tmp_path, vendor, users) == [ServerFailed] * users
    assert vendor.calls["list"] == users * ATTEMPTS
    assert 1 <= vendor.calls["alive"] <= 5 + users * ATTEMPTS / 100
    assert vendor.took_s < 150
    assert (tmp_path / "breaker").stat().st_size < 4096


@pytest.mark.parametrize("down_s", [4.0, 20.0, 100.0])
def test_an_outage_costs_no_call(tmp_path: Path, down_s: float) -> None:
    """Only the call that is bound to nobody is asked meanwhile, ever more rarely; then every list comes."""
    vendor = Vendor(lambda _, now: httpx.Response(503) if now < down_s else LIST)
    assert not any(issubclass(outcome, Exception) for outcome in lists(tmp_path, vendor, 200))
    assert {user for user, moment in vendor.asked if 1 < moment < down_s - 0.5} <= {user for user, _ in vendor.probes()}
    assert vendor.calls["list"] <= 200 + 32
    assert 1 <= vendor.calls["alive"] <= 5


@pytest.mark.parametrize("failure", [httpx.Response(500), httpx.ReadError("reset"), httpx.ConnectError("refused")])
def test_a_vendor_that_is_down_is_given_up(tmp_path: Path, failure: httpx.Response | Exception) -> None:
    """The probes of nobody fail after 5, 10, 20, 40 and 60 s; then one error ends every call."""

    def reply(user: str, _: float) -> httpx.Response:
        if user.startswith("user-"):
            return httpx.Response(503)
        if isinstance(failure, Exception):
            raise failure
        return failure

    vendor = Vendor(reply)
    assert lists(tmp_path, vendor, 40) == [VendorDown] * 40
    moments = [0.0, *(moment for _, moment in vendor.probes())]
    waits = [later - earlier for earlier, later in itertools.pairwise(moments)]
    assert waits == pytest.approx([5.5, 10.5, 20.5, 40.5, 60.5], abs=0.6)
    assert vendor.calls == {"list": 32, "alive": 5}


def test_an_answer_about_the_key_is_told_by_the_calls_themselves(tmp_path: Path) -> None:
    """A vendor that comes back with a refused key is alive: the run ends because of the key."""
    unauthorized = httpx.Response(401, json={"detail": "Unauthorized"})
    vendor = Vendor(lambda _, now: httpx.Response(503) if now < 2 else unauthorized)
    assert lists(tmp_path, vendor, 100) == [KeyRefused] * 100
    assert vendor.calls["alive"] == 1


def test_who_asks_for_nobody_names_nobody(tmp_path: Path) -> None:
    """The probe goes out with an id that is well-formed and no user's, the same each time."""
    vendor = Vendor(lambda _, now: httpx.Response(503) if now < 20 else LIST)
    lists(tmp_path, vendor, 40)
    assert {user for user, _ in vendor.probes()} == {"G-20000101000000-NobodyNobodyNobodyNo"}
