"""The sensors: one drains the dirty partitions, so that whatever changed raw is built; one takes in webhooks."""

import dagster as dg

from connectors.asleep.webhooks.inbox import FILE_NAME, Inbox
from connectors.home import Home
from connectors.state.dirty import list_dirty
from pipelines.dirty_runs import BuildRun, live_runs, marts_runs, runs_for
from pipelines.jobs import average_stats, beds, inbox, live, marts, nights, sleep, users

BUILD_JOBS = (sleep, beds, nights, average_stats, users, live, marts)
RUN_KEY = "dagster/run_key"
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
    """Ask for one run a range, a job at a time; a build that fails is asked for again within the hour.

    The marts are asked for when every other build has had its turn, but for the running sessions, which change all
    night long.
    """
    with home.state.read() as connection:
        dirty = list_dirty(connection)
    busy = {job.name for job in BUILD_JOBS if is_busy(context.instance, job.name)}
    wanted = [run_request(run, home) for run in runs_for(dirty) if run.job not in busy]
    requests = [request for request in wanted if not _was_asked(context, request)]
    if not requests and not busy - {live.name}:
        requests = [run_request(run, home) for run in marts_runs(dirty)]
    requests += [run_request(run, home) for run in live_runs(dirty) if run.job not in busy]
    return requests or dg.SkipReason("Nothing is dirty, or a build is on its way.")


def webhook_inbox(*, on: bool) -> dg.SensorDefinition:
    """A sensor that has the inbox taken in when something new is there; ``on`` is whether it starts by itself."""

    @dg.sensor(
        name="webhook_inbox",
        job=inbox,
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING if on else dg.DefaultSensorStatus.STOPPED,
        description="Takes in what came by webhook; what it changed is built by dirty_partitions.",
    )
    def tick(context: dg.SensorEvaluationContext, home: dg.ResourceParam[Home]) -> dg.RunRequest | dg.SkipReason:
        newest = _newest_event(home)
        if newest is None or is_busy(context.instance, inbox.name):
            return dg.SkipReason("Nothing has come, or it is being taken in.")
        context.update_cursor(str(newest))
        # As with builds: what fails is asked for again in the next hour, or when something else comes.
        return dg.RunRequest(run_key=f"{inbox.name}:{newest}:{home.clock():%Y-%m-%dT%H}")

    return tick


def _newest_event(home: Home) -> int | None:
    if not (home.root / FILE_NAME).exists():
        return None
    received = Inbox(home.root / FILE_NAME)
    try:
        return received.newest()
    finally:
        received.close()


def run_request(run: BuildRun, home: Home) -> dg.RunRequest:
    """The request for a run: the same one for an hour, so that a run that fails is asked for again in the next."""
    hour = home.clock().strftime("%Y-%m-%dT%H")
    return dg.RunRequest(job_name=run.job, tags=run.tags, run_key=f"{run.job}:{run.first}:{run.last}:{run.mark}:{hour}")


def _was_asked(context: dg.SensorEvaluationContext, request: dg.RunRequest) -> bool:
    return context.instance.get_runs_count(dg.RunsFilter(tags={RUN_KEY: request.run_key or ""})) > 0


def is_busy(instance: dg.DagsterInstance, job: str) -> bool:
    """Whether a run of the job has not ended yet."""
    return instance.get_runs_count(dg.RunsFilter(job_name=job, statuses=UNFINISHED)) > 0
