"""The budget against a vendor that refuses earlier than configured: what is learnt, by whom, and what it costs."""

import asyncio
import itertools
import tempfile
from pathlib import Path

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.errors import RateLimited, stops_everything
from connectors.http import Reply
from connectors.pace import WINDOW_S
from connectors.rate_limit import RateLimit
from tests.connectors.hidden_limit import GET, HiddenLimit, host, judge, work
from tests.connectors.test_rate_limit import largest_window, limit_in
from tests.connectors.virtual_time import run_virtually, virtual_now

PAUSES_S = (1.0, 60.0)


async def refused_once(limit: RateLimit, calls: int = 1, wish_s: float | None = None) -> None:
    """Let the vendor refuse the last ``calls`` of some that were made as fast as allowed, then accept a probe."""
    slots = [await limit.acquire() for _ in range(calls + 5)]
    for slot in slots[-calls:]:
        await limit.refused(slot, wish_s, PAUSES_S)
    await limit.accepted(await limit.acquire())


@pytest.mark.parametrize("hammering", [True, False])
@pytest.mark.parametrize("latency_s", [0.05, 0.2, 1.0])
@pytest.mark.parametrize("window_s", [1.0, 10.0, 60.0])
@pytest.mark.parametrize("per_second", [4.0, 10.0, 20.0])
def test_a_limit_a_quarter_of_the_configured_one_is_found_with_few_refusals(
    per_second: float, window_s: float, latency_s: float, hammering: bool
) -> None:
    """300 calls of two processes all succeed within 1.3 times as many requests, never over the configured limit."""
    vendor = HiddenLimit(int(per_second / 4 * window_s), window_s, latency_s, hammering)
    outcomes = run_virtually(lambda: work(vendor, per_second, range(300)))
    assert all(isinstance(outcome, Reply) for outcome in outcomes)
    assert len(vendor.arrived) <= 1.3 * 300
    assert largest_window(sorted(vendor.arrived)) <= per_second * WINDOW_S


@pytest.mark.parametrize(("per_second", "most", "window_s"), [(10, 25, 10), (10, 2, 1), (10, 150, 60), (40, 50, 10)])
def test_the_pace_settles_near_the_hidden_limit(per_second: float, most: int, window_s: float) -> None:
    """From the third minute on, at least 60 % of what the vendor would take is used, and 90 % of it is accepted."""
    vendor = HiddenLimit(most, window_s)
    calls = int(most / window_s * 900)
    run_virtually(lambda: work(vendor, per_second, range(calls)))
    begin = vendor.arrived[0] + 120
    settled = [moment for moment in vendor.accepted if moment >= begin]
    assert len(settled) >= 0.6 * most / window_s * (settled[-1] - begin)
    assert len(settled) >= 0.9 * sum(moment >= begin for moment in vendor.arrived)


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from([0.7, 2.0, 10.0, 33.0]),
    st.floats(0.2, 1.5),
    st.sampled_from([1.0, 7.0, 10.0, 30.0]),
    st.sampled_from([0.01, 0.3, 2.0]),
    st.booleans(),
    st.integers(1, 3),
)
def test_no_window_holds_more_than_the_limit_whatever_is_refused(
    per_second: float, share: float, window_s: float, latency_s: float, hammering: bool, processes: int
) -> None:
    """Whatever the vendor's own limit is, above or below ours, it never sees more than ours in any 10 s."""
    vendor = HiddenLimit(max(1, int(per_second * share * window_s)), window_s, latency_s, hammering)
    run_virtually(lambda: work(vendor, per_second, range(80), processes=processes))
    assert largest_window(sorted(vendor.arrived)) <= per_second * WINDOW_S


def test_without_refusals_the_limit_is_used(tmp_path: Path) -> None:
    """A vendor that takes what is configured is given at least 90 % of it by two processes while there is work."""
    vendor = HiddenLimit(100, 10, hammering=False)
    run_virtually(lambda: work(vendor, 10, range(600)))
    assert vendor.refused == 0
    assert vendor.arrived[-1] - vendor.arrived[0] <= 600 / (0.9 * 10)


def test_a_burst_of_refusals_counts_once(tmp_path: Path) -> None:
    """Twenty concurrent refusals lower the pace to 70 % of the one used, as one does."""

    async def main(calls: int, name: str) -> float:
        limit = limit_in(tmp_path / name, 10)
        await refused_once(limit, calls)
        return await limit.per_second()

    one, many = run_virtually(lambda: main(1, "one")), run_virtually(lambda: main(20, "many"))
    assert one == pytest.approx(0.7 * 10, rel=0.03)
    assert many == pytest.approx(one, rel=0.01)


