"""Average statistics reveal an analysis that left the list row alone: that session is fetched again, once."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from connectors.asleep.sandbox import World, running
from connectors.asleep.sandbox.answers import average_stats
from connectors.asleep.sandbox.variants import VARIANTS, applied
from connectors.asleep.sandbox.world import User
from connectors.home import Home
from connectors.state.ledger import put_sessions
from schemas.canonical import averaged_hashes
from schemas.documents import SESSION
from tests.assets.draining import drain
from tests.assets.homes import NOW, StandingClock
from tests.assets.raw.listened import Vendor
from tests.assets.raw.pulls import dirty, follow_everybody, kept

CHANGES_WHAT_IS_SHOWN = {"lean_slept_rows", "short_slept_rows", "without_lists"}
"""Variants in which statistics show other figures of a session than usual, or none."""


@pytest.fixture
def vendor(home: Home, clock: StandingClock) -> Iterator[Vendor]:
    """Two people with nights in the middle of a month, all of them pulled; nothing is dirty."""
    world = World(users=2, nights=7, now=NOW.replace(day=20))
    world.advance_to(world.now + timedelta(hours=1))
    clock.now = world.now
    with running(world) as base_url:
        vendor = Vendor(world, base_url, home, clock)
        follow_everybody(home, world)
        vendor.pull()
        assert vendor.report.counts.pending == 0
        clean(home)
        yield vendor


@pytest.fixture
def user(vendor: Vendor) -> User:
    """The first of them."""
    return next(vendor.world.users())


def clean(home: Home) -> None:
    """Have nothing dirty."""
    with home.state.write() as connection:
        connection.exec_driver_sql("DELETE FROM dirty_partitions")


def test_another_analysis_is_fetched_with_the_next_statistics(vendor: Vendor, home: Home, user: User) -> None:
    """The list does not tell of it. A new night has the month asked for, and that shows other figures of an old one."""
    old = user.sessions[2]
    vendor.world.reanalyse(user, old)
    assert vendor.pull().calls == {"list": 2}
    [new] = vendor.sleep(user)
    assert vendor.pull().calls == {"list": 2, "detail": 2, "stats": 1}
    assert vendor.listener.details() == sorted([old.id, new.id])
    listed = len(vendor.complete(user)) + len(vendor.complete(list(vendor.world.users())[1]))
    counts = vendor.report.counts
    assert (counts.new, counts.changed, counts.unchanged) == (1, 1, listed - 2)
    [document] = [d for d in kept(home, SESSION) if d.document.document_id == old.id]
    assert (document.revision, document.document.reason) == (2, "re_analysed")
    assert dirty(home, "sleep_sessions") == sorted({str(old.start.date()), str(new.start.date())})
    assert vendor.pull().calls == {"list": 2}


def test_what_the_statistics_showed_is_remembered(vendor: Vendor, user: User) -> None:
    """The next night costs its own calls alone; another analysis is seen as well as the first."""
    old = user.sessions[2]
    for analyses in range(2):
        vendor.world.reanalyse(user, old)
        vendor.sleep(user)
        assert vendor.pull().calls == {"list": 2, "detail": 2, "stats": 1}
        assert vendor.known(user.user_id)[old.id].revision == analyses + 2
        vendor.sleep(user)
        assert vendor.pull().calls == {"list": 2, "detail": 1, "stats": 1}


def test_only_nights_around_what_changed_are_accounted_for_again(vendor: Vendor, home: Home, user: User) -> None:
    """That statistics are remembered of thirty nights is no reason to build them."""
    vendor.pull()
    drain(home)
    known = vendor.known(user.user_id)
    assert sum(seen.averaged_hash is not None for seen in known.values()) > 5
    with home.state.write() as connection:
        put_sessions(connection, [replace(seen, averaged_hash=None) for seen in known.values()])
    [new] = vendor.sleep(user)
    assert vendor.pull().calls == {"list": 2, "detail": 1, "stats": 1}
    assert known.items() <= vendor.known(user.user_id).items()
    assert dirty(home, "sleep_sessions") == [str(new.start.date())]
    around = [str(new.start.date() + timedelta(days=number)) for number in (-1, 0, 1)]
    assert set(dirty(home, "night_ledger")) <= set(around)


def test_a_detail_that_is_unchanged_after_all_costs_one_call(vendor: Vendor, home: Home, user: User) -> None:
    """The statistics were computed anew, the night was not."""
    known = vendor.known(user.user_id)[user.sessions[2].id]
    with home.state.write() as connection:
        put_sessions(connection, [replace(known, averaged_hash="of another time")])
    vendor.sleep(user)
    assert vendor.pull().calls == {"list": 2, "detail": 2, "stats": 1}
    assert vendor.report.counts.changed == 0
    assert vendor.known(user.user_id)[known.session_id] == known
    vendor.sleep(user)
    assert vendor.pull().calls == {"list": 2, "detail": 1, "stats": 1}


def test_every_pull_of_statistics_reveals(vendor: Vendor, user: User) -> None:
    """Also one of months alone; the changed night's own month need not be asked for once more."""
    vendor.world.reanalyse(user, user.sessions[2])
    vendor.listen()
    report = vendor.puller.pull_months(vendor.clock.now.date().replace(day=1))
    assert vendor.puller.calls == {"stats": 2, "detail": 1}
    assert (report.counts.changed, report.counts.unchanged) == (1, 0)
    assert report.dirty_days == {user.sessions[2].start.date()}
    assert vendor.pull().calls == {"list": 2}


