"""The shared budget: what it promises over any window, across processes, and with a file or clock gone wrong."""

import asyncio
import itertools
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from connectors.lake.publish import DiskUnavailable
from connectors.pace import WINDOW_S, Budget, Pace
from connectors.rate_limit import RateLimit
from tests.connectors.lake.disks import full_disk, read_only_folder
from tests.connectors.virtual_time import run_virtually, virtual_now

Sleep = Callable[[float], Awaitable[None]]

ROUNDING_S = 1e-6

bursts = st.lists(
    st.tuples(
        st.floats(0, 12),  # seconds since the burst before
        st.integers(1, 40),  # waiters
        st.integers(0, 2),  # which process they belong to
    ),
    min_size=1,
    max_size=8,
)
oversleeps = st.lists(st.sampled_from([0.0, 0.001, 0.04, 0.06, 0.3, 2.0]), min_size=1, max_size=6)


def oversleeping_by(*extra_s: float) -> Sleep:
    """A sleep that lasts too long, by each of ``extra_s`` in turn."""
    extras_s = itertools.cycle(extra_s)
    return lambda seconds: asyncio.sleep(seconds + next(extras_s))


def limit_in(folder: Path, per_second: float, sleep: Sleep = asyncio.sleep) -> RateLimit:
    return RateLimit(folder / "budget", per_second, clock=virtual_now, sleep=sleep)


def interval_of(per_second: float) -> float:
    return Pace(per_second).interval_s(Budget(), 0.0)


def largest_window(times: list[float]) -> int:
    """The most of the sorted ``times`` that lie within one half-open window."""
    return max(sum(start <= time < start + WINDOW_S for time in times) for start in times)


@settings(max_examples=60, deadline=None)
@example([(0.0, 1, 0), (0.0, 10, 1), (0.0, 1, 0), (0.0, 3, 0)], 1, [0.0, 0.0, 0.06, 0.3, 0.0, 0.04])  # both late
@given(bursts, st.sampled_from([0.1, 0.15, 1, 2.55, 7, 10, 100]), oversleeps)
def test_no_window_ever_holds_more_than_the_limit(
    pattern: list[tuple[float, int, int]], per_second: float, oversleeps_s: list[float]
) -> None:
    """However calls arrive, on however many processes, and however late sleepers wake: the limit holds."""

    async def main() -> None:
        with tempfile.TemporaryDirectory() as folder:
            sleep = oversleeping_by(*oversleeps_s)
            processes = [limit_in(Path(folder), per_second, sleep) for _ in range(3)]
            used: list[tuple[int, int, float, float]] = []

            async def one(process: int, number: int) -> None:
                slot = await processes[process].acquire()
                used.append((process, number, slot.at, virtual_now()))

            numbers = itertools.count()
            async with asyncio.TaskGroup() as tasks:
                for gap_s, waiters, process in pattern:
                    await asyncio.sleep(gap_s)
                    for _ in range(waiters):
                        tasks.create_task(one(process, next(numbers)))

            assert largest_window(sorted(time for *_, time in used)) <= per_second * WINDOW_S
            slots = sorted(slot for _, _, slot, _ in used)
            interval_s = interval_of(per_second)
            assert all(later - earlier >= interval_s - ROUNDING_S for earlier, later in itertools.pairwise(slots))
            for process in range(3):
                order = [number for owner, number, *_ in used if owner == process]
                assert order == sorted(order)

    run_virtually(main)


@pytest.mark.parametrize(("per_second", "oversleep_s"), [(10, 0.004), (500, 0.0015), (2000, 0.0015)])
def test_sleeps_that_last_too_long_cost_no_capacity(tmp_path: Path, per_second: float, oversleep_s: float) -> None:
    """Twenty busy seconds give at least 97 % of the calls allowed in them."""

    async def main() -> int:
        limit = limit_in(tmp_path, per_second, oversleeping_by(oversleep_s))
        start, calls = virtual_now(), 0
        while virtual_now() < start + 20:
            await limit.acquire()
            calls += 1
        return calls

    assert run_virtually(main) >= 0.97 * 20 * per_second


def test_a_pause_earns_next_to_nothing(tmp_path: Path) -> None:
    """After an hour of silence calls are as evenly spaced as ever, but for 50 ms of credit."""

    async def main() -> None:
        limit = limit_in(tmp_path, 10)
        await limit.acquire()
        await asyncio.sleep(3600)
        start = virtual_now()
        for _ in range(11):
            await limit.acquire()
        assert virtual_now() - start >= 10 * 0.1 - 0.05

    run_virtually(main)


