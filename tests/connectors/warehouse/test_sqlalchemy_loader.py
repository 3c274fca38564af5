"""The warehouse in any database SQLAlchemy knows, tried with SQLite: what DuckDB has it has."""

import json
import tempfile
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.errors import WrongUsage
from connectors.warehouse.duckdb import DuckDbWarehouse
from connectors.warehouse.loading import IncompatibleWarehouse, Warehouse, WarehouseUnavailable
from connectors.warehouse.sqlalchemy_loader import SqlAlchemyWarehouse
from schemas.marts import NIGHTS
from schemas.tables import LAKE_TABLES, SLEEP_SESSIONS, USERS, Table
from tests.connectors.lake.rows import any_rows
from tests.connectors.warehouse import loads
from tests.connectors.warehouse.loads import OF_NIGHTS, Row, load, nights, start_of
from tests.connectors.warehouse.test_duckdb import arrow
from tests.connectors.warehouse.test_postgresql import DAYS, STAGES, STEPS
from tests.schemas.fhir.rows import user


@pytest.fixture
def warehouse(tmp_path: Path) -> SqlAlchemyWarehouse:
    """A warehouse in a file of its own, not made yet."""
    return at(tmp_path)


def at(folder: Path) -> SqlAlchemyWarehouse:
    """The warehouse in a folder."""
    return SqlAlchemyWarehouse(f"sqlite:///{folder / 'warehouse.db'}")


def rows_of(warehouse: Warehouse, table: Table) -> list[Row]:
    """Every row of a table in SQLite, in the order of its key and of the types Arrow has for them."""
    names = table.schema.names
    query = f"SELECT {', '.join(names)} FROM {table.name} ORDER BY {', '.join(table.key)}"  # noqa: S608 - ours
    with warehouse.read() as reader:
        rows = reader.execute(query).fetchall()
    return [
        {field.name: meant(field.type, value) for field, value in zip(table.schema, row, strict=True)} for row in rows
    ]


def meant(arrow_type: pa.DataType, value: Any) -> Any:
    """What a value of SQLite stands for."""
    if value is None:
        return None
    if pa.types.is_timestamp(arrow_type):
        return datetime.fromisoformat(value).replace(tzinfo=UTC)
    if pa.types.is_date32(arrow_type):
        return date.fromisoformat(value)
    if pa.types.is_time32(arrow_type):
        return time.fromisoformat(value)
    if pa.types.is_list(arrow_type):
        return json.loads(value)
    return bool(value) if pa.types.is_boolean(arrow_type) else value


@pytest.mark.parametrize("table", [*LAKE_TABLES, NIGHTS], ids=lambda table: table.name)
@settings(max_examples=4)
@given(data=st.data())
def test_any_rows_come_back_and_loading_again_changes_nothing(table: Table, data: st.DataObject) -> None:
    """Every type, null and extreme value survives."""
    rows = data.draw(any_rows(table, most=3))
    with tempfile.TemporaryDirectory() as folder:
        warehouse = at(Path(folder))
        for _ in range(2):
            load(warehouse, table, rows)
            found = rows_of(warehouse, table)
            assert sorted(found, key=repr) == sorted(arrow(table, found).to_pylist(), key=repr)
            key = [tuple(row[name] for name in table.key) for row in rows]
            expected = dict(zip(key, arrow(table, rows).to_pylist(), strict=True))
            assert {tuple(row[name] for name in table.key): row for row in found} == expected


@settings(max_examples=4)
@given(steps=STEPS)
def test_whatever_comes_goes_or_moves_it_agrees_with_duckdb(steps: list[tuple[Any, set[date]]]) -> None:
    """Sessions that come, change, are deleted or move between dates, of which only some are loaded at a time."""
    with tempfile.TemporaryDirectory() as folder:
        warehouse, duck = at(Path(folder)), DuckDbWarehouse(Path(folder) / "warehouse.duckdb")
        for world, days in steps:
            tables = nights(world, sorted(days))
            for one in (warehouse, duck):
                one.load_nights(tables)
            for table in OF_NIGHTS:
                assert rows_of(warehouse, table) == loads.rows_of(duck, table), table.name


def test_a_failed_load_changes_nothing_and_tells_no_value(warehouse: SqlAlchemyWarehouse) -> None:
    """Not even the tables that it would have made."""
    twice = arrow(USERS, [user(user_id="canary"), user(user_id="canary")])
    with pytest.raises(WarehouseUnavailable) as refused:
        warehouse.load_whole(USERS, twice)
    assert not warehouse.exists()
    load(warehouse, USERS, [user()])
    with pytest.raises(WarehouseUnavailable, match="cannot be used \\(IntegrityError\\)") as refused:
        warehouse.load_whole(USERS, twice)
    assert "canary" not in repr(refused.value)
    assert refused.value.__suppress_context__
    assert rows_of(warehouse, USERS) == [user()]


def test_there_is_nothing_to_read_before_the_first_load(warehouse: SqlAlchemyWarehouse) -> None:
    """A plain sentence that says what to do."""
    with pytest.raises(WarehouseUnavailable, match="There is no warehouse yet"), warehouse.read():
        pass


def test_an_older_warehouse_gets_the_new_columns(warehouse: SqlAlchemyWarehouse, tmp_path: Path) -> None:
    """In place; rows of before have null until they are loaded again."""
    world = {"old": (start_of(10), STAGES), "new": (start_of(11), STAGES)}
    warehouse.load_nights(nights(world, DAYS[:1]))
    with sa.create_engine(f"sqlite:///{tmp_path / 'warehouse.db'}", poolclass=sa.NullPool).begin() as connection:
        connection.exec_driver_sql("ALTER TABLE sleep_sessions DROP COLUMN awakenings")
    warehouse.load_nights(nights(world, DAYS[1:]))
    found = {row["session_id"]: row["awakenings"] for row in rows_of(warehouse, SLEEP_SESSIONS)}
    assert found == {"old": None, "new": sum(STAGES)}


def test_a_table_with_another_key_is_refused(warehouse: SqlAlchemyWarehouse, tmp_path: Path) -> None:
    """With the statement to run, after which the load succeeds."""
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'warehouse.db'}", poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE users (user_id TEXT PRIMARY KEY)")
    with pytest.raises(IncompatibleWarehouse, match=r"users has the key \(user_id\)") as refused:
        load(warehouse, USERS, [user()])
    with engine.begin() as connection:
        connection.exec_driver_sql(refused.value.statement)
    load(warehouse, USERS, [user()])
    assert rows_of(warehouse, USERS) == [user()]


def test_an_address_that_is_none_is_wrong_usage() -> None:
    """Without a part of it; nor does the warehouse tell its address."""
    warehouse = SqlAlchemyWarehouse("canary")
    with pytest.raises(WrongUsage) as refused:
        warehouse.exists()
    assert "canary" not in f"{refused.value}{warehouse!r}"
