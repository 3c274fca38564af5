"""Pulling one user from a vendor that a test has in its hands: states, changes, deletions, and answers gone wrong."""

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from assets.raw.pulled import Known, SessionCounts, UserPull, last_day
from connectors.home import Home
from connectors.state.ledger import LedgerSession, sessions_of
from connectors.state.roster import RosterUser
from schemas.asleep import ASLEEP
from schemas.documents import AVERAGE_STATS, SESSION, SESSION_LIST, USER
from tests.assets.homes import StandingClock, follow
from tests.assets.raw.pulls import Puller, dirty, gone, kept, left
from tests.assets.raw.scripted import NOT_FOUND, Night, ScriptedVendor, detail_of
from tests.schemas.samples import USER as USER_BODY
from tests.schemas.samples import changed

PERSON = "G-20250301120000-kQmZrTbLwXcVnHjPdSfA"
NIGHT = "20261030140000_night"
START = datetime(2026, 10, 30, 14, 0, tzinfo=UTC)
PAST = date(2026, 1, 1)
"""A window without sessions."""


@pytest.fixture
def vendor() -> ScriptedVendor:
    """A vendor with one complete night."""
    return ScriptedVendor({NIGHT: Night(START)})


@pytest.fixture
def puller(home: Home, vendor: ScriptedVendor) -> Puller:
    """Pulls of one person in Seoul."""
    follow(home, RosterUser(ASLEEP, PERSON, timezone="Asia/Seoul"))
    return Puller(home, transport=vendor.transport)


def session(home: Home, session_id: str = NIGHT) -> LedgerSession:
    """What the ledger knows of a session."""
    with home.state.read() as connection:
        return next(s for s in sessions_of(connection, ASLEEP, [PERSON])[PERSON] if s.session_id == session_id)


def versions(home: Home) -> list[tuple[int, int]]:
    """Status and revision of the sessions in raw."""
    return [(current.document.status, current.revision) for current in kept(home, SESSION)]


def clean(home: Home) -> None:
    """Have nothing dirty."""
    with home.state.write() as connection:
        connection.exec_driver_sql("DELETE FROM dirty_partitions")


def test_a_changed_row_with_changed_content_is_a_new_revision(
    puller: Puller, home: Home, vendor: ScriptedVendor, clock: StandingClock
) -> None:
    """Fetched again, kept again, its day and month made again."""
    puller.pull()
    clean(home)
    clock.advance(hours=1)
    vendor.nights[NIGHT] = Night(START, "COMPLETE", detail_of(NIGHT, START, stat__sleep_index=99), {"time_in_bed": 1})
    report = puller.pull()
    assert report.counts == SessionCounts(changed=1)
    assert (versions(home), session(home).revision) == ([(200, 2)], 2)
    assert dirty(home, "sleep_sessions") == ["2026-10-30"]
    assert vendor.asked[-1] == "2026-10-01..2026-10-31 Asia/Seoul"


def test_a_changed_row_with_the_same_content_is_nothing_new(
    puller: Puller, home: Home, vendor: ScriptedVendor, clock: StandingClock
) -> None:
    """One detail to see it; then the row is known, and the next pull asks for the list alone."""
    puller.pull()
    clean(home)
    clock.advance(hours=1)
    vendor.nights[NIGHT].row_changes = {"last_received_seq_num": 7}
    vendor.nights[NIGHT].detail = detail_of(NIGHT, START, timezone="Pacific/Apia", user_id=PERSON)
    assert puller.pull().counts == SessionCounts(unchanged=1)
    assert puller.calls == {"list": 1, "detail": 1}
    assert (versions(home), dirty(home, "sleep_sessions")) == ([(200, 1)], [])
    assert puller.pull().counts == SessionCounts(unchanged=1)
    assert puller.calls == {"list": 1}


@pytest.mark.parametrize("row_state", ["OPEN", "CLOSED"])
def test_what_is_not_complete_waits(puller: Puller, home: Home, vendor: ScriptedVendor, row_state: str) -> None:
    """In the ledger, without a detail; when it is complete it is new."""
    vendor.nights[NIGHT] = Night(START, row_state)
    assert puller.pull().counts == SessionCounts(pending=1)
    assert puller.calls == {"list": 1, "user": 1}
    assert session(home).verdict == "pending"
    vendor.nights[NIGHT] = Night(START)
    assert puller.pull().counts == SessionCounts(new=1)
    assert session(home).verdict == "complete"


@pytest.mark.parametrize(("state", "counts"), [("A_STATE_OF_TOMORROW", {"pending": 1}), ("COMPLETE", {"new": 1})])
def test_a_row_in_an_unknown_state_is_what_its_detail_says(
    puller: Puller, vendor: ScriptedVendor, state: str, counts: dict[str, int]
) -> None:
    """It is neither taken for complete nor left out: the detail decides, now and every night until it is complete."""
    vendor.nights[NIGHT] = Night(START, "A_STATE_OF_TOMORROW")
    vendor.nights[NIGHT].detail = detail_of(NIGHT, START, session__state=state)
    assert puller.pull().counts == SessionCounts(**counts)
    assert puller.calls["detail"] == 1


