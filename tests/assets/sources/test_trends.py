"""The scored nights of a bed: kept once a change, gone only with their sessions, asked for in few calls."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.eight_sleep.sandbox.nights import Told
from schemas.bed_tables import BED_NIGHTS
from schemas.documents import TREND
from schemas.nights import local_date
from schemas.tables import SLEEP_SESSIONS
from tests.assets.engine.disk import unawaited_disk
from tests.assets.sources.households import Household, household

Make = Callable[..., Household]


@pytest.fixture
def make(tmp_path: Path, empty: Path) -> Iterator[Make]:
    """Makes a household whose left sleeper is followed."""
    with ExitStack() as opened, unawaited_disk():

        def make(**options: Any) -> Household:
            home = opened.enter_context(household(tmp_path, empty, **options))
            home.follow(0)
            return home

        yield make


def stays(home: Household) -> list[Told]:
    """What the vendor tells of the followed sleeper, the oldest first."""
    return home.world.nights_of(home.sleepers[0].user_id).told(home.clock.now)


def morning(home: Household, told: Told) -> date:
    """The day that a stay belongs to."""
    return local_date(told.whole.end, home.roster()[0].timezone)


def lone(home: Household, number: int) -> Told:
    """A stay that is the only one of its day; the oldest is number 0."""
    mornings = Counter(morning(home, told) for told in stays(home))
    return [told for told in stays(home) if mornings[morning(home, told)] == 1][number]


def kept(home: Household) -> set[date]:
    """The days of which raw has a night that is not gone."""
    return {current.document.date for current in home.kept(TREND) if not current.deleted}


def days(home: Household) -> list[date]:
    """The days that have a scored night in the lake."""
    return [row["day"] for row in home.rows(BED_NIGHTS)]


class Died(Exception):
    """In the place of a process that is killed."""


def die_at(name: str) -> Callable[[str], None]:
    """A failpoint that is fatal at this place."""

    def failpoint(passed: str) -> None:
        if passed == name:
            raise Died

    return failpoint


def test_a_night_is_kept_again_only_when_its_scores_change(make: Make) -> None:
    """One score differs: one version more, and it counts."""
    home = make()
    home.pull()
    before = len(home.kept(TREND))
    assert home.pull().documents == 0
    one = lone(home, 1)
    home.world.nights_of(home.sleepers[0].user_id).change_score(one.whole.id, -5)
    home.clock.advance(minutes=5)
    assert home.pull().documents == 1
    assert len(home.kept(TREND)) == before
    assert [c.document.date for c in home.kept(TREND) if c.revision == 2] == [morning(home, one)]


def test_scores_of_a_pull_that_died_give_way_to_those_of_before(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Raw has others by then, which nobody remembers: what the vendor tells again counts, although it looks known."""
    home = make()
    home.run()
    one = lone(home, 1)
    (before,) = [row for row in home.rows(BED_NIGHTS) if row["day"] == morning(home, one)]
    nights = home.world.nights_of(home.sleepers[0].user_id)
    nights.change_score(one.whole.id, -5)
    home.clock.advance(minutes=5)
    with monkeypatch.context() as dying:
        dying.setattr("assets.raw.committing.failpoint", die_at("pull.raw_durable"))
        with pytest.raises(Died):
            home.pull()
    nights.change_score(one.whole.id, 5)
    home.clock.advance(minutes=5)
    home.run()
    (after,) = [row for row in home.rows(BED_NIGHTS) if row["day"] == morning(home, one)]
    assert after["score"] == before["score"]
    (current,) = [c for c in home.kept(TREND) if c.document.date == morning(home, one)]
    assert current.revision == 3


