"""Lake, FHIR and warehouse once more from raw: the same bytes, without a vendor, whatever had happened to them."""

import json
import random
import shutil
import signal
from pathlib import Path

import pytest

from connectors.home import Home
from connectors.state.dirty import list_dirty
from tests.system.conftest import WarmProcess, published_files, session_rows, touched_files, warehouse_rows
from tests.system.worlds import control


def lose_everything(root: Path) -> None:
    """Delete all that is made from raw."""
    shutil.rmtree(root / "lake")
    shutil.rmtree(root / "fhir")
    (root / "warehouse.duckdb").unlink()


def flip(path: Path, seed: int) -> None:
    """Flip a bit anywhere in a file."""
    content = bytearray(path.read_bytes())
    chance = random.Random(seed)  # noqa: S311 - any place will do
    content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    path.write_bytes(content)


def assert_equal(root: Path, filled: Path) -> None:
    """Every byte of raw, lake and fhir, and every row of the warehouse; nothing is left to be built."""
    assert published_files(root) == published_files(filled)
    assert warehouse_rows(root) == warehouse_rows(filled)
    assert dirty(root) == {}


def dirty(root: Path) -> dict[str, dict[str, str]]:
    """What waits to be built."""
    home = Home(root)
    try:
        with home.state.read() as connection:
            return list_dirty(connection)
    finally:
        home.state.close()


def test_nothing_is_touched_where_nothing_is_wrong(warm: WarmProcess, root: Path) -> None:
    """Neither raw nor lake nor fhir; it says in words what it does, and that nothing was different."""
    before = {name: mark for name, mark in touched_files(root).items() if not name.endswith(".duckdb")}
    done = warm.nightshift(root, "rebuild")
    assert done.status == 0, done.err
    after = touched_files(root)
    assert {name: after[name] for name in before} == before
    assert "missing or different: 0." in done.out
    assert "the vendor is not asked" in done.err
    assert "built sleep: 2026-10-" in done.err


def test_what_was_lost_is_made_again_without_a_vendor(warm: WarmProcess, root: Path, filled: Path) -> None:
    """No key, nobody at the vendor's address: every byte and row is as it was, months and users included."""
    lose_everything(root)
    done = warm.nightshift(root, "rebuild", "--json")
    assert done.status == 0, done.err
    assert_equal(root, filled)
    summary = json.loads(done.out)
    assert summary["partitions_written"] == len(list((root / "lake").rglob("*.parquet")))
    assert (summary["dates_without_raw"], summary["damaged"], summary["quarantined"]) == (0, [], 0)


def test_what_was_damaged_or_should_not_be_there_is_as_it_was(warm: WarmProcess, root: Path, filled: Path) -> None:
    """Flipped, cut and emptied files of every layer, a warehouse that cannot be read, dates that raw does not have."""
    paths = [path for layer in ("lake", "fhir") for path in sorted((root / layer).rglob("*.*")) if path.is_file()]
    for seed, path in enumerate(paths):
        match seed % 4:
            case 0:
                flip(path, seed)
            case 1:
                path.write_bytes(path.read_bytes()[: seed * 7])
            case 2:
                path.write_bytes(b"")
    for folder in (*root.glob("lake/sleep_*/date=2026-10-24"), *root.glob("fhir/*/date=2026-10-24")):
        shutil.copytree(folder, folder.with_name("date=2026-01-05"))
    flip(root / "warehouse.duckdb", 1)
    done = warm.nightshift(root, "rebuild")
    assert done.status == 0, done.err
    assert "1 date(s) of which raw has nothing any more were removed" in done.out
    assert "warehouse.duckdb.damaged" in done.err
    assert (root / "warehouse.duckdb.damaged").exists()
    assert_equal(root, filled)


