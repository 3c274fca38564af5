"""``sleep_sessions``: one row a complete session, with its times, dates and metrics."""

from collections import Counter
from datetime import date, timedelta
from typing import Any

import dagster as dg

from assets.builds import BuildReport, Built, build_partitions, mark_months_dirty
from assets.lake.partition import build_session_table, label_of, quarantine, roster_of
from assets.partitions import BACKFILL, DAILY
from assets.results import (
    OWNERS,
    agreement_findings,
    agreement_result,
    built,
    drift_result,
    drift_spec,
    table_check_results,
    table_checks,
    table_metadata,
    warning_spec,
)
from assets.sources.known import SOURCES
from assets.sources.source import RecordedSession
from connectors.home import Home
from schemas.documents import SESSION
from schemas.identities import IDENTITIES
from schemas.nights import FIRST_DAY
from schemas.tables import SLEEP_SESSIONS

NAME = "sleep_sessions"
KEY = dg.AssetKey(["lake", NAME])
PROVIDER_AGREES = "provider_agrees"
UNKNOWN_EPOCHS = "unknown_epochs"
EPOCHS = "epochs"


def build_sleep_sessions(home: Home, partition: str) -> Built:
    """Build one UTC date; counts violated identities, and how the vendor's figures agree with the hypnograms."""
    findings = Counter({UNKNOWN_EPOCHS: 0, EPOCHS: 0})
    roster = roster_of(home)

    def row(recorded: RecordedSession) -> dict[str, Any]:
        document = recorded.decoded.current.document
        source = SOURCES[document.source]
        session = source.figures(recorded, *label_of(document, roster))
        findings.update(agreement_findings([session.row]))
        findings[UNKNOWN_EPOCHS] += session.unknown_epochs
        findings[EPOCHS] += len(session.stages.sleep or ())
        findings.update(source.violations(recorded.decoded.content))
        return session.row

    result, found = build_session_table(home, SLEEP_SESSIONS, partition, lambda sessions: [*map(row, sessions)])
    quarantine(home, NAME, partition, found.refused)
    result.findings |= findings
    if found.documents:
        _have_averages_compared_again(home, partition)
    return result


def _have_averages_compared_again(home: Home, partition: str) -> None:
    """The averages are compared with these rows; of which month a night is in its zone, its neighbours tell."""
    day = date.fromisoformat(partition)
    days = (max(FIRST_DAY, day - timedelta(days=1)), day, day + timedelta(days=1))
    with home.state.write() as connection:
        mark_months_dirty(connection, {f"{neighbour:%Y-%m}" for neighbour in days})


def _identity_results(report: BuildReport) -> list[dg.AssetCheckResult]:
    return [
        dg.AssetCheckResult(
            check_name=identity.name,
            passed=not (violated := report.total.findings.get(identity.name, 0)),
            severity=dg.AssetCheckSeverity.WARN,
            metadata={"sessions": report.total.rows, "sessions_violating": violated},
        )
        for identity in IDENTITIES
    ]


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
        drift_spec(KEY),
        warning_spec(KEY, PROVIDER_AGREES, "The vendor's figures of a night agree with its hypnogram."),
        *(
            warning_spec(KEY, i.name, f"Identity {i.number} of the vendor's own figures ({i.kind}): {i.says}")
            for i in IDENTITIES
        ),
    ),
)
def sleep_sessions(context: dg.AssetExecutionContext, home: dg.ResourceParam[Home]) -> dg.MaterializeResult:
    """One row a complete session: times in UTC, local dates, metrics in seconds, counts and fractions."""
    report = build_partitions(home, NAME, context.partition_keys, lambda day: build_sleep_sessions(home, day))
    findings = report.total.findings
    unknown = {name: findings.get(name, 0) for name in (UNKNOWN_EPOCHS, EPOCHS)}
    return built(
        report,
        [
            *table_check_results(report),
            drift_result(home, SESSION, report),
            agreement_result(PROVIDER_AGREES, report, unknown),
            *_identity_results(report),
        ],
    )
