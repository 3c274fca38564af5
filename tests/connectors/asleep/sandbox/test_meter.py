"""The vendor's view of a client's pace: exact sliding windows, and the limit."""

from collections.abc import Callable
from itertools import pairwise

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.asleep.sandbox import Limit, Meter, World, running
from connectors.asleep.sandbox.meter import busy_stretches, least_in_window, most_in_window
from tests.connectors.asleep.sandbox.clients import NOW

ServeWorld = Callable[[World], httpx.Client]

# Eighths of a second are exact as floats, so that windows can be counted by hand.
ARRIVALS = st.lists(st.integers(0, 400), max_size=60).map(lambda eighths: sorted(eighth / 8 for eighth in eighths))


class Hand:
    """A clock that stands where it was put."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Seconds."""
        return self.now


@given(ARRIVALS)
def test_the_most_in_any_window(arrivals: list[float]) -> None:
    """No window of 10 s holds more, wherever it begins, and one holds as many."""
    counts = [sum(start <= moment < start + 10 for moment in arrivals) for start in _starts(-90, 410)]
    assert most_in_window(arrivals) == max(counts)


@given(ARRIVALS)
def test_the_least_in_any_window_within(arrivals: list[float]) -> None:
    """No window of 10 s between the first and the last arrival holds fewer, and one holds as few."""
    first, last = (arrivals[0], arrivals[-1]) if arrivals else (0.0, 0.0)
    starts = [start for start in _starts(0, 410) if first <= start and start + 10 <= last]
    counts = [sum(start <= moment < start + 10 for moment in arrivals) for start in starts]
    assert least_in_window(arrivals) == min(counts, default=None)


@given(ARRIVALS)
def test_busy_stretches(arrivals: list[float]) -> None:
    """No pause within is longer than a window, each lasts at least one, and what lies outside is too short for one."""
    stretches = [list(stretch) for stretch in busy_stretches(arrivals)]
    inside = [moment for stretch in stretches for moment in stretch]
    assert inside == [moment for moment in arrivals if any(s[0] <= moment <= s[-1] for s in stretches)]
    for stretch in stretches:
        assert stretch[-1] - stretch[0] >= 10
        assert all(after - before <= 10 for before, after in pairwise(stretch))
        assert (least_in_window(stretch) or 0) >= 1 or min(stretch) == max(stretch) - 10
    assert all(earlier[-1] + 10 < later[0] for earlier, later in pairwise(stretches))


def _starts(first: int, last: int) -> list[float]:
    """Every sixteenth of a second: on the arrivals and between them."""
    return [number / 16 for number in range(2 * first, 2 * last)]


@given(st.lists(st.integers(0, 24), max_size=80), st.integers(1, 6))
def test_a_limit_lets_no_window_have_more(pauses: list[int], most: int) -> None:
    """A request passes exactly if it and all arrivals of the window before it are within the limit."""
    clock = Hand()
    meter = Meter(Limit(most / 2, 2), clock)
    arrivals: list[float] = []
    for pause in pauses:
        clock.now += pause / 8
        arrivals.append(clock.now)
        assert meter.admit() == (sum(clock.now - 2 < moment for moment in arrivals) <= most)
    assert meter.rate()["requests"] == len(pauses)


def test_the_rate_tells_everything() -> None:
    """Totals, refusals, the busiest window, and for a stretch of 20 s also the idlest."""
    clock = Hand()
    meter = Meter(Limit(1, 10), clock)
    for second in [*range(12), *range(13, 21)]:
        clock.now = 1000 + second
        meter.admit()
    rate = meter.rate()
    assert (rate["requests"], rate["refused"], rate["window_s"], rate["most_in_window"]) == (20, 0, 10.0, 10)
    (stretch,) = rate["busy"]
    assert (stretch["seconds"], stretch["requests"]) == (20, 20)
    assert (stretch["most_in_window"], stretch["least_in_window"]) == (10, 9)
    assert rate["first"] == stretch["first"]
    meter.reset()
    rate = meter.rate()
    assert (rate["requests"], rate["first"], rate["last"], rate["most_in_window"], rate["busy"]) == (
        0,
        None,
        None,
        0,
        [],
    )


def test_over_the_limit_the_vendor_refuses(serve_world: ServeWorld) -> None:
    """403 with the documented text for the third request of a long window, whatever it asks; nobody else is counted."""
    vendor = serve_world(World(1, 1, now=NOW))
    assert vendor.get("/_control/limit").json() == {"limit_per_s": None, "window_s": 10.0}
    limit = {"limit_per_s": 0.001, "window_s": 2000}
    assert vendor.post("/_control/limit", json=limit).json() == limit
    vendor.get("/ai/v1/users/me", headers={"x-api-key": "wrong"})
    assert [vendor.get("/ai/v1/users/me").status_code for _ in range(4)] == [401, 401, 403, 403]
    refused = vendor.get("/data/v9/nothing")
    assert (refused.status_code, refused.json()) == (403, {"detail": "Rate limit exceeded"})
    rate = vendor.get("/_control/rate").json()
    assert (rate["requests"], rate["refused"], rate["most_in_window"]) == (5, 3, 5)
    assert vendor.get("/_control/calls").json()["user"] == 4
    assert vendor.post("/_control/limit", json={"limit_per_s": None}).json()["limit_per_s"] is None
    assert vendor.get("/ai/v1/users/me").status_code == 401
    assert vendor.post("/_control/rate/reset").json()["requests"] == 0


def test_a_server_can_begin_with_a_limit() -> None:
    """As ``--limit`` does."""
    world = World(1, 1, now=NOW)
    with running(world, meter=Meter(Limit(0.1))) as base_url:
        asked = [
            httpx.get(f"{base_url}/ai/v1/users/me", headers={"x-api-key": world.api_key}, trust_env=False)
            for _ in range(2)
        ]
    assert [answer.status_code for answer in asked] == [401, 403]


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({}, "Send limit_per_s, null for no limit."),
        ({"limit": 5}, "The body may hold only limit_per_s and window_s."),
        *(
            ({"limit_per_s": wrong}, "limit_per_s must be a number greater than 0 and at most 1000000.")
            for wrong in (0, -1, "5", True, 1e9)
        ),
        *(
            ({"limit_per_s": 5, "window_s": wrong}, "window_s must be a number greater than 0 and at most 86400.")
            for wrong in (0, None, "10", 1e6)
        ),
        ({"limit_per_s": 0.09, "window_s": 10}, "limit_per_s times window_s must be at least 1 request."),
    ],
)
def test_a_limit_that_cannot_be(vendor: httpx.Client, body: object, sentence: str) -> None:
    """422 with one sentence, and the limit stays."""
    answer = vendor.post("/_control/limit", json=body)
    assert (answer.status_code, answer.json()) == (422, {"detail": sentence})
    assert vendor.get("/_control/limit").json()["limit_per_s"] is None
