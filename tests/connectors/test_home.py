"""The home: private, made only where it can be written; one key for pseudonyms; locks that hold between processes."""

import errno
import os
import signal
import stat
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from subprocess import PIPE
from typing import TYPE_CHECKING

import pytest

from connectors.errors import WrongUsage
from connectors.home import Home, utc_now
from connectors.lake.publish import TEMPORARY, DiskUnavailable
from tests.connectors.lake.disks import full_disk, read_only_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

SENTENCE = "The home cannot be written ({}): set NIGHTSHIFT_HOME to a folder that this user may write."
FOLDERS = {"raw", "lake", "fhir", "locks", "logs", "dagster"}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home that is ready."""
    home = Home(tmp_path / "home")
    home.prepare()
    return home


def rights(path: Path) -> int:
    """The permission bits."""
    return stat.S_IMODE(path.stat().st_mode)


def test_preparing_makes_folders_for_the_owner_only(tmp_path: Path) -> None:
    """Also below folders that are not there yet; what is there already stays, and nothing else is left."""
    home = Home(tmp_path / "deep" / "down")
    home.prepare()
    (home.root / "raw" / "something").touch()
    home.prepare()
    assert {path.name for path in home.root.iterdir()} == FOLDERS
    assert {rights(path) for path in (home.root, *home.root.iterdir())} == {0o700}
    assert (home.root / "raw" / "something").exists()
    assert (home.logs, home.dagster) == (home.root / "logs", home.root / "dagster")


def test_a_home_where_there_can_be_none_is_wrong_usage(tmp_path: Path) -> None:
    """Below a file, at a file, on a file system that takes none, under too long a name: one sentence, no path."""
    (tmp_path / "file").touch()
    for root, reason in (
        (tmp_path / "file" / "home", "Not a directory"),
        (tmp_path / "file", "File exists"),
        (Path("/proc/nightshift-home"), "No such file or directory"),
        (tmp_path / ("x" * 300), "File name too long"),
    ):
        with pytest.raises(WrongUsage) as refused:
            Home(root).prepare()
        assert str(refused.value) == SENTENCE.format(reason)
        assert refused.value.exit_code == 2


@pytest.mark.parametrize("root", [".", "home"])
def test_a_home_in_a_read_only_folder_is_wrong_usage(root: str) -> None:
    """Whether it is that folder or should be made in it."""
    with read_only_folder() as folder, pytest.raises(WrongUsage) as refused:
        Home(folder / root).prepare()
    assert str(refused.value) == SENTENCE.format("Permission denied")


def test_the_key_for_pseudonyms_is_made_once_for_the_owner_only(home: Home) -> None:
    """32 random bytes, the same ever after, in a file that nobody else may read, whatever the umask."""
    umask = os.umask(0)
    try:
        key = home.secret_for_pseudonyms()
    finally:
        os.umask(umask)
    assert len(key) == 32
    assert home.secret_for_pseudonyms() == Home(home.root).secret_for_pseudonyms() == key
    assert rights(home.root / "pseudonym.key") == 0o600
    assert (home.root / "pseudonym.key").read_bytes() == key


def test_the_secret_for_tokens_is_made_and_kept_like_the_key_for_pseudonyms(home: Home) -> None:
    """In a file of its own for the owner only, unless the settings give one, which is kept nowhere."""
    given = Home(home.root, secret_key=b"sixteen bytes or more")
    assert given.secret_for_tokens() == b"sixteen bytes or more"
    assert not (home.root / "secret.key").exists()
    secret = home.secret_for_tokens()
    assert len(secret) == 32
    assert secret == Home(home.root).secret_for_tokens() != home.secret_for_pseudonyms()
    assert rights(home.root / "secret.key") == 0o600


def test_another_home_has_another_key(home: Home, tmp_path: Path) -> None:
    """Keys are random, not derived from anything."""
    other = Home(tmp_path / "other")
    other.prepare()
    assert other.secret_for_pseudonyms() != home.secret_for_pseudonyms()


def test_a_key_from_the_settings_is_used_and_kept_nowhere(home: Home) -> None:
    """Nothing is written, not even when a key of its own is there already."""
    given = Home(home.root, pseudonym_key=b"sixteen bytes or more")
    assert given.secret_for_pseudonyms() == b"sixteen bytes or more"
    assert not (home.root / "pseudonym.key").exists()


ASKS_FOR_THE_KEY = """
import sys
from pathlib import Path
from connectors.home import Home
homes = [Home(Path(root)) for root in sys.argv[1:]]
print("ready", flush=True)
sys.stdin.readline()
print(*[home.secret_for_pseudonyms().hex() for home in homes])
"""


def test_two_processes_that_ask_at_once_get_the_same_key(tmp_path: Path) -> None:
    """Whoever comes first makes it, in each of many homes."""
    homes = [Home(tmp_path / str(number)) for number in range(40)]
    for home in homes:
        home.prepare()
    roots = [str(home.root) for home in homes]
    with ExitStack() as stack:
        processes = [
            stack.enter_context(
                subprocess.Popen([sys.executable, "-c", ASKS_FOR_THE_KEY, *roots], stdin=PIPE, stdout=PIPE, text=True)
            )
            for _ in range(2)
        ]
        for process in processes:
            assert process.stdout is not None
            process.stdout.readline()
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        keys = [process.communicate()[0].split() for process in processes]
    assert keys == [[home.secret_for_pseudonyms().hex() for home in homes]] * 2


def test_a_process_killed_while_it_made_the_key_left_none(home: Home) -> None:
    """The next one makes it: a key is there whole or not at all."""
    killed = subprocess.run(
        [sys.executable, "-c", ASKS_FOR_THE_KEY, str(home.root)],
        env={**os.environ, "NIGHTSHIFT_FAILPOINT": "publish.written"},
        input="go\n",
        capture_output=True,
        text=True,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    assert not (home.root / "pseudonym.key").exists()
    assert len(home.secret_for_pseudonyms()) == 32


def test_a_full_disk_makes_no_half_a_key(home: Home) -> None:
    """The failure is told, and the key is made whole when there is room."""
    with home.lock("pseudonym-key"):
        pass
    with full_disk(room_bytes=8), pytest.raises(DiskUnavailable, match="make room"):
        home.secret_for_pseudonyms()
    assert len(home.secret_for_pseudonyms()) == 32


HOLDS_A_LOCK = """
import sys
from pathlib import Path
from connectors.home import Home
with Home(Path(sys.argv[1])).lock(sys.argv[2]) as held:
    print(held, flush=True)
    sys.stdin.readline()