def test_a_list_that_is_ahead_of_the_detail_is_not_forgotten(
    puller: Puller, home: Home, vendor: ScriptedVendor
) -> None:
    """Complete in the list, still analysing in the detail: it waits, also when the window has moved on."""
    vendor.nights[NIGHT].detail = detail_of(NIGHT, START, session__state="CLOSED", stat=None)
    assert puller.pull().counts == SessionCounts(pending=1)
    assert (versions(home), session(home).verdict) == ([], "pending")
    vendor.nights[NIGHT].detail = b""
    assert puller.pull(PAST, PAST).counts == SessionCounts(new=1)
    assert versions(home) == [(200, 1)]


def test_a_waiting_session_that_is_gone_was_never_there(puller: Puller, home: Home, vendor: ScriptedVendor) -> None:
    """No tombstone for what raw never had; it is not asked for again."""
    vendor.nights[NIGHT] = Night(START, "OPEN")
    puller.pull()
    vendor.nights.clear()
    assert puller.pull().counts == SessionCounts(deleted=1)
    assert (versions(home), session(home).verdict, dirty(home, "sleep_sessions")) == ([], "deleted", [])
    assert puller.pull().counts == SessionCounts()
    assert puller.calls == {"list": 1}


def test_a_known_session_that_is_gone_leaves_a_tombstone_and_may_come_back(
    puller: Puller, home: Home, vendor: ScriptedVendor, clock: StandingClock
) -> None:
    """Complete, reopened, deleted, there again: the newest word counts, and each is a revision."""
    puller.pull()
    told = []
    for night in (Night(START, "CLOSED"), None, Night(START, "CLOSED"), Night(START)):
        clock.advance(hours=1)
        clean(home)
        vendor.nights = {NIGHT: night} if night else {}
        report = puller.pull()
        told.append((report.counts, versions(home), session(home).revision, dirty(home, "sleep_sessions")))
    assert told == [
        (SessionCounts(pending=1), [(200, 1)], 1, []),
        (SessionCounts(deleted=1), [(404, 2)], 2, ["2026-10-30"]),
        (SessionCounts(pending=1), [(404, 2)], 2, []),
        (SessionCounts(changed=1), [(200, 3)], 3, ["2026-10-30"]),
    ]


def test_a_tombstone_is_the_answer_as_received(puller: Puller, home: Home, vendor: ScriptedVendor) -> None:
    """With its bytes, under the session's day and id."""
    puller.pull()
    vendor.nights[NIGHT] = Night(START, "CLOSED")
    puller.pull()
    vendor.nights.clear()
    puller.pull()
    [current] = kept(home, SESSION)
    assert current.deleted
    assert (current.document.body, current.document.date) == (NOT_FOUND, date(2026, 10, 30))


def test_a_listed_session_without_a_detail_is_a_failure_of_the_user(
    puller: Puller, home: Home, vendor: ScriptedVendor
) -> None:
    """Deleted between list and detail, perhaps: the next pull will tell, nothing is concluded now."""
    vendor.nights["20261101140000_other"] = Night(datetime(2026, 11, 1, 14, tzinfo=UTC), detail=None)
    report = puller.pull()
    assert report.failed == {"session_not_found": 1}
    assert (report.counts.new, report.counts.deleted, versions(home)) == (1, 0, [(200, 1)])
    del vendor.nights["20261101140000_other"]
    assert puller.pull().complete


OCTOBER, NOVEMBER = "2026-10-01..2026-10-31 Asia/Seoul", "2026-11-01..2026-11-03 Asia/Seoul"


@pytest.mark.parametrize(
    ("start", "months"),
    [
        ("2026-10-30T23:59:59+09:00", [OCTOBER]),
        ("2026-10-31T00:00:00+09:00", [OCTOBER, NOVEMBER]),
        ("2026-10-31T23:59:59+09:00", [OCTOBER, NOVEMBER]),
        ("2026-11-01T00:00:00+09:00", [OCTOBER, NOVEMBER]),
        ("2026-11-01T23:59:59+09:00", [OCTOBER, NOVEMBER]),
        ("2026-11-02T00:00:00+09:00", [NOVEMBER]),
    ],
)
def test_a_session_within_a_day_of_a_months_edge_touches_both_months(
    puller: Puller, vendor: ScriptedVendor, start: str, months: list[str]
) -> None:
    """Midnight in Seoul divides the months, and under which date the vendor counts a session is not documented."""
    vendor.nights = {NIGHT: Night(datetime.fromisoformat(start).astimezone(UTC))}
    puller.pull()
    assert sorted(asked for asked in vendor.asked if ".." in asked) == months


