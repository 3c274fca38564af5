"""``bed_nights``: one row a user's day at the vendor of the bed, with its scores once the night is final."""

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from datetime import date, datetime
from typing import Any

import dagster as dg

from assets.builds import BuildReport, Built, build_partitions
from assets.lake.drift import DriftTally
from assets.lake.partition import label_of, quarantine, roster_of
from assets.partitions import BACKFILL, DAILY
from assets.results import (
    OWNERS,
    built,
    doubled_keys,
    drift_result,
    drift_spec,
    table_check_results,
    table_checks,
    table_metadata,
    warning_spec,
)
from assets.sources.decoding import Refused
from assets.sources.eight_sleep_trends import decode_trend, is_final_night, night_row
from connectors.home import Home
from connectors.lake.raw import CurrentDocument
from schemas.bed_lineage import bed_lineage
from schemas.bed_tables import BED_NIGHTS
from schemas.documents import TREND
from schemas.eight_sleep import EIGHT_SLEEP
from schemas.eight_sleep.trend_identities import TREND_IDENTITIES, trend_violations

NAME = "bed_nights"
KEY = dg.AssetKey(["lake", NAME])


def build_bed_nights(home: Home, partition: str) -> Built:
    """Build one day; counts violated identities. Days that hold no night yet are waiting."""
    roster, drift, findings = roster_of(home), DriftTally(), Counter[str]()
    rows = []
    refused: list[tuple[CurrentDocument, Refused]] = []
    documents = home.raw.versions(EIGHT_SLEEP, TREND, date.fromisoformat(partition))
    deleted = waiting = 0
    for versions in documents:
        current = versions[-1]
        if current.deleted:
            deleted += 1
            continue
        try:
            decoded = decode_trend(current)
        except Refused as error:
            refused.append((current, error))
            continue
        if decoded.content.has_night:
            org_id, zone = label_of(current.document, roster)
            rows.append(night_row(decoded, org_id, zone, sum(map(is_final_night, versions))))
            if decoded.content.is_final:
                findings.update(trend_violations(decoded.content, zone))
        else:
            waiting += 1
        drift.add(current.document, decoded.notes.drift)
    quarantine(home, NAME, partition, refused)
    return Built(
        documents=len(documents),
        rows=len(rows),
        quarantined=len(refused),
        waiting=waiting,
        deleted=deleted,
        files=int(home.lake.replace(BED_NIGHTS, f"date={partition}", rows)),
        findings=doubled_keys(BED_NIGHTS, rows) | findings,
        drift=drift.told(),
    )


def deleted_nights(home: Home, day: date) -> Iterator[tuple[dict[str, Any], datetime]]:
    """The nights of a day that the vendor has no more: their last row, and when they were found gone."""
    roster = roster_of(home)
    for *before, last in home.raw.versions(EIGHT_SLEEP, TREND, day):
        if not last.deleted:
            continue
        for current in reversed(before):
            with suppress(Refused):
                if not current.deleted and (decoded := decode_trend(current)).content.has_night:
                    yield night_row(decoded, *label_of(current.document, roster), 0), last.fetched_at
                    break


def _identity_results(report: BuildReport) -> list[dg.AssetCheckResult]:
    return [
        dg.AssetCheckResult(
            check_name=name,
            passed=not (violated := report.total.findings.get(name, 0)),
            severity=dg.AssetCheckSeverity.WARN,
            metadata={"nights": report.total.rows, "nights_violating": violated},
        )
        for name in TREND_IDENTITIES
    ]


@dg.asset(
    key=KEY,
    partitions_def=DAILY,
    backfill_policy=BACKFILL,
    deps=[dg.AssetKey(["raw", "bed_sessions"])],
    group_name="lake",
    kinds={"parquet"},
    owners=OWNERS,
    metadata=table_metadata(BED_NIGHTS, bed_lineage(BED_NIGHTS)),
    check_specs=table_checks(
        KEY,
        drift_spec(KEY),
        *(
            warning_spec(KEY, name, f"Identity of the bed's own figures: {says}")
            for name, (says, _) in TREND_IDENTITIES.items()
        ),
    ),
)
def bed_nights(context: dg.AssetExecutionContext, home: dg.ResourceParam[Home]) -> dg.MaterializeResult:
    """One row a night as the vendor of the bed scores it: presence, stages in seconds, fractions, scores."""
    report = build_partitions(home, NAME, context.partition_keys, lambda day: build_bed_nights(home, day))
    return built(report, [*table_check_results(report), drift_result(home, TREND, report), *_identity_results(report)])