@pytest.mark.parametrize(
    "content", [b"", b"nan", b"inf", b"-7", b"9e99", b"1e400", b"\xff\x00 junk", b"x" * 1_000_000, b"0"]
)
def test_any_file_content_is_survived(tmp_path: Path, content: bytes) -> None:
    """An empty, torn or absurd file counts as no reservation, and is whole again afterwards."""
    (tmp_path / "budget").write_bytes(content)

    async def main() -> None:
        start = virtual_now()
        first = await limit_in(tmp_path, 1).acquire()
        second = await limit_in(tmp_path, 1).acquire()
        assert first.at <= start
        assert second.at >= first.at + 1

    run_virtually(main)
    assert (tmp_path / "budget").stat().st_size < 1000


def test_a_budget_that_cannot_be_written_is_told() -> None:
    """A file that cannot be made or changed is no traceback; no slot is given."""

    async def main() -> None:
        with pytest.raises(DiskUnavailable, match="Cannot write to the home"):
            await limit_in(folder, 1).acquire()

    with read_only_folder() as folder:
        run_virtually(main)
    with tempfile.TemporaryDirectory() as name, full_disk(room_bytes=16):
        folder = Path(name)
        run_virtually(main)


@pytest.mark.parametrize("set_back_s", [0.5, 30, 86_400 * 365])
def test_a_clock_set_back_stalls_nobody_for_long(tmp_path: Path, set_back_s: float) -> None:
    """Reservations from before the change are forgotten, by waiters too, instead of being waited for."""
    jump_s = 0.0

    async def main() -> None:
        nonlocal jump_s
        limit = RateLimit(tmp_path / "budget", 2, clock=lambda: virtual_now() + jump_s)
        jump_s = set_back_s
        waiting = [asyncio.create_task(limit.acquire()) for _ in range(4)]
        await asyncio.sleep(0.2)
        jump_s = 0.0
        start = virtual_now()
        await asyncio.gather(*waiting)
        await limit.acquire()
        assert virtual_now() - start < 5

    run_virtually(main)


def test_a_cancelled_waiter_wastes_one_slot_at_most(tmp_path: Path) -> None:
    """Thirty cancelled waiters leave the next call no worse off than one or two slots."""

    async def main() -> None:
        limit = limit_in(tmp_path, 1)
        waiting = [asyncio.create_task(limit.acquire()) for _ in range(30)]
        await asyncio.sleep(0.1)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        start = virtual_now()
        await limit.acquire()
        assert virtual_now() - start < 2.5

    run_virtually(main)


def test_one_limit_serves_one_event_loop_after_another(tmp_path: Path) -> None:
    """The same object works in a second loop, after waiters queued up in the first."""
    limit = RateLimit(tmp_path / "budget", 1, clock=virtual_now)

    async def main() -> list[float]:
        return [slot.at for slot in await asyncio.gather(*(limit.acquire() for _ in range(3)))]

    assert len({*run_virtually(main)}) == 3
    assert len({*run_virtually(main)}) == 3


@pytest.mark.parametrize("per_second", [0, -1, float("nan"), float("inf")])
def test_a_limit_must_be_positive(tmp_path: Path, per_second: float) -> None:
    """A budget of nothing, or without end, is refused when it is made."""
    with pytest.raises(ValueError, match="positive"):
        RateLimit(tmp_path / "budget", per_second)


PROCESS = """
import asyncio, sys
from pathlib import Path
from connectors.rate_limit import RateLimit

async def main():
    limit = RateLimit(Path(sys.argv[1]), 200)
    print(*[repr(slot.at) for slot in await asyncio.gather(*(limit.acquire() for _ in range(50)))])

asyncio.run(main())
"""


def test_two_processes_share_one_budget(tmp_path: Path) -> None:
    """Slots reserved by two processes at the same time are all distinct and evenly spaced."""
    command = [sys.executable, "-c", PROCESS, str(tmp_path / "budget")]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    slots = sorted(float(slot) for process in processes for slot in process.communicate()[0].split())
    assert len(slots) == 100
    interval_s = interval_of(200)
    assert all(later - earlier >= interval_s - ROUNDING_S for earlier, later in itertools.pairwise(slots))