def test_what_counts_is_the_pace_that_was_used(tmp_path: Path) -> None:
    """Who uses 6 of 10 calls a second and is refused goes down from there; a crawl halves the pace at most."""

    async def main(spacing_s: float) -> float:
        limit = limit_in(tmp_path / str(spacing_s), 10)
        for _ in range(40):
            slot = await limit.acquire()
            await asyncio.sleep(spacing_s)
        await limit.refused(slot, None, PAUSES_S)
        return await limit.per_second()

    assert run_virtually(lambda: main(1 / 8)) == pytest.approx(0.7 * 8, rel=0.02)
    assert run_virtually(lambda: main(5)) == 5


def test_the_pace_recovers_slowly_and_never_beyond_the_limit(tmp_path: Path) -> None:
    """Half a call a second more each minute at a limit of ten, until it is reached."""

    async def main() -> None:
        limit = limit_in(tmp_path, 10)
        await refused_once(limit)
        start = await limit.per_second()
        await asyncio.sleep(60)
        assert await limit.per_second() == pytest.approx(start + 0.5, abs=0.01)
        await asyncio.sleep(3600 * 24 * 365 * 20)
        assert await limit.per_second() == 10

    run_virtually(main)


def test_a_pace_far_below_the_limit_grows_by_a_quarter_a_minute_at_most(tmp_path: Path) -> None:
    """Five per cent of a thousand would be a hundred times the pace at the bottom."""

    async def main() -> None:
        limit = limit_in(tmp_path, 1000)
        for _ in range(12):
            await refused_once(limit)
        before = await limit.per_second()
        await asyncio.sleep(60)
        assert await limit.per_second() == pytest.approx(1.25 * before, rel=0.01)

    run_virtually(main)


@pytest.mark.parametrize(("per_second", "lowest"), [(10, 0.5), (0.3, 0.3)])
def test_the_pace_has_a_floor(tmp_path: Path, per_second: float, lowest: float) -> None:
    """However often the vendor refuses, half a call a second stays, or the limit if that is lower."""

    async def main() -> float:
        limit = limit_in(tmp_path, per_second)
        for _ in range(20):
            slot = await limit.acquire()
            await limit.refused(slot, None, PAUSES_S)
            await limit.accepted(await limit.acquire())
        return await limit.per_second()

    assert run_virtually(main) == pytest.approx(lowest, rel=0.1)


def test_what_was_learnt_is_shared_and_kept(tmp_path: Path) -> None:
    """A parallel process and a later run start at the pace that the first one found."""

    async def first() -> float:
        limit, parallel = limit_in(tmp_path, 10), limit_in(tmp_path, 10)
        await refused_once(limit)
        assert await parallel.per_second() == await limit.per_second()
        return await limit.per_second()

    async def later() -> list[float]:
        limit = limit_in(tmp_path, 10)
        return [(await limit.acquire()).at for _ in range(3)]

    learnt = run_virtually(first)
    slots = run_virtually(later)
    assert slots[2] - slots[1] == pytest.approx(1.02 / learnt, rel=0.06)


@pytest.mark.parametrize(
    "content",
    [
        b"999.5" + b" " * 58 + b"\n",
        b'{"free_at":999.5}',
        b'{"free_at":999.5,"learnt":null,"of_a_later_version":[1]}',
        b'{"learnt":"fast"}',
        b'{"learnt":1e400}',
        b'{"learnt":5.0,"refused_at":',
        b"[]",
        b'{"free_at":-1e300,"taken_at":1e300,"spacing_s":-5.0,"paused_until":1e300,"pause_s":1e300}',
    ],
)
def test_an_old_or_damaged_file_means_the_configured_limit(tmp_path: Path, content: bytes) -> None:
    """The first version's file, with nothing but a time in it, is read; so is nonsense, as nothing learnt."""
    (tmp_path / "budget").write_bytes(content)

    async def main() -> tuple[float, float]:
        limit = limit_in(tmp_path, 10)
        start = virtual_now()
        for _ in range(5):
            await limit.acquire()
        return await limit.per_second(), virtual_now() - start

    per_second, took_s = run_virtually(main)
    assert per_second == 10
    assert took_s < 1


