"""The roster: what a CSV may say, how each mistake in one is told, and what putting, removing and 'gone' come to."""

import re
import tempfile
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import available_timezones

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.errors import WrongUsage
from connectors.state.database import State
from connectors.state.ledger import LedgerSession, put_sessions, put_unpulled, unpulled
from connectors.state.roster import (
    RosterChange,
    RosterUser,
    end_user,
    list_users,
    mark_gone,
    mark_to_be_deleted,
    put_users,
    read_roster_csv,
    remove_user,
    users_to_ask,
)
from schemas.nights import local_date, night_of

ANNA = RosterUser("asleep", "anna")
BERT = RosterUser("asleep", "bert", "clinic", "Asia/Seoul", date(2026, 1, 1), date(2026, 12, 31))

COLUMNS = "user_id, timezone, org, active_from, active_to, source, vendor_user_id"
ZONE = "the timezone is not an IANA name such as Asia/Seoul or Europe/Berlin."


def written(folder: Path, content: bytes) -> Path:
    """A file of users with this content."""
    path = folder / "users.csv"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    "content",
    [
        b"user_id,timezone,org,active_from,active_to\nanna,,,,\nbert,Asia/Seoul,clinic,2026-01-01,2026-12-31\n",
        b"user_id,timezone,org,active_from,active_to\r\nanna,,,,\r\nbert,Asia/Seoul,clinic,2026-01-01,2026-12-31\r\n",
        b"\xef\xbb\xbfuser_id,timezone,org,active_from,active_to\nanna\nbert,Asia/Seoul,clinic,2026-01-01,2026-12-31",
        b"active_to,org,user_id,active_from,timezone\n,,anna,,UTC\n2026-12-31,clinic,bert,2026-01-01,Asia/Seoul\n",
        b' user_id , timezone,org,active_from,active_to\n\n anna ,,,,\n\n"bert","Asia/Seoul","clinic",'
        b"2026-01-01,2026-12-31\n\n",
    ],
    ids=["plain", "CRLF", "BOM, short line, no end of line", "other order", "spaces, empty lines, quotes"],
)
def test_the_same_users_however_they_are_written(tmp_path: Path, content: bytes) -> None:
    """Line ends, a BOM, the order of columns, spaces and quotes do not matter; empty cells are the defaults."""
    assert read_roster_csv(written(tmp_path, content), "asleep") == [ANNA, BERT]


def test_only_the_user_id_is_required(tmp_path: Path) -> None:
    """A file of ids alone is a roster, in its order; a file with no line but the first is an empty one."""
    path = written(tmp_path, "user_id\nzoë,\nG-1\n".replace(",", "").encode())
    assert [user.user_id for user in read_roster_csv(path, "asleep")] == ["zoë", "G-1"]
    assert read_roster_csv(written(tmp_path, b"user_id\n"), "asleep") == []


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", f"users.csv, line 1: the column user_id is missing (columns: {COLUMNS})."),
        (b"id,timezone\ncanary,UTC\n", f"users.csv, line 1: the column user_id is missing (columns: {COLUMNS})."),
        (b"canary\nother\n", f"users.csv, line 1: the column user_id is missing (columns: {COLUMNS})."),
        (
            b"user_id,canary,zone\na,b,c\n",
            f"users.csv, line 1: 2 column(s) are not known (known are {COLUMNS}).",
        ),
        (b"user_id,org,user_id\na,b,c\n", "users.csv, line 1: a column stands in the file twice."),
        (b"user_id\n\ncanary\n   \n", "users.csv, line 4: user_id is empty."),
        (b"user_id,timezone\n,UTC\n", "users.csv, line 2: user_id is empty."),
        (b"user_id,timezone\na,UTC\ncanary,Mars/Canary\n", f"users.csv, line 3: {ZONE}"),
        (b"user_id,timezone\na,KST\n", f"users.csv, line 2: {ZONE}"),
        (b"user_id,timezone\na,../UTC\n", f"users.csv, line 2: {ZONE}"),
        (b"user_id,active_from\na,22.11.2026\n", "users.csv, line 2: active_from is not a date like 2026-11-22."),
        (b"user_id,active_to\na,2026-02-30\n", "users.csv, line 2: active_to is not a date like 2026-11-22."),
        (
            b"user_id,active_from,active_to\r\na,2026-11-22,2026-11-22\r\nb,2026-11-22,2026-11-21\r\n",
            "users.csv, line 3: active_from is after active_to.",
        ),
        (b"user_id\ncanary\nother\n canary\n", "users.csv, line 4: this user_id stands in the file twice."),
        (b"user_id,org\na,b,canary\n", "users.csv, line 2: more cells than columns."),
        (b'user_id,org\na,"canary\n', "users.csv, line 2: not valid CSV (check the quotes)."),
        (b'user_id,org\na,"can"ary\n', "users.csv, line 2: not valid CSV (check the quotes)."),
        (b'"user_id,canary\n', "users.csv, line 1: not valid CSV (check the quotes)."),
        (b'user_id\n"can\nary"\n,\n', "users.csv, line 4: more cells than columns."),
        ("user_id\ncanary ë\n".encode("latin-1"), "Cannot read users.csv: it is not UTF-8 text."),
        ("user_id\ncanary\n".encode("utf-16"), "Cannot read users.csv: it is not UTF-8 text."),
    ],
)
def test_each_mistake_is_told_with_its_line_and_without_a_cell(tmp_path: Path, content: bytes, sentence: str) -> None:
    """One sentence that names the file, the line and the rule; no cell's content is repeated."""
    with pytest.raises(WrongUsage) as refused:
        read_roster_csv(written(tmp_path, content), "asleep")
    assert str(refused.value) == sentence
    assert refused.value.exit_code == 2
    assert "canary" not in str(refused.value).lower()


