"""What assets tell Dagster: owners, column schemas, row counts and check results. No data passes through here.

Metadata holds counts and partition keys only; never an id, a name or a value of a person.
"""

from collections.abc import Iterable
from typing import Any

import dagster as dg
import pyarrow as pa

from assets.builds import BuildReport
from schemas.tables import Table

OWNERS = ["team:sleep-data"]
ROWS_CONSERVED = "rows_conserved"
UNIQUE_KEYS = "unique_keys"


def column_schema(table: Table) -> dg.TableSchema:
    """The columns of a table with type, unit and meaning, for the UI."""
    return dg.TableSchema(columns=[_column(table, field) for field in table.schema])


def table_metadata(table: Table) -> dict[str, Any]:
    """Definition metadata of an asset that is a lake table."""
    return {
        "dagster/column_schema": column_schema(table),
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