@pytest.mark.parametrize("learnt", [-3.0, 0.0, 1e-300, 1e300])
def test_an_absurd_pace_in_the_file_stays_between_floor_and_limit(tmp_path: Path, learnt: float) -> None:
    """Whatever number stands there, calls go on at a sane pace."""
    (tmp_path / "budget").write_text(f'{{"learnt":{learnt!r},"refused_at":1e300,"refusing_since":1e300}}')
    assert 0.5 <= run_virtually(lambda: limit_in(tmp_path, 10).per_second()) <= 10


def test_the_vendors_wish_pauses_everybody(tmp_path: Path) -> None:
    """Nobody of any process calls before the time the vendor asked for, not even who held a slot already."""

    async def main() -> None:
        limits = [limit_in(tmp_path, 2) for _ in range(3)]
        refused = await limits[0].acquire()
        waiting = [asyncio.create_task(limit.acquire()) for limit in limits for _ in range(3)]
        await asyncio.sleep(0.01)
        start = virtual_now()
        await limits[0].refused(refused, 40.0, PAUSES_S)
        slots = await asyncio.gather(*waiting, *(limit.acquire() for limit in limits))
        assert min(slot.at for slot in slots) >= start + 40
        assert virtual_now() >= start + 40

    run_virtually(main)


def test_while_the_vendor_refuses_one_call_at_a_time_tries(tmp_path: Path) -> None:
    """Thirty waiting calls send probes 1, 2, 4 ... 60 s apart, and none beside them."""
    moments: list[float] = []

    def refuse(_: httpx.Request) -> httpx.Response:
        moments.append(virtual_now())
        return httpx.Response(200 if len(moments) > 9 else 403)

    async def main() -> None:
        async with host(tmp_path, refuse, 10) as vendor:
            await asyncio.gather(*(vendor.call(GET, judge) for _ in range(30)))

    run_virtually(main)
    gaps = [later - earlier for earlier, later in itertools.pairwise(moments)]
    assert gaps[:9] == pytest.approx([1, 2, 4, 8, 16, 32, 60, 60, 60], abs=0.3)
    assert len(moments) == 39


def test_a_refused_call_has_eight_tries(tmp_path: Path) -> None:
    """Seven refusals cost a call nothing but time, the eighth ends it, and failures are counted apart."""

    async def main(answers: list[int]) -> int:
        with tempfile.TemporaryDirectory() as folder:
            left = iter(answers)
            async with host(Path(folder), lambda _: httpx.Response(next(left)), 10) as vendor:
                return (await vendor.call(GET, judge)).attempts

    assert run_virtually(lambda: main([403] * 7 + [200])) == 8
    with pytest.raises(RateLimited) as caught:
        run_virtually(lambda: main([403] * 8))
    assert not stops_everything(caught.value)


def test_a_vendor_that_refuses_everything_for_ten_minutes_ends_the_run(tmp_path: Path) -> None:
    """Three hundred waiting calls do not take turns for a day: after twenty requests all end with one error."""
    vendor = HiddenLimit(0, 10)
    outcomes = run_virtually(lambda: work(vendor, 10, range(300)))
    assert all(isinstance(outcome, RateLimited) and stops_everything(outcome) for outcome in outcomes)
    assert 600 <= vendor.arrived[-1] - vendor.arrived[0] <= 750
    assert len(vendor.arrived) <= 25


def test_a_refusal_of_long_ago_does_not_end_todays_run(tmp_path: Path) -> None:
    """The night after, one refusal is the first of its kind again."""

    async def main() -> float:
        limit = limit_in(tmp_path, 10)
        await limit.refused(await limit.acquire(), None, PAUSES_S)
        await asyncio.sleep(86_400)
        return await limit.refused(await limit.acquire(), None, PAUSES_S)

    assert run_virtually(main) == 0


def test_a_clock_set_back_during_a_pause_stalls_nobody_for_long(tmp_path: Path) -> None:
    """A pause from a future that is no more is forgotten, and the pace still recovers."""
    ahead_s = 86_400.0

    async def main() -> None:
        nonlocal ahead_s
        limit = RateLimit(tmp_path / "budget", 10, clock=lambda: virtual_now() + ahead_s)
        await limit.refused(await limit.acquire(), 250.0, PAUSES_S)
        ahead_s = 0.0
        start = virtual_now()
        await limit.accepted(await limit.acquire())
        assert virtual_now() - start < 5
        lowered = await limit.per_second()
        await asyncio.sleep(60)
        assert await limit.per_second() > lowered

    run_virtually(main)