@pytest.mark.parametrize(("name", "reason"), [("none.csv", "No such file or directory"), ("folder", "Is a directory")])
def test_a_file_that_cannot_be_read_is_told(tmp_path: Path, name: str, reason: str) -> None:
    """By its name only, with the reason."""
    (tmp_path / "folder").mkdir()
    with pytest.raises(WrongUsage) as refused:
        read_roster_csv(tmp_path / name, "asleep")
    assert str(refused.value) == f"Cannot read {name}: {reason}."


TEMPLATES = [
    r"users\.csv, line 1: the column user_id is missing \(columns: [a-z_, ]+\)\.",
    r"users\.csv, line 1: \d+ column\(s\) are not known \(known are [a-z_, ]+\)\.",
    r"users\.csv, line 1: a column stands in the file twice\.",
    rf"users\.csv, line \d+: {re.escape(ZONE)}",
    r"users\.csv, line \d+: user_id is empty\.",
    r"users\.csv, line \d+: active_(from|to) is not a date like 2026-11-22\.",
    r"users\.csv, line \d+: active_from is after active_to\.",
    r"users\.csv, line \d+: this user_id stands in the file twice\.",
    r"users\.csv, line \d+: more cells than columns\.",
    r"users\.csv, line \d+: not valid CSV \(check the quotes\)\.",
    r"Cannot read users\.csv: it is not UTF-8 text\.",
]
cells = st.sampled_from(
    ["user_id", "timezone", "org", "active_from", "active_to", "", "UTC", "Asia/Seoul", "2026-01-01", "2027-01-01"]
) | st.text(max_size=5)
lines = st.lists(st.lists(cells, max_size=5).map(",".join), max_size=5)
files = st.binary(max_size=60) | lines.map("\n".join).map(lambda text: text.encode(errors="replace"))
rosters = st.tuples(st.just(b"user_id,timezone,active_from,active_to\n"), files).map(b"".join)


@settings(max_examples=300, deadline=None)
@given(files | rosters)
def test_any_file_is_a_roster_or_a_known_sentence(content: bytes) -> None:
    """Whatever the bytes: users whose ids are not empty and stand once, or one of the sentences above, and no more."""
    with tempfile.TemporaryDirectory() as folder:
        users, refusal = _read(written(Path(folder), content))
    ids = [user.user_id for user in users]
    assert all(ids)
    assert len(set(ids)) == len(ids)
    assert refusal is None or any(re.fullmatch(template, refusal) for template in TEMPLATES)


def _read(path: Path) -> tuple[list[RosterUser], str | None]:
    try:
        return read_roster_csv(path, "asleep"), None
    except WrongUsage as refused:
        return [], str(refused)


