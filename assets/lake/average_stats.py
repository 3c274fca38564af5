"""``average_stats``: one row a user and month, as the vendor averaged it, compared with our own rows of the month."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg

from assets.builds import Built, build_partitions
from assets.lake.partition import quarantine, read_average_stats
from assets.partitions import BACKFILL, MONTHLY
from assets.results import (
    OWNERS,
    agreement_findings,
    agreement_result,
    built,
    doubled_keys,
    drift_result,
    drift_spec,
    table_check_results,
    table_checks,
    table_metadata,
    warning_spec,
)
from connectors.home import Home
from schemas import documents
from schemas.agreement import DIFFERS, Agreement, month_agreement
from schemas.metrics import AVERAGED_METRICS
from schemas.nights import FIRST_DAY, local_date
from schemas.tables import AVERAGE_STATS, SLEEP_SESSIONS

NAME = "average_stats"
KEY = dg.AssetKey(["lake", NAME])
PROVIDER_AGREES = "provider_agrees"

Night = Mapping[str, Any]

_COMPARED = ["user_id", "session_id", "start_time", "end_time", "sleep_onset", "final_wake"]
_COMPARED += [metric.name for metric in AVERAGED_METRICS]


def build_average_stats(home: Home, partition: str) -> Built:
    """Build one month (``YYYY-MM``)."""
    month = date.fromisoformat(f"{partition}-01")
    found = read_average_stats(home, month)
    quarantine(home, NAME, partition, found.refused)
    nights = _slept_nights(home, found.rows)
    for row in found.rows:
        agreement = _compared(row, nights.get(row["user_id"], []))
        if agreement:
            row |= {"provider_agreement": agreement.verdict, "provider_differences": agreement.differing}
    return Built(
        documents=found.documents,
        rows=len(found.rows),
        quarantined=len(found.refused),
        files=int(home.lake.replace(AVERAGE_STATS, f"month={partition}", found.rows)),
        findings=doubled_keys(AVERAGE_STATS, found.rows) | agreement_findings(found.rows),
        drift=found.drift.told(),
    )


def _slept_nights(home: Home, rows: Iterable[Mapping[str, Any]]) -> dict[str, list[Night]]:
    """The rows of ``sleep_sessions`` with sleep around the periods asked for, by user."""
    periods = [(row["period_start"], row["period_end"]) for row in rows]
    if not periods:
        return {}
    # A local day reaches into the UTC dates before and after it.
    first = max(FIRST_DAY, min(start for start, _ in periods) - timedelta(days=1))
    last = max(end for _, end in periods) + timedelta(days=1)
    nights: dict[str, list[Night]] = {}
    for offset in range((last - first).days + 1):
        day = first + timedelta(days=offset)
        for night in home.lake.read(SLEEP_SESSIONS, f"date={day.isoformat()}", _COMPARED).to_pylist():
            if night["total_sleep_time_s"]:
                nights.setdefault(night["user_id"], []).append(night)
    return nights


def _compared(row: Mapping[str, Any], nights: Iterable[Night]) -> Agreement | None:
    """How the vendor's averages agree with those over our rows of the same sessions.

    None when it cannot be known that they are the same: the vendor names none, or some that this home does not have
    (from before it was asked for, or in quarantine).
    """
    zone, listed = row["timezone"], row["slept_session_ids"]
    own = [n for n in nights if row["period_start"] <= local_date(n["start_time"], zone) <= row["period_end"]]
    ours = {night["session_id"] for night in own}
    if listed is None or set(listed) - ours:
        return None
    if ours - set(listed):
        return Agreement(DIFFERS, ["slept_sessions"])
    return month_agreement(row, [{**night, **_clock_times(night, ZoneInfo(zone))} for night in own])


def _clock_times(night: Night, zone: ZoneInfo) -> dict[str, Any]:
    moments: dict[str, datetime | None] = {
        "bedtime": night["start_time"],
        "sleep_onset": night["sleep_onset"],
        "final_wake": night["final_wake"],
        "out_of_bed": night["end_time"],
    }
    return {name: moment and moment.astimezone(zone).time() for name, moment in moments.items()}


@dg.asset(
    key=KEY,
    partitions_def=MONTHLY,
    backfill_policy=BACKFILL,
    deps=[dg.AssetKey(["raw", "average_stats"])],
    group_name="lake",
    kinds={"parquet"},
    owners=OWNERS,
    metadata=table_metadata(AVERAGE_STATS),
    check_specs=table_checks(
        KEY,
        drift_spec(KEY),
        warning_spec(KEY, PROVIDER_AGREES, "The vendor's averages agree with the averages of our own rows."),
    ),
)
def average_stats(context: dg.AssetExecutionContext, home: dg.ResourceParam[Home]) -> dg.MaterializeResult:
    """One row a user and calendar month in the user's zone: the vendor's averages over the slept sessions."""
    report = build_partitions(home, NAME, context.partition_keys, lambda month: build_average_stats(home, month))
    return built(
        report,
        [
            *table_check_results(report),
            drift_result(home, documents.AVERAGE_STATS, report),
            agreement_result(PROVIDER_AGREES, report),
        ],
    )
