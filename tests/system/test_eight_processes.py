"""Eight processes at once on one home: syncs, backfills, a rebuild, a compaction. No torn file, no lost or doubled row.

They are let go of together, on a home that Dagster has never seen, after the vendor's data has changed. Somebody reads
along all the time. One sync later everything is as on a home where one sync at a time was run.
"""

import json
import random
import shutil
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest

from connectors.home import Home
from connectors.lake.raw import CurrentDocument, RawStore, is_damaged
from connectors.state.dirty import list_dirty
from pipelines.command.truth import differences, expected_sessions
from schemas.documents import SESSION_LIST
from schemas.tables import LAKE_TABLES, Table
from tests.system.conftest import Outcome, new_home, published_files, session_rows, warehouse_rows
from tests.system.crowd import Crowd, Words, crowd
from tests.system.worlds import NOW, control, sandbox

FIRST_DAY = date(2026, 10, 24)
USERS, NIGHTS = 24, 2

LIMIT_PER_S, WINDOW_S = 10, 10

ROUNDS = 4

PAUSE_S = 1.0
"""Between two looks of the onlooker, who should not take the processor from the others."""

BUSY = "nightshift: Another repair or compaction of this home is running: wait until it has ended.\n"
"""What the second of two that move raw files says, with exit code 1."""

UPKEEP = ("compact", "repair")


@dataclass
class Onlooker:
    """Reads lake, FHIR and warehouse while others write them; ``seen`` is what was wrong at any moment."""

    root: Path
    looks: int = 0
    seen: Counter[str] = field(default_factory=Counter)

    def look(self) -> None:
        """Read everything once."""
        for table in LAKE_TABLES:
            for path in (self.root / "lake" / table.name).rglob("[!.]*.parquet"):
                self._read_lake_file(table, path)
        for path in (self.root / "fhir").rglob("[!.]*.ndjson"):
            self._read_fhir_file(path)
        self._read_warehouse()
        self.looks += 1

    def _read_lake_file(self, table: Table, path: Path) -> None:
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return  # its last row is gone
        try:
            rows = pq.read_table(BytesIO(content), columns=list(table.key)).to_pylist()
        except Exception as error:  # whatever it is, the file was torn
            self.seen[f"lake/{table.name}: {type(error).__name__}"] += 1
            return
        self.seen[f"lake/{table.name}: doubled"] += len(rows) - len({tuple(row.values()) for row in rows})

    def _read_fhir_file(self, path: Path) -> None:
        try:
            lines = path.read_bytes().splitlines()
        except FileNotFoundError:
            return
        try:
            ids = [json.loads(line)["id"] for line in lines]
        except ValueError:
            self.seen[f"fhir/{path.name}: torn"] += 1
            return
        self.seen[f"fhir/{path.name}: doubled"] += len(ids) - len(set(ids))

    def _read_warehouse(self) -> None:
        if not (self.root / "warehouse.duckdb").exists():
            return
        try:
            with duckdb.connect(self.root / "warehouse.duckdb", read_only=True) as connection:
                for table in LAKE_TABLES:
                    keys = ", ".join(table.key)
                    counted = f"SELECT count(*) - count(DISTINCT ({keys})) FROM {table.name}"  # noqa: S608
                    ((doubled,),) = connection.execute(counted).fetchall()
                    self.seen[f"warehouse/{table.name}: doubled"] += doubled
        except duckdb.Error as error:
            self.seen[f"warehouse: {type(error).__name__}"] += 1


@contextmanager
def looked_at(root: Path) -> Iterator[Onlooker]:
    """Somebody who reads again and again for the length of a ``with``, and once more at its end."""
    onlooker, over = Onlooker(root), threading.Event()

    def keep_looking() -> None:
        while not over.wait(PAUSE_S):
            onlooker.look()

    thread = threading.Thread(target=keep_looking)
    thread.start()
    try:
        yield onlooker
    finally:
        over.set()
        thread.join()
    onlooker.look()