"""


@contextmanager
def held_elsewhere(home: Home, name: str) -> "Iterator[subprocess.Popen[str]]":
    """Another process holds the lock until it is told to let go, or killed."""
    command = [sys.executable, "-c", HOLDS_A_LOCK, str(home.root), name]
    with subprocess.Popen(command, stdin=PIPE, stdout=PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "True\n"
        yield holder


def is_free(home: Home, name: str) -> bool:
    """Whether the lock can be had at once."""
    with home.lock(name, wait_s=0) as held:
        return held


def test_a_lock_is_held_against_other_processes_until_they_let_go(home: Home) -> None:
    """Trying once says no without waiting; other names are free; when the holder is done the lock is."""
    with held_elsewhere(home, "sleep_sessions.2026-11-22") as holder:
        assert not is_free(home, "sleep_sessions.2026-11-22")
        assert is_free(home, "sleep_sessions.2026-11-21")
        holder.communicate("let go\n")
        assert is_free(home, "sleep_sessions.2026-11-22")


def test_the_lock_of_a_killed_process_is_free(home: Home) -> None:
    """No lock outlives its holder."""
    with held_elsewhere(home, "warehouse") as holder:
        holder.kill()
        holder.wait()
        assert is_free(home, "warehouse")


def test_who_waits_gets_the_lock_in_the_end(home: Home) -> None:
    """Waiting ends when the holder lets go."""
    with held_elsewhere(home, "warehouse") as holder:
        assert holder.stdin is not None
        holder.stdin.write("let go\n")
        holder.stdin.flush()
        with home.lock("warehouse") as held:
            assert held


def test_a_lock_is_held_within_a_process_too_and_freed_by_an_error(home: Home) -> None:
    """A second holder in the same process is refused; an error inside the block lets go."""
    with pytest.raises(LookupError), home.lock("warehouse") as held:  # noqa: PT012 - what happens inside is the matter
        assert held
        assert not is_free(home, "warehouse")
        raise LookupError
    assert is_free(home, "warehouse")


def test_a_lock_that_cannot_be_made_is_told(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """In words, and nothing is held; once there is room the lock is free."""

    def no_room(*_: object) -> int:
        raise OSError(errno.ENOSPC, "canary")

    with monkeypatch.context() as full:
        full.setattr(os, "open", no_room)
        with pytest.raises(DiskUnavailable, match="The disk is full: make room"), home.lock("new"):
            raise AssertionError
    assert is_free(home, "new")


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_a_disk_that_fails_is_not_a_wrong_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    """A full or broken disk is told as such, with exit code 1: another NIGHTSHIFT_HOME is not what is asked for."""

    def failing(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(Path, "mkdir", failing)
    with pytest.raises(DiskUnavailable, match="make room") as refused:
        Home(tmp_path / "home").prepare()
    assert refused.value.exit_code == 1


def test_a_sweep_removes_what_the_dead_left_in_every_folder_we_write(home: Home) -> None:
    """Below raw, lake and fhir, and in the home and Dagster's folder themselves; what is Dagster's own stays."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    name = f"{TEMPORARY}{ended.pid}-object"
    swept = [home.root / folder / name for folder in ("", "raw", "raw/deep", "lake", "fhir", "dagster")]
    kept = home.dagster / "history" / name
    for path in (*swept, kept):
        path.parent.mkdir(exist_ok=True)
        path.touch()
    home.sweep()
    assert list(home.root.rglob(f"{TEMPORARY}*")) == [kept]