def test_a_month_that_has_not_begun_is_neither_asked_for_nor_owed(
    puller: Puller, home: Home, vendor: ScriptedVendor, clock: StandingClock
) -> None:
    """A nap on the last evening of October in Seoul, pulled on that evening."""
    clock.now = datetime(2026, 10, 31, 14, tzinfo=UTC)
    vendor.nights = {NIGHT: Night(clock.now - timedelta(hours=7))}
    puller.pull(last=clock.now.date())
    clock.now += timedelta(hours=2)
    puller.pull(last=clock.now.date())
    assert [asked for asked in vendor.asked if ".." in asked] == [OCTOBER]


@pytest.mark.parametrize(
    ("start", "late"),
    [
        ("2026-10-20T23:00:00+09:00", [OCTOBER]),
        ("2026-10-31T23:00:00+09:00", [NOVEMBER, OCTOBER]),
        ("2026-11-01T23:00:00+09:00", [NOVEMBER, OCTOBER]),
        ("2026-11-02T23:00:00+09:00", [NOVEMBER]),
    ],
)
def test_statistics_that_lag_behind_are_asked_for_once_more(
    puller: Puller, vendor: ScriptedVendor, start: str, late: list[str]
) -> None:
    """Near a month's edge only once neither month names the session; after that nothing more is expected."""
    vendor.nights = {NIGHT: Night(datetime.fromisoformat(start).astimezone(UTC))}
    vendor.not_averaged = {NIGHT}
    puller.pull()
    asked = [[line for line in vendor.asked if ".." in line]]
    for _ in range(2):
        vendor.asked.clear()
        puller.pull()
        asked.append([line for line in vendor.asked if ".." in line])
    assert [sorted(lines) for lines in asked] == [sorted(late), sorted(late), []]


def test_near_a_months_edge_one_of_two_months_is_enough(puller: Puller, vendor: ScriptedVendor) -> None:
    """The vendor counts the night of 31 October in November: that October does not have it is right."""
    vendor.nights = {NIGHT: Night(datetime(2026, 10, 31, 14, tzinfo=UTC))}
    vendor.averaged_in = {NIGHT: "2026-11"}
    puller.pull()
    vendor.asked.clear()
    puller.pull()
    assert vendor.asked == ["list"]


def test_a_deletion_touches_every_month_the_session_may_have_been_in(
    puller: Puller, vendor: ScriptedVendor, clock: StandingClock
) -> None:
    """Its UTC day is all that is known; on the last of October that may be November in Seoul."""
    vendor.nights = {NIGHT: Night(datetime(2026, 10, 31, 20, tzinfo=UTC))}
    puller.pull()
    vendor.nights[NIGHT].row_state = "CLOSED"
    puller.pull()
    vendor.nights.clear()
    vendor.asked.clear()
    clock.advance(hours=1)
    puller.pull()
    assert sorted(asked for asked in vendor.asked if ".." in asked) == [
        "2026-10-01..2026-10-31 Asia/Seoul",
        "2026-11-01..2026-11-03 Asia/Seoul",
    ]


@pytest.mark.parametrize(
    "body",
    [
        b'{"result": {"session": "something else"}}',
        b'{"result": 7}',
        b'{"result": {"session": {"id": "\xff"}}}',
        b'{"result": {"number": 1e999}}',
        detail_of(NIGHT, START, stat__time_in_bed=10**30),
        detail_of(NIGHT, START, session__start_time="0001-01-01T00:00:00+09:00"),
        detail_of(NIGHT, START, session__start_time="not a time"),
        detail_of(NIGHT, START, stat__sleep_time="2025-13-45T99:99:99Z"),
    ],
)
def test_a_detail_that_cannot_be_read_is_kept_as_received(
    puller: Puller, home: Home, vendor: ScriptedVendor, body: bytes
) -> None:
    """The build will say what is wrong with it; here it ends nothing, and the same answer is no news."""
    vendor.nights[NIGHT].detail = body
    report = puller.pull()
    assert (report.counts, report.complete) == (SessionCounts(new=1), True)
    assert [current.document.body for current in kept(home, SESSION)] == [body]
    assert puller.pull().counts == SessionCounts(unchanged=1)
    assert puller.calls["list"] == 1
    assert [current.document.body for current in kept(home, SESSION)] == [body]


@pytest.mark.parametrize("odd", [b"{}", b"null", b'{"message": "later"}', detail_of("20261101000000_other", START)])
def test_an_odd_answer_is_asked_for_again_until_it_is_the_session(
    puller: Puller, home: Home, vendor: ScriptedVendor, odd: bytes
) -> None:
    """A moment's nonsense, or another session's detail, must not cost the night."""
    vendor.nights[NIGHT].detail = odd
    puller.pull()
    vendor.nights[NIGHT].detail = b""
    assert puller.pull().counts == SessionCounts(changed=1)
    assert puller.pull().counts == SessionCounts(unchanged=1)
    assert puller.calls == {"list": 1}
    assert [current.revision for current in kept(home, SESSION)] == [2]


