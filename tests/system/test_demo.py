"""The demo, run as a newcomer runs it."""

import re
import subprocess
import sys
from pathlib import Path

import pyarrow.dataset as ds
import pytest

from tests.system.conftest import NEUTRAL


def demo(cwd: Path, *arguments: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    """Run the command in a folder."""
    command = [sys.executable, "-m", "pipelines.command.main", "demo", *arguments]
    return subprocess.run(command, cwd=cwd, env={**NEUTRAL, **settings}, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("users", "nights"), [(6, 8), pytest.param(24, 30, marks=pytest.mark.soak)])
def test_demo_shows_every_layer_equals_the_truth_and_starts_afresh(tmp_path: Path, users: int, nights: int) -> None:
    """Files in each layer, a hypnogram, row counts, an answer, and the line that opens the UI.

    A second demo replaces the first, in its own folder; with ``--live`` a night comes by webhook, without a call.
    """
    result = demo(tmp_path, "--users", str(users), "--nights", str(nights))
    assert result.returncode == 0, result.stderr
    for part in (
        "  REM ┤",
        "nights were told by phone and bed",
        "They agree by a kappa of 0.",
        "sleep_epochs",
        "from sleep_stage_intervals",
        "NIGHTSHIFT_HOME=data-demo make dev",
    ):
        assert part in result.stdout
    told = re.search(r"Everything equals the sandbox's truth: (\d+) sessions", result.stdout)
    assert told is not None
    home = tmp_path / "data-demo"
    assert ds.dataset(home / "lake" / "sleep_sessions", partitioning="hive").count_rows() == int(told[1])
    assert int(told[1]) >= users * (nights - 2)
    for file in ("fhir/Patient.ndjson", "fhir/Device.ndjson", "warehouse.duckdb", "lake/users/users.parquet"):
        assert (home / file).stat().st_size > 0
    mine = tmp_path / "mine"
    mine.mkdir()
    home.rename(mine / "demo")
    shown = demo(tmp_path, "--users", "2", "--nights", "1", "--live", NIGHTSHIFT_HOME=str(mine))
    assert shown.returncode == 0, shown.stderr
    assert {path.name for path in mine.iterdir()} == {"demo"}
    assert 0 < len(list((mine / "demo" / "lake" / "sleep_sessions").iterdir())) < nights
    assert "batches have arrived" in shown.stdout
    assert "0 calls to the vendor" in shown.stdout
    assert shown.stdout.rstrip().endswith("webhook")


def test_demo_leaves_other_folders_alone(tmp_path: Path) -> None:
    """A stranger's folder of that name is refused."""
    (tmp_path / "data-demo").mkdir()
    (tmp_path / "data-demo" / "thesis.doc").touch()
    refused = demo(tmp_path)
    assert refused.returncode == 2
    assert "move it away" in refused.stderr
    assert (tmp_path / "data-demo" / "thesis.doc").exists()
