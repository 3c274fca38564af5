"""When the nightly pull runs. Off until switched on; the cron line is NIGHTSHIFT_SCHEDULE, in UTC."""

import dagster as dg

from assets.raw.documents import RECONCILE_TAG
from assets.raw.pull import look_back
from connectors.home import Home
from pipelines.dirty_runs import RANGE_END, RANGE_START
from pipelines.jobs import nightly


def nightly_schedule(cron: str, look_back_days: int, reconcile_days: int) -> dg.ScheduleDefinition:
    """A schedule that pulls the look-back window up to the day it ticks; every user once in ``reconcile_days``."""

    @dg.schedule(
        name="nightly",
        cron_schedule=cron,
        job=nightly,
        execution_timezone="UTC",
        description="Pulls what changed in the look-back window; the sensor builds it.",
    )
    def tick(context: dg.ScheduleEvaluationContext, home: dg.ResourceParam[Home]) -> dg.RunRequest:
        window = look_back(home, look_back_days)
        tags = {RANGE_START: window.first.isoformat(), RANGE_END: window.last.isoformat()}
        tags[RECONCILE_TAG] = str(reconcile_days)
        return dg.RunRequest(run_key=context.scheduled_execution_time.isoformat(), tags=tags)

    return tick