@dataclass
class Vendor:
    """A vendor with a limit, and two homes that know it: one for a crowd, one for one process at a time."""

    base_url: str
    processes: Crowd
    crowded: Path
    undisturbed: Path
    now: datetime = NOW

    def change(self, chance: random.Random) -> None:
        """A day goes by: new nights, a late one, an analysis anew, a deletion."""
        control(self.base_url, "clock", {"advance_s": 86_400})
        users = control(self.base_url, "truth")["users"]
        some = [user["user_id"] for user in chance.sample(users, 3)]
        control(self.base_url, "nights", {"count": 1, "users": some[:2]})
        control(self.base_url, "late", {"user": some[0], "days_ago": chance.randint(2, 3)})
        control(self.base_url, "reanalyse", {"user": some[1]})
        slept = [s["id"] for user in users if user["user_id"] == some[2] for s in user["sessions"]]
        control(self.base_url, "delete", {"user": some[2], "session": chance.choice(slept)})
        self.now = datetime.fromisoformat(control(self.base_url, "clock", {"advance_s": 3_600})["now"])

    def days(self) -> tuple[str, str, str]:
        """The first day that is pulled, one in between, and today."""
        today = self.now.date()
        return FIRST_DAY.isoformat(), (FIRST_DAY + (today - FIRST_DAY) / 2).isoformat(), today.isoformat()

    def commands(self) -> list[Words]:
        """What may be started by a timer, by Dagster or by hand, pulls twice."""
        first, middle, today = self.days()
        return [
            *2
            * [
                ("sync", "--from", first, "--json"),
                ("sync", "--from", middle, "--json"),
                ("sync", "--from", first, "--unfinished"),
            ],
            *2 * [("backfill", "--from", first, "--to", middle), ("backfill", "--from", middle, "--to", today)],
            ("rebuild", "--json"),
            ("rebuild", "--from", middle, "--to", today),
            ("repair", "--json"),
            ("compact", "--before", today, "--json"),
            ("quarantine", "retry"),
            ("nights", "--json"),
        ]

    def sync(self, root: Path) -> Outcome:
        """One sync, nobody else being there, as fast as it goes."""
        words = ("sync", "--from", FIRST_DAY.isoformat(), "--json")
        ended = self.processes.alone(root, *words, base_url=self.base_url, now=self.now)
        assert ended.status == 0, ended.err
        return ended

    def crowd(self, commands: Sequence[Words]) -> tuple[list[Outcome], dict[str, Any]]:
        """All these commands at once on the crowded home, within the vendor's limit; what the vendor's meter saw."""
        control(self.base_url, "rate/reset", {})
        control(self.base_url, "limit", {"limit_per_s": LIMIT_PER_S, "window_s": WINDOW_S})
        outcomes = self.processes.at_once(
            self.crowded, commands, base_url=self.base_url, now=self.now, per_second=LIMIT_PER_S
        )
        control(self.base_url, "limit", {"limit_per_s": None})
        return outcomes, control(self.base_url, "rate")


@contextmanager
def vendor(folder: Path) -> Iterator[Vendor]:
    """A vendor, and two equal homes filled by one sync."""
    with sandbox(users=USERS, nights=NIGHTS) as base_url, crowd(folder) as processes:
        found = Vendor(base_url, processes, folder / "crowded", folder / "undisturbed")
        new_home(found.undisturbed, base_url)
        found.sync(found.undisturbed)
        shutil.copytree(found.undisturbed, found.crowded)
        shutil.rmtree(found.crowded / "dagster")
        yield found


def wrong_endings(commands: Sequence[Words], outcomes: Sequence[Outcome]) -> list[tuple[Words, Outcome]]:
    """Whoever did not end well, nor in words because another one was doing the same."""
    return [
        (words, ended)
        for words, ended in zip(commands, outcomes, strict=True)
        if ended.status != 0 and not (words[0] in UPKEEP and (ended.status, ended.err) == (1, BUSY))
    ]


