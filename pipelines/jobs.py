"""The jobs: the nightly pull, a pull with everything after it for backfills, and builds that drain dirty partitions.

Daily, monthly and unpartitioned assets cannot share a job, hence one build for each.
"""

import dagster as dg

from assets.marts.loading import MART_KEYS
from assets.raw.documents import SESSIONS_KEY
from assets.raw.webhook_events import WEBHOOK_EVENTS_KEY
from assets.warehouse.live_sessions import KEY as LIVE_SESSIONS_KEY
from pipelines.dirty_runs import AVERAGE_STATS_JOB, LIVE_JOB, MARTS_JOB, NIGHTS_JOB, SLEEP_JOB, USERS_JOB

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

nightly = dg.define_asset_job(
    "nightly",
    selection=dg.AssetSelection.assets(SESSIONS_KEY),
    description="Pulls the look-back window of every user and everything pending; what changed is built afterwards.",
    tags={"dagster/max_retries": "2"},
)

backfill = dg.define_asset_job(
    "backfill",
    selection=dg.AssetSelection.assets(SESSIONS_KEY) | DAILY_BUILD,
    description="Pulls a range of dates, then builds it. Months and users that changed are built afterwards.",
)

sleep = dg.define_asset_job(
    SLEEP_JOB, selection=DAILY_BUILD, description="Builds dates again from raw, without a call."
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

JOBS = [nightly, backfill, sleep, nights, average_stats, users, live, marts, inbox]
