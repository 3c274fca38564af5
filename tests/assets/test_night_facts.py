"""Which nights are expected, and what state and lake say of each: one row for every user-night, and no other."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.home import Home
from connectors.state.ledger import DELETED, NOT_ASKED, PENDING, put_unpulled
from connectors.state.roster import RosterUser, mark_gone, mark_to_be_deleted
from schemas.asleep import ASLEEP
from schemas.nights import night_of
from schemas.tables import SESSION_HISTORY
from tests.assets.homes import NOW, StandingClock, follow, new_home, sleeper
from tests.assets.lake.asked_nights import (
    BED,
    DAY,
    NIGHTS,
    SESSION_ID,
    TODAY,
    answered,
    asked,
    known,
    ledger,
    slept,
    verdicts,
)
from tests.assets.lake.documents import USER_ID

OTHER = "G-20250301120000-aaaaaaaaaaaaaaaaaaaa"


def test_a_night_with_its_session_and_nights_without(home: Home) -> None:
    """Every column of a complete night, and of one about which the vendor was asked and had nothing."""
    user = sleeper(USER_ID)
    follow(home, user)
    answered(home, user)
    slept(home)
    rows = ledger(home)
    assert rows[USER_ID, NIGHTS[1]] == {
        "org_id": "clinic",
        "source": ASLEEP,
        "user_id": USER_ID,
        "night_of": NIGHTS[1],
        "verdict": "complete",
        "reason": None,
        "session_ids": [SESSION_ID],
        "main_session_id": SESSION_ID,
        "late_days": 0,
        "revised": False,
        "path": None,  # nobody has built the history yet
        "first_seen_at": BED + DAY,
        "checked_at": NOW,
    }
    assert rows[USER_ID, NIGHTS[2]] == rows[USER_ID, NIGHTS[1]] | {
        "night_of": NIGHTS[2],
        "verdict": "no_recording",
        "reason": "the vendor had nothing when asked at 2026-11-03 06:00 UTC",
        "session_ids": [],
        "main_session_id": None,
        "late_days": None,
        "first_seen_at": None,
    }
    assert verdicts(home) == ["no_recording", "complete", "no_recording", "no_recording"]


@pytest.mark.parametrize(("reasons", "path"), [(["webhook", "re_analysed"], "webhook"), (["completed"], "poll")])
def test_the_path_is_that_of_the_first_version(home: Home, reasons: list[str], path: str) -> None:
    """What came by webhook stays so when a poll brings a later version."""
    user = sleeper(USER_ID)
    follow(home, user)
    answered(home, user)
    slept(home)
    version: dict[str, Any] = {"org_id": "clinic", "source": ASLEEP, "user_id": USER_ID, "session_id": SESSION_ID}
    version |= {"start_date": BED.date(), "seen_at": BED, "valid_from": BED, "content_hash": "h"}
    rows = [version | {"revision": number, "reason": reason} for number, reason in enumerate(reasons, 1)]
    home.lake.replace(SESSION_HISTORY, f"date={BED.date()}", rows)
    assert ledger(home)[USER_ID, NIGHTS[1]]["path"] == path


@pytest.mark.parametrize(
    ("zone", "begins"), [("Asia/Seoul", 1), ("America/New_York", 1), ("Pacific/Kiritimati", 2), ("Etc/GMT+12", 0)]
)
def test_nights_are_expected_from_the_first_date_asked_for_until_they_are_over(
    home: Home, clock: StandingClock, zone: str, begins: int
) -> None:
    """The first is the first that has no hour before; the last is over at noon on the user's clocks."""
    user = sleeper(USER_ID, timezone=zone)
    follow(home, user)
    answered(home, user, first=NIGHTS[1])
    found = [night for night, verdict in zip(NIGHTS, verdicts(home), strict=True) if verdict]
    last = night_of(NOW, zone) - DAY
    assert found == [night for night in NIGHTS[begins:] if night <= last]
    clock.advance(days=1)
    assert set(ledger(home, [last + DAY, last + 2 * DAY])) == {(USER_ID, last + DAY)}


def test_nobody_has_nights_before_the_first_pull_or_without_being_followed(home: Home) -> None:
    """No row for users who were never asked for, and none for those who are on no roster."""
    user, stranger = sleeper(USER_ID), sleeper(OTHER)
    follow(home, user)
    answered(home, stranger)
    assert ledger(home) == {}