@pytest.mark.parametrize(
    "start", ["", "yesterday", "2026-10-30T14:00:00", "0001-01-01T00:00:00+09:00", "9999-12-31T23:00:00-09:00"]
)
def test_a_list_with_an_impossible_start_fails_this_user_alone(
    puller: Puller, home: Home, vendor: ScriptedVendor, start: str
) -> None:
    """Without a start there is no partition; the other sessions of the user are kept."""
    vendor.nights["20261101140000_wrong"] = Night(START, row_changes={"session_start_time": start})
    report = puller.pull()
    assert report.failed == {"unreadable_answer": 1}
    assert (report.counts.new, versions(home), left(home)) == (1, [(200, 1)], {PERSON: "unreadable_answer"})


def test_list_pages_are_kept_when_they_say_something_new(
    puller: Puller, home: Home, vendor: ScriptedVendor, clock: StandingClock
) -> None:
    """A new row, or a row that changed; an unchanged list leaves nothing behind."""
    told = []
    for changes in ({}, {}, {"last_received_seq_num": 7}, {"last_received_seq_num": 7}):
        vendor.nights[NIGHT].row_changes = changes
        clock.advance(hours=1)
        puller.pull()
        told.append([current.revision for current in kept(home, SESSION_LIST)])
    assert told == [[1], [1], [2], [2]]
    [page] = kept(home, SESSION_LIST)
    assert json.loads(page.document.body)["result"]["sleep_session_list"] == [vendor.nights[NIGHT].row(NIGHT)]


@pytest.mark.parametrize("how", ["list", "detail", "statistics", "user document"])
def test_any_answer_shows_that_the_vendor_knows_the_user_again(
    puller: Puller, home: Home, vendor: ScriptedVendor, clock: StandingClock, how: str
) -> None:
    """Whichever call it is that succeeds."""
    vendor.nights[NIGHT].row_state = "OPEN"
    puller.pull()
    vendor.knows = False
    puller.pull()
    assert gone(home) == [PERSON]
    vendor.knows = True
    if how == "list":
        vendor.nights[NIGHT] = Night(START, "OPEN")
        puller.pull()
    elif how == "detail":
        follow(home, RosterUser(ASLEEP, PERSON, timezone="Asia/Seoul", active_to=START.date()))
        vendor.nights[NIGHT].detail = detail_of(NIGHT, START, session__state="CLOSED")
        puller.pull(date(2026, 11, 2))
        assert puller.calls == {"detail": 1}
    elif how == "statistics":
        puller.pull_months(date(2026, 10, 1))
    else:
        clock.advance(days=7)
        puller.pull_users()
    assert gone(home) == []


def test_a_user_document_is_kept_when_it_says_something_new(
    puller: Puller, home: Home, vendor: ScriptedVendor, clock: StandingClock
) -> None:
    """The last session changes nightly and does not count; the weight does."""
    puller.pull()
    told: list[Any] = []
    for change in ({"result.last_session_info": None}, {"result.metadata.weight": 70.5}):
        clock.advance(days=7)
        vendor.user = changed(USER_BODY, change)
        told.append((puller.pull(last=clock.now.date()).users_changed, kept(home, USER)[0].revision))
    assert told == [(False, 1), (True, 2)]


def test_averages_are_kept_when_they_say_something_new(puller: Puller, home: Home, clock: StandingClock) -> None:
    """The present month asked for up to another day is another answer; the same answer is not kept twice."""
    november = date(2026, 11, 1)
    told = []
    for advance in (0, 0, 1):
        clock.advance(days=advance)
        told.append((puller.pull_months(november).documents, kept(home, AVERAGE_STATS)[0].revision))
    assert told == [(1, 1), (0, 1), (1, 2)]


def test_nothing_that_is_passed_on_shows_a_person() -> None:
    """Neither a pull nor what is known prints an id."""
    pull = UserPull(RosterUser(ASLEEP, PERSON))
    assert PERSON not in repr(pull) + str(Known({PERSON: None}, {}))  # type: ignore[dict-item]


@pytest.mark.parametrize(("month", "last"), [((2026, 2), 28), ((2024, 2), 29), ((2026, 12), 31), ((2026, 11), 30)])
def test_the_last_day_of_a_month(month: tuple[int, int], last: int) -> None:
    """February, leap years, the end of the year."""
    assert last_day(date(*month, 1)) == date(*month, last)
    assert last_day(date(*month, 1)) + timedelta(days=1) > date(*month, last)
