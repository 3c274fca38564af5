"""Compacting raw changes no document: what is built from it afterwards is the same, byte by byte."""

import json
import shutil
import signal
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from assets.builds import mark_users_dirty
from connectors.home import Home
from connectors.lake.raw import CurrentDocument, RawStore
from connectors.state.roster import RosterUser, list_users, put_users, remove_user
from schemas.asleep import ASLEEP
from tests.system.conftest import Outcome, WarmProcess, new_home, published_files, warehouse_rows, warm_process

BEFORE = ("--before", "2026-10-27")


@pytest.fixture(scope="module")
def filled(warm: WarmProcess, small_world: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home to which other users came later, so that every date has some files; tests must not change it."""
    root = new_home(tmp_path_factory.mktemp("filled") / "home", small_world)
    everybody = take_off_all_but_one(root)
    for users in (everybody[:1], everybody):
        follow(root, users)
        assert warm.sync(root, small_world).status == 0
    return root


def take_off_all_but_one(root: Path) -> list[RosterUser]:
    """Leave one user on the roster; everybody who was."""
    home = Home(root)
    with home.state.write() as connection:
        everybody = list_users(connection)
        for user in everybody[1:]:
            remove_user(connection, ASLEEP, user.user_id)
    home.state.close()
    return everybody


def follow(root: Path, users: Sequence[RosterUser]) -> None:
    """Put users on the roster."""
    home = Home(root)
    with home.state.write() as connection:
        put_users(connection, users)
        mark_users_dirty(connection)
    home.state.close()


def raw_files(root: Path) -> list[Path]:
    """The files of raw."""
    return sorted(path for path in (root / "raw").rglob("*") if path.is_file())


def built_again(warm: WarmProcess, root: Path) -> dict[str, bytes]:
    """Every file of lake and fhir, made from nothing but what raw holds now."""
    for name in ("lake", "fhir"):
        shutil.rmtree(root / name)
    (root / "warehouse.duckdb").unlink()
    done = warm.nightshift(root, "rebuild")
    assert done.status == 0, done.err
    return layers(root)


def layers(root: Path) -> dict[str, bytes]:
    """Every file of lake and fhir."""
    return {name: content for name, content in published_files(root).items() if not name.startswith("raw")}


def documents(root: Path) -> list[list[CurrentDocument]]:
    """Every version of every document of raw."""
    raw = RawStore(root / "raw")
    return [found for f in raw.folders() for found in raw.versions(f.source, f.document, f.date)]


def test_after_a_compaction_everything_is_built_as_before(warm: WarmProcess, root: Path, filled: Path) -> None:
    """One file a kind and date; it says how many files and bytes there were and are, and does nothing twice."""
    before = raw_files(root)
    sizes = sum(path.stat().st_size for path in before)
    expected = warm.nightshift(root, "compact", *BEFORE, "--dry-run", "--json")
    assert raw_files(root) == before
    done = warm.nightshift(root, "compact", *BEFORE, "--json")
    assert (done.status, done.err) == (0, "")
    summary = json.loads(done.out)
    assert {**json.loads(expected.out), "dry_run": False, "seconds": summary["seconds"]} == summary
    after = raw_files(root)
    of_today = [path for path in before if path.parent.name >= "date=2026-10-27"]
    folders = {path.parent for path in before}
    assert len(after) == len(folders - {path.parent for path in of_today}) + len(of_today)
    assert summary["files"] == {"before": len(before) - len(of_today), "after": len(after) - len(of_today)}
    assert sizes - summary["bytes"]["before"] == sum(path.stat().st_size for path in of_today)
    assert built_again(warm, root) == layers(filled)
    assert warehouse_rows(root) == warehouse_rows(filled)
    again = json.loads(warm.nightshift(root, "compact", *BEFORE, "--json").out)
    assert again["files"] == {"before": summary["files"]["after"], "after": summary["files"]["after"]}
    assert raw_files(root) == after


def test_only_dates_that_are_over_for_days_are_compacted(warm: WarmProcess, root: Path) -> None:
    """Without --before three days must have gone by; a date in the future is wrong usage."""
    warm.nightshift(root, "compact")
    files = {path.parent.name: len(list(path.parent.iterdir())) for path in raw_files(root)}
    assert {day for day, number in files.items() if number > 1 and day >= "date=2026-10-24"}
    assert {number for day, number in files.items() if day < "date=2026-10-24"} == {1}
    wrong = warm.nightshift(root, "compact", "--before", "2026-10-28")
    assert (wrong.status, "in the future" in wrong.err) == (2, True)


@pytest.mark.parametrize("failpoint", ["compaction.merged:2", "compaction.removed:3"])
def test_killed_and_run_again_nothing_is_lost_and_nothing_twice(
    failpoint: str, warm: WarmProcess, root: Path, filled: Path
) -> None:
    """In between there are the same versions of the same documents, and after the next compaction, too."""
    number = len(raw_files(root))
    assert warm.nightshift(root, "compact", *BEFORE, failpoint=failpoint).status == -signal.SIGKILL
    assert documents(root) == documents(filled)
    assert warm.nightshift(root, "compact", *BEFORE).status == 0
    assert len(raw_files(root)) < number
    assert documents(root) == documents(filled)


def test_beside_a_running_sync_every_document_is_kept(
    warm: WarmProcess, small_world: str, filled: Path, tmp_path: Path
) -> None:
    """Compactions one after the other while users are pulled into dates that are there: all is right."""
    root = new_home(tmp_path / "home", small_world)
    everybody = take_off_all_but_one(root)
    assert warm.sync(root, small_world).status == 0
    follow(root, everybody)
    ended: list[Outcome] = []
    sync = threading.Thread(target=lambda: ended.append(warm.sync(root, small_world)))
    with warm_process(tmp_path) as other:
        sync.start()
        while sync.is_alive():
            assert other.nightshift(root, "compact", *BEFORE).status == 0
            sync.join(0.3)  # leaves the sync the processor now and then
    sync.join()
    assert [outcome.status for outcome in ended] == [0], ended[0].err
    assert layers(root) == layers(filled)
    assert documents(root) == documents(filled)


def test_one_at_a_time_may_move_raw_files(warm: WarmProcess, root: Path) -> None:
    """A compaction beside another, or beside a repair, says so and does nothing."""
    before = raw_files(root)
    with Home(root).lock("raw-upkeep"):
        for command in ("compact", "repair"):
            done = warm.nightshift(root, command)
            assert done.status == 1
            assert "Another repair or compaction of this home is running" in done.err
    assert raw_files(root) == before
