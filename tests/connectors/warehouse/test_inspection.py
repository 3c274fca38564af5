"""A warehouse is looked at to its last block; one that cannot be read is put aside, not deleted."""

import random
from pathlib import Path

import duckdb
import pytest

from connectors.warehouse.inspection import is_readable, put_aside


@pytest.fixture
def warehouse(tmp_path: Path) -> Path:
    """A file with a few tables, one of them with a quote in its name."""
    path = tmp_path / "warehouse.duckdb"
    with duckdb.connect(path) as connection:
        connection.execute("CREATE TABLE nights AS SELECT range AS n, md5(range::VARCHAR) AS text FROM range(20000)")
        connection.execute('CREATE TABLE "of ""mine""" AS SELECT 1 AS one')
    return path


def test_a_sound_warehouse_is_readable(warehouse: Path) -> None:
    """And looking at it changes nothing."""
    before = warehouse.read_bytes()
    assert is_readable(warehouse)
    assert warehouse.read_bytes() == before


@pytest.mark.parametrize("seed", range(8))
def test_a_flipped_bit_is_found_wherever_data_lies(seed: int, warehouse: Path) -> None:
    """In the header, in the catalogue and in the blocks of a table alike."""
    content = bytearray(warehouse.read_bytes())
    place = 8 if seed == 0 else random.Random(seed).randrange(len(content))  # noqa: S311 - any place will do
    content[place] ^= 1 << seed % 8
    warehouse.write_bytes(content)
    assert not is_readable(warehouse)


@pytest.mark.parametrize("content", [b"", b"no database", b"\0" * 50_000])
def test_what_is_no_database_is_not_readable(content: bytes, tmp_path: Path) -> None:
    """Nor is a file that was emptied."""
    path = tmp_path / "warehouse.duckdb"
    path.write_bytes(content)
    assert not is_readable(path)


def test_a_warehouse_put_aside_is_kept_with_its_log(warehouse: Path) -> None:
    """Byte by byte; a second one does not replace it."""
    for number in ("", "1"):
        warehouse.write_bytes(b"damaged" + number.encode())
        warehouse.with_name("warehouse.duckdb.wal").write_bytes(b"log" + number.encode())
        place = put_aside(warehouse)
        assert place.name == f"warehouse.duckdb.damaged{number}"
        assert place.read_bytes() == b"damaged" + number.encode()
        assert place.with_name(f"{place.name}.wal").read_bytes() == b"log" + number.encode()
        assert not warehouse.exists()
