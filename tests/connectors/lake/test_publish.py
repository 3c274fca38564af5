"""Publishing: whole or not at all, untouched when nothing is new, one sentence when the disk refuses."""

import os
import signal
import subprocess
import sys
import traceback
from errno import EDQUOT, EIO, ENOSPC
from functools import partial
from pathlib import Path

import pytest

from connectors.lake.publish import (
    TEMPORARY,
    DiskUnavailable,
    disk_unavailable,
    is_running,
    publish,
    retract,
    sweep_temporaries,
)
from tests.connectors.lake.disks import full_disk, read_only_folder

SENTENCE = "Cannot write to the home ({}): make room or check the permissions of NIGHTSHIFT_HOME, then run again."


def identity(path: Path) -> tuple[int, int]:
    """What changes whenever a file is written or replaced."""
    stat = path.stat()
    return stat.st_ino, stat.st_mtime_ns


def pid_of_the_dead() -> int:
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


WRITERS = """
import sys
from pathlib import Path
from concurrent.futures import ThreadPoolExecutor
from connectors.lake.publish import publish

path, letters, size, times = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])

def write(letter):
    for time in range(times):
        publish(path, letter.encode() * (size + time % 2))

with ThreadPoolExecutor() as threads:
    list(threads.map(write, letters))
"""


def test_a_reader_never_sees_a_part_of_an_object(tmp_path: Path) -> None:
    """While two threads of another process replace an object, every look finds one of the whole objects."""
    path, size = tmp_path / "day" / "object", 300_000
    publish(path, b"a" * size)
    looks: set[bytes] = set()
    with subprocess.Popen([sys.executable, "-c", WRITERS, str(path), "bc", str(size), "150"]) as writers:
        while writers.poll() is None:
            looks.add(path.read_bytes())
    assert writers.returncode == 0
    assert looks <= {letter * (size + more) for letter in (b"a", b"b", b"c") for more in (0, 1)}
    assert [entry.name for entry in path.parent.iterdir()] == ["object"]


def test_publishing_the_same_bytes_again_touches_nothing(tmp_path: Path) -> None:
    """The second time it is the same file, with the same time of change, and the answer is False."""
    path = tmp_path / "object"
    assert publish(path, b"bytes")
    before = identity(path)
    assert not publish(path, b"bytes")
    assert identity(path) == before


@pytest.mark.parametrize("content", [b"", b"other", b"bytes and more", b"byteZ"])
def test_publishing_other_bytes_replaces_the_object(tmp_path: Path, content: bytes) -> None:
    """Shorter, longer, or as long: other bytes are a change."""
    path = tmp_path / "object"
    publish(path, b"bytes")
    assert publish(path, content)
    assert path.read_bytes() == content


