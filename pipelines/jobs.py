"""The jobs: the nightly pull, a pull with everything after it for backfills, and builds that drain dirty partitions.

Daily, monthly and unpartitioned assets cannot share a job, hence one build for each.
"""

from typing import TYPE_CHECKING, NamedTuple

import dagster as dg

from assets.marts.loading import MART_KEYS
from assets.raw.bed_status import BED_STATUS_KEY
from assets.raw.documents import BED_SESSIONS_KEY, SESSIONS_KEY
from assets.raw.webhook_events import WEBHOOK_EVENTS_KEY
from assets.warehouse.live_sessions import KEY as LIVE_SESSIONS_KEY
from pipelines.dirty_runs import AVERAGE_STATS_JOB, BEDS_JOB, LIVE_JOB, MARTS_JOB, NIGHTS_JOB, SLEEP_JOB, USERS_JOB
from schemas.asleep import ASLEEP
from schemas.bed_tables import BED_TABLES
from schemas.eight_sleep import EIGHT_SLEEP

if TYPE_CHECKING:
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

BED_TABLE_NAMES = [table.name for table in BED_TABLES]

DAILY_BUILD = dg.AssetSelection.assets(
    ["lake", "sleep_sessions"],
    ["lake", "sleep_hypnograms"],
    ["lake", "sleep_stage_intervals"],
    ["lake", "session_history"],
    ["fhir", "sleep_observations"],
    ["warehouse", "sleep_sessions"],
    ["warehouse", "sleep_hypnograms"],
    ["warehouse", "sleep_stage_intervals"],
    ["warehouse", "session_history"],
)


class PullJobs(NamedTuple):
    """The jobs that ask a source: every night, and over a range of dates."""

    nightly: "UnresolvedAssetJobDefinition"
    backfill: "UnresolvedAssetJobDefinition"


def _pull_jobs(sessions: dg.AssetKey, ending: str, of: str) -> PullJobs:
    return PullJobs(
        dg.define_asset_job(
            f"nightly{ending}",
            selection=dg.AssetSelection.assets(sessions),
            description=f"Pulls the look-back window of every user{of} and everything pending; what changed is built "
            "afterwards.",
            tags={"dagster/max_retries": "2"},
        ),
        dg.define_asset_job(
            f"backfill{ending}",
            selection=dg.AssetSelection.assets(sessions) | DAILY_BUILD,
            description=f"Pulls a range of dates{of}, then builds it. What else changed is built afterwards.",
        ),
    )


PULL_JOBS = {
    ASLEEP: _pull_jobs(SESSIONS_KEY, "", ""),
    EIGHT_SLEEP: _pull_jobs(BED_SESSIONS_KEY, "_beds", " who sleeps in a bed of Eight Sleep"),
}
"""By source. Each asks one vendor alone: one that is away keeps nobody from the other."""

sleep = dg.define_asset_job(
    SLEEP_JOB, selection=DAILY_BUILD, description="Builds dates again from raw, without a call."
)

beds = dg.define_asset_job(
    BEDS_JOB,
    selection=dg.AssetSelection.assets(
        *(["lake", name] for name in BED_TABLE_NAMES),
        ["fhir", "bed_observations"],
        *(["warehouse", name] for name in BED_TABLE_NAMES),
    ),
    description="Builds dates of what beds tell again from raw, without a call.",
)

poll_beds = dg.define_asset_job(
    "poll_beds",
    selection=dg.AssetSelection.assets(BED_STATUS_KEY),
    description="Asks every bed once who lies in it; what is new is built afterwards.",
)

nights = dg.define_asset_job(
    NIGHTS_JOB,
    selection=dg.AssetSelection.assets(["lake", "night_ledger"], ["warehouse", "night_ledger"]),
    description="Accounts for nights again, from what lake and state know of them, without a call.",
)

average_stats = dg.define_asset_job(
    AVERAGE_STATS_JOB,
    selection=dg.AssetSelection.assets(
        ["lake", "average_stats"], ["fhir", "average_stats_observations"], ["warehouse", "average_stats"]
    ),
    description="Builds months of average statistics again from raw, without a call.",
)

users = dg.define_asset_job(
    USERS_JOB,
    selection=dg.AssetSelection.assets(["lake", "users"], ["fhir", "people"], ["warehouse", "users"]),
    description="Builds the users again from roster and raw, without a call.",
)

marts = dg.define_asset_job(
    MARTS_JOB,
    selection=dg.AssetSelection.assets(*MART_KEYS),
    description="Computes the marts from the lake and loads those of their partitions that differ.",
)

live = dg.define_asset_job(
    LIVE_JOB,
    selection=dg.AssetSelection.assets(LIVE_SESSIONS_KEY),
    description="Loads the sessions that run at this moment into the warehouse.",
)

inbox = dg.define_asset_job(
    "inbox",
    selection=dg.AssetSelection.assets(WEBHOOK_EVENTS_KEY),
    description="Takes in what came by webhook, without a call; what changed is built afterwards.",
)

JOBS = [*PULL_JOBS[ASLEEP], sleep, beds, nights, average_stats, users, live, marts, inbox]
