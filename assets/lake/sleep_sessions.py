"""``sleep_sessions``: one row a complete session, with its times, dates and metrics."""

import dagster as dg

from assets.builds import Built, build_partitions
from assets.lake.partition import build_session_table, quarantine
from assets.partitions import BACKFILL, DAILY
from assets.results import OWNERS, built, table_check_results, table_checks, table_metadata
from connectors.home import Home
from schemas.identities import IDENTITIES, violations
from schemas.tables import SLEEP_SESSIONS

NAME = "sleep_sessions"
KEY = dg.AssetKey(["lake", NAME])
IDENTITIES_HOLD = "identities_hold"


def build_sleep_sessions(home: Home, partition: str) -> Built:
    """Build one UTC date; counts the identities that the vendor's own figures violate."""
    result, found = build_session_table(home, SLEEP_SESSIONS, partition, lambda session: [session.row])
    quarantine(home, NAME, partition, found.refused)
    for detail in found.details:
        for violation in violations(detail):
            result.findings[violation] = result.findings.get(violation, 0) + 1
    return result


@dg.asset(
    key=KEY,
    partitions_def=DAILY,
    backfill_policy=BACKFILL,
    deps=[dg.AssetKey(["raw", "sessions"])],
    group_name="lake",
    kinds={"parquet"},
    owners=OWNERS,
    metadata=table_metadata(SLEEP_SESSIONS),
    check_specs=table_checks(
        KEY,
        dg.AssetCheckSpec(
            IDENTITIES_HOLD, asset=KEY, description="The vendor's own figures of a session agree with one another."
        ),
    ),
)
def sleep_sessions(context: dg.AssetExecutionContext, home: dg.ResourceParam[Home]) -> dg.MaterializeResult:
    """One row a complete session: times in UTC, local dates, metrics in seconds, counts and fractions."""
    report = build_partitions(home, NAME, context.partition_keys, lambda day: build_sleep_sessions(home, day))
    violated = {i.name: n for i in IDENTITIES if (n := report.total.findings.get(i.name, 0))}
    agreement = dg.AssetCheckResult(
        check_name=IDENTITIES_HOLD,
        passed=not violated,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"sessions": report.total.rows, "violations": sum(violated.values()), **violated},
    )
    return built(report, [*table_check_results(report), agreement])