def test_a_writer_killed_before_the_rename_leaves_the_old_object(tmp_path: Path) -> None:
    """The old object stays whole; the half-written one is invisible until the next sweep removes it."""
    path = tmp_path / "object"
    publish(path, b"old")
    code = "import sys; from pathlib import Path; from connectors.lake.publish import publish\n"
    killed = subprocess.run(
        [sys.executable, "-c", code + "publish(Path(sys.argv[1]), b'new')", str(path)],
        env={**os.environ, "NIGHTSHIFT_FAILPOINT": "publish.written"},
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    assert path.read_bytes() == b"old"
    assert sweep_temporaries(tmp_path) == 1
    assert [entry.name for entry in tmp_path.iterdir()] == ["object"]


def test_everything_new_reaches_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The object, its folder, and the parent of every folder made on the way are synced before publish returns."""
    synced: set[int] = set()
    fsync = os.fsync

    def recorded(descriptor: int) -> None:
        synced.add(os.fstat(descriptor).st_ino)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", recorded)
    path = tmp_path / "table" / "date=2026-11-22" / "object"
    publish(path, b"bytes")
    assert synced == {entry.stat().st_ino for entry in (path, path.parent, path.parent.parent, tmp_path)}
    synced.clear()
    publish(path, b"bytes")  # whoever wrote it may have been killed before its name was durable
    assert synced == {path.parent.stat().st_ino}


def test_a_read_only_folder_is_told_in_one_sentence() -> None:
    """Publishing and retracting there say what is wrong and what to do; nothing has changed."""
    with read_only_folder("object") as folder:
        for attempt in (partial(publish, content=b"bytes"), retract):
            with pytest.raises(DiskUnavailable) as refused:
                attempt(folder / "object")
            assert str(refused.value) == SENTENCE.format("Permission denied")
            assert refused.value.exit_code == 1
        assert [entry.name for entry in folder.iterdir()] == ["object"]


def test_a_full_disk_leaves_the_old_object(tmp_path: Path) -> None:
    """Nothing half written stays behind, and what was there before is whole."""
    path = tmp_path / "object"
    publish(path, b"old")
    with full_disk(room_bytes=1000), pytest.raises(DiskUnavailable) as refused:
        publish(path, b"x" * 100_000)
    assert str(refused.value) == SENTENCE.format("File too large")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_disk_without_room_is_called_full() -> None:
    """Full, or the user's share of it used up: that word and what to do; other errors have the system's words."""
    full = "The disk is full: make room on the disk of NIGHTSHIFT_HOME, then run again."
    assert {str(disk_unavailable(OSError(code, "canary", "canary"))) for code in (ENOSPC, EDQUOT)} == {full}
    assert str(disk_unavailable(OSError(EIO, "Input/output error", "canary"))) == SENTENCE.format("Input/output error")


def test_something_in_the_way_is_told_without_its_path(tmp_path: Path) -> None:
    """A folder where the object should be, a file where its folder should be: one sentence each, and no path."""
    (tmp_path / "canary-folder").mkdir()
    (tmp_path / "canary-file").touch()
    for path in (tmp_path / "canary-folder", tmp_path / "canary-file" / "object", Path("/proc/canary/object")):
        with pytest.raises(DiskUnavailable) as refused:
            publish(path, b"bytes")
        shown = [line for line in traceback.format_exception(refused.value) if "Error" in line or "Errno" in line]
        assert not any("canary" in line for line in (str(refused.value), *shown))


def test_retracting_removes_the_object_and_an_empty_folder(tmp_path: Path) -> None:
    """True once, False when there is nothing; a folder with other objects stays."""
    first, second = tmp_path / "day" / "first", tmp_path / "day" / "second"
    publish(first, b"1")
    publish(second, b"2")
    assert retract(first)
    assert not retract(first)
    assert second.read_bytes() == b"2"
    assert retract(second)
    assert list(tmp_path.iterdir()) == []


def test_a_sweep_removes_only_what_the_dead_left(tmp_path: Path) -> None:
    """Temporaries of living processes stay, and so does everything that is not a temporary."""
    deep = tmp_path / "raw" / "date=2026-11-22"
    deep.mkdir(parents=True)
    dead = [deep / f"{TEMPORARY}{pid}-object" for pid in (pid_of_the_dead(), "", "x", 10**30)]
    kept = [deep / f"{TEMPORARY}{os.getpid()}-object", deep / "object", deep / f"object{TEMPORARY}1"]
    for path in (*dead, *kept):
        path.touch()
    assert sweep_temporaries(tmp_path) == len(dead)
    assert sorted(deep.iterdir()) == sorted(kept)


def test_a_shallow_sweep_leaves_the_folders_below_alone(tmp_path: Path) -> None:
    """Only what lies in the folder itself is removed."""
    (tmp_path / "below").mkdir()
    dead = f"{TEMPORARY}{pid_of_the_dead()}-object"
    for path in (tmp_path / dead, tmp_path / "below" / dead):
        path.touch()
    assert sweep_temporaries(tmp_path, deep=False) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["below"]
    assert [path.name for path in (tmp_path / "below").iterdir()] == [dead]


def test_a_sweep_of_nothing_finds_nothing(tmp_path: Path) -> None:
    """A folder that is not there yet is not an error."""
    assert sweep_temporaries(tmp_path / "raw") == 0


def test_the_living_and_the_dead_are_told_apart() -> None:
    """This process runs, so does the first one of the machine, and an ended one does not."""
    assert is_running(os.getpid())
    assert is_running(1)
    assert not is_running(pid_of_the_dead())