def test_a_night_that_is_not_final_has_a_row_without_scores_until_it_is(make: Make) -> None:
    """While somebody lies in bed the day is told, and nothing of it is a figure to compare."""
    home = make()
    nights = home.world.nights_of(home.sleepers[0].user_id)
    coming = next(
        s for s in nights._of_evenings(home.clock.now, home.clock.now + timedelta(days=3)) if s.start > home.clock.now
    )
    home.clock.now = coming.end - timedelta(minutes=30)
    home.run()
    (row,) = [row for row in home.rows(BED_NIGHTS) if not row["is_final"]]
    assert (row["score"], row["sleep_quality_score"]) == (None, None)
    assert coming.id not in {row["session_id"] for row in home.rows(SLEEP_SESSIONS)}
    home.clock.now = coming.end + timedelta(hours=1)
    home.run()
    (row,) = [one for one in home.rows(BED_NIGHTS) if one["day"] == row["day"]]
    assert (row["is_final"], row["final_versions"]) == (True, 1)
    assert row["score"]


@pytest.mark.parametrize("variant", ["no_expiry", "placeholder_days"])
def test_one_deleted_night_among_others_takes_its_scores_along(variant: str, make: Make) -> None:
    """Whether the vendor then leaves the day out or tells it empty; the neighbours stay, and nothing more is asked."""
    home = make()
    home.world.set_variants(variant)
    home.pull()
    before, gone = kept(home), lone(home, 1)
    home.world.nights_of(home.sleepers[0].user_id).delete(gone.whole.id)
    for _ in range(2):  # found, then taken along
        home.clock.advance(minutes=5)
        home.pull()
    assert kept(home) == before - {morning(home, gone)}
    assert home.pull().documents == 0


def test_a_night_that_the_vendor_leaves_out_stays_as_long_as_its_session_is_there(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer with a gap is a fault and no deletion."""
    home = make()
    home.pull()
    before = kept(home)
    monkeypatch.setattr("connectors.eight_sleep.sandbox.sleep_endpoints.trends.mornings", lambda told, zone: {})
    home.clock.advance(minutes=5)
    assert home.pull().documents == 0
    assert kept(home) == before


def test_a_nap_that_is_deleted_leaves_the_scores_of_its_day_to_the_night(make: Make) -> None:
    """The day is told with what is left of it."""
    home = make()
    home.run()
    before, days_of_stays = days(home), [morning(home, told) for told in stays(home)]
    nap = next(
        told for number, told in enumerate(stays(home)) if number and days_of_stays[number - 1] == morning(home, told)
    )
    home.world.nights_of(home.sleepers[0].user_id).delete(nap.whole.id)
    for _ in range(2):
        home.clock.advance(minutes=5)
        home.run()
    assert days(home) == before
    (row,) = [row for row in home.rows(BED_NIGHTS) if nap.whole.id in row["session_ids"] or row["revision"] == 2]
    assert nap.whole.id not in row["session_ids"]


def test_a_deleted_night_of_long_ago_takes_its_scores_along(make: Make) -> None:
    """Found when the whole history is looked through; its day, beyond the window, is asked for until it is settled."""
    home = make()
    home.pull()
    gone, before = lone(home, 1), kept(home)
    home.world.nights_of(home.sleepers[0].user_id).delete(gone.whole.id)
    home.clock.advance(days=31)
    assert home.pull(days=3).counts.deleted == 1
    for calls in (2, 1):
        home.clock.advance(minutes=5)
        home.pull(days=3)
        assert home.asked["trends"] == calls
        assert before - kept(home) == {morning(home, gone)}


def test_a_session_of_long_ago_that_comes_late_brings_its_scores(make: Make) -> None:
    """Also when it is only found by the look through all history."""
    home = make()
    late = lone(home, 1)
    home.world.nights_of(home.sleepers[0].user_id).hold_back(late.whole.id, home.clock.now + timedelta(hours=1))
    home.pull()
    assert morning(home, late) not in kept(home)
    home.clock.advance(days=31)
    home.pull(days=3)
    assert morning(home, late) in kept(home)


def test_35_days_are_two_calls_for_scores_and_the_pages_needed(make: Make) -> None:
    """No session is asked for by itself; the same again costs the same."""
    home = make(nights=60)
    for _ in range(2):
        home.pull(days=35)
        assert home.asked["trends"] == 2
        reaching_back = [told for told in stays(home) if told.whole.start.date() >= home.today - timedelta(days=36)]
        assert home.asked["intervals"] == len(reaching_back) // 10 + 1
        assert home.asked["interval"] == home.asked["user"] == 0
