"""``bed_presence``: one row an unbroken stay on a side of a bed, from the polls of a UTC date in ``bed_status``."""

from collections import defaultdict
from typing import Any

import dagster as dg

from assets.builds import Built, build_partitions
from assets.lake.bed_status import KEY as BED_STATUS_KEY
from assets.lake.partition import roster_of
from assets.partitions import BACKFILL, DAILY
from assets.results import OWNERS, built, doubled_keys, table_check_results, table_checks, table_metadata
from connectors.home import Home
from schemas.bed_lineage import bed_lineage
from schemas.bed_presence import Poll, stays
from schemas.bed_tables import BED_PRESENCE, BED_STATUS

NAME = "bed_presence"
KEY = dg.AssetKey(["lake", NAME])

_READ = ["source", "bed_id", "side", "utc_date", "time", "presence", "user_id"]


def build_bed_presence(home: Home, partition: str) -> Built:
    """Build one UTC date of polls; no stay reaches into another date."""
    roster, folder = roster_of(home), f"date={partition}"
    polls: defaultdict[tuple[Any, ...], list[Poll]] = defaultdict(list)
    for row in home.lake.read(BED_STATUS, folder, _READ).to_pylist():
        side = tuple(row[name] for name in _READ[:4])
        polls[side].append(Poll(row["time"], row["presence"], row["user_id"]))
    rows = []
    for (source, bed_id, side, utc_date), mine in polls.items():
        for stay in stays(mine):
            user = roster.get((source, stay.user_id or ""))
            rows.append(
                {
                    "org_id": user.org_id if user else None,
                    "source": source,
                    "bed_id": bed_id,
                    "side": side,
                    "start_time": stay.start,
                    "end_time": stay.end,
                    "utc_date": utc_date,
                    "user_id": stay.user_id,
                    "timezone": user.timezone if user else None,
                    "starts_unseen": stay.starts_unseen,
                    "ends_unseen": stay.ends_unseen,
                    "polls": stay.polls,
                }
            )
    return Built(
        documents=len(rows),
        rows=len(rows),
        files=int(home.lake.replace(BED_PRESENCE, folder, rows)),
        findings=doubled_keys(BED_PRESENCE, rows),
    )


@dg.asset(
    key=KEY,
    partitions_def=DAILY,
    backfill_policy=BACKFILL,
    deps=[BED_STATUS_KEY],
    group_name="lake",
    kinds={"parquet"},
    owners=OWNERS,
    metadata=table_metadata(BED_PRESENCE, bed_lineage(BED_PRESENCE)),
    check_specs=table_checks(KEY),
)
def bed_presence(context: dg.AssetExecutionContext, home: dg.ResourceParam[Home]) -> dg.MaterializeResult:
    """One row an unbroken stay on a side of a bed; what polls did not see is flagged, gaps are not bridged."""
    report = build_partitions(home, NAME, context.partition_keys, lambda day: build_bed_presence(home, day))
    return built(report, table_check_results(report))