def test_only_nights_within_the_rosters_dates_are_expected(home: Home) -> None:
    """From ``active_from``, even before the first pull, to ``active_to``."""
    user = replace(sleeper(USER_ID), active_from=NIGHTS[1], active_to=NIGHTS[2])
    follow(home, user)
    assert verdicts(home) == [None, "not_checked", "not_checked", None]
    answered(home, user, first=NIGHTS[1], last=NIGHTS[3])
    assert verdicts(home) == [None, "no_recording", "no_recording", None]


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Seoul", "Pacific/Kiritimati", "Etc/GMT+12"])
def test_the_dates_that_a_pull_asks_for_check_every_night_of_the_roster(home: Home, zone: str) -> None:
    """Also the first and the last, whichever UTC dates they lie on; the nights beside them have no row."""
    user = replace(sleeper(USER_ID, timezone=zone), active_from=NIGHTS[1], active_to=NIGHTS[2])
    follow(home, user)
    dates = user.active_within(NIGHTS[0] - 5 * DAY, TODAY)
    assert dates
    answered(home, user, first=dates[0], last=dates[1])
    assert verdicts(home) == [None, "no_recording", "no_recording", None]


def test_a_night_that_the_roster_no_longer_includes_keeps_a_row(home: Home) -> None:
    """What was found of it stays; what is open will not be asked for any more, and waiting for it has ended too."""
    user = sleeper(USER_ID)
    follow(home, user)
    answered(home, user, last=NIGHTS[2])
    asked(home, user)
    slept(home, start=BED, session_id=SESSION_ID)
    waits = f"{BED + 2 * DAY:%Y%m%d%H%M%S}_waits"
    known(home, waits, verdict=PENDING, content_hash=None, revision=0, partition=BED.date() + 2 * DAY)
    assert verdicts(home) == ["no_recording", "complete", "not_checked", "pending"]
    with home.state.write() as connection:
        put_unpulled(connection, ASLEEP, {USER_ID: "server_failed"}, NOW, (NIGHTS[2], TODAY))
    follow(home, replace(user, active_to=NIGHTS[0]))
    assert verdicts(home) == ["no_recording", "complete", "inactive", "inactive"]


@pytest.mark.parametrize(
    ("kind", "verdict", "reason"),
    [
        (NOT_ASKED, "not_checked", "the pull ended before it came to this user"),
        ("server_failed", "provider_error", "the vendor failed for this user (server_failed)"),
    ],
)
def test_users_who_are_left_have_open_nights_until_they_are_asked(
    home: Home, kind: str, verdict: str, reason: str
) -> None:
    """Only the dates they were left for; once answered, the nights are what the vendor says."""
    user = sleeper(USER_ID)
    follow(home, user)
    asked(home, user)
    with home.state.write() as connection:
        put_unpulled(connection, ASLEEP, {USER_ID: kind}, NOW, (NIGHTS[2], TODAY))
    assert verdicts(home) == ["not_checked", verdict, verdict, verdict]
    assert ledger(home)[USER_ID, NIGHTS[2]]["reason"].startswith(reason)
    answered(home, user)
    assert verdicts(home) == ["no_recording"] * 4


def test_an_answer_from_before_the_night_was_over_says_nothing_about_it(home: Home, clock: StandingClock) -> None:
    """That of 2 November is over in Seoul at 03:00 UTC: an answer of 02:00 does not check it, one of 03:00 does."""
    user = sleeper(USER_ID)
    follow(home, user)
    clock.now = NOW.replace(hour=2)
    answered(home, user)
    clock.now = NOW
    assert verdicts(home) == ["no_recording"] * 3 + ["not_checked"]
    row = ledger(home)[USER_ID, NIGHTS[3]]
    assert row["reason"] == "the vendor was not asked since the night was over: nightshift sync"
    assert row["checked_at"] is None
    clock.now = NOW.replace(hour=3)
    answered(home, user)
    assert verdicts(home) == ["no_recording"] * 4


def test_a_user_the_vendor_does_not_know_is_gone_but_not_what_was_known(home: Home) -> None:
    """Nights answered before keep their verdict, and so does a night's sleep."""
    user = sleeper(USER_ID)
    follow(home, user)
    answered(home, user, last=NIGHTS[2])
    asked(home, user)
    with home.state.write() as connection:
        mark_gone(connection, ASLEEP, gone=[USER_ID], back=[])
    assert verdicts(home) == ["no_recording", "no_recording", "user_gone", "user_gone"]
    slept(home, start=BED + DAY, session_id=f"{BED + DAY:%Y%m%d%H%M%S}_aaaaa")
    assert verdicts(home) == ["no_recording", "no_recording", "complete", "user_gone"]


def test_a_user_whom_the_vendor_will_delete_is_gone_for_nights_that_nobody_asks_for(home: Home) -> None:
    """Nights answered before keep their verdict; what waits is not waited for any more."""
    user = sleeper(USER_ID)
    follow(home, user)
    answered(home, user, last=NIGHTS[2])
    known(home, verdict=PENDING, content_hash=None, revision=0)
    assert verdicts(home) == ["no_recording", "pending", "not_checked", "not_checked"]
    with home.state.write() as connection:
        mark_to_be_deleted(connection, ASLEEP, marked=[USER_ID], unmarked=[])
    assert verdicts(home) == ["no_recording", "user_gone", "user_gone", "user_gone"]


