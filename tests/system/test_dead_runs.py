"""A run whose process was killed is told as failed by the next one, and by nobody before."""

import signal
from pathlib import Path

import dagster as dg

from connectors.home import Home
from pipelines.instance import dagster_instance
from tests.system.conftest import WarmProcess, new_home


def test_the_next_sync_marks_a_killed_run_as_failed(warm: WarmProcess, small_world: str, tmp_path: Path) -> None:
    """Killed while it built: started in Dagster's eyes; after the next sync one failure, and successes."""
    root = new_home(tmp_path / "home", small_world)
    assert warm.sync(root, small_world, failpoint="lake.replaced:1").status == -signal.SIGKILL
    assert warm.sync(root, small_world).status == 0
    with dagster_instance(Home(root)) as instance:
        statuses = [run.status for run in instance.get_runs()]
    assert statuses.count(dg.DagsterRunStatus.FAILURE) == 1
    assert set(statuses) == {dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.SUCCESS}
