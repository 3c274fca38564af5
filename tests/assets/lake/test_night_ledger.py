"""Building the ledger of nights: only what changed, always the same, into the warehouse, and shown without names."""

from collections import Counter
from dataclasses import replace

import duckdb
import pytest

from assets.builds import (
    LAKE_RELEASE,
    Built,
    build_partitions,
    mark_data_dirty,
    mark_missing_layers_dirty,
    mark_roster_dirty,
)
from assets.lake.night_ledger import build_night_ledger, completeness_result, materialized
from assets.night_facts import mark_stale_nights
from assets.warehouse.tables import load_night_ledger
from connectors.home import Home
from connectors.lake.publish import publish
from connectors.state.roster import remove_user
from connectors.warehouse.duckdb import DuckDbWarehouse
from schemas.asleep import ASLEEP
from schemas.tables import NIGHT_LEDGER
from tests.assets.homes import StandingClock, follow, sleeper
from tests.assets.lake.asked_nights import BED, DAY, NIGHTS, TODAY, answered, ledger, slept
from tests.assets.lake.documents import USER_ID
from tests.assets.raw.pulls import dirty


def test_the_same_facts_give_the_same_file(home: Home) -> None:
    """Building again touches nothing; a night without rows has no file."""
    user = sleeper(USER_ID)
    follow(home, user)
    answered(home, user)
    ledger(home)
    path = home.lake.path(NIGHT_LEDGER, f"date={NIGHTS[0]}")
    before = path.stat().st_ino
    built, counts = build_night_ledger(home, NIGHTS[0].isoformat())
    assert (built.documents, built.rows, built.files, counts) == (1, 1, 0, Counter(no_recording=1))
    assert path.stat().st_ino == before
    assert build_night_ledger(home, "2026-11-03") == (Built(findings={"unique_keys": 0}), Counter())
    assert not home.lake.path(NIGHT_LEDGER, "date=2026-11-03").exists()


def settle(home: Home) -> list[str]:
    """Build every dirty night; gives them."""
    nights = dirty(home, "night_ledger")
    build_partitions(home, "night_ledger", nights, lambda night: build_night_ledger(home, night)[0])
    return nights


def test_only_nights_that_are_not_what_the_facts_say_are_marked(home: Home, clock: StandingClock) -> None:
    """All at first, none the second time, and after a day the one that is over now; a night not asked for waits."""
    user = sleeper(USER_ID)
    follow(home, user)
    answered(home, user)
    assert mark_stale_nights(home, NIGHTS[0], TODAY) == 4
    assert settle(home) == [night.isoformat() for night in NIGHTS]
    assert mark_stale_nights(home, NIGHTS[0], TODAY) == 0
    clock.advance(days=1)
    answered(home, user, first=NIGHTS[0] + DAY, last=TODAY + DAY)
    assert mark_stale_nights(home, NIGHTS[0], TODAY + DAY) == 1
    assert settle(home) == ["2026-11-03"]


def test_building_sessions_has_the_nights_around_them_built_again(home: Home, clock: StandingClock) -> None:
    """Those a session of the date may belong to in any zone, but none in the future, which has no partition."""
    clock.now = BED.replace(hour=23)
    slept(home)
    assert dirty(home, "night_ledger") == ["2026-10-30", "2026-10-31"]
    clock.advance(days=3)
    slept(home, session_id=f"{BED:%Y%m%d%H%M%S}_zzzzz")
    assert dirty(home, "night_ledger") == ["2026-10-30", "2026-10-31", "2026-11-01"]
    assert dirty(home, "warehouse_night_ledger") == ["2026-10-30", "2026-10-31", "2026-11-01"]


