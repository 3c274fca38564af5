"""What assets tell Dagster: owners, column schemas, row counts and check results. No data passes through here.

Metadata holds counts and partition keys only; never an id, a name or a value of a person.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import dagster as dg
import pyarrow as pa

from assets.builds import BuildReport, SourceDrift
from connectors.home import Home
from connectors.state.drift import note_drift
from schemas.agreement import DIFFERS, EXACT, WITHIN_TOLERANCE
from schemas.lineage import Lineage, lake_lineage
from schemas.quirks import Drift
from schemas.tables import Table

OWNERS = ["team:sleep-data"]
ROWS_CONSERVED = "rows_conserved"
UNIQUE_KEYS = "unique_keys"
AS_DOCUMENTED = "as_documented"

_VERDICTS = (EXACT, WITHIN_TOLERANCE, DIFFERS)
_NOT_COMPARED = "not_compared"
_DIFFERING = "differing_"


def column_schema(table: Table) -> dg.TableSchema:
    """The columns of a table with type, unit and meaning, for the UI."""
    return dg.TableSchema(columns=[_column(table, field) for field in table.schema])


def column_lineage(lineage: Lineage) -> dg.TableColumnLineage:
    """Where the columns of a table come from, by asset and column; of a raw document, by JSON path."""
    return dg.TableColumnLineage(
        {
            column: [dg.TableColumnDep(dg.AssetKey([origin.layer, origin.name]), origin.column) for origin in mine]
            for column, mine in lineage.items()
        }
    )


def table_metadata(table: Table, lineage: Lineage | None = None) -> dict[str, Any]:
    """Definition metadata of an asset that is a table: of the lake unless another lineage is given."""
    return {
        "dagster/column_schema": column_schema(table),
        "dagster/column_lineage": column_lineage(lake_lineage(table) if lineage is None else lineage),
        "key": ", ".join(table.key),
    }


def table_checks(key: dg.AssetKey, *more: dg.AssetCheckSpec) -> list[dg.AssetCheckSpec]:
    """The checks every lake table has, and those only this one has."""
    return [
        dg.AssetCheckSpec(
            ROWS_CONSERVED, asset=key, description="Documents in = rows + quarantined + waiting + deleted."
        ),
        dg.AssetCheckSpec(UNIQUE_KEYS, asset=key, description="No key stands twice in a partition."),
        *more,
    ]


def warning_spec(key: dg.AssetKey, name: str, description: str) -> dg.AssetCheckSpec:
    """A check of the vendor, not of us: when it fails it is yellow and stops nothing."""
    return dg.AssetCheckSpec(name, asset=key, description=description)


def drift_spec(key: dg.AssetKey) -> dg.AssetCheckSpec:
    """The check that tells each new difference from the vendor's documentation, once."""
    return warning_spec(key, AS_DOCUMENTED, "The vendor sends what it documents; a new difference is named once.")


def drift_result(home: Home, document: str, report: BuildReport) -> dg.AssetCheckResult:
    """Yellow in the run that meets a difference first; from then on it is only listed. Raises: StateUnavailable."""
    drift = report.total.drift
    sources = sorted({source for source, _ in drift})
    new = {
        difference
        for source in sources
        for difference in note_drift(home.state, source, document, _of(source, drift), home.clock())
    }
    return dg.AssetCheckResult(
        check_name=AS_DOCUMENTED,
        passed=not new,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "new": ", ".join(f"{kind} {path}" for kind, path in sorted(new)),
            "documents_by_difference": {f"{kind} {path}": count for (_, (kind, path)), count in sorted(drift.items())},
        },
    )


def _of(source: str, drift: Iterable[SourceDrift]) -> list[Drift]:
    return [difference for told_by, difference in drift if told_by == source]


def agreement_findings(rows: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Rows by how the vendor's figures agree with ours, and by each figure that differs, as findings."""
    findings: dict[str, int] = {}
    for row in rows:
        verdict = row["provider_agreement"] or _NOT_COMPARED
        for name in (verdict, *(_DIFFERING + figure for figure in row["provider_differences"] or ())):
            findings[name] = findings.get(name, 0) + 1
    return findings


def agreement_result(name: str, report: BuildReport, more: Mapping[str, int] | None = None) -> dg.AssetCheckResult:
    """How many rows agree exactly, within tolerance or not at all, and which figures differ in how many."""
    findings = report.total.findings
    differing = {key: count for key, count in sorted(findings.items()) if key.startswith(_DIFFERING)}
    return dg.AssetCheckResult(
        check_name=name,
        passed=not findings.get(DIFFERS, 0),
        severity=dg.AssetCheckSeverity.WARN,
        metadata={**{key: findings.get(key, 0) for key in (*_VERDICTS, _NOT_COMPARED)}, **differing, **(more or {})},
    )


def built(report: BuildReport, checks: Iterable[dg.AssetCheckResult] = ()) -> dg.MaterializeResult:
    """The result of a step that built partitions."""
    total = report.total
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": total.rows,
            "documents": total.documents,
            "quarantined": total.quarantined,
            "waiting": total.waiting,
            "deleted": total.deleted,
            "files_replaced": total.files,
            "partitions_left_to_another_run": len(report.left_dirty),
        },
        check_results=list(checks),
    )


def table_check_results(report: BuildReport) -> list[dg.AssetCheckResult]:
    """The outcome of the checks every lake table has."""
    duplicates = report.total.findings.get(UNIQUE_KEYS, 0)
    return [
        dg.AssetCheckResult(
            check_name=ROWS_CONSERVED,
            passed=not report.unconserved,
            metadata={"partitions_not_conserved": ", ".join(report.unconserved[:10])},
        ),
        dg.AssetCheckResult(check_name=UNIQUE_KEYS, passed=duplicates == 0, metadata={"keys_doubled": duplicates}),
    ]


def doubled_keys(table: Table, rows: Iterable[dict[str, object]]) -> dict[str, int]:
    """How many rows repeat a key of the table, as a finding."""
    keys = [tuple(row[name] for name in table.key) for row in rows]
    return {UNIQUE_KEYS: len(keys) - len(set(keys))}


def _column(table: Table, field: "pa.Field") -> dg.TableColumn:
    unit = table.unit(field.name)
    return dg.TableColumn(
        name=field.name,
        type=str(field.type),
        description=table.description(field.name) + (f" Unit: {unit}." if unit else ""),
        constraints=dg.TableColumnConstraints(nullable=field.nullable),
    )
