"""Under which date a session is kept, how long one that cannot be used is asked for, and which version counts."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.lake.session_history import build_session_history
from assets.raw.pulled import SessionCounts, time_after
from connectors.home import Home
from connectors.state.ledger import COMPLETE, PENDING, LedgerSession, sessions_of
from connectors.state.roster import RosterUser
from schemas.asleep import ASLEEP
from schemas.documents import SESSION
from tests.assets.draining import drain
from tests.assets.homes import NOW, StandingClock, follow, new_home
from tests.assets.raw.pulls import Puller, kept
from tests.assets.raw.repairs import built_tables, history_rows, session_rows
from tests.assets.raw.scripted import Night, ScriptedVendor, detail_of

PERSON = "G-20250301120000-kQmZrTbLwXcVnHjPdSfA"
NIGHT = "20261030140000_night"
START = datetime(2026, 10, 30, 14, 0, tzinfo=UTC)
BEFORE, AFTER = datetime(2026, 10, 30, 23, 50, tzinfo=UTC), datetime(2026, 10, 31, 0, 10, tzinfo=UTC)
TOMORROW = NOW + timedelta(days=1)
BEYOND = date(2026, 1, 1)
"""A window without sessions: only what waits is asked for."""
SINCE = date(2026, 10, 26)
"""The first date of pulls whose nights are built, without a session: each date more is a night more to build."""
NUMBERS = count()


@pytest.fixture
def vendor() -> ScriptedVendor:
    """A vendor with one complete night."""
    return ScriptedVendor({NIGHT: Night(START)})


@pytest.fixture
def puller(home: Home, vendor: ScriptedVendor) -> Puller:
    """Pulls of one person in Seoul."""
    follow(home, RosterUser(ASLEEP, PERSON, timezone="Asia/Seoul"))
    return Puller(home, transport=vendor.transport)


def known(home: Home) -> LedgerSession:
    """What the ledger knows of the session."""
    with home.state.read() as connection:
        (seen,) = sessions_of(connection, ASLEEP, [PERSON])[PERSON]
    return seen


def changed_to(start: datetime, **changes: Any) -> Night:
    """The night as it is after a new analysis, which its list row shows."""
    return Night(start, "COMPLETE", detail_of(NIGHT, start, **changes), {"time_in_bed": 1})


@pytest.mark.parametrize(("listed", "answered"), [(BEFORE, AFTER), (AFTER, BEFORE)], ids=["later", "earlier"])
def test_a_new_session_is_kept_under_the_date_that_its_detail_says(
    puller: Puller, home: Home, vendor: ScriptedVendor, listed: datetime, answered: datetime
) -> None:
    """Whatever the list says; nothing was kept before, so that it is a first version and nothing has moved."""
    vendor.nights[NIGHT] = Night(listed, detail=detail_of(NIGHT, answered))
    assert puller.pull(SINCE).counts == SessionCounts(new=1)
    assert (known(home).partition, known(home).revision) == (answered.date(), 1)
    drain(home)
    assert [row["start_time"] for row in session_rows(home)] == [answered]
    assert [(row["revision"], row["reason"]) for row in history_rows(home)] == [(1, "first_seen")]
    assert puller.pull(SINCE).counts == SessionCounts(unchanged=1)
    assert puller.calls == {"list": 1}


def test_a_session_that_waited_may_come_under_another_date(
    puller: Puller, home: Home, vendor: ScriptedVendor, clock: StandingClock
) -> None:
    """It was listed before midnight while it was recorded; its analysis begins it after."""
    vendor.nights[NIGHT] = Night(BEFORE, "OPEN")
    puller.pull(SINCE)
    clock.advance(hours=1)
    vendor.nights[NIGHT] = Night(AFTER)
    puller.pull(SINCE)
    drain(home)
    assert known(home).partition == AFTER.date()
    assert [(row["revision"], row["reason"]) for row in history_rows(home)] == [(1, "completed")]


@pytest.mark.parametrize(
    "odd",
    [
        {"stat__sleep_index": "high"},
        pytest.param({"session__sleep_stages": "none"}, marks=pytest.mark.soak),
        pytest.param({"timezone": 9}, marks=pytest.mark.soak),
    ],
)
def test_a_session_that_moves_moves_whatever_else_is_odd_in_it(
    puller: Puller, home: Home, vendor: ScriptedVendor, clock: StandingClock, odd: dict[str, Any]
) -> None:
    """What the build can do without does not keep it where it was, nor have it asked for every night."""
    vendor.nights[NIGHT] = Night(BEFORE)
    puller.pull(SINCE)
    clock.advance(hours=1)
    vendor.nights[NIGHT] = changed_to(AFTER, **odd)
    assert puller.pull(SINCE).counts == SessionCounts(changed=1)
    assert (known(home).partition, known(home).verdict) == (AFTER.date(), COMPLETE)
    drain(home)
    assert [row["start_time"] for row in session_rows(home)] == [AFTER]


@pytest.mark.parametrize(
    "refused",
    [
        {"session__start_time": "not a time"},
        {"session__start_time": "2026-10-30T14:00:00"},
        {"session__end_time": None},
        {"session__end_time": "2026-10-30T13:00:00Z"},
        {"session__start_time": TOMORROW.isoformat(), "session__end_time": (TOMORROW + timedelta(hours=7)).isoformat()},
        {"session__start_time": "2019-12-31T14:00:00Z"},
        {"session__id": "20261030140000_other"},
    ],
    ids=["no time", "no offset", "no end", "reversed", "in the future", "before all dates", "another id"],
)
def test_what_the_build_refuses_is_asked_for_until_it_is_as_documented(
    puller: Puller, home: Home, vendor: ScriptedVendor, clock: StandingClock, refused: dict[str, Any]
) -> None:
    """It is kept where the session was, in quarantine, also beyond the look-back; the same again is no news."""
    vendor.nights[NIGHT] = Night(START, detail=detail_of(NIGHT, START, **refused))
    puller.pull()
    built_tables(home)
    assert (known(home).partition, known(home).verdict) == (START.date(), PENDING)
    assert session_rows(home) == []
    clock.advance(hours=1)
    assert puller.pull(BEYOND, BEYOND).counts == SessionCounts(unchanged=1)
    assert puller.calls["detail"] == 1
    vendor.nights[NIGHT] = Night(START)
    assert puller.pull(BEYOND, BEYOND).counts == SessionCounts(changed=1)
    built_tables(home)
    assert known(home).verdict == COMPLETE
    assert [row["revision"] for row in session_rows(home)] == [2]


def test_a_session_of_tomorrow_moves_there_when_that_day_has_come(
    puller: Puller, home: Home, vendor: ScriptedVendor, clock: StandingClock
) -> None:
    """The same answer, refused under the old date, is right under the new one."""
    vendor.nights[NIGHT] = Night(START)
    puller.pull(SINCE)
    clock.advance(hours=1)
    vendor.nights[NIGHT] = changed_to(TOMORROW)
    puller.pull(SINCE)
    drain(home)
    assert session_rows(home) == []
    clock.advance(days=1)
    puller.pull(SINCE, SINCE)
    drain(home)
    assert [(row["start_time"], row["revision"]) for row in session_rows(home)] == [(TOMORROW, 3)]
    assert [row["revision"] for row in history_rows(home)] == [1, 3]


def test_the_newest_version_counts_although_the_clock_was_set_back(
    puller: Puller, home: Home, vendor: ScriptedVendor, clock: StandingClock
) -> None:
    """It came later than the one before, whatever the clock said; so do the next one and a deletion."""
    puller.pull()
    for number in (91, 92):
        clock.advance(days=-1)
        vendor.nights[NIGHT] = Night(START, "COMPLETE", detail_of(NIGHT, START, stat__sleep_index=number))
        vendor.nights[NIGHT].row_changes = {"time_in_bed": number}
        puller.pull()
        built_tables(home)
        assert [row["sleep_index"] for row in session_rows(home)] == [number]
    vendor.nights[NIGHT] = Night(START, "CLOSED")
    puller.pull()
    vendor.nights.clear()
    puller.pull()
    built_tables(home)
    assert session_rows(home) == []
    assert [current.deleted for current in kept(home, SESSION)] == [True]
    times = [row["seen_at"] for row in history_rows(home)]
    assert times == sorted(set(times))
    assert times[0] == NOW


@pytest.mark.parametrize("passed", [timedelta(days=-2), timedelta(0), timedelta(microseconds=1), timedelta(days=1)])
def test_the_time_of_a_version_rises(passed: timedelta) -> None:
    """It is that of the fetch, unless that is not after the version before; a first version has no other."""
    seen = LedgerSession(ASLEEP, PERSON, NIGHT, "", START.date(), "", COMPLETE, "hash", 1, NOW, NOW)
    assert time_after(seen, NOW + passed) == max(NOW + passed, NOW + timedelta(microseconds=1))
    new = LedgerSession(ASLEEP, PERSON, NIGHT, "", START.date(), "", PENDING, None, 0, NOW, NOW)
    assert time_after(new, NOW + passed) == NOW + passed


@pytest.fixture(scope="module")
def one_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Home, StandingClock]]:
    """A home that all examples share; each has a session of its own."""
    with new_home(tmp_path_factory.mktemp("kept") / "home", clock := StandingClock()) as home:
        follow(home, RosterUser(ASLEEP, PERSON, timezone="Asia/Seoul"))
        yield home, clock


@settings(max_examples=12, deadline=None)
@given(st.lists(st.tuples(st.integers(-72, 72), st.sampled_from([BEFORE, AFTER])), min_size=2, max_size=5))
def test_whatever_the_clock_does_the_history_is_in_the_order_in_which_it_came(
    one_home: tuple[Home, StandingClock], versions: list[tuple[int, datetime]]
) -> None:
    """Forwards, backwards, not at all; over midnight or not."""
    home, clock = one_home
    session_id = f"20261030235000_{next(NUMBERS)}"
    vendor = ScriptedVendor()
    puller = Puller(home, transport=vendor.transport)
    clock.now = NOW
    for number, (hours, start) in enumerate(versions):
        clock.advance(hours=hours)
        clock.now = max(clock.now, NOW - timedelta(days=2))
        detail = detail_of(session_id, start, stat__sleep_index=number)
        vendor.nights = {session_id: Night(start, detail=detail, row_changes={"time_in_bed": number})}
        puller.pull(date(2026, 10, 29), date(2026, 11, 1), accept_deletions=True)
    for day in home.raw.dates(ASLEEP, SESSION):
        build_session_history(home, day.isoformat())
    rows = [row for row in history_rows(home) if row["session_id"] == session_id]
    assert [(row["revision"], row["start_time"], row["sleep_index"]) for row in rows] == [
        (number + 1, start, number) for number, (_, start) in enumerate(versions)
    ]
    assert {row["start_date"] for row in rows} == {versions[-1][1].date()}


def test_another_home_gives_the_same(tmp_path: Path) -> None:
    """The date of a session comes from its document alone, not from what the list said before."""
    found = []
    for listed in (BEFORE, AFTER):
        with new_home(tmp_path / f"{listed.day}", StandingClock()) as home:
            follow(home, RosterUser(ASLEEP, PERSON, timezone="Asia/Seoul"))
            vendor = ScriptedVendor({NIGHT: Night(listed, detail=detail_of(NIGHT, AFTER))})
            Puller(home, transport=vendor.transport).pull(SINCE)
            drain(home)
            found.append((session_rows(home), history_rows(home)))
    assert found[0] == found[1]