def test_changes_of_the_roster_reach_every_night_of_the_user(home: Home) -> None:
    """A new zone, other dates and a removal mark what had rows before and what has rows now."""
    user = sleeper(USER_ID)
    follow(home, user)
    answered(home, user)
    earlier = replace(user, active_from=NIGHTS[0] - DAY)
    with home.state.write() as connection:
        mark_roster_dirty(connection, {user.key: user}, [user])
        assert dirty(home, "night_ledger") == []
        mark_roster_dirty(connection, {user.key: user}, [earlier])
    expected = [(NIGHTS[0] + number * DAY).isoformat() for number in range(-1, 5)]
    assert settle(home) == expected
    with home.state.write() as connection:
        remove_user(connection, ASLEEP, USER_ID)
        mark_data_dirty(connection, [user])
    assert settle(home) == expected[1:]
    assert ledger(home) == {}


def test_a_lost_lake_or_warehouse_has_its_nights_made_again(home: Home) -> None:
    """All that were ever asked for, session or not."""
    user = sleeper(USER_ID)
    follow(home, user)
    answered(home, user)
    ledger(home)
    publish(home.root / "lake" / ".release", LAKE_RELEASE.encode())
    mark_missing_layers_dirty(home, warehouse_exists=True)
    assert dirty(home, "warehouse_night_ledger") == []
    mark_missing_layers_dirty(home, warehouse_exists=False)
    assert dirty(home, "warehouse_night_ledger") == [*(night.isoformat() for night in NIGHTS), "2026-11-03"]


def test_the_warehouse_has_the_rows_of_the_lake(home: Home) -> None:
    """Loading a night again replaces it and leaves the others."""
    user = sleeper(USER_ID)
    follow(home, user)
    answered(home, user)
    rows = ledger(home)
    warehouse = DuckDbWarehouse(home.root / "warehouse.duckdb")
    for _ in range(2):
        loaded = load_night_ledger(home, warehouse, [night.isoformat() for night in NIGHTS])
        assert loaded == {"night_ledger": 4}
    load_night_ledger(home, warehouse, [NIGHTS[0].isoformat()])
    with duckdb.connect(warehouse.path, read_only=True) as connection:
        found = connection.execute("select night_of, verdict, checked_at from night_ledger order by 1").fetchall()
    assert [(night, verdict) for night, verdict, _ in found] == [(n, rows[USER_ID, n]["verdict"]) for n in NIGHTS]


@pytest.mark.parametrize(("open_nights", "passed"), [(0, True), (1, True), (2, False)])
def test_completeness_is_yellow_below_the_threshold(open_nights: int, passed: bool) -> None:
    """The worst night decides; the check names nights and shares, and nobody."""
    nights = {
        "2026-11-01": Counter(complete=20),
        "2026-11-02": Counter(complete=20 - open_nights, not_checked=open_nights),
    }
    result = completeness_result(nights, 0.95)
    assert result.passed is passed
    assert result.severity.value == "WARN"
    assert result.metadata["first_nights_below"].value == ("" if passed else "2026-11-02")
    assert result.metadata["lowest_share"].value == (20 - open_nights) / 20


def test_nothing_expected_is_nothing_missing() -> None:
    """A night in the future has no share and fails no check."""
    assert completeness_result({"2026-11-03": Counter()}, 0.95).passed


def test_the_run_shows_a_bar_a_night_and_totals(home: Home) -> None:
    """In the metadata: counts and dates only."""
    user = sleeper(USER_ID)
    follow(home, user)
    answered(home, user)
    nights: dict[str, Counter[str]] = {}

    def build(night: str) -> Built:
        result, nights[night] = build_night_ledger(home, night)
        return result

    report = build_partitions(home, "night_ledger", [night.isoformat() for night in NIGHTS], build)
    shown = materialized(report, nights, 0.95)
    assert shown.metadata is not None
    assert shown.metadata["nights_no_recording"] == 4
    drawn = str(shown.metadata["completeness"].value)  # type: ignore[union-attr]
    assert [line.split()[0] for line in drawn.splitlines()[2:-1]] == [night.isoformat() for night in NIGHTS]
    assert USER_ID not in repr(shown)
