"""``nightshift doctor`` as a person runs it: well after a sync, and going on whatever is broken."""

import ctypes
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from connectors.home import Home
from connectors.state.vendor import remember_complete_pull
from schemas.asleep import ASLEEP
from tests.pipelines.doctored import EVERYTHING
from tests.system.conftest import NEUTRAL, WarmProcess, new_home
from tests.system.test_bad_input import nightshift
from tests.system.worlds import KEY, sandbox

DROP_FROM_BOUNDING_SET = 24
DAC_OVERRIDE = 1
"""Linux: without this capability permissions count for root too, who may run the tests."""


@pytest.fixture(scope="module")
def world() -> Iterator[str]:
    """A vendor whose clock is this machine's."""
    with sandbox(users=2, nights=2, now=datetime.now(UTC).replace(microsecond=0)) as base_url:
        yield base_url


@pytest.fixture(scope="module")
def synced(warm: WarmProcess, world: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home that was synced just now; tests take a copy."""
    home = new_home(tmp_path_factory.mktemp("synced") / "home", world)
    outcome = warm.sync(home, world, now=datetime.now(UTC))
    assert outcome.status == 0, outcome.err
    return home


@pytest.fixture
def root(synced: Path, tmp_path: Path) -> Path:
    """A copy of the synced home, as private as a home is."""
    home = Path(shutil.copytree(synced, tmp_path / "home"))
    home.chmod(0o700)
    return home


def test_after_a_sync_all_is_well_and_then_something_breaks(warm: WarmProcess, root: Path, world: str) -> None:
    """Exit code 0 and words, or one JSON object; a broken state is exit code 1, with everything else still told."""
    now = datetime.now(UTC)
    well = nightshift(root, "doctor", ASLEEP_BASE_URL=world, ASLEEP_API_KEY=KEY)
    assert (well.returncode, well.stderr) == (0, "All is well.\n"), well.stdout
    assert {line[:2] for line in well.stdout.splitlines()} == {"ok"}
    printed = json.loads(warm.nightshift(root, "doctor", "--json", base_url=world, now=now).out)
    assert printed["well"] is True
    assert {finding["what"] for finding in printed["findings"]} == {*EVERYTHING, "warehouse"}
    assert all(list(finding) == ["what", "fine", "words", "do"] for finding in printed["findings"])

    (root / "state.db").write_bytes(b"no database" * 1000)
    for file in root.glob("state.db-*"):
        file.unlink()
    broken = warm.nightshift(root, "doctor", "--json", base_url=world, now=now)
    assert (broken.status, broken.err) == (1, "")
    found = {finding["what"]: finding["fine"] for finding in json.loads(broken.out)["findings"]}
    assert {what for what, fine in found.items() if fine is False} == {"state"}
    assert found["vendor"] is True


def test_a_home_that_is_not_there_and_no_key(warm: WarmProcess, tmp_path: Path) -> None:
    """Nobody answers either: four complaints, what to do about each, and nothing is made."""
    ill = warm.nightshift(tmp_path / "home", "doctor")
    assert (ill.status, "Traceback" in ill.out + ill.err) == (1, False)
    wrong = {line[4:].split("  ")[0] for line in ill.out.splitlines() if line.startswith("!!")}
    assert wrong == {"home", "roster", "schedule", "key", "vendor"}
    assert "ASLEEP_API_KEY is not set" in ill.out
    assert not (tmp_path / "home").exists()


def test_a_home_that_cannot_be_written(root: Path, world: str) -> None:
    """Said, and all that stands in the state is still read."""
    for path in (root, *root.rglob("*")):
        path.chmod(0o500 if path.is_dir() else 0o400)
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    ill = subprocess.run(
        [sys.executable, "-m", "pipelines.command.main", "doctor", "--json"],
        env={**NEUTRAL, "NIGHTSHIFT_HOME": str(root), "ASLEEP_BASE_URL": world, "ASLEEP_API_KEY": KEY},
        preexec_fn=obey_permissions,
        capture_output=True,
        text=True,
        check=False,
    )
    assert before == {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    root.chmod(0o700)
    assert (ill.returncode, ill.stderr) == (1, "")
    found = {finding["what"]: finding for finding in json.loads(ill.stdout)["findings"]}
    assert {what for what, finding in found.items() if finding["fine"] is False} == {"home"}
    assert "cannot be written by this user" in found["home"]["words"]
    assert "2 user(s), 2 of them followed" in found["roster"]["words"]
    assert found["key"]["fine"] is True


def obey_permissions() -> None:
    """Have the process that is about to start bound by permissions, as root too."""
    if os.geteuid() == 0:
        assert ctypes.CDLL(None).prctl(DROP_FROM_BOUNDING_SET, DAC_OVERRIDE) == 0


def test_settings_that_are_wrong(warm: WarmProcess, tmp_path: Path) -> None:
    """Nothing can be looked at then: every wrong setting in one sentence, exit code 2, as everywhere."""
    wrong = warm.nightshift(tmp_path / "home", "doctor", NIGHTSHIFT_SCHEDULE="nightly", ASLEEP_CONCURRENCY="0")
    assert wrong.status == 2
    assert "ASLEEP_CONCURRENCY" in wrong.said
    assert "NIGHTSHIFT_SCHEDULE" in wrong.said


def test_a_sync_that_is_long_ago(warm: WarmProcess, root: Path, world: str) -> None:
    """Pulled days ago and never again: overdue, and nobody is there who would do it."""
    home = Home(root)
    remember_complete_pull(home.state, ASLEEP, datetime.now(UTC) - timedelta(days=3))
    home.state.close()
    late = warm.nightshift(root, "doctor", base_url=world, now=datetime.now(UTC))
    wrong = {line[4:].split("  ")[0] for line in late.out.splitlines() if line.startswith("!!")}
    assert (late.status, wrong) == (1, {"schedule", "daemon"})