def test_a_range_leaves_other_dates_alone(warm: WarmProcess, root: Path, filled: Path) -> None:
    """Only the dates given are built, with their month; a later rebuild of all sees to the rest."""
    first, second = sorted(root.glob("lake/sleep_hypnograms/date=*/*"))[:2]
    wanted, other = first.read_bytes(), second.read_bytes()
    first.write_bytes(other)
    second.write_bytes(wanted)
    day = first.parent.name.removeprefix("date=")
    done = warm.nightshift(root, "rebuild", "--from", day, "--to", day, "--json")
    assert done.status == 0, done.err
    assert json.loads(done.out)["dates"] == 1
    assert (first.read_bytes(), second.read_bytes()) == (wanted, wanted)
    assert warm.nightshift(root, "rebuild").status == 0
    assert_equal(root, filled)


def test_a_file_beside_the_range_that_cannot_be_read_is_built_with_it(
    warm: WarmProcess, root: Path, filled: Path
) -> None:
    """The month of the range is compared with all its dates, so each of them must be readable."""
    first, *_, last = sorted(root.glob("lake/sleep_sessions/date=*/*"))
    last.write_bytes(b"no Parquet")
    day = first.parent.name.removeprefix("date=")
    done = warm.nightshift(root, "rebuild", "--from", day, "--to", day, "--json")
    assert done.status == 0, done.err
    assert json.loads(done.out)["dates"] == 2
    assert_equal(root, filled)


@pytest.mark.parametrize(
    "failpoint",
    [
        "build.built:14",
        *(pytest.param(name, marks=pytest.mark.soak) for name in ("lake.replaced:3", "warehouse.loaded")),
    ],
)
def test_killed_and_started_again_it_finishes(failpoint: str, warm: WarmProcess, root: Path, filled: Path) -> None:
    """As if it had not been killed."""
    lose_everything(root)
    assert warm.nightshift(root, "rebuild", failpoint=failpoint).status == -signal.SIGKILL
    again = warm.nightshift(root, "rebuild")
    assert again.status == 0, again.err
    assert_equal(root, filled)


def test_a_damaged_raw_file_is_named_and_everything_else_is_built(
    warm: WarmProcess, small_world: str, root: Path, filled: Path
) -> None:
    """Date, kind and file, and nobody; its date stays dirty, all others have every layer; restored, it is built."""
    path = sorted((root / "raw/asleep/session").rglob("*.parquet"))[1]
    sound, day = path.read_bytes(), path.parent.name
    flip(path, 5)
    lose_everything(root)
    done = warm.nightshift(root, "rebuild", "--json")
    assert done.status == 1
    assert json.loads(done.out)["damaged"] == [
        {"document": "session", "date": day.removeprefix("date="), "file": path.name}
    ]
    assert "nightshift repair" in done.err
    truth = control(small_world, "truth")
    ids = [user["user_id"] for user in truth["users"]] + [s["id"] for user in truth["users"] for s in user["sessions"]]
    assert not [one for one in ids if one in done.out + done.err]
    wanted = {name for name in published_files(filled) if not name.startswith("raw") and "date=" in name}
    of_the_day = {name for name in wanted if day in name and "night_ledger" not in name}
    assert wanted - of_the_day <= published_files(root).keys()
    assert not of_the_day & published_files(root).keys()
    left = dirty(root)
    assert left.pop("marts")  # they are computed, without it
    assert {partition for partitions in left.values() for partition in partitions} == {day.removeprefix("date=")}
    others = [row for row in session_rows(filled) if f"date={row['start_time']:%Y-%m-%d}" != day]
    assert sorted(row["session_id"] for row in session_rows(root)) == sorted(row["session_id"] for row in others)
    path.write_bytes(sound)
    assert warm.nightshift(root, "rebuild").status == 0
    assert_equal(root, filled)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--from", "2026-13-01"], "--from: not a date like 2026-11-22"),
        (["--from", "2026-10-05", "--to", "2026-10-01"], "swap them"),
        (["--from", "2019-01-01"], "2020-01-01"),
    ],
)
def test_wrong_dates_are_wrong_usage(arguments: list[str], sentence: str, warm: WarmProcess, root: Path) -> None:
    """One sentence and exit code 2, before anything is marked."""
    done = warm.nightshift(root, "rebuild", *arguments)
    assert done.status == 2
    assert sentence in done.err
    assert dirty(root) == {}
