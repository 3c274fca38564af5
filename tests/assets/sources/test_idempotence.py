"""Doing it again changes nothing, whichever source it is: a home as it is, made again from raw, or filled at once."""

import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from assets.builds import mark_missing_layers_dirty
from assets.raw.pull import Window
from assets.sources.known import SOURCES
from connectors.errors import NightshiftError
from tests.assets.engine.pictures import marks_of
from tests.assets.sources.conftest import MakeRig
from tests.assets.sources.judging import everything_wrong, published, rows_without
from tests.assets.sources.rigs import RIGS
from tests.assets.sources.source_rig import SourceRig


def test_every_source_has_a_rig() -> None:
    """So that nobody can add a source that these suites do not know."""
    assert RIGS.keys() == SOURCES.keys()
    assert all(rig.source == name for name, rig in RIGS.items())


def test_the_same_again_asks_for_nothing_known_and_touches_no_file(rig: SourceRig) -> None:
    """Neither after the first run nor after one that has found changes."""
    rig.run()
    for changes in (False, True):
        if changes:
            rig.analyse_again(1)
            rig.delete(2)
            rig.move_on(timedelta(minutes=5))
            rig.run()
            rig.run()  # what is made of the sessions learns of a deletion once they are deleted
        assert everything_wrong(rig) == []
        before = marks_of(rig.root)
        again = rig.run()
        assert (again.calls, again.files, again.report.documents) == (rig.least_calls(), 0, 0)
        assert marks_of(rig.root) == before


def test_a_lake_made_again_from_raw_is_the_same_byte_for_byte(rig: SourceRig, tmp_path: Path) -> None:
    """After an eventful life: everything that is built is deleted and made again; nobody is asked."""
    live_eventfully(rig)
    before, calls = published(rig.root, "lake", "fhir"), rig.calls_so_far.total()
    for layer in ("lake", "fhir"):
        shutil.rmtree(rig.root / layer)
    (rig.root / "warehouse.duckdb").unlink()
    mark_missing_layers_dirty(rig.home, warehouse_exists=False)
    rig.drain()
    made = published(rig.root, "lake", "fhir")
    assert {name: made.get(name) for name in before} == before
    assert rig.calls_so_far.total() == calls
    assert everything_wrong(rig) == []


def test_a_home_filled_at_once_is_one_filled_night_by_night(make_rig: MakeRig) -> None:
    """But for the times at which something came."""
    nightly, at_once = make_rig("nightly", nights=1), make_rig("at once", nights=1)
    first = nightly.window.first
    for _ in range(2):
        for one in (nightly, at_once):
            one.new_night(0)
            one.move_on(timedelta(hours=1))
        nightly.run(Window(first, nightly.today))
    at_once.run(Window(first, at_once.today))
    assert everything_wrong(nightly) == everything_wrong(at_once) == []
    assert rows_without(nightly) == rows_without(at_once)


def live_eventfully(rig: SourceRig) -> None:
    """Runs with all that can happen between them."""
    rig.run()
    for number, change in enumerate((rig.analyse_again, rig.move_start, rig.delete, rig.in_progress)):
        change(number)
        rig.move_on(timedelta(minutes=5))
    rig.run()
    rig.move_on(timedelta(hours=12))
    rig.run()
    assert everything_wrong(rig) == []


def test_what_the_vendor_forgot_all_at_once_stays(lake_rig: SourceRig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pull stops in words, nothing is deleted; once the vendor remembers, all is as it was."""
    monkeypatch.setattr("assets.raw.deletions.FEW", 2)
    lake_rig.run()
    before = rows_without(lake_rig)
    with lake_rig.forgetful(), pytest.raises(NightshiftError, match="none was deleted"):
        lake_rig.run()
    lake_rig.run()
    assert rows_without(lake_rig) == before
    assert everything_wrong(lake_rig) == []
