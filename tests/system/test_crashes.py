"""A run that is killed between any two writes and started again ends as one that was not killed."""

import signal
from pathlib import Path

import pytest

from tests.system.conftest import WarmProcess, new_home, published_files, warehouse_rows

FAILPOINTS = ["pull.before_commit", "warehouse.renamed:2"]
"""Of every run; ``test_random_kills`` kills at any operation besides."""

MORE_FAILPOINTS = [
    "raw.appended:3",
    "build.built:14",
    "publish.written:2",
    "pull.raw_durable",
    "lake.replaced:9",
    "fhir.replaced:2",
    "publish.renamed:1",
    "pull.committed",
    "publish.written:20",
    "lake.replaced:1",
    "build.built:2",
    "warehouse.loaded:1",
]


@pytest.mark.parametrize(
    "failpoint", [*FAILPOINTS, *(pytest.param(failpoint, marks=pytest.mark.soak) for failpoint in MORE_FAILPOINTS)]
)
def test_a_killed_run_started_again_ends_with_the_same_bytes(
    failpoint: str, warm: WarmProcess, small_world: str, filled: Path, tmp_path: Path
) -> None:
    """Raw, lake and fhir are equal byte by byte, the warehouse row by row, and nothing half written is left."""
    root = new_home(tmp_path / "home", small_world)
    assert warm.sync(root, small_world, failpoint=failpoint).status == -signal.SIGKILL
    again = warm.sync(root, small_world)
    assert again.status == 0, again.err
    assert published_files(root) == published_files(filled)
    assert warehouse_rows(root) == warehouse_rows(filled)