def test_state_lies_in_the_home_unless_the_settings_say_otherwise(home: Home, tmp_path: Path) -> None:
    """``state.db`` by default; a URL of the settings wins."""
    elsewhere = Home(home.root, state_url=f"sqlite:///{tmp_path / 'elsewhere.db'}")
    for opened, file in ((home, home.root / "state.db"), (elsewhere, tmp_path / "elsewhere.db")):
        assert not file.exists()
        with opened.state.read():
            assert file.exists()
        opened.state.close()


def test_the_clock_is_the_one_given_and_otherwise_the_present_in_utc() -> None:
    """Nothing asks the machine for the time behind a given clock's back."""
    moment = datetime(2026, 11, 22, tzinfo=UTC)
    assert Home(Path("x"), clock=lambda: moment).clock() == moment
    assert Home(Path("x")).clock is utc_now
    assert utc_now().tzinfo is UTC


def test_a_home_shows_neither_its_place_nor_its_key() -> None:
    """The repr holds nothing."""
    assert repr(Home(Path("/canary"), "sqlite:///canary", b"canary canary canary")) == "Home(…)"


def test_a_lock_held_until_exit_outlives_the_program_and_ends_with_the_process(home: Home) -> None:
    """A process that became another program still holds it; once it has ended, the lock is free."""
    becomes = (
        "import os, sys; from pathlib import Path; from connectors.home import Home; "
        "assert Home(Path(sys.argv[1])).hold_until_exit('dev'); "
        "os.execv('/bin/sh', ['sh', '-c', 'echo held; read line'])"
    )
    with subprocess.Popen(
        [sys.executable, "-c", becomes, str(home.root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        assert not home.hold_until_exit("dev")
        process.communicate("go\n")
    assert home.hold_until_exit("dev")
