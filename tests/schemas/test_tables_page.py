"""The page of the tables: equal to what is made from the schemas, complete, and true of files and warehouse."""

import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from connectors.lake.tables import LakeStore
from connectors.warehouse.duckdb import DuckDbWarehouse
from schemas.marts import WAREHOUSE_TABLES
from schemas.metrics import METRICS
from schemas.stages import STAGE_NAMES
from schemas.tables import AVERAGE_STATS, LAKE_TABLES, USERS, Table
from schemas.tables_page import EPOCH_VIEW, file_of, page

ROOT = Path(__file__).parents[2]
PARTITIONS = {AVERAGE_STATS.name: "month=2026-11", USERS.name: ""}


def test_the_page_in_the_docs_is_the_one_made_from_the_schemas() -> None:
    """Whoever changes a column runs ``make docs``."""
    assert (ROOT / "docs" / "tables.md").read_text(encoding="utf-8") == page()


def test_the_module_prints_the_page() -> None:
    """As ``make docs`` calls it, in any locale."""
    command = [sys.executable, "-m", "schemas.tables_page"]
    printed = subprocess.run(command, cwd=ROOT, env={"LC_ALL": "C"}, capture_output=True, check=True).stdout
    assert printed.decode() == page()


@pytest.mark.parametrize("table", WAREHOUSE_TABLES, ids=[table.name for table in WAREHOUSE_TABLES])
def test_every_column_has_a_line_with_type_unit_and_meaning(table: Table) -> None:
    """In the section of its table, in order."""
    section = page().split(f"## {table.name}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| `")]
    assert [line.split("`")[1] for line in lines] == table.schema.names
    for name, line in zip(table.schema.names, lines, strict=True):
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        assert cells[2:4] == [table.unit(name), "yes" if table.schema.field(name).nullable else "no"]
        assert cells[4] == table.description(name)
    assert f"One row is {table.row}." in section


@pytest.mark.parametrize("table", LAKE_TABLES, ids=[table.name for table in LAKE_TABLES])
def test_files_lie_where_the_page_says(table: Table) -> None:
    """The pattern with a date put in is the path the lake writes."""
    day = date(2026, 11, 22)
    pattern = file_of(table).replace("YYYY-MM-DD", day.isoformat()).replace("YYYY-MM", f"{day:%Y-%m}")
    partition = PARTITIONS.get(table.name, f"date={day}")
    assert LakeStore(Path("lake")).path(table, partition) == Path(pattern)
    assert f"`{file_of(table)}`" in page()


def test_the_view_of_epochs_has_the_columns_of_the_page(tmp_path: Path) -> None:
    """Names, order and types, as a fresh warehouse has them."""
    warehouse = DuckDbWarehouse(tmp_path / "warehouse.duckdb")
    warehouse.load_whole(USERS, USERS.schema.empty_table())
    with warehouse.read() as connection:
        columns = connection.execute("DESCRIBE sleep_epochs").fetchall()
    assert [(name, kind) for name, kind, *_ in columns] == [(name, kind) for name, kind, _ in EPOCH_VIEW]


def test_every_stage_and_every_metric_with_its_codes_is_there() -> None:
    """Codes of the lake with the vendor's, and the FHIR codes of a metric in one line."""
    lines = page().splitlines()
    assert "| 4 | asleep |  | 1 |" in lines
    assert "| 1 | light | 1 |  |" in lines
    assert (
        sum(line.startswith(tuple(f"| {code} | {name} |" for code, name in STAGE_NAMES.items())) for line in lines) == 7
    )
    for metric in METRICS:
        line = next(line for line in reversed(lines) if line.startswith(f"| `{metric.name}`"))
        assert all(f"`{coding.code}`" in line for coding in metric.fhir.codings)
    assert "LOINC `93832-4`" in page()
