"""``night_ledger``: one row a rostered user and expected night, with the verdict why there is data or why not.

Partitioned by night, not by session start: a night without a session has a row, too. The facts are gathered in
``assets.night_facts``; what is counted per night, for the check and its picture, is in ``schemas.night_counts``.
"""

import warnings
from collections import Counter
from collections.abc import Mapping
from datetime import date
from typing import Any

import dagster as dg

from assets.builds import BuildReport, Built, build_partitions
from assets.night_facts import night_rows, read_spans
from assets.partitions import BACKFILL, DAILY
from assets.results import OWNERS, built, doubled_keys, table_check_results, table_checks, table_metadata, warning_spec
from connectors.home import Home
from schemas.night_counts import bars, completeness
from schemas.tables import NIGHT_LEDGER

# The first partition has none before it, the last none after it; Dagster calls the word for that beta.
warnings.filterwarnings("ignore", message="Parameter `allow_nonexistent_upstream_partitions`", category=dg.BetaWarning)

NAME = "night_ledger"
KEY = dg.AssetKey(["lake", NAME])
COMPLETENESS = "completeness"
MOST_NAMED = 10


def build_night_ledger(home: Home, partition: str) -> tuple[Built, Counter[str]]:
    """Build one night (``YYYY-MM-DD``); gives also its user-nights by verdict."""
    night = date.fromisoformat(partition)
    rows = night_rows(read_spans(home, night, night), night)
    result = Built(
        documents=len(rows),
        rows=len(rows),
        files=int(home.lake.replace(NIGHT_LEDGER, f"date={partition}", rows)),
        findings=doubled_keys(NIGHT_LEDGER, rows),
    )
    return result, Counter(row["verdict"] for row in rows)


def completeness_result(nights: Mapping[str, Counter[str]], threshold: float) -> dg.AssetCheckResult:
    """Yellow if of any night the share of user-nights that are accounted for is below the threshold."""
    shares = {night: share for night, counts in sorted(nights.items()) if (share := completeness(counts)) is not None}
    below = [night for night, share in shares.items() if share < threshold]
    return dg.AssetCheckResult(
        check_name=COMPLETENESS,
        passed=not below,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "threshold": threshold,
            "lowest_share": min(shares.values(), default=1.0),
            "nights": len(shares),
            "nights_below": len(below),
            "first_nights_below": ", ".join(below[:MOST_NAMED]),
        },
    )


def materialized(report: BuildReport, nights: Mapping[str, Counter[str]], threshold: float) -> dg.MaterializeResult:
    """The result of a run over nights: rows, checks, totals by verdict, and a bar a night."""
    verdicts: Counter[str] = sum(nights.values(), Counter[str]())
    result = built(report, [*table_check_results(report), completeness_result(nights, threshold)])
    drawn = "\n".join(["```", *bars(nights), "```"])
    more: dict[str, Any] = {
        "completeness": dg.MetadataValue.md(drawn),
        **{f"nights_{name}": n for name, n in sorted(verdicts.items())},
    }
    return dg.MaterializeResult(metadata={**(result.metadata or {}), **more}, check_results=result.check_results)


@dg.asset(
    key=KEY,
    partitions_def=DAILY,
    backfill_policy=BACKFILL,
    deps=[
        dg.AssetDep(
            dg.AssetKey(["lake", read]),
            # A session of a night may start on the UTC date before it or after it.
            partition_mapping=dg.TimeWindowPartitionMapping(
                start_offset=-1, end_offset=1, allow_nonexistent_upstream_partitions=True
            ),
        )
        for read in ("sleep_sessions", "session_history")
    ],
    group_name="lake",
    kinds={"parquet"},
    owners=OWNERS,
    metadata=table_metadata(NIGHT_LEDGER),
    check_specs=table_checks(
        KEY,
        warning_spec(
            KEY,
            COMPLETENESS,
            "Of every night enough user-nights are accounted for: neither not checked, nor failed, nor in quarantine.",
        ),
    ),
)
def night_ledger(
    context: dg.AssetExecutionContext, home: dg.ResourceParam[Home], completeness_threshold: dg.ResourceParam[float]
) -> dg.MaterializeResult:
    """One row a rostered user and night that is over: a verdict, a reason, and when its data came."""
    nights: dict[str, Counter[str]] = {}

    def build(night: str) -> Built:
        result, nights[night] = build_night_ledger(home, night)
        return result

    return materialized(build_partitions(home, NAME, context.partition_keys, build), nights, completeness_threshold)