@pytest.mark.parametrize(
    ("session_id", "verdict"),
    [
        (SESSION_ID, [None, "pending", None, None]),
        ("20261031010203_aaaaa", ["pending", None, None, None]),  # 10:02 in Seoul, still the night before
        ("20261030141008_aaaaa", [None, "pending", None, None]),  # not the date it is listed under
        ("no start in it", [None, "pending", None, None]),
    ],
)
def test_a_session_that_waits_is_pending_in_the_night_its_id_tells(
    home: Home, session_id: str, verdict: list[str | None]
) -> None:
    """By the start in the vendor's id; without one, in the night whose bedtime lies on its date."""
    user = sleeper(USER_ID)
    follow(home, user)
    answered(home, user)
    known(home, session_id, verdict=PENDING, content_hash=None, revision=0)
    assert verdicts(home) == [found or "no_recording" for found in verdict]


def test_a_refused_document_is_quarantined_until_it_can_be_used(home: Home) -> None:
    """Also when the ledger calls it pending, as it does to have it asked for again."""
    user = sleeper(USER_ID)
    follow(home, user)
    answered(home, user)
    slept(home, session__end_time="whenever")
    assert verdicts(home)[1] == "quarantined"
    known(home, verdict=PENDING)
    assert verdicts(home)[1] == "quarantined"


def test_a_deleted_session_leaves_a_deleted_night(home: Home) -> None:
    """As soon as the ledger knows, even if the lake does not yet."""
    user = sleeper(USER_ID)
    follow(home, user)
    answered(home, user)
    slept(home)
    known(home, verdict=DELETED, revision=2)
    row = ledger(home)[USER_ID, NIGHTS[1]]
    assert (row["verdict"], row["session_ids"], row["revised"]) == ("deleted", [], True)


zones = st.sampled_from(
    ["UTC", "Asia/Seoul", "America/New_York", "Pacific/Kiritimati", "Pacific/Niue", "Asia/Kathmandu"]
)
days = st.integers(0, 9).map(lambda number: NIGHTS[0] - 5 * DAY + number * DAY)
ranges = st.tuples(days, days).map(lambda pair: (min(pair), max(pair)))


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[RosterUser, list[tuple[date, date]], int]]:
    """Up to four users, what each was asked for, and how many sessions each has."""
    users = []
    for number in range(draw(st.integers(0, 4))):
        first, last = draw(st.none() | days), draw(st.none() | days)
        if first and last and first > last:
            first, last = last, first
        user = replace(sleeper(f"U{number}", timezone=draw(zones)), active_from=first, active_to=last)
        users.append((user, draw(st.lists(ranges, max_size=3)), draw(st.integers(0, 2))))
    return users


@settings(max_examples=20, deadline=None)
@given(histories(), st.integers(0, 30))
def test_every_expected_user_night_has_exactly_one_row(
    history: list[tuple[RosterUser, list[tuple[date, date]], int]], hours: int
) -> None:
    """Whoever is followed, whatever was asked for and found: those rows and no others, by counting hour by hour."""
    with TemporaryDirectory() as folder:
        clock = StandingClock(NOW - timedelta(days=2) + timedelta(hours=hours))
        with new_home(Path(folder), clock) as home:
            expected = set()
            for user, windows, sessions in history:
                follow(home, user)
                for first, last in windows:
                    answered(home, user, first=first, last=last)
                for number in range(sessions):
                    known(home, f"S{number}", user_id=user.user_id, verdict=(PENDING, DELETED)[number])
                expected |= set(expected_nights(user, windows, clock.now))
            nights = [NIGHTS[0] + number * DAY for number in range(-8, 8)]
            assert set(ledger(home, nights)) == expected


def expected_nights(user: RosterUser, windows: list[tuple[date, date]], now: datetime) -> Iterable[tuple[str, date]]:
    """The nights of a user, told by walking through the hours: over, followed or asked about, after the first date."""
    hours = [NOW - timedelta(days=16) + timedelta(hours=number) for number in range(24 * 24)]
    by_night: dict[date, list[datetime]] = {}
    for hour in hours:
        by_night.setdefault(night_of(hour, user.timezone), []).append(hour)
    for night, found in by_night.items():
        asked_about = all(any(first <= hour.date() <= last for first, last in windows) for hour in found)
        begun = user.active_from is not None or any(first <= found[0].date() for first, _ in windows)
        within = (user.active_from or night) <= night <= (user.active_to or night)
        over = found[-1] + timedelta(hours=1) <= now or night_of(now, user.timezone) > night
        if over and (begun if within else asked_about) and NIGHTS[0] - 8 * DAY <= night < NIGHTS[0] + 8 * DAY:
            yield user.user_id, night
