"""A disk that fills up in the middle of a run is told as what it is, tears nothing, and once there is room all is made.

The disk is a real one of a few megabytes where this process may mount it, with more or less room left; elsewhere, and
in every run of the suite, whatever needs space is refused from the n-th operation on.
"""

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.system.engine import NONE, Disturbance, Ended, Engine, running_engine
from tests.system.operations import Kind, Trip
from tests.system.undisturbed import Undisturbed, quick_folder, torn

POINTS = 50
DISK_MB = 64


@contextmanager
def small_disk(place: Path) -> Iterator[bool]:
    """A file system of ``DISK_MB`` at ``place``; False if it cannot be mounted here, and it is a folder then."""
    place.mkdir()
    mount, unmount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", str(place)], ["umount", str(place)]
    try:
        mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        mounted = False
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(unmount, check=True)


def free_bytes(place: Path) -> int:
    """The room left there."""
    disk = os.statvfs(place)
    return disk.f_bavail * disk.f_frsize


def leave_room(ballast: Path, room: int) -> None:
    """Fill the disk of ``ballast`` up to so many bytes."""
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, free_bytes(ballast.parent) - room)


Run = Callable[[Path, str, Disturbance], Ended]


def see_it_healed(home: Undisturbed, run: Run, root: Path, ended: Ended, told: str) -> None:
    """The run has ended for want of space, in words; with room again the next one makes everything, and sweeps."""
    assert ended.status == 1, f"{told}: {ended}"
    sentence = ended.sentence.splitlines()[-1]
    assert "disk is full" in sentence, f"{told}: {ended}"
    assert "make room" in sentence, f"{told}: {ended}"
    assert "canary" not in ended.sentence
    assert str(root) not in ended.sentence
    assert torn(root) == [], told
    again = run(root, home.base_url, NONE)
    assert again.status == 0, f"{again.sentence} after {told}"
    assert home.unlike(root, raw_files=False) == [], told


def fill_at_operations(home: Undisturbed, engine: Engine, points: int) -> None:
    """Refuse space from each of so many operations on, from the first of a run to the last load of the warehouse."""
    # How often calls share the budget is a matter of time, so that some operations more or less are usual.
    surely = home.space_operations * 9 // 10
    disturbances = [Disturbance(Trip.FULL, 1 + surely * point // (points - 1)) for point in range(points - 1)]
    disturbances.append(Disturbance(Trip.FULL, home.operations[Kind.LOAD], Kind.LOAD))
    with quick_folder() as folder:
        for disturbance in disturbances:
            root = home.new_home(folder / "home")
            ended = engine.run(root, home.base_url, disturbance)
            see_it_healed(home, engine.run, root, ended, str(disturbance))


def fill_a_disk(home: Undisturbed, run: Run, disk: Path, points: int) -> None:
    """Leave less room than a run needs, so many times from none at all on; a run needs least for what it makes."""
    ballast = disk / "ballast"
    before = free_bytes(disk)
    ended = run(home.new_home(disk / "home"), home.base_url, NONE)
    assert ended.status == 0, ended.sentence
    needed = before - free_bytes(disk)
    for point in range(points):
        room = needed * point // points
        root = home.new_home(disk / "home")
        leave_room(ballast, room)
        ended = run(root, home.base_url, NONE)
        ballast.unlink()
        see_it_healed(home, run, root, ended, f"{room} bytes left")


def test_a_disk_that_fills_up_is_told_and_made_up_for(engine: Engine, small_home: Undisturbed) -> None:
    """From a few operations of a run on, the first and the last that need space among them."""
    fill_at_operations(small_home, engine, points=4)


@pytest.mark.soak
def test_a_full_disk_is_told_and_made_up_for_wherever_it_is_met(
    engine: Engine, small_home: Undisturbed, tmp_path: Path
) -> None:
    """At 50 points of a run: the files, the state and the warehouse meet it, and what SQLite and DuckDB do inside."""
    fill_at_operations(small_home, engine, POINTS)
    with small_disk(tmp_path / "disk") as real:
        if real:
            fill_a_disk(small_home, engine.run, tmp_path / "disk", POINTS)


@pytest.mark.soak
def test_a_full_disk_in_a_sync_is_told_and_made_up_for(small_home: Undisturbed, tmp_path: Path) -> None:
    """With Dagster, whose own records meet it as well: the last line of the command is our sentence."""
    with running_engine(dagster=True) as engine, small_disk(tmp_path / "disk") as real:
        if real:
            fill_a_disk(small_home, engine.sync, tmp_path / "disk", points=12)
        else:
            for nth in (1, 20, 100, 400):
                root = small_home.new_home(tmp_path / "disk" / "home")
                ended = engine.sync(root, small_home.base_url, Disturbance(Trip.FULL, nth))
                see_it_healed(small_home, engine.sync, root, ended, f"full at operation {nth}")