def test_putting_counts_what_is_added_changed_and_left(state: State) -> None:
    """The counts add up, and the roster holds exactly what was put, in the order of ids."""
    moved = replace(BERT, timezone="Europe/Berlin")
    carl = RosterUser("asleep", "carl")
    with state.write() as connection:
        assert put_users(connection, [BERT, ANNA]) == RosterChange(added=2, changed=0, unchanged=0)
        assert put_users(connection, [carl, moved, ANNA]) == RosterChange(added=1, changed=1, unchanged=1)
        assert put_users(connection, []) == RosterChange(0, 0, 0)
    with state.read() as connection:
        assert list_users(connection) == [ANNA, moved, carl]


def test_the_same_id_at_two_sources_is_two_users(state: State) -> None:
    """Putting, listing and removing keep sources apart."""
    elsewhere = replace(ANNA, source="eight_sleep")
    with state.write() as connection:
        put_users(connection, [ANNA, elsewhere])
        assert list_users(connection, "asleep") == [ANNA]
        assert remove_user(connection, "asleep", "anna")
        assert list_users(connection) == [elsewhere]


def test_removing_takes_the_user_off_the_roster_once(state: State) -> None:
    """True if there was one, and the user is no longer among those still to be pulled."""
    with state.write() as connection:
        put_users(connection, [ANNA, BERT])
        put_unpulled(
            connection,
            "asleep",
            {"anna": "not_asked", "bert": "not_asked"},
            datetime.now(UTC),
            (date(2026, 1, 1), date(2026, 1, 2)),
        )
        assert remove_user(connection, "asleep", "anna")
        assert not remove_user(connection, "asleep", "anna")
        assert list_users(connection) == [BERT]
        assert set(unpulled(connection, "asleep")) == {"bert"}


def test_gone_users_stay_on_the_roster_until_they_are_back(state: State) -> None:
    """The vendor's 404 is noted, taken back when it answers again; importing the same user again changes nothing."""
    with state.write() as connection:
        put_users(connection, [ANNA, BERT, replace(ANNA, source="eight_sleep")])
        mark_gone(connection, "asleep", gone=["anna", "nobody"], back=["bert"])
        assert list_users(connection, "asleep") == [replace(ANNA, gone=True), BERT]
        assert not list_users(connection, "eight_sleep")[0].gone
        mark_gone(connection, "asleep", gone=["bert"], back=["anna"])
        assert list_users(connection, "asleep") == [ANNA, replace(BERT, gone=True)]
        assert put_users(connection, [BERT]).unchanged == 1
        assert list_users(connection, "asleep") == [ANNA, replace(BERT, gone=True)]


def test_users_marked_for_deletion_are_so_until_the_vendor_takes_it_back(state: State) -> None:
    """The mark is the vendor's: importing the same user again does not change it, and other sources have their own."""
    with state.write() as connection:
        put_users(connection, [ANNA, BERT, replace(ANNA, source="eight_sleep")])
        mark_to_be_deleted(connection, "asleep", marked=["anna", "nobody"], unmarked=["bert"])
        assert list_users(connection, "asleep") == [replace(ANNA, to_be_deleted=True), BERT]
        assert not list_users(connection, "eight_sleep")[0].to_be_deleted
        assert put_users(connection, [ANNA, replace(BERT, to_be_deleted=True)]).unchanged == 2
        mark_to_be_deleted(connection, "asleep", marked=[], unmarked=["anna"])
        assert list_users(connection, "asleep") == [ANNA, BERT]


DAY = timedelta(days=1)
QUARTER = timedelta(minutes=15)
ZONES = ["UTC", "Asia/Seoul", "America/New_York", "Europe/Berlin", "Pacific/Auckland", "Australia/Lord_Howe"]
FAR_ZONES = ["Pacific/Kiritimati", "Pacific/Niue", "Etc/GMT+12", "Pacific/Chatham"]
zones = st.sampled_from([*ZONES, *FAR_ZONES])
CHANGES = [date(2026, 3, 8), date(2026, 3, 29), date(2026, 4, 5), date(2026, 9, 27), date(2026, 10, 25)]
"""Sundays on which clocks change in one of the zones."""


