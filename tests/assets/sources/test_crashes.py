"""A run that is killed anywhere and started again ends as one that was not, whichever source it is."""

import re
from datetime import timedelta
from pathlib import Path

import pytest

import assets
import connectors
from tests.assets.sources.conftest import MakeRig, long_for_one_source
from tests.assets.sources.judging import everything_wrong, unlike
from tests.assets.sources.source_rig import SourceRig

ROOMS = [Path(assets.__path__[0]), Path(connectors.__path__[0])]
ON_THE_WAY = (
    *("assets/raw/committing.py", "assets/builds.py", "connectors/lake/raw.py", "connectors/lake/publish.py"),
    *("connectors/lake/tables.py", "connectors/lake/fhir.py", "connectors/warehouse/duckdb.py"),
)
"""The modules through which every run goes from the vendor's answer to the warehouse."""

FAILPOINTS = [
    name
    for module in ON_THE_WAY
    for name in re.findall(r'failpoint\("(.+?)"\)', (ROOMS[0].parent / module).read_text())
]

IN_EVERY_RUN = {"pull.raw_durable": 1, "build.built": 12}
"""Where a run is killed in every run of the suite, and at which passage."""


def changed(rig: SourceRig) -> SourceRig:
    """A home that was filled, and a vendor where since then sessions came, changed, moved and vanished."""
    rig.run()
    rig.late(0, 6)
    rig.analyse_again(1)
    rig.move_start(2)
    rig.delete(3)
    rig.new_night(1)
    rig.move_on(timedelta(hours=2))
    return rig


def undisturbed(rig: SourceRig, folder: Path) -> tuple[Path, Path]:
    """The home as it is, and what two runs that nobody kills make of it.

    What is made of the sessions learns of a deletion once they are deleted, so that there are two.
    """
    before, after = rig.copy_home(folder / "before"), rig.copy_home(folder / "after")
    rig.move_into(after)
    rig.run()
    rig.run()
    assert everything_wrong(rig) == []
    return before, after


def die_and_begin_again(rig: SourceRig, root: Path, failpoint: str) -> bool:
    """Kill a run at a failpoint and run again, twice; False when there was no such passage."""
    rig.move_into(root)
    if not rig.run_and_kill(failpoint):
        return False
    rig.run()
    rig.run()
    assert everything_wrong(rig) == [], failpoint
    return True


@long_for_one_source
def test_killed_runs_started_again_end_with_the_same_bytes(rig: SourceRig, tmp_path: Path) -> None:
    """Nothing is lost, doubled or left over: a few places in every run."""
    before, after = undisturbed(changed(rig), tmp_path)
    for failpoint, passage in IN_EVERY_RUN.items():
        rig.move_into(before)
        root = rig.copy_home(tmp_path / failpoint)
        assert die_and_begin_again(rig, root, f"{failpoint}:{passage}")
        assert unlike(rig, after) == [], failpoint


@pytest.mark.soak
@pytest.mark.parametrize("failpoint", FAILPOINTS)
def test_a_run_killed_at_any_passage_ends_with_the_same_bytes(
    failpoint: str, make_rig: MakeRig, tmp_path: Path
) -> None:
    """Every failpoint from the pull to the warehouse, at the first passage, some in the midst and the last."""
    rig = make_rig(loads=True)
    before, after = undisturbed(changed(rig), tmp_path)
    died = 0
    for passage in (1, 2, 3, 5, 8, 13, 21, 34, 55):
        rig.move_into(before)
        root = rig.copy_home(tmp_path / f"{failpoint}-{passage}")
        if not die_and_begin_again(rig, root, f"{failpoint}:{passage}"):
            break
        assert unlike(rig, after) == [], f"{failpoint}:{passage}"
        died += 1
    assert died
