"""The sensor that drains the dirty partitions. On by default, so that whatever changed raw is built."""

import dagster as dg

from connectors.home import Home
from connectors.state.dirty import list_dirty
from pipelines.dirty_runs import runs_for
from pipelines.jobs import average_stats, nights, sleep, users

BUILD_JOBS = (sleep, nights, average_stats, users)
UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
]


@dg.sensor(
    jobs=BUILD_JOBS,
    minimum_interval_seconds=15,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Builds partitions whose raw documents changed, as contiguous ranges.",
)
def dirty_partitions(
    context: dg.SensorEvaluationContext, home: dg.ResourceParam[Home]
) -> list[dg.RunRequest] | dg.SkipReason:
    """Ask for one run a range, a job at a time; a build that fails is asked for again within the hour."""
    with home.state.read() as connection:
        dirty = list_dirty(connection)
    runs = [run for run in runs_for(dirty) if not is_busy(context.instance, run.job)]
    if not runs:
        return dg.SkipReason("Nothing is dirty, or a build is on its way.")
    hour = home.clock().strftime("%Y-%m-%dT%H")
    return [
        dg.RunRequest(job_name=run.job, tags=run.tags, run_key=f"{run.job}:{run.first}:{run.last}:{run.mark}:{hour}")
        for run in runs
    ]


def is_busy(instance: dg.DagsterInstance, job: str) -> bool:
    """Whether a run of the job has not ended yet."""
    return instance.get_runs_count(dg.RunsFilter(job_name=job, statuses=UNFINISHED)) > 0
