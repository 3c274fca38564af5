"""Answers in any of the forms that a vendor is known to give make the same lake, but for what the form is about."""

from pathlib import Path

import pytest

from assets.sources.known import SOURCES
from tests.assets.engine.pictures import Row
from tests.assets.sources.conftest import MakeRig
from tests.assets.sources.counting import built_again, drift_of
from tests.assets.sources.judging import FETCHED, rows_without
from tests.assets.sources.rigs import RIGS
from tests.assets.sources.source_rig import PLAIN, SourceRig, Variant

OF_TRANSPORT = FETCHED | {"content_hash"}
EVERY_ONE = [(source, name) for source in SOURCES for name in RIGS[source].VARIANTS]


def usual(rig: SourceRig, folder: Path) -> tuple[Path, dict[str, list[Row]]]:
    """A home before its first run, and the rows that the usual answers make of it."""
    before = rig.copy_home(folder / "before")
    rig.run()
    return before, rows_without(rig, OF_TRANSPORT)


def see(rig: SourceRig, home: Path, rows: dict[str, list[Row]], variant: Variant, *names: str) -> None:
    """Run on a new home while the vendor answers in these variants, and compare."""
    rig.move_into(home)
    rig.set_variants(*names)
    report = rig.run().report
    assert report.complete is not variant.fails, names
    built = built_again(rig.home, rig.source)
    assert (built.quarantined, built.waiting, built.deleted) == (0, 0, 0)
    assert variant.drift <= drift_of(built), names
    assert variant is not PLAIN or not drift_of(built), names
    assert changed(rows, rows_without(rig, OF_TRANSPORT)) <= variant.columns, names


def changed(usual: dict[str, list[Row]], varied: dict[str, list[Row]]) -> set[str]:
    """The columns with another value in some row, as ``table.column``; the rows must be the same ones."""
    assert {table: len(rows) for table, rows in usual.items()} == {table: len(rows) for table, rows in varied.items()}
    return {
        f"{table}.{column}"
        for table, rows in usual.items()
        for mine, theirs in zip(rows, varied[table], strict=True)
        for column in mine
        if mine[column] != theirs[column]
    }


def test_variants_of_form_alone_all_at_once_change_nothing(lake_rig: SourceRig, tmp_path: Path) -> None:
    """Not a value of a row, and no difference is noted."""
    before, rows = usual(lake_rig, tmp_path)
    lake_rig.move_into(before)
    names = [name for name, one in lake_rig.VARIANTS.items() if one is PLAIN]
    see(lake_rig, lake_rig.copy_home(tmp_path / "varied"), rows, PLAIN, *names)


@pytest.mark.soak
@pytest.mark.parametrize(("source", "name"), EVERY_ONE)
def test_a_variant_changes_what_it_is_about_and_nothing_else(
    source: str, name: str, make_rig: MakeRig, tmp_path: Path
) -> None:
    """Documents in are rows; what differs from the documentation is noted."""
    rig = make_rig()
    before, rows = usual(rig, tmp_path)
    rig.move_into(before)
    see(rig, rig.copy_home(tmp_path / "varied"), rows, rig.VARIANTS[name], name)
