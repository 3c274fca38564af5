"""When the nightly pulls run, by NIGHTSHIFT_SCHEDULE in UTC, and how often beds are polled. Off until switched on."""

import dagster as dg

from assets.raw.documents import RECONCILE_TAG
from assets.raw.pull import look_back
from connectors.home import Home
from pipelines.dirty_runs import RANGE_END, RANGE_START
from pipelines.jobs import PULL_JOBS, poll_beds

bed_polls = dg.ScheduleDefinition(
    name="bed_status",
    cron_schedule="*/5 * * * *",
    job=poll_beds,
    execution_timezone="UTC",
    description="Asks every bed who lies in it, so that stays are known to five minutes.",
)
"""Twice as often as the longest gap over which a stay is taken to go on."""


def nightly_schedule(source: str, cron: str, look_back_days: int, reconcile_days: int) -> dg.ScheduleDefinition:
    """A schedule that pulls a source's look-back window up to the day it ticks; every user once in ``reconcile_days``.

    It is named like its job.
    """
    job = PULL_JOBS[source].nightly

    @dg.schedule(
        name=job.name,
        cron_schedule=cron,
        job=job,
        execution_timezone="UTC",
        description="Pulls what changed in the look-back window; the sensor builds it.",
    )
    def tick(context: dg.ScheduleEvaluationContext, home: dg.ResourceParam[Home]) -> dg.RunRequest:
        window = look_back(home, look_back_days)
        tags = {RANGE_START: window.first.isoformat(), RANGE_END: window.last.isoformat()}
        tags[RECONCILE_TAG] = str(reconcile_days)
        return dg.RunRequest(run_key=context.scheduled_execution_time.isoformat(), tags=tags)

    return tick
