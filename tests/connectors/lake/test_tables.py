"""The lake: one file a partition, the same bytes for the same rows, no file for no rows."""

import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.lake.tables import LakeStore
from schemas.tables import LAKE_TABLES, SLEEP_STAGE_INTERVALS, USERS, Table
from tests.connectors.lake.rows import any_row, any_rows
from tests.schemas.fhir.rows import user

PARTITION = "date=2025-03-10"


@pytest.mark.parametrize("table", LAKE_TABLES, ids=lambda table: table.name)
@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_rows_come_back_sorted_and_the_same_rows_are_the_same_bytes(table: Table, data: st.DataObject) -> None:
    """Whatever order rows come in: one file, byte for byte the same, sorted, with the schema and every value."""
    rows = data.draw(any_rows(table))
    shuffled = data.draw(st.permutations(rows))
    with tempfile.TemporaryDirectory() as folder:
        store = LakeStore(Path(folder))
        assert store.replace(table, PARTITION, rows)
        content = store.path(table, PARTITION).read_bytes()
        assert not store.replace(table, PARTITION, shuffled)
        assert store.path(table, PARTITION).read_bytes() == content
        read = store.read(table, PARTITION)
    assert [_described(field) for field in read.schema] == [_described(field) for field in table.schema]
    assert read.to_pylist() == sorted(rows, key=lambda row: [_as_bytes(row[name]) for name in table.sort_by])


def _described(field: "pa.Field[Any]") -> tuple[object, ...]:
    return field.name, field.type, field.nullable, field.metadata


def _as_bytes(value: Any) -> Any:
    # Arrow sorts text by its UTF-8 bytes.
    return value.encode() if isinstance(value, str) else value


@settings(max_examples=30, deadline=None)
@given(st.lists(any_row(SLEEP_STAGE_INTERVALS), min_size=2, max_size=5))
def test_other_rows_are_other_bytes(rows: list[dict[str, Any]]) -> None:
    """Leaving out a row, or changing one value of one, replaces the file."""
    changed = [{**rows[0], "epochs": rows[0]["epochs"] ^ 1}, *rows[1:]]
    with tempfile.TemporaryDirectory() as folder:
        store = LakeStore(Path(folder))
        store.replace(SLEEP_STAGE_INTERVALS, PARTITION, rows)
        assert store.replace(SLEEP_STAGE_INTERVALS, PARTITION, changed)
        assert store.replace(SLEEP_STAGE_INTERVALS, PARTITION, rows[1:])


@pytest.mark.parametrize("partition", ["date=2025-03-10", "month=2025-03", ""])
def test_a_partition_is_one_file_in_its_folder(tmp_path: Path, partition: str) -> None:
    """The folder is ``<table>/<partition>``, and there is exactly one Parquet file in it."""
    store = LakeStore(tmp_path)
    store.replace(USERS, partition, [user()])
    store.replace(USERS, partition, [user(), user(user_id="another")])
    assert [path.parent for path in tmp_path.rglob("*.parquet")] == [tmp_path / "users" / partition]


def test_the_same_rows_again_touch_nothing(tmp_path: Path) -> None:
    """The file is the same file with the same time of change."""
    store = LakeStore(tmp_path)
    store.replace(USERS, "", [user()])
    before = store.path(USERS, "").stat()
    assert not store.replace(USERS, "", [user()])
    after = store.path(USERS, "").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_no_rows_is_no_file(tmp_path: Path) -> None:
    """Replacing with nothing removes file and folder; reading gives an empty table with every column."""
    store = LakeStore(tmp_path)
    assert not store.replace(USERS, PARTITION, [])
    assert store.replace(USERS, PARTITION, [user()])
    assert store.replace(USERS, PARTITION, [])
    assert not store.path(USERS, PARTITION).parent.exists()
    assert store.read(USERS, PARTITION).equals(USERS.schema.empty_table())


def test_some_columns_of_a_partition(tmp_path: Path) -> None:
    """In the order asked for, whether there is a file or not."""
    store = LakeStore(tmp_path)
    columns = ["timezone", "user_id"]
    assert store.read(USERS, PARTITION, columns).schema.names == columns
    store.replace(USERS, PARTITION, [user()])
    assert store.read(USERS, PARTITION, columns).to_pylist() == [{name: user()[name] for name in columns}]


@pytest.mark.parametrize("wrong", [{"user_id": None}, {"birth_year": "MCMLXXXVII"}, {"active_from": "2025-01-01"}])
def test_a_row_that_does_not_fit_leaves_the_old_file(tmp_path: Path, wrong: dict[str, object]) -> None:
    """A missing required value or one of another type is an error, and what was there stays whole."""
    store = LakeStore(tmp_path)
    store.replace(USERS, "", [user()])
    with pytest.raises((pa.ArrowInvalid, pa.ArrowTypeError)):
        store.replace(USERS, "", [user(user_id="another"), {**user(), **wrong}])
    assert store.read(USERS, "").to_pylist() == [user()]
    assert len(list(tmp_path.rglob("*"))) == 2
