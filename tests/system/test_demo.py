"""The demo, run as a newcomer runs it."""

import re
import subprocess
import sys
from pathlib import Path

import pyarrow.dataset as ds

from tests.system.conftest import NEUTRAL


def demo(cwd: Path, *arguments: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    """Run the command in a folder."""
    command = [sys.executable, "-m", "pipelines.command.main", "demo", *arguments]
    return subprocess.run(command, cwd=cwd, env={**NEUTRAL, **settings}, capture_output=True, text=True, check=False)


def test_demo_shows_every_layer_and_equals_the_truth(tmp_path: Path) -> None:
    """20 users × 30 nights: files in each layer, a hypnogram, row counts, an answer, and the line that opens the UI."""
    result = demo(tmp_path, "--users", "20", "--nights", "30")
    assert result.returncode == 0, result.stderr
    for part in ("  REM ┤", "sleep_epochs", "from sleep_stage_intervals", "NIGHTSHIFT_HOME=data-demo make dev"):
        assert part in result.stdout
    told = re.search(r"Everything equals the sandbox's truth: (\d+) sessions", result.stdout)
    assert told is not None
    home = tmp_path / "data-demo"
    assert ds.dataset(home / "lake" / "sleep_sessions", partitioning="hive").count_rows() == int(told[1]) >= 20 * 28
    for file in ("fhir/Patient.ndjson", "fhir/Device.ndjson", "warehouse.duckdb", "lake/users/users.parquet"):
        assert (home / file).stat().st_size > 0


def test_demo_starts_afresh_and_a_night_arrives_by_webhook(tmp_path: Path) -> None:
    """A second demo replaces the first, in its own folder; with ``--live`` a night comes without a call."""
    for live in ([], ["--live"]):
        shown = demo(tmp_path, "--users", "2", "--nights", "1", *live, NIGHTSHIFT_HOME=str(tmp_path / "mine"))
        assert shown.returncode == 0, shown.stderr
    assert {path.name for path in (tmp_path / "mine").iterdir()} == {"demo"}
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
