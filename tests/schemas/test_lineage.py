"""Where columns come from: every origin exists, and nothing that a mart's column depends on is left out."""

from datetime import date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from assets.marts.build import MART_INPUTS
from schemas.bed_tables import BED_TABLES
from schemas.documented_fields import note_unknown_fields
from schemas.documents import SESSION, USER
from schemas.lineage import Origin, lake_lineage, mart_lineage
from schemas.marts import MART_TABLES, NIGHTS
from schemas.quirks import Notes
from schemas.tables import LAKE_TABLES, NIGHT_LEDGER, SLEEP_SESSIONS, SLEEP_STAGE_INTERVALS, USERS, Table
from tests.assets.marts.recordings import BED, Row, ledger_of, marts_of, session, stages_of

TABLES = {
    **{("lake", table.name): table for table in LAKE_TABLES},
    **{("marts", table.name): table for table in MART_TABLES},
}
OF_OURS = (
    "org_id",
    "source",
    "user_id",
    "epoch_s",
    "active_from",
    "active_to",
    "revision",
    "content_hash",
    "fetched_at",
    "reason",
    "seen_at",
    "analysed_at",
    "valid_from",
    "valid_to",
    "provider_agreement",
    "provider_differences",
)
DOCUMENTS = {"sessions": SESSION, "users": USER}


@pytest.mark.parametrize("table", MART_TABLES, ids=lambda table: table.name)
def test_every_column_of_a_mart_has_origins_that_exist(table: Table) -> None:
    """In the lake, or in the mart of the nights."""
    lineage = mart_lineage(table)
    assert sorted(lineage) == sorted(table.schema.names)
    for origins in lineage.values():
        assert origins
        assert all(origin.column in TABLES[origin.layer, origin.name].schema.names for origin in origins)


@pytest.mark.parametrize(
    "table", [one for one in LAKE_TABLES if one not in (NIGHT_LEDGER, *BED_TABLES)], ids=lambda table: table.name
)
def test_every_column_of_the_lake_is_the_vendors_or_ours(table: Table) -> None:
    """And the vendor's are documented fields of its answers."""
    lineage = lake_lineage(table)
    of_ours = [*OF_OURS, *(["timezone"] if table is USERS else [])]
    assert [name for name in table.schema.names if name not in lineage and name not in of_ours] == []
    for origin in {origin for origins in lineage.values() for origin in origins}:
        notes = Notes()
        note_unknown_fields(DOCUMENTS.get(origin.name, origin.name), answer_with(origin.column), notes)
        assert not notes.drift


def answer_with(path: str) -> dict[str, Any]:
    """An answer that has the field of a JSON path and nothing else."""
    value: Any = "x"
    for name in reversed(path.removeprefix("$.").split(".")):
        value = {name.removesuffix("[]"): [value] if name.endswith("[]") else value}
    found: dict[str, Any] = value
    return found


def other(value: Any) -> Any:
    """A value beside this one, so near that no other session becomes the main sleep."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, datetime):
        return value + timedelta(seconds=1)
    if isinstance(value, date):
        return value + timedelta(days=1)
    return value + 1 if isinstance(value, int | float) else f"another {value}"


PERTURBED = [
    (table, field.name)
    for table in MART_INPUTS
    for field in table.schema
    if field.name not in (*table.key, "org_id", "night_of", "timezone") and not pa.types.is_list(field.type)
]
"""What can be changed without making it another night, or one of another organisation."""


def night_of_user(user_id: str, table: Table | None = None, column: str = "") -> dict[str, list[Row]]:
    """A night in which every figure has a value, in an organisation of its own, with another value in one column."""
    figures = {field.name: 1_000 for field in SLEEP_SESSIONS.schema if field.type in (pa.int64(), pa.float64())}
    ids = {"org_id": user_id, "user_id": user_id}
    sessions = [session("night", "3 23:00", "4 07:00", has_stages="4-stage") | figures | ids]
    sessions.append(sessions[0] | BED | {"session_id": "bed"})
    user = {"source": "asleep", "timezone": "UTC", "birth_year": 1980, **ids}
    rows = {
        SLEEP_SESSIONS.name: sessions,
        NIGHT_LEDGER.name: [row | ids for row in ledger_of(sessions)],
        USERS.name: [user],
        SLEEP_STAGE_INTERVALS.name: [one for row in sessions for one in stages_of(row, [0, 1, 2, 3, 3] * 192)],
    }
    if table:
        was, *rest = rows[table.name]
        rows[table.name] = [was | {column: other(was[column])}, *rest] if was.get(column) is not None else [was, *rest]
    return rows


def rows_by_org(rows: pa.Table) -> dict[str, dict[str, list[Any]]]:
    """The values of each column by organisation."""
    found: dict[str, dict[str, list[Any]]] = {}
    for row in rows.to_pylist():
        for name, value in row.items():
            found.setdefault(row["org_id"], {}).setdefault(name, []).append(value)
    return found


def test_what_changes_with_a_column_says_that_it_comes_from_it() -> None:
    """Of users with the same night, each has another value in one column of the lake."""
    nights = [night_of_user("same"), *(night_of_user(f"{of.name}.{column}", of, column) for of, column in PERTURBED)]
    marts = marts_of(*([row for night in nights for row in night[table.name]] for table in MART_INPUTS)).tables
    found = {mart.name: rows_by_org(marts[mart.name]) for mart in MART_TABLES}
    seen = set()
    for table, column in PERTURBED:
        moved = {
            mart.name: {
                name
                for name, values in found[mart.name][f"{table.name}.{column}"].items()
                if name not in ("org_id", "user_id") and values != found[mart.name]["same"][name]
            }
            for mart in MART_TABLES
        }
        origin = Origin("lake", table.name, column)
        for mart in MART_TABLES:
            for name in moved[mart.name]:
                origins = mart_lineage(mart)[name]
                of_marts = {one.column for one in origins if one.layer == "marts" and one.column in moved[one.name]}
                assert origin in origins or of_marts, (mart.name, name)
        seen |= {origin} if moved[NIGHTS.name] else set()
    assert len(seen) > 30
