"""What runs make of homes: the home of a run that nothing disturbed, and in what another home is unlike it."""

import os
import shutil
import sqlite3
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from connectors.lake.publish import TEMPORARY
from connectors.lake.raw import RawDocument, RawStore, is_damaged, read_file
from pipelines.command.truth import differences, expected_sessions
from tests.system.conftest import new_home, published_files, session_rows, warehouse_rows
from tests.system.engine import Disturbance, Engine
from tests.system.operations import Trip
from tests.system.worlds import control

Rows = dict[str, list[tuple[Any, ...]]]


@dataclass(frozen=True)
class Undisturbed:
    """What a run that nothing disturbs makes of a home that only has its roster; ``template`` is such a home.

    ``operations`` of that run are by kind; ``space_operations`` of them need space, and it took so many ``seconds``.
    """

    base_url: str
    template: Path
    files: dict[str, bytes]
    documents: Counter[RawDocument]
    rows: Rows
    state: Rows
    operations: dict[str, int]
    space_operations: int
    seconds: float

    def __repr__(self) -> str:
        return "Undisturbed(…)"

    def new_home(self, root: Path) -> Path:
        """A home at ``root`` that only has its roster; whatever was there before is gone."""
        shutil.rmtree(root, ignore_errors=True)
        shutil.copytree(self.template, root)
        return root

    def unlike(self, root: Path, *, raw_files: bool = True) -> list[str]:
        """The files and tables of a home that are not as they should be, and everything left half written.

        Without ``raw_files`` the documents of raw may lie in other files, but no other number of times.
        """
        found = [name for name, content in published_files(root).items() if self.files.get(name) != content]
        found += self.files.keys() - published_files(root).keys()
        if not raw_files:
            found = [name for name in found if not name.startswith("raw/")]
            found += ["raw documents"] if Counter(_documents(root)) != self.documents else []
        for mine, theirs in ((warehouse_rows(root), self.rows), (_state_rows(root), self.state)):
            found += [name for name in mine.keys() | theirs.keys() if mine.get(name) != theirs.get(name)]
        found += [str(path.relative_to(root)) for path in root.rglob(f"*{TEMPORARY}*")]
        return sorted(found)


def undisturbed(engine: Engine, base_url: str, folder: Path) -> Undisturbed:
    """Run on a home below ``folder`` and see that its sessions are the vendor's."""
    template, root = new_home(folder / "template", base_url), folder / "undisturbed"
    shutil.copytree(template, root)
    began = time.monotonic()
    ended = engine.run(root, base_url)
    seconds = time.monotonic() - began
    assert ended.status == 0, ended.sentence
    assert differences(expected_sessions(control(base_url, "truth")), session_rows(root)) == []
    counting = shutil.copytree(template, folder / "counting")
    filling = engine.run(counting, base_url, Disturbance(Trip.FULL))
    return Undisturbed(
        base_url=base_url,
        template=template,
        files=published_files(root),
        documents=Counter(_documents(root)),
        rows=warehouse_rows(root),
        state=_state_rows(root),
        operations=ended.operations,
        space_operations=sum(filling.operations.values()),
        seconds=seconds,
    )


def torn(root: Path) -> list[str]:
    """The objects of raw, lake and FHIR that are there but not whole, and the warehouse if it cannot be read."""
    return [str(path.relative_to(root)) for path in root.rglob("*") if path.is_file() and not _is_whole(path, root)]


def _is_whole(path: Path, root: Path) -> bool:
    if path.name.startswith(TEMPORARY):
        return True
    match path.relative_to(root).parts[0], path.suffix:
        case "raw", ".parquet":
            return not is_damaged(path)
        case "fhir", ".ndjson":
            return path.read_bytes().endswith(b"\n")
        case "lake", ".parquet":
            try:
                pq.ParquetFile(path).read()
            except (pa.ArrowException, OSError):
                return False
        case "warehouse.duckdb", _:
            try:
                warehouse_rows(root)
            except duckdb.Error:
                return False
    return True


@contextmanager
def quick_folder() -> Iterator[Path]:
    """A folder in memory where there is one: what a disk costs is not what hundreds of runs are to show."""
    memory = Path("/dev/shm")  # noqa: S108
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as folder:
        yield Path(folder)


def _documents(root: Path) -> Iterator[RawDocument]:
    for folder in RawStore(root / "raw").folders():
        for path in folder.files():
            yield from read_file(path, folder.date)


def _state_rows(root: Path) -> Rows:
    with closing(sqlite3.connect(root / "state.db")) as connection:
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        return {name: sorted(connection.execute(f"SELECT * FROM {name}"), key=repr) for name in names}  # noqa: S608
