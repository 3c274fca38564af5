"""What the system tests share: a small world in its own process, a warm process for syncs, homes and their pictures."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from assets.builds import mark_users_dirty
from connectors.home import Home
from connectors.state.roster import put_users, read_roster_csv
from tests.system.worlds import KEY, NOW, control, sandbox

if TYPE_CHECKING:
    from tests.system.engine import Engine
    from tests.system.undisturbed import Undisturbed

SETTINGS = ("NIGHTSHIFT_", "ASLEEP_", "EIGHT_SLEEP_")
NEUTRAL = {name: value for name, value in os.environ.items() if not name.startswith(SETTINGS)}


@dataclass
class Outcome:
    """How a child ended and what it printed."""

    status: int
    out: str
    err: str

    @property
    def summary(self) -> dict[str, Any]:
        """The summary of a sync."""
        parsed: dict[str, Any] = json.loads(self.out)
        return parsed

    @property
    def said(self) -> str:
        """The one sentence on stderr."""
        (line,) = self.err.strip().splitlines()
        return line


class WarmProcess:
    """Talks to ``tests.system.warm``; ``out`` and ``err`` of a child go to files in ``folder``."""

    def __init__(self, process: "subprocess.Popen[str]", folder: Path) -> None:
        self._process = process
        self._folder = folder

    def sync(
        self,
        root: Path,
        base_url: str,
        *,
        key: str = KEY,
        failpoint: str = "",
        now: datetime = NOW,
        patience: str = "little",
        **settings: str,
    ) -> Outcome:
        """Sync a home in a fresh child; a failpoint kills it with status -9. ``patience``: see ``warm.PATIENCE``."""
        return self._child(
            {
                "env": _environment(root, base_url, key, failpoint) | settings,
                "now": now.isoformat(),
                "patience": patience,
                "first": (now.date() - timedelta(days=10)).isoformat(),
                "last": now.date().isoformat(),
            }
        )

    def nightshift(
        self,
        root: Path,
        *words: str,
        base_url: str = "",
        key: str = KEY,
        failpoint: str = "",
        now: datetime = NOW,
        **settings: str,
    ) -> Outcome:
        """Run a command on a home in a fresh child; without a ``base_url`` there is neither a key nor a vendor."""
        environment = _environment(root, base_url or "http://127.0.0.1:9", key if base_url else "", failpoint)
        return self._child({"env": environment | settings, "words": words, "now": now.isoformat()})

    def _child(self, task: dict[str, Any]) -> Outcome:
        out, err = self._folder / "out", self._folder / "err"
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({**task, "out": str(out), "err": str(err)}) + "\n")
        self._process.stdin.flush()
        status = json.loads(self._process.stdout.readline())
        return Outcome(status, out.read_text(), err.read_text())


def _environment(root: Path, base_url: str, key: str, failpoint: str) -> dict[str, str]:
    return {
        "NIGHTSHIFT_HOME": str(root),
        "ASLEEP_BASE_URL": base_url,
        "ASLEEP_API_KEY": key,
        "ASLEEP_REQUESTS_PER_SECOND": "2000",
        "NIGHTSHIFT_PSEUDONYM_KEY": "the same pseudonyms in every home",
        "NIGHTSHIFT_FAILPOINT": failpoint,
    }


@contextmanager
def warm_process(folder: Path) -> Iterator[WarmProcess]:
    """A warm process for the length of a ``with``."""
    command = [sys.executable, "-m", "tests.system.warm"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=NEUTRAL) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield WarmProcess(process, folder)
        assert process.stdin is not None
        process.stdin.close()


@pytest.fixture(scope="session")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WarmProcess]:
    """The warm process of this worker."""
    with warm_process(tmp_path_factory.mktemp("warm")) as warm:
        yield warm


@pytest.fixture(scope="session")
def small_world() -> Iterator[str]:
    """Three users, four nights each; tests must not change it."""
    with sandbox(users=3, nights=4) as base_url:
        yield base_url


@pytest.fixture(scope="session")
def filled(warm: WarmProcess, small_world: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home filled by one sync of the small world that nothing disturbed; tests must not change it."""
    root = new_home(tmp_path_factory.mktemp("filled") / "home", small_world)
    assert warm.sync(root, small_world).status == 0
    return root


@pytest.fixture
def root(filled: Path, tmp_path: Path) -> Path:
    """A copy of the filled home."""
    return shutil.copytree(filled, tmp_path / "home")


@pytest.fixture(scope="session")
def engine() -> "Iterator[Engine]":
    """The warm process of this worker for runs without Dagster."""
    from tests.system.engine import running_engine  # needs what is here

    with running_engine() as engine:
        yield engine


@pytest.fixture(scope="session")
def small_home(engine: "Engine", small_world: str) -> "Iterator[Undisturbed]":
    """What a run that nothing disturbs makes of the small world."""
    from tests.system.undisturbed import quick_folder, undisturbed

    with quick_folder() as folder:
        yield undisturbed(engine, small_world, folder)


def new_home(root: Path, base_url: str, org: str = "default", state_url: str | None = None) -> Path:
    """A home whose roster is everybody in the world."""
    home = Home(root, state_url=state_url)
    home.prepare()
    roster = root.parent / f"{root.name}-roster.csv"
    lines = control(base_url, "users.csv").splitlines()
    roster.write_text("\n".join([lines[0] + ",org", *(f"{line},{org}" for line in lines[1:])]))
    with home.state.write() as connection:
        put_users(connection, read_roster_csv(roster, "asleep"))
        mark_users_dirty(connection)
    home.state.close()
    return root


def published_files(root: Path) -> dict[str, bytes]:
    """Every object of raw, lake and fhir with its bytes, and whatever was left half written."""
    folders = ("raw", "lake", "fhir")
    files = (path for folder in folders for path in (root / folder).rglob("*") if path.is_file())
    return {str(path.relative_to(root)): path.read_bytes() for path in files}


def touched_files(root: Path) -> dict[str, tuple[int, int]]:
    """Inode and time of change of every object, the warehouse included."""
    paths = [root / name for name in published_files(root)] + [root / "warehouse.duckdb"]
    return {str(path): (path.stat().st_ino, path.stat().st_mtime_ns) for path in paths}


def warehouse_rows(root: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table of the warehouse, in order."""
    with duckdb.connect(root / "warehouse.duckdb", read_only=True) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        names = [name for (name,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()]
        return {name: connection.execute(f"SELECT * FROM {name} ORDER BY ALL").fetchall() for name in names}  # noqa: S608


def session_rows(root: Path) -> list[dict[str, Any]]:
    """The rows of ``sleep_sessions`` in the warehouse, as dicts."""
    with duckdb.connect(root / "warehouse.duckdb", read_only=True) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        relation = connection.execute("SELECT * FROM sleep_sessions")
        names = [column[0] for column in relation.description or []]
        return [dict(zip(names, row, strict=True)) for row in relation.fetchall()]
