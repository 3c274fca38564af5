"""The lake: one file a partition, the same bytes for the same rows, no file for no rows."""

import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.lake.publish import DiskUnavailable
from connectors.lake.tables import LakeDamaged, LakeStore
from schemas.tables import LAKE_TABLES, SLEEP_SESSIONS, SLEEP_STAGE_INTERVALS, USERS, Table
from tests.connectors.lake.rows import any_row, any_rows
from tests.schemas.fhir.rows import night, user

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
        assert not store.replace(table, PARTITION, pa.Table.from_pylist(shuffled, schema=table.schema))
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


@settings(max_examples=30, deadline=None)
@given(rows=any_rows(SLEEP_SESSIONS), data=st.data())
def test_a_flipped_bit_is_noticed_or_changes_nothing(rows: list[dict[str, Any]], data: st.DataObject) -> None:
    """Wherever it is, no other value is ever read: the same rows, or the file is told to be damaged."""
    with tempfile.TemporaryDirectory() as folder:
        store = LakeStore(Path(folder))
        store.replace(SLEEP_SESSIONS, PARTITION, rows)
        before, path = store.read(SLEEP_SESSIONS, PARTITION).to_pylist(), store.path(SLEEP_SESSIONS, PARTITION)
        content = bytearray(path.read_bytes())
        for _ in range(20):
            place, bit = data.draw(st.integers(0, len(content) - 1)), data.draw(st.integers(0, 7))
            path.write_bytes(content[:place] + bytes([content[place] ^ 1 << bit]) + content[place + 1 :])
            with suppress(LakeDamaged):
                assert store.read(SLEEP_SESSIONS, PARTITION).to_pylist() == before


@pytest.mark.parametrize("left", [0, 1, 4, 11, 12, 200, -1, -8])
def test_a_file_that_was_cut_is_damaged(tmp_path: Path, left: int) -> None:
    """However much of it is left; writing the rows again heals it."""
    store = LakeStore(tmp_path)
    store.replace(USERS, "", [user()])
    path = store.path(USERS, "")
    whole = path.read_bytes()
    path.write_bytes(whole[:left])
    with pytest.raises(LakeDamaged):
        store.read(USERS, "")
    assert store.replace(USERS, "", [user()])
    assert path.read_bytes() == whole


@pytest.mark.parametrize(
    ("partition", "sentence"),
    [
        (
            "date=2025-03-10",
            "The lake file of users, date 2025-03-10, is damaged: run "
            "`nightshift rebuild --from 2025-03-10 --to 2025-03-10`, which takes no call.",
        ),
        (
            "month=2028-02",
            "The lake file of users, month 2028-02, is damaged: run "
            "`nightshift rebuild --from 2028-02-01 --to 2028-02-29`, which takes no call.",
        ),
        ("", "The lake file of users, all users, is damaged: run `nightshift rebuild`, which takes no call."),
    ],
)
def test_a_damaged_file_is_named_with_what_makes_it_again(tmp_path: Path, partition: str, sentence: str) -> None:
    """One sentence: table, partition and the command for exactly that; exit code 1, and no words of Arrow's."""
    store = LakeStore(tmp_path)
    store.replace(USERS, partition, [user()])
    store.path(USERS, partition).write_bytes(b"no Parquet")
    with pytest.raises(LakeDamaged) as damaged:
        store.read(USERS, partition, ["user_id"])
    assert str(damaged.value) == sentence
    assert (damaged.value.exit_code, damaged.value.__context__) == (1, None)


def test_columns_that_the_table_does_not_have_are_not_ours(tmp_path: Path) -> None:
    """A file with another column, or one of another type, is damaged; one of an older release, with fewer, is read."""
    store = LakeStore(tmp_path)
    store.replace(USERS, "", [user()])
    whole = store.read(USERS, "")
    for columns in (whole.rename_columns(["x", *whole.schema.names[1:]]), whole.set_column(0, "org_id", pa.array([1]))):
        pq.write_table(columns, store.path(USERS, ""))
        with pytest.raises(LakeDamaged):
            store.read(USERS, "")
    pq.write_table(whole.drop_columns(["to_be_deleted"]), store.path(USERS, ""))
    assert store.read(USERS, "").num_rows == 1


def test_a_file_that_may_not_be_opened_is_not_damaged(tmp_path: Path) -> None:
    """The operating system's reason, in words and without a path."""
    store = LakeStore(tmp_path)
    path = store.path(USERS, "")
    path.parent.mkdir()
    path.symlink_to(path)
    with pytest.raises(DiskUnavailable, match="Too many levels of symbolic links") as refused:
        store.read(USERS, "")
    assert str(tmp_path) not in str(refused.value)


def test_the_memory_of_a_large_table_goes_back_to_the_system() -> None:
    """Unless somebody wants another allocator of Arrow's, whatever was loaded first."""
    wanted = os.environ.get("ARROW_DEFAULT_MEMORY_POOL", "system")
    assert pa.default_memory_pool().backend_name == wanted


def test_all_partitions_are_read_as_one_table(tmp_path: Path) -> None:
    """Also those of a release that lacked a column, which is null; a table without files has no rows."""
    store = LakeStore(tmp_path)
    assert store.read_all(USERS).equals(USERS.schema.empty_table())
    store.replace(USERS, "", [user(user_id="anna")])
    assert store.read_all(USERS)["user_id"].to_pylist() == ["anna"]
    days = ["2025-03-10", "2025-03-11"]
    for day in days:
        store.replace(SLEEP_SESSIONS, f"date={day}", [night(session_id=day, sleep_index=7.0)])
    old = store.path(SLEEP_SESSIONS, f"date={days[0]}")
    pq.write_table(store.read(SLEEP_SESSIONS, f"date={days[0]}").drop_columns(["sleep_index"]), old)
    found = store.read_all(SLEEP_SESSIONS)
    assert found.schema.equals(SLEEP_SESSIONS.schema)
    assert found["session_id"].to_pylist() == days
    assert found["sleep_index"].to_pylist() == [None, 7.0]
