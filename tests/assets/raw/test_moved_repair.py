"""Repairs where a session has moved: whichever file was damaged, it is under one date afterwards, with its number."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from assets.raw.repair import RepairReport
from connectors.lake.damage import find_damaged
from connectors.lake.raw import MOVED, read_file
from schemas.documents import SESSION
from tests.assets.engine.disk import unawaited_disk
from tests.assets.raw.moves import AFTER, BACK, BEFORE, EARLIER, Moving, moving_in, synced_home, wrong, wrong_places
from tests.assets.raw.repairs import Repairer, damage, raw_files

A, B, C = (f"date={start:%Y-%m-%d}" for start in (BEFORE, AFTER, EARLIER))


@pytest.fixture(scope="module")
def synced(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which the session has moved."""
    with unawaited_disk():
        return synced_home(tmp_path_factory.mktemp("synced"), BEFORE, AFTER)


@pytest.fixture
def moving(tmp_path: Path, synced: Path) -> Iterator[Moving]:
    """A session that was kept under 1 November and has moved to the 2nd."""
    with unawaited_disk(), moving_in(tmp_path, synced) as moving:
        moving.has_synced(BEFORE, AFTER)
        yield moving


def files(moving: Moving, day: str, *, notes: bool) -> list[Path]:
    """The files of a date that hold notes of moves, or those that hold answers."""
    found = []
    for path in raw_files(moving.rig.home, SESSION):
        if path.parent.name == day:
            (document,) = read_file(path, BEFORE.date())
            if (document.status == MOVED) is notes:
                found.append(path)
    return found


def repaired(moving: Moving, *paths: Path) -> RepairReport:
    """Damage these files, repair, and build what is dirty."""
    for path in paths:
        damage(path, 3)
    moving.rig.move_on(AFTER - BEFORE)
    report = Repairer(moving.rig.home, moving.rig.base_url).repair()
    moving.rig.drain()
    assert find_damaged(moving.rig.home.raw, EARLIER.date(), AFTER.date()) == []
    return report


@pytest.mark.parametrize(
    "days",
    [
        pytest.param([A], id="old", marks=pytest.mark.soak),
        pytest.param([B], id="new", marks=pytest.mark.soak),
        pytest.param([A, B], id="both"),
    ],
)
def test_a_note_that_is_lost_is_written_again(moving: Moving, days: list[str]) -> None:
    """From the other date, or as the ledger knows it: the session is not under two dates, and nothing is asked for."""
    before = moving.told()
    report = repaired(moving, *(path for day in days for path in files(moving, day, notes=True)))
    assert (report.restored, report.versions_lost, report.unknown) == (0, 0, [])
    assert wrong(moving) == []
    assert moving.told() == before
    assert moving.rig.rebuild() == 0


def test_the_answer_under_the_new_date_is_fetched_again(moving: Moving) -> None:
    """With its number and its time; the history is as it was."""
    before = moving.versions()
    report = repaired(moving, *files(moving, B, notes=False))
    assert (report.restored, report.versions_lost, report.unknown) == (1, 0, [])
    assert moving.versions() == before
    assert moving.rig.rebuild() == 0


def test_the_version_under_the_old_date_is_lost_and_said_to_be(moving: Moving) -> None:
    """The vendor has it no longer; the one that counts keeps its number."""
    report = repaired(moving, *files(moving, A, notes=False))
    assert (report.restored, report.versions_lost, report.unknown) == (0, 1, [])
    assert [revision for revision, _, _ in moving.told()] == [2]
    assert list(wrong_places(moving, moving.session)) == []
    assert moving.rig.rebuild() == 0


def test_a_compacted_file_with_everything_of_a_date_is_repaired(moving: Moving) -> None:
    """The note and the version before it in one file: the session stays where it is."""
    moving.compact()
    report = repaired(moving, *(path for path in raw_files(moving.rig.home, SESSION) if path.parent.name == A))
    assert (len(report.set_aside), report.versions_lost, report.unknown) == (1, 1, [])
    assert list(wrong_places(moving, moving.session)) == []
    moving.move(BACK)
    moving.sync()
    assert list(wrong_places(moving, moving.session)) == []
    assert [revision for revision, _, _ in moving.told()] == [2, 3]


def test_what_has_moved_on_since_is_kept_under_its_new_date(moving: Moving) -> None:
    """The next sync does all that belongs to a change, and finds nothing more to keep."""
    moving.move(EARLIER)
    report = repaired(moving, *files(moving, B, notes=False))
    assert report.newer == 1
    assert list(wrong_places(moving, moving.session)) == []
    moving.sync()
    assert list(wrong_places(moving, moving.session)) == []
    assert moving.known() == replace(moving.known(), partition=EARLIER.date(), revision=3, verdict="complete")
    assert len(files(moving, C, notes=False)) == 2
    assert [revision for revision, _, _ in moving.told()] == [1, 3]


def test_without_a_ledger_a_date_with_notes_is_unknown_too(moving: Moving) -> None:
    """A note says that something was here, and not what it was."""
    home = moving.rig.home
    damage(files(moving, A, notes=False)[0], 3)
    home.state.close()
    for file in home.root.glob("state.db*"):
        file.unlink()
    report = Repairer(home, moving.rig.base_url).repair()
    assert (len(report.left), len(report.unknown), report.set_aside) == (1, 1, [])