def test_a_pull_that_dies_before_its_state_is_written_is_simply_run_again(
    vendor: Vendor, home: Home, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the night nor what was remembered is lost, and nothing is there twice."""

    def die(name: str) -> None:
        if name == "pull.before_commit":
            raise KeyboardInterrupt

    old = user.sessions[2]
    vendor.world.reanalyse(user, old)
    vendor.sleep(user)
    before = vendor.known(user.user_id)
    with monkeypatch.context() as patch:
        patch.setattr("assets.raw.committing.failpoint", die)
        with pytest.raises(KeyboardInterrupt):
            vendor.pull()
    after = vendor.known(user.user_id)  # the new night waits there, in case that it is deleted before the next pull
    assert {name: after[name] for name in before} == before
    assert vendor.pull().calls == {"list": 2, "detail": 2, "stats": 1}
    [document] = [d for d in kept(home, SESSION) if d.document.document_id == old.id]
    assert (document.revision, vendor.known(user.user_id)[old.id].revision) == (2, 2)
    assert vendor.pull().calls == {"list": 2}


def test_a_detail_that_fails_is_asked_for_by_the_next_pull(vendor: Vendor, user: User) -> None:
    """The statistics will not be asked for again, so that the session waits instead."""
    old = user.sessions[2]
    vendor.world.reanalyse(user, old)
    vendor.sleep(user)
    vendor.missing = {old.id}
    vendor.pull()
    assert vendor.report.failed == {"session_not_found": 1}
    assert (vendor.report.counts.new, vendor.known(user.user_id)[old.id].verdict) == (1, "pending")
    vendor.missing = set()
    assert vendor.pull().calls["detail"] == 1
    assert (vendor.report.counts.changed, vendor.known(user.user_id)[old.id].revision) == (1, 2)
    vendor.sleep(user)
    assert vendor.pull().calls == {"list": 2, "detail": 1, "stats": 1}


@pytest.mark.parametrize("name", sorted(CHANGES_WHAT_IS_SHOWN - {"lean_slept_rows"}))
def test_statistics_without_figures_reveal_nothing_and_forget_nothing(vendor: Vendor, user: User, name: str) -> None:
    """Ids alone say nothing about an analysis; once figures are there again it is seen."""
    vendor.world.reanalyse(user, user.sessions[2])
    vendor.world.set_variants([name])
    vendor.sleep(user)
    assert vendor.pull().calls == {"list": 2, "detail": 1, "stats": 1}
    vendor.world.set_variants([])
    vendor.sleep(user)
    assert vendor.pull().calls == {"list": 2, "detail": 2, "stats": 1}


def test_another_form_of_the_statistics_is_no_analysis() -> None:
    """Units, names, offsets, absent or null: every documented form shows the same analyses."""
    now = NOW.replace(day=20)
    user = next(World(users=1, nights=7, now=now).users())
    result = average_stats(user, user.sessions, now.date().replace(day=1), now.date(), ZoneInfo("Asia/Seoul"))
    usual = {"detail": "OK", "result": result}
    shown = averaged_hashes(json.dumps(usual).encode())
    assert len(shown) > 5
    for name in VARIANTS.keys() - CHANGES_WHAT_IS_SHOWN:
        other = averaged_hashes(json.dumps(applied([name], "stats", usual)).encode())
        assert (name, other) == (name, shown)


def test_a_vendor_that_writes_its_answers_in_another_way_costs_nothing_more(vendor: Vendor, user: User) -> None:
    """Not a detail of a night that was not analysed again."""
    vendor.world.set_variants(["percent_efficiency", "three_decimals", "z_offsets", "absent_for_null"])
    vendor.sleep(user)
    assert vendor.pull().calls == {"list": 2, "detail": 1, "stats": 1}
