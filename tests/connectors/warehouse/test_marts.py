"""Marts in every kind of warehouse: what differs is replaced, the rest is not touched, what is gone goes."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest
import sqlalchemy as sa
from duckdb import connect

from assets.marts.build import Marts
from connectors.warehouse import duckdb, postgresql, sqlalchemy_loader
from connectors.warehouse.duckdb import DuckDbWarehouse
from connectors.warehouse.loading import IncompatibleWarehouse, Warehouse
from connectors.warehouse.sqlalchemy_loader import SqlAlchemyWarehouse
from schemas.marts import MART_PARTITIONS, MART_TABLES
from tests.assets.marts.recordings import BED, Row, ledger_of, marts_of, session, stages_of
from tests.connectors.warehouse import loads
from tests.connectors.warehouse import test_sqlalchemy_loader as sqlite
from tests.connectors.warehouse.conftest import Tried

NIGHTS = [
    session("first", "3 23:00", "4 07:00"),
    session("second", "4 23:00", "5 07:00"),
    session("nap", "4 14:00", "4 14:30"),
    session("later", "10 23:00", "11 07:00"),
]
MODULES = {"duckdb": duckdb, "sqlite": sqlalchemy_loader, "postgresql": postgresql}

Opened: TypeAlias = Callable[[], Warehouse]


@pytest.fixture(params=list(MODULES))
def kind(request: pytest.FixtureRequest) -> str:
    """A kind of warehouse."""
    return str(request.param)


@pytest.fixture
def opened(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> Opened:
    """A warehouse of that kind, as one program after the other opens it."""
    if kind == "duckdb":
        return lambda: DuckDbWarehouse(tmp_path / "warehouse.duckdb")
    if kind == "sqlite":
        return lambda: SqlAlchemyWarehouse(f"sqlite:///{tmp_path}/warehouse.db")
    tried: Tried = request.getfixturevalue("tried")
    return tried.again


def marts(rows: list[Row]) -> Marts:
    """The marts over these sessions, whose nights were expected."""
    return marts_of(rows, ledger_of(rows))


def two_sources(nights: int) -> Marts:
    """The marts over some nights that the phone recorded, and the bed too; the bed says wake where the phone sleeps."""
    phone = [
        session(f"p{day}", f"{day} 23:00", f"{day + 1} 07:00", has_stages="4-stage") for day in range(3, 3 + nights)
    ]
    bed = [row | BED | {"session_id": f"b{number}"} for number, row in enumerate(phone)]
    rows = [*phone, *bed]
    stages = [one for row in rows for one in stages_of(row, [0, 1] * 480 if row["source"] == "asleep" else [0] * 960)]
    return marts_of(rows, ledger_of(rows), stages=stages)


def load(warehouse: Warehouse, found: Marts) -> dict[str, int]:
    """Load marts; how many partitions of each were replaced."""
    return warehouse.load_marts(found.tables, found.partitions)


def has(warehouse: Warehouse, found: Marts) -> None:
    """The warehouse holds these marts to the bit, and has noted their partitions."""
    rows_of = sqlite.rows_of if isinstance(warehouse, SqlAlchemyWarehouse) else loads.rows_of
    for table in MART_TABLES:
        assert rows_of(warehouse, table) == found.tables[table.name].to_pylist(), table.name
    noted = found.partitions.sort_by([(name, "ascending") for name in MART_PARTITIONS.key]).to_pylist()
    assert rows_of(warehouse, MART_PARTITIONS) == noted


def test_what_differs_is_replaced_and_nothing_else(opened: Opened) -> None:
    """A re-analysed session changes its night, week, month and cohort; the same again changes nothing."""
    first = marts(NIGHTS)
    assert load(opened(), first) == {"nights": 3, "user_weeks": 2, "user_months": 1, "cohort_days": 3}
    has(opened(), first)
    assert load(opened(), marts(NIGHTS)) == {}
    changed = marts([NIGHTS[0] | {"total_sleep_time_s": 7_000}, *NIGHTS[1:]])
    assert load(opened(), changed) == {"nights": 1, "user_weeks": 1, "user_months": 1, "cohort_days": 1}
    has(opened(), changed)


def test_what_is_gone_goes(opened: Opened) -> None:
    """The rows of a night, a week or everything that is no longer in the marts."""
    load(opened(), marts(NIGHTS))
    fewer = marts(NIGHTS[:3])
    assert load(opened(), fewer)["user_weeks"] == 1
    has(opened(), fewer)
    load(opened(), marts([]))
    has(opened(), marts([]))


def test_rows_that_are_as_they_were_are_not_written(tried: Tried) -> None:
    """In PostgreSQL each row has the transaction that wrote it; of a partition that differs, too."""
    other = session("other", "3 22:00", "4 06:00") | {"user_id": "ben"}
    load(tried.warehouse, marts([*NIGHTS, other]))

    def versions() -> dict[str, str]:
        return dict(tried.ask("SELECT user_id || night_of, xmin::text FROM {schema}.nights"))

    before = versions()
    load(tried.again(), marts([NIGHTS[0] | {"total_sleep_time_s": 7_000}, *NIGHTS[1:], other]))
    after = versions()
    assert {night for night in before if before[night] != after[night]} == {f"{NIGHTS[0]['user_id']}2026-11-03"}


def test_a_duckdb_file_that_has_the_marts_is_not_copied(tmp_path: Path) -> None:
    """Whoever has it open need not open it again."""
    path = tmp_path / "warehouse.duckdb"
    load(DuckDbWarehouse(path), marts(NIGHTS))
    before = path.stat()
    load(DuckDbWarehouse(path), marts(NIGHTS))
    after = path.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_load_that_fails_leaves_the_marts_of_before(
    kind: str, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows and what is noted of them come together or not at all; the next load is exact."""

    def fail(name: str) -> None:
        if name in ("warehouse.merged", "warehouse.loaded"):
            raise KeyboardInterrupt

    load(opened(), marts(NIGHTS))
    changed = marts(NIGHTS[1:])
    with monkeypatch.context() as patch:
        patch.setattr(MODULES[kind], "failpoint", fail)
        with pytest.raises(KeyboardInterrupt):
            load(opened(), changed)
    has(opened(), marts(NIGHTS))
    load(opened(), changed)
    has(opened(), changed)