@st.composite
def some_dates(draw: st.DrawFn) -> tuple[RosterUser, date, date]:
    """A user of any zone, followed in some nights around a change of the clock, and the dates asked for."""
    around = st.integers(-5, 5).map(lambda number: sunday + number * DAY)
    sunday = draw(st.sampled_from(CHANGES))
    begins, ends = draw(st.none() | around), draw(st.none() | around)
    if begins and ends and begins > ends:
        begins, ends = ends, begins
    user = RosterUser("asleep", "anna", timezone=draw(zones), active_from=begins, active_to=ends)
    first, last = sorted((draw(around), draw(around)))
    return user, first, last


@given(some_dates())
def test_the_dates_to_ask_for_are_those_that_a_followed_night_has(asked: tuple[RosterUser, date, date]) -> None:
    """Walking through the quarters of an hour: no date of a followed night is left out, and none is asked for more."""
    user, first, last = asked
    begins = datetime(first.year, first.month, first.day, tzinfo=UTC)
    moments = [begins + number * QUARTER for number in range(96 * ((last - first).days + 1))]
    followed = [moment for moment in moments if user.follows(moment)]
    assert followed == [
        moment
        for moment in moments
        if (user.active_from or date.min) <= night_of(moment, user.timezone) <= (user.active_to or date.max)
    ]
    part = user.active_within(first, last)
    assert part == ((followed[0].date(), followed[-1].date()) if followed else None)


@given(some_dates())
def test_the_dates_of_statistics_hold_no_hour_of_another_night(asked: tuple[RosterUser, date, date]) -> None:
    """Exactly those local dates all hours of which belong to nights in which the user is followed."""
    user, first, last = asked
    begins = datetime(first.year, first.month, first.day, tzinfo=UTC) - 2 * DAY
    by_date: dict[date, bool] = {}
    for number in range(96 * ((last - first).days + 5)):
        moment = begins + number * QUARTER
        day = local_date(moment, user.timezone)
        by_date[day] = by_date.get(day, True) and user.follows(moment)
    whole = [day for day, all_followed in by_date.items() if all_followed and first <= day <= last]
    assert user.period_within(first, last) == ((whole[0], whole[-1]) if whole else None)


def test_dates_at_the_ends_of_the_calendar_mean_open_ends_or_never() -> None:
    """Some write 9999-12-31 for an open end; it is no mistake of anybody's that no day comes after it."""
    window = (date(2026, 1, 1), date(2026, 1, 31))
    always = replace(ANNA, active_from=date.min, active_to=date.max)
    assert (always.active_within(*window), always.period_within(*window)) == (window, window)
    for never in (replace(ANNA, active_from=date.max), replace(ANNA, active_to=date.min)):
        assert (never.active_within(*window), never.period_within(*window)) == (None, None)


def test_nothing_is_asked_for_somebody_who_is_to_be_deleted() -> None:
    """No date, no session, no statistics."""
    marked, window = replace(ANNA, to_be_deleted=True), (date(2026, 1, 1), date(2026, 1, 31))
    assert (marked.active_within(*window), marked.period_within(*window)) == (None, None)
    assert not marked.follows(datetime(2026, 1, 5, tzinfo=UTC))


def test_a_user_does_not_show_who_it_is() -> None:
    """The repr holds nothing of the person."""
    assert repr(BERT) == "RosterUser(…)"


