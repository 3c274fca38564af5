"""A run whose process was killed is told as failed by the next one, and by nobody before."""

import signal
import subprocess
import sys
from pathlib import Path

import dagster as dg

from connectors.home import Home
from pipelines.instance import PID_TAG, dagster_instance, own_process_tags
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


def test_a_run_that_was_entered_and_never_begun_is_told_as_failed(tmp_path: Path) -> None:
    """Only of a process that is gone: the run of a living one, and what the UI has launched, is left alone."""
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait()
    home, job = Home(tmp_path), dg.GraphDefinition(name="nightly").to_job()
    with dagster_instance(home) as instance:
        dead, living, launched = (
            instance.create_run_for_job(job, status=dg.DagsterRunStatus.NOT_STARTED, tags=tags).run_id
            for tags in ({**own_process_tags(), PID_TAG: str(gone.pid)}, own_process_tags(), {})
        )
    with dagster_instance(home) as instance:
        statuses = {run.run_id: run.status for run in instance.get_runs()}
    assert statuses == {
        dead: dg.DagsterRunStatus.FAILURE,
        living: dg.DagsterRunStatus.NOT_STARTED,
        launched: dg.DagsterRunStatus.NOT_STARTED,
    }