def test_duckdb_without_marts_gets_them(tmp_path: Path) -> None:
    """A file that has the lake's tables only is read as one in which nothing is loaded."""
    path = tmp_path / "warehouse.duckdb"
    load(DuckDbWarehouse(path), marts(NIGHTS))
    with connect(path) as connection:
        for table in (*MART_TABLES, MART_PARTITIONS):
            connection.execute(f"DROP TABLE {table.name}")
    assert load(DuckDbWarehouse(path), marts(NIGHTS))["nights"] == 3
    has(DuckDbWarehouse(path), marts(NIGHTS))


def test_the_agreement_of_two_sources_is_loaded_and_goes(opened: Opened) -> None:
    """A row that moves to another partition, because the person's first common night is another one, is there once."""
    found = two_sources(3)
    assert load(opened(), found)["source_agreement"] == 1
    has(opened(), found)
    fewer = two_sources(2)
    assert load(opened(), fewer)["source_agreement_nights"] == 1
    has(opened(), fewer)
    later = marts(NIGHTS)
    load(opened(), later)
    has(opened(), later)


_OF_PERSONS = {
    "user_weeks": "user_id, week_start",
    "user_months": "user_id, month_start",
    "cohort_days": "org_id, night_of",
}


def test_duckdb_with_marts_by_source_is_brought_up_to_date(tmp_path: Path) -> None:
    """As the release before left it: a source in every mart, which took no nulls, and no list of sources."""
    path = tmp_path / "warehouse.duckdb"
    load(DuckDbWarehouse(path), marts(NIGHTS))
    with connect(path) as connection:
        for table in _OF_PERSONS:
            connection.execute(f"ALTER TABLE {table} ADD COLUMN source VARCHAR DEFAULT 'asleep'")
            connection.execute(f"ALTER TABLE {table} ALTER COLUMN source SET NOT NULL")
        connection.execute("ALTER TABLE nights DROP COLUMN sources")
        connection.execute("UPDATE mart_partitions SET fingerprint = 'of the release before'")
    load(DuckDbWarehouse(path), marts(NIGHTS))
    has(DuckDbWarehouse(path), marts(NIGHTS))
    with connect(path, read_only=True) as connection:
        found = connection.execute("SELECT table_name FROM duckdb_columns() WHERE column_name = 'source'").fetchall()
        assert not {name for (name,) in found} & set(_OF_PERSONS)


def test_postgresql_with_marts_by_source_is_refused_with_the_statement(tried: Tried) -> None:
    """Which changes keys and loses no row; then the marts are loaded."""
    load(tried.warehouse, marts(NIGHTS))
    for table, key in {**_OF_PERSONS, "nights": "user_id, night_of"}.items():
        if table != "nights":
            tried.ask(f"ALTER TABLE {{schema}}.{table} ADD COLUMN source text NOT NULL DEFAULT 'asleep'")
            tried.ask(f"ALTER TABLE {{schema}}.{table} ALTER COLUMN source DROP DEFAULT")
        tried.ask(f"ALTER TABLE {{schema}}.{table} DROP CONSTRAINT {table}_pkey, ADD PRIMARY KEY (source, {key})")
    tried.ask("ALTER TABLE {schema}.nights DROP COLUMN sources")
    tried.ask("UPDATE {schema}.mart_partitions SET fingerprint = 'of the release before'")
    with pytest.raises(IncompatibleWarehouse, match=r"nights has the key \(source, user_id, night_of\)") as refused:
        load(tried.again(), marts(NIGHTS))
    tried.ask(refused.value.statement)
    load(tried.again(), marts(NIGHTS))
    has(tried.again(), marts(NIGHTS))


def test_other_databases_with_marts_by_source_are_refused_with_the_statement(tmp_path: Path) -> None:
    """One for all their tables; what was noted of them is forgotten with them."""
    warehouse = SqlAlchemyWarehouse(f"sqlite:///{tmp_path}/warehouse.db")
    load(warehouse, marts(NIGHTS))
    engine = sa.create_engine(f"sqlite:///{tmp_path}/warehouse.db", poolclass=sa.NullPool)
    with engine.begin() as connection:
        for table, key in {**_OF_PERSONS, "nights": "user_id, night_of"}.items():
            connection.exec_driver_sql(f"DROP TABLE {table}")
            columns = ", ".join(f"{name} TEXT" for name in ("source", *key.split(", ")))
            connection.exec_driver_sql(f"CREATE TABLE {table} ({columns}, PRIMARY KEY (source, {key}))")
    with pytest.raises(IncompatibleWarehouse, match=r"nights has the key .* cohort_days has the key ") as refused:
        load(warehouse, marts(NIGHTS))
    with engine.begin() as connection:
        for statement in refused.value.statement.split("; "):
            connection.exec_driver_sql(statement)
    load(warehouse, marts(NIGHTS))
    has(warehouse, marts(NIGHTS))
