"""Turns at a bed: one command at a time over all runs of a home, 3 seconds after the last one, also after a kill."""

import asyncio
import shutil
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from connectors.eight_sleep.pacing import GAP_S, BedTurns
from connectors.home import Home
from tests.connectors.eight_sleep.rig import Clock


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home."""
    home = Home(tmp_path / "home")
    home.prepare()
    return home


def turns(home: Home, clock: Clock, name: str = "bed") -> BedTurns:
    """What a run has in its hands for a bed."""
    return BedTurns(
        lambda: home.lock(name, wait_s=0),
        home.root / "locks" / f"{name}.turn",
        clock=clock.seconds,
        sleep=clock.sleep,
    )


async def command(bed: BedTurns, clock: Clock, takes_s: float = 0.0) -> tuple[float, float]:
    """Send a command; when it began and ended."""
    async with bed.mine():
        start = clock.seconds()
        await clock.sleep(takes_s)
        return start, clock.seconds()


def test_commands_of_many_runs_keep_their_distance(home: Home) -> None:
    """However they crowd and however long each takes, from the end of one to the start of the next it is 3 s."""
    clock = Clock()

    async def main() -> list[tuple[float, float]]:
        runs = (command(turns(home, clock), clock, takes_s) for takes_s in (0.0, 5.0, 0.5, 2.0, 1.0))
        return sorted(await asyncio.gather(*runs))

    times = asyncio.run(main())
    assert all(start - end >= GAP_S for (_, end), (start, _) in pairwise(times))


def test_another_bed_is_not_waited_for(home: Home) -> None:
    """The turns are those of one bed; after 3 s there is nothing to wait for either."""
    clock = Clock()
    begun = clock.now
    asyncio.run(command(turns(home, clock), clock))
    asyncio.run(command(turns(home, clock, "other"), clock))
    assert clock.now == begun
    clock.forward(GAP_S)
    asyncio.run(command(turns(home, clock), clock))
    assert (clock.now - begun).total_seconds() == GAP_S


def killed(home: Home, clock: Clock) -> None:
    """A run dies while its command is on the way: the lock goes, the file stays as it was."""
    file = home.root / "locks" / "bed.turn"

    async def main() -> None:
        async with turns(home, clock).mine():
            shutil.copy(file, file.with_suffix(".before"))

    asyncio.run(main())
    file.with_suffix(".before").replace(file)
    clock.forward(600)  # nobody knows when it left: it may have waited for its limit


def failed(home: Home, clock: Clock) -> None:
    """A command that fails may have arrived."""

    async def main() -> None:
        async with turns(home, clock).mine():
            raise ConnectionError

    with pytest.raises(ConnectionError):
        asyncio.run(main())


def set_back(home: Home, clock: Clock) -> None:
    """The clock is set back by a day after a command."""
    asyncio.run(command(turns(home, clock), clock))
    clock.forward(-86_400)


@pytest.mark.parametrize("trouble", [killed, failed, set_back])
def test_after_trouble_the_distance_is_kept(home: Home, trouble: Callable[[Home, Clock], None]) -> None:
    """Three seconds, no less and no more."""
    clock = Clock()
    trouble(home, clock)
    begun = clock.seconds()
    start, _ = asyncio.run(command(turns(home, clock), clock))
    assert start - begun == GAP_S


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b'{"at": "canary"}', b"[" * 4000])
def test_a_damaged_file_is_as_if_nothing_was_sent(home: Home, content: bytes) -> None:
    """And it is written anew."""
    clock = Clock()
    (home.root / "locks" / "bed.turn").write_bytes(content)
    begun = clock.now
    asyncio.run(command(turns(home, clock), clock))
    assert clock.now == begun
    asyncio.run(command(turns(home, clock), clock))
    assert (clock.now - begun).total_seconds() == GAP_S
