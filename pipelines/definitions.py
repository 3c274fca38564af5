"""Everything Dagster knows of Nightshift, put together: assets, checks, jobs, schedule, sensor, resources.

``build_defs`` makes a fresh set, so that tests and the command line can swap a part; ``defs`` is what ``dagster dev``
loads. Nothing is asked of a vendor and no key is needed to load it.
"""

from functools import partial
from typing import Any

import dagster as dg

from assets.exports.fhir_server_assets import SENT, ExportObserver
from assets.fhir.average_stats_observations import average_stats_observations
from assets.fhir.bed_observations import bed_observations
from assets.fhir.people import people
from assets.fhir.sleep_observations import sleep_observations
from assets.lake import average_stats as lake_average_stats
from assets.lake import users as lake_users
from assets.lake.bed_nights import bed_nights
from assets.lake.bed_presence import bed_presence
from assets.lake.bed_samples import bed_samples
from assets.lake.bed_status import bed_status
from assets.lake.night_ledger import night_ledger
from assets.lake.session_history import session_history
from assets.lake.sleep_hypnograms import sleep_hypnograms
from assets.lake.sleep_sessions import sleep_sessions
from assets.lake.sleep_stage_intervals import sleep_stage_intervals
from assets.marts.loading import mart_tables
from assets.raw import bed_status as raw_bed_status
from assets.raw import documents
from assets.raw.eight_sleep_vendor import EightSleepAccounts
from assets.raw.webhook_events import webhook_events
from assets.warehouse.live_sessions import warehouse_live_sessions
from assets.warehouse.tables import (
    warehouse_average_stats,
    warehouse_beds,
    warehouse_night_ledger,
    warehouse_sleep,
    warehouse_users,
)
from pipelines.bed_schedule import bed_schedule
from pipelines.destinations import export_settings, fhir_connection
from pipelines.exports import EXPORT_JOBS, fhir_exports
from pipelines.jobs import JOBS, PULL_JOBS, poll_beds
from pipelines.resources import asleep_connection, eight_sleep_accounts, open_home, open_warehouse
from pipelines.schedules import bed_polls, nightly_schedule
from pipelines.sensors import dirty_partitions, webhook_inbox
from pipelines.settings import Settings, load_settings
from schemas.asleep import ASLEEP
from schemas.eight_sleep import EIGHT_SLEEP

ASSETS = [
    documents.sessions,
    documents.bed_sessions,
    documents.average_stats,
    documents.users,
    raw_bed_status.bed_status,
    webhook_events,
    sleep_sessions,
    sleep_hypnograms,
    sleep_stage_intervals,
    session_history,
    bed_samples,
    bed_nights,
    bed_status,
    bed_presence,
    night_ledger,
    lake_average_stats.average_stats,
    lake_users.users,
    sleep_observations,
    bed_observations,
    average_stats_observations,
    people,
    warehouse_sleep,
    warehouse_beds,
    warehouse_night_ledger,
    warehouse_average_stats,
    warehouse_users,
    warehouse_live_sessions,
    mart_tables,
]


def build_defs(settings: Settings | None = None, **overrides: Any) -> dg.Definitions:
    """Definitions over these settings; ``overrides`` replace resources (``home``, ``asleep``, ``warehouse``, ...)."""
    settings = settings or load_settings()
    home = overrides.get("home") or open_home(settings)
    sources = [ASLEEP, *([EIGHT_SLEEP] if settings.has_beds else [])]
    resources = {
        "home": home,
        "asleep": asleep_connection(settings, home),
        "eight_sleep": EightSleepAccounts(partial(eight_sleep_accounts, settings, home)),
        "warehouse": open_warehouse(settings, home),
        "observer": documents.Unwatched(),
        "completeness_threshold": settings.nightshift_completeness_threshold,
        "webhook_retention_days": settings.nightshift_webhook_retention_days,
    }
    exports = fhir_connection(settings, home)
    if exports is not None:
        resources |= {
            "fhir_server": exports,
            "export_settings": export_settings(settings),
            "export_observer": ExportObserver(),
        }
    return dg.Definitions(
        assets=[*ASSETS, *(SENT if exports else [])],
        jobs=[
            *JOBS,
            *([*PULL_JOBS[EIGHT_SLEEP], poll_beds] if settings.has_beds else ()),
            *(EXPORT_JOBS if exports else []),
        ],
        schedules=[
            nightly_schedule(
                source, settings.nightshift_schedule, settings.nightshift_lookback_days, settings.reconcile_days
            )
            for source in sources
        ]
        + ([bed_polls] if settings.has_beds else []),
        sensors=[
            dirty_partitions,
            webhook_inbox(on=bool(settings.asleep_webhook_keys)),
            *([fhir_exports] if exports else []),
            *([bed_schedule(settings)] if settings.has_beds else []),
        ],
        resources=resources | overrides,
        executor=dg.in_process_executor,
    )


@dg.definitions
def defs() -> dg.Definitions:
    """What Dagster loads, from the settings of the environment."""
    return build_defs()