def versions(root: Path) -> list[list[CurrentDocument]]:
    """Every version of every document of raw; list pages left out, which are other ones for other dates."""
    raw = RawStore(root / "raw")
    folders = [folder for folder in raw.folders() if folder.document != SESSION_LIST]
    return [found for f in folders for found in raw.versions(f.source, f.document, f.date)]


def built(root: Path) -> dict[str, bytes]:
    """Every file of lake and fhir."""
    return {name: content for name, content in published_files(root).items() if not name.startswith("raw")}


def dirty(root: Path) -> dict[str, dict[str, str]]:
    """What waits to be built."""
    home = Home(root)
    with home.state.read() as connection:
        waiting = list_dirty(connection)
    home.state.close()
    return waiting


def assert_nothing_torn(root: Path) -> None:
    """Every raw file is whole and none is left half written."""
    files = [path for path in (root / "raw").rglob("*") if path.is_file()]
    assert files
    assert [path.name for path in files if path.name.startswith(".") or is_damaged(path)] == []


def assert_as_undisturbed(vendor: Vendor) -> None:
    """Every byte of lake and FHIR, every row of the warehouse and every version in raw; nothing waits."""
    files, expected = built(vendor.crowded), built(vendor.undisturbed)
    assert [name for name in sorted(files | expected) if files.get(name) != expected.get(name)] == []
    assert warehouse_rows(vendor.crowded) == warehouse_rows(vendor.undisturbed)
    assert versions(vendor.crowded) == versions(vendor.undisturbed)
    assert (dirty(vendor.crowded), dirty(vendor.undisturbed)) == ({}, {})


def round_of(here: Vendor, chance: random.Random, commands: Sequence[Words]) -> dict[str, Any]:
    """The world changes, these commands meet it at once, and one sync later both homes are equal; the meter's view."""
    here.change(chance)
    with looked_at(here.crowded) as onlooker:
        outcomes, rate = here.crowd(commands)
    assert wrong_endings(commands, outcomes) == []
    assert onlooker.looks > 1
    assert +onlooker.seen == Counter()
    assert_nothing_torn(here.crowded)
    assert rate["most_in_window"] <= LIMIT_PER_S * WINDOW_S
    assert rate["refused"] == 0
    here.sync(here.crowded)
    here.sync(here.undisturbed)
    assert_as_undisturbed(here)
    truth = control(here.base_url, "truth")
    assert differences(expected_sessions(truth), session_rows(here.crowded)) == []
    return rate


def test_eight_processes_at_once_do_no_harm(tmp_path: Path) -> None:
    """All end well, whoever reads along reads whole files and rows once, and the vendor's limit is held."""
    with vendor(tmp_path) as here:
        first, middle, today = here.days()
        rate = round_of(
            here,
            random.Random(1),  # noqa: S311 - any change will do
            [
                ("sync", "--from", first, "--json"),
                ("sync", "--from", first, "--json"),
                ("backfill", "--from", first, "--to", today, "--json"),
                ("backfill", "--from", middle, "--to", today, "--json"),
                ("rebuild", "--json"),
                ("compact", "--before", today, "--json"),
                ("compact", "--before", middle, "--json"),
                ("nights", "--json"),
            ],
        )
        assert rate["requests"] > LIMIT_PER_S * WINDOW_S


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(5))
def test_eight_processes_at_once_do_no_harm_day_after_day(seed: int, tmp_path: Path) -> None:
    """Whatever the eight are, and however often the vendor's data has changed in between."""
    chance = random.Random(seed)  # noqa: S311 - a test that can be repeated
    with vendor(tmp_path) as here:
        for _ in range(ROUNDS):
            round_of(here, chance, [chance.choice(here.commands()) for _ in range(8)])
