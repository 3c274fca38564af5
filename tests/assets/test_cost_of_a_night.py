"""What a night costs when nothing, or one thing, is new: calls at the vendor, and files that are touched.

Nights are in the middle of a month, where a session can be in the statistics of no other month.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random

import pytest

from assets.raw.pulled import Known
from assets.raw.user_pull import SWEEP, SWEEP_AGE, SWEPT, is_sweep_due
from connectors.asleep.sandbox import World
from connectors.state.ledger import LedgerDocument
from connectors.state.roster import RosterUser
from schemas.asleep import ASLEEP
from tests.assets.engine.disk import unawaited_disk
from tests.assets.engine.pictures import Mark, marks_of
from tests.assets.engine.rig import Rig, empty_home
from tests.assets.engine.short_nights import ZONE, ShortNight, ShortNights
from tests.assets.homes import StandingClock, follow, new_home
from tests.assets.raw.pulls import Puller

NOW = datetime(2026, 11, 15, 6, 0, tzinfo=UTC)
LOOK_BACK = timedelta(days=35)
MOST_A_DAY = 1.5
"""So many times the even share of users may be swept on one day."""

crowds = pytest.mark.parametrize("users", [12, pytest.param(1_000, marks=pytest.mark.soak)])


@contextmanager
def settled(users: int, folder: Path) -> Iterator[Rig]:
    """A crowd with two nights each, of which everything is pulled and built."""
    with unawaited_disk():
        rig = Rig(World(users=users, nights=2, seed=3, now=NOW), folder, empty_home(folder / "empty"))
        try:
            sync(rig)
            rig.move_on(timedelta(days=1))  # what was in progress is complete
            sync(rig)
            yield rig
        finally:
            rig.close()


def sync(rig: Rig) -> Counter[str]:
    """The nightly run; its calls."""
    log, report, _ = rig.run(rig.today - LOOK_BACK, rig.today)
    assert report.complete
    return log.calls


def touched(rig: Rig, before: dict[str, Mark]) -> set[str]:
    """The files that were written, made or removed since."""
    after = marks_of(rig.root)
    return {name for name in before | after if before.get(name) != after.get(name)}


@crowds
def test_a_night_without_news_costs_one_list_call_a_user(users: int, tmp_path: Path) -> None:
    """And no other call; no file is touched but the ledger of nights that are over since."""
    with settled(users, tmp_path) as rig:
        before = marks_of(rig.root)
        rig.move_on(timedelta(minutes=5))
        assert sync(rig) == {"list": users}
        assert touched(rig, before) == set()
        rig.move_on(timedelta(days=1))
        assert sync(rig) == {"list": users}
        nights = {name for name in touched(rig, before) if name.startswith("lake/night_ledger/")}
        # Noon of the zones of this world is not the same moment, so that of two nights some users have ended theirs.
        assert 1 <= len(nights) <= 3
        assert touched(rig, before) == nights | {"warehouse.duckdb"}


@crowds
def test_one_changed_session_costs_one_detail_and_one_statistics_call(users: int, tmp_path: Path) -> None:
    """Only the partitions that it is in are written."""
    with settled(users, tmp_path) as rig:
        session = next(s for s in list(rig.world.users())[users // 2].sessions if s.plan.kind == "main")
        session.plan = replace(session.plan, end=session.plan.end - timedelta(minutes=2))
        assert session.analyse_again()
        before = marks_of(rig.root)
        rig.move_on(timedelta(minutes=5))
        assert sync(rig) == {"list": users, "detail": 1, "stats": 1}
        files = touched(rig, before) - {"warehouse.duckdb"}
        day, night = session.start.date(), session.plan.night_of
        assert {part for name in files for part in name.split("/") if "=" in part} == {
            *(f"date={day}", f"date={night}", f"date={rig.today}", f"month={NOW:%Y-%m}", f"date={NOW:%Y-%m}-01")
        }
        # A page of the list is kept under the day it came; statistics under the first of their month.
        places = {name.rpartition("/")[0] for name in files if name.startswith("raw/")}
        assert places == {
            f"raw/asleep/session/date={day}",
            f"raw/asleep/session_list/date={rig.today}",
            f"raw/asleep/average_stats/date={NOW:%Y-%m}-01",
        }
        rig.move_on(timedelta(minutes=5))
        assert sync(rig) == {"list": users}


@crowds
def test_the_whole_history_of_every_user_is_listed_once_in_thirty_days(users: int, tmp_path: Path) -> None:
    """In place of the usual list call, so that it costs none; a thirtieth of the users a day."""
    clock = StandingClock(NOW)
    nights = [old_night(number) for number in range(users)]
    with unawaited_disk(), new_home(tmp_path / "home", clock) as home:
        vendor = ShortNights(nights, clock)
        follow(home, *(RosterUser(ASLEEP, user_id, timezone=ZONE.key) for user_id in vendor.user_ids))
        puller = Puller(home, transport=vendor.transport)
        puller.pull(nights[0].day, clock().date())
        rng = Random(1)  # noqa: S311 - no secret
        swept: list[Counter[str]] = []
        for _ in range(SWEEP_AGE.days):
            clock.advance(days=1, seconds=rng.randrange(-60, 60))  # no two nights are of the same length
            swept.append(a_nights_sweep(puller, vendor))
        assert sum(swept, Counter[str]()) == dict.fromkeys(vendor.user_ids, 1)
        assert_spread([len(day) for day in swept], users)


def a_nights_sweep(puller: Puller, vendor: ShortNights) -> Counter[str]:
    """Pull as every night; whose list began before the look-back."""
    first, last = puller.home.clock().date() - timedelta(days=2), puller.home.clock().date()
    vendor.lists.clear()
    puller.pull(first, last)
    assert puller.calls["list"] == len(vendor.lists) == len(vendor.user_ids)
    assert puller.calls["detail"] == puller.calls["stats"] == 0
    return Counter(user_id for user_id, start, _ in vendor.lists if start < first)


def old_night(number: int) -> ShortNight:
    """The one session of a user, from before every window but the first."""
    start = NOW - timedelta(days=5)
    user_id, session_id = f"G-20250301120000-{number:020d}", f"{start:%Y%m%d%H%M%S}_{number:05d}"
    return ShortNight(user_id, session_id, start, start + timedelta(hours=8), (), None)


def assert_spread(users_a_day: list[int], users: int) -> None:
    """No day has much more than its share, as far as there are enough users to share."""
    if users >= 1_000:
        assert max(users_a_day) <= MOST_A_DAY * users / SWEEP_AGE.days


def test_sweeps_are_spread_evenly_and_made_up_for() -> None:
    """A thousand users are swept once in any thirty days; after days without a pull the next one sweeps the rest."""
    ids = [f"G-20250301120000-{number:020d}" for number in range(1_000)]
    before = dict.fromkeys(ids, NOW)
    first = [due_on(before, NOW + timedelta(days=day)) for day in range(1, 31)]
    assert sorted(id for day in first for id in day) == ids
    assert_spread([len(day) for day in first], len(ids))

    before = dict.fromkeys(ids, NOW)
    paused = due_on(before, NOW + timedelta(days=12))
    rest = [due_on(before, NOW + timedelta(days=day)) for day in range(13, 31)]
    assert sorted([*paused, *(id for day in rest for id in day)]) == ids
    assert len(paused) == sum(len(day) for day in first[:12])
    later = [due_on(before, NOW + timedelta(days=day)) for day in range(31, 61)]
    assert_spread([len(day) for day in later], len(ids))


def due_on(before: dict[str, datetime], now: datetime) -> list[str]:
    """Who is swept at a time; they are noted as swept."""
    due = []
    for user_id, at in before.items():
        note = LedgerDocument(ASLEEP, SWEEP, user_id, user_id, SWEPT, at)
        if is_sweep_due(Known({}, {(SWEEP, user_id): note}), user_id, now):
            due.append(user_id)
    before.update(dict.fromkeys(due, now))
    return due


def test_a_date_that_was_asked_for_is_looked_through_although_nothing_was_there(tmp_path: Path) -> None:
    """A session that turns up long after, before every known one, is found once the user is swept."""
    late = replace(old_night(0), arrives=NOW + timedelta(days=40))
    known = replace(old_night(0), session_id="20261114100000_known", start=NOW - timedelta(hours=20), arrives=NOW)
    clock = StandingClock(NOW)
    with unawaited_disk(), new_home(tmp_path / "home", clock) as home:
        vendor = ShortNights([late, known], clock)
        follow(home, RosterUser(ASLEEP, late.user_id, timezone=ZONE.key))
        puller = Puller(home, transport=vendor.transport)
        assert puller.pull(date(2026, 11, 5), NOW.date()).counts.new == 1
        clock.advance(days=41)
        found = 0
        for _ in range(SWEEP_AGE.days):
            clock.advance(days=1)
            found += puller.pull(clock().date() - timedelta(days=2), clock().date()).counts.new
        assert found == 1


def test_a_new_analysis_that_statistics_reveal_costs_nothing_the_next_night(tmp_path: Path) -> None:
    """Near a month's edge it is in the statistics of the other month too: they are asked for at once."""
    with unawaited_disk():
        opens = datetime(2026, 11, 6, 6, 0, tzinfo=UTC)
        rig = Rig(World(users=1, nights=7, seed=1, now=opens), tmp_path, empty_home(tmp_path / "empty"))
        sync(rig)
        (user,) = rig.world.users()
        near, far = (next(s for s in user.sessions if s.plan.night_of == date(2026, 11, day)) for day in (1, 4))
        assert near.analyse_again()
        far.plan = replace(far.plan, end=far.plan.end - timedelta(minutes=2))
        assert far.analyse_again()
        rig.move_on(timedelta(minutes=5))
        assert sync(rig) == {"list": 1, "detail": 2, "stats": 2}
        before = marks_of(rig.root)
        rig.move_on(timedelta(minutes=5))
        assert sync(rig) == {"list": 1}
        assert touched(rig, before) == set()
        rig.close()
