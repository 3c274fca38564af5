"""Damaged raw files of a bed: sessions and scored nights are fetched again; polls cannot be, and are said to be so."""

import asyncio
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from assets.raw.bed_status import poll_beds, record_status
from assets.raw.repair import RepairReport, repair
from connectors.lake.damage import find_damaged
from schemas.documents import AVERAGE_STATS, BED_STATUS, SESSION, TREND
from schemas.eight_sleep import EIGHT_SLEEP
from tests.assets.draining import drain
from tests.assets.homes import new_home
from tests.assets.raw.repairs import damage
from tests.pipelines.household import Household, household


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Household]:
    """A home of phone and bed with one poll of the bed; tests must not change it."""
    with household(tmp_path_factory.mktemp("filled") / "home", nights=3) as people:
        people.pull()
        polls, _ = asyncio.run(poll_beds(people.accounts.connections))
        assert record_status(people.home, polls) == 1
        drain(people.home)
        yield people


@contextmanager
def copy_of(filled: Household, folder: Path) -> Iterator[Household]:
    """The same home again, to be damaged."""
    shutil.copytree(filled.home.root, folder / "home")
    with new_home(folder / "home", filled.clock) as home:
        yield replace(filled, home=home)


@pytest.fixture
def people(filled: Household, tmp_path: Path) -> Iterator[Household]:
    """A copy of the filled home."""
    with copy_of(filled, tmp_path) as people:
        yield people


def raw_files(people: Household, kind: str) -> list[Path]:
    """The files of the bed that are read."""
    return sorted((people.home.root / "raw" / EIGHT_SLEEP / kind).glob("date=*/*.parquet"))


def tables(people: Household) -> dict[str, bytes]:
    """Every file of the lake."""
    lake = people.home.root / "lake"
    return {str(path.relative_to(lake)): path.read_bytes() for path in sorted(lake.rglob("*.parquet"))}


def repaired(people: Household, *, accept_deletions: bool = False) -> RepairReport:
    """Repair what is damaged of the bed."""

    async def run() -> RepairReport:
        accounts = people.accounts
        damaged = find_damaged(people.home.raw, date.min, date.max)
        async with accounts.open() as vendor:
            return await repair(people.home, vendor, accounts.account(), damaged, accept_deletions=accept_deletions)

    return asyncio.run(run())


@pytest.mark.parametrize(("kind", "table"), [(SESSION, "bed_samples"), (TREND, "bed_nights")])
def test_what_the_vendor_still_tells_is_fetched_again(kind: str, table: str, people: Household) -> None:
    """The damaged files are set aside, everything is as it was, and built again it makes the same tables."""
    before = tables(people)
    for number, path in enumerate(raw_files(people, kind)):
        damage(path, number)
    report = repaired(people)
    assert (report.missing, report.newer, report.versions_lost, report.left) == (0, 0, 0, [])
    assert report.restored >= len(report.set_aside) > 0
    shutil.rmtree(people.home.root / "lake" / table)
    drain(people.home)
    assert tables(people) == before
    assert find_damaged(people.home.raw, date.min, date.max) == []


@pytest.mark.parametrize("accept", [False, True])
def test_a_night_that_the_vendor_has_no_longer_is_given_up_only_if_told_so(accept: bool, people: Household) -> None:
    """The session is lost and its file stays, or it is deleted here, too; a bed owes no statistics of a month."""
    path = raw_files(people, SESSION)[0]
    user_ids = [sleeper.user_id for sleeper in people.beds.accounts()]
    told = {stay.whole.id for one in user_ids for stay in people.beds.nights_of(one).told(people.clock())}
    damage(path, 1)
    for one in user_ids:
        people.beds.forget(one)
    try:
        report = repaired(people, accept_deletions=accept)
    finally:
        people.beds.forgotten.clear()
    assert told
    assert bool(report.deleted) is accept
    assert bool(report.lost) is not accept
    assert bool(report.left) is not accept
    with people.home.state.read() as connection:
        kinds = connection.exec_driver_sql("SELECT DISTINCT document FROM documents WHERE source = 'eight_sleep'")
        assert AVERAGE_STATS not in set(kinds.scalars())


def test_polls_are_lost_and_stay_until_they_are_given_up(people: Household) -> None:
    """Nobody can ask again what a bed said then: the file stays as it is, then goes aside, and its date is built."""
    (path,) = raw_files(people, BED_STATUS)
    evidence = damage(path, 5)
    report = repaired(people)
    assert (report.polls, report.lost, report.deleted, len(report.left)) == (1, 1, 0, 1)
    assert path.read_bytes() == evidence
    report = repaired(people, accept_deletions=True)
    assert (report.polls, report.lost, report.deleted, len(report.set_aside)) == (1, 0, 1, 1)
    assert path.with_name(f"{path.name}.damaged").read_bytes() == evidence
    drain(people.home)
    assert not any(name.startswith("bed_status") for name in tables(people))