def test_a_roster_is_read_as_fast_as_its_zones_are_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tz database of the machine is walked once a zone at most, not once a line."""
    walked = 0
    available = available_timezones

    def counted() -> set[str]:
        nonlocal walked
        walked += 1
        return available()

    monkeypatch.setattr("schemas.nights.available_timezones", counted)
    text = "user_id,timezone\n" + "".join(f"{number},Asia/Seoul\n" for number in range(500))
    assert len(read_roster_csv(written(tmp_path, text.encode()), "asleep")) == 500
    assert walked <= 1


def test_the_roster_is_read_with_one_query(state: State) -> None:
    """Listing costs one statement however many users there are."""
    with state.write() as connection:
        put_users(connection, [RosterUser("asleep", str(number)) for number in range(1000)])
        statements: list[object] = []
        sa.event.listen(connection, "before_execute", lambda *arguments: statements.append(arguments[1]))
        assert len(list_users(connection)) == 1000
    assert len(statements) == 1


def test_who_is_removed_stays_for_the_past_and_is_asked_for_no_more(state: State) -> None:
    """Label and dates stay up to the last night; the vendor knows the user still; putting the user again resumes."""
    day = date(2026, 6, 1)
    with state.write() as connection:
        put_users(connection, [ANNA, BERT])
        put_unpulled(connection, "asleep", {"bert": "not_asked"}, datetime.now(UTC), (day, day))
        ended = end_user(connection, "asleep", "bert", day, removed=True)
        assert ended == replace(BERT, active_to=day, removed=True)
        assert list_users(connection) == [ANNA, ended]
        assert users_to_ask(connection, "asleep") == [ANNA]
        assert unpulled(connection, "asleep") == {}
        assert put_users(connection, [BERT]).changed == 1
        assert users_to_ask(connection, "asleep") == [ANNA, BERT]
    assert ended.active_within(day, day) is None
    assert ended.period_within(date(2026, 1, 1), day) is None
    assert not ended.follows(datetime(2026, 5, 31, 22, tzinfo=UTC))


@pytest.mark.parametrize(
    ("user", "ended"),
    [
        (ANNA, False),
        (replace(ANNA, removed=True), True),
        (replace(ANNA, active_to=date(2026, 6, 1)), True),
        (replace(ANNA, active_to=date(2026, 6, 2)), False),
    ],
)
def test_following_has_ended_after_the_last_night(user: RosterUser, ended: bool) -> None:
    """A night that is still to come keeps it open."""
    assert user.has_ended(date(2026, 6, 1)) == ended


def test_a_person_may_be_followed_at_two_sources(state: State, tmp_path: Path) -> None:
    """One user id, a line for each source; the bed's own id of the user is what the vendor is asked with."""
    content = b"user_id,source,vendor_user_id,timezone\nanna,,,Asia/Seoul\nanna,eight_sleep,5f1c,Asia/Seoul\n"
    phone, bed = read_roster_csv(written(tmp_path, content), "asleep")
    assert (phone.key, phone.asked_as) == (("asleep", "anna"), "anna")
    assert (bed.key, bed.asked_as) == (("eight_sleep", "anna"), "5f1c")
    with state.write() as connection:
        assert put_users(connection, [phone, bed]) == (2, 0, 0)
        assert list_users(connection) == [phone, bed]
        assert list_users(connection, "eight_sleep") == [bed]


def test_two_users_are_never_one_user_of_the_vendor(state: State) -> None:
    """Their nights would count twice; one who has left may be followed by another."""
    anna = RosterUser("eight_sleep", "anna", vendor_user_id="5f1c")
    bert = RosterUser("eight_sleep", "bert", vendor_user_id="5f1c")
    with state.write() as connection:
        put_users(connection, [anna])
        for other in (bert, RosterUser("eight_sleep", "5f1c")):
            with pytest.raises(WrongUsage, match="count twice") as refused:
                put_users(connection, [other])
            assert "5f1c" not in str(refused.value)
        put_users(connection, [RosterUser("asleep", "5f1c"), replace(anna, removed=True), bert])


def test_who_has_nights_does_not_become_another_user_of_the_vendor(state: State) -> None:
    """Nights of two people would be under one name; before the first night the id may be corrected."""
    anna = RosterUser("eight_sleep", "anna", vendor_user_id="5f1c")
    now = datetime(2026, 11, 22, tzinfo=UTC)
    night = LedgerSession(
        "eight_sleep", "anna", "1774735200", "default", now.date(), "", "complete", "hash", 1, now, now
    )
    with state.write() as connection:
        put_users(connection, [replace(anna, vendor_user_id="wrong")])
        put_users(connection, [anna])
        put_sessions(connection, [night])
        with pytest.raises(WrongUsage, match="two people"):
            put_users(connection, [replace(anna, vendor_user_id="other")])
        put_users(connection, [replace(anna, timezone="Asia/Seoul")])


def test_a_person_is_of_one_organisation(state: State) -> None:
    """Whoever gets the data knows one person, not one for each source."""
    phone, bed = RosterUser("asleep", "anna", "clinic"), RosterUser("eight_sleep", "anna", "clinic")
    with state.write() as connection:
        put_users(connection, [phone, bed])
        with pytest.raises(WrongUsage, match="two organisations"):
            put_users(connection, [replace(bed, org_id="hospital")])
        put_users(connection, [replace(phone, org_id="hospital"), replace(bed, org_id="hospital")])
