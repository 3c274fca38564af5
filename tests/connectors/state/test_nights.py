"""Dates asked for: few intervals, equal to a note a date; settled dates keep their time; who is left and why."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.state.database import State
from connectors.state.ledger import DELETED, NOT_ASKED, LedgerSession, put_sessions, put_unpulled
from connectors.state.nights import (
    Asked,
    LeftOver,
    asked_between,
    first_asked,
    last_asked,
    left_over,
    note_answered,
    note_asked,
    refused_sessions,
    sessions_starting,
)
from connectors.state.quarantine import Quarantined, replace_quarantined
from connectors.state.roster import RosterUser
from connectors.state.tables import asked_days
from schemas.night_hours import settles_at

START = date(2026, 11, 1)
NOW = datetime(2026, 11, 10, 4, tzinfo=UTC)
WHENEVER = (date(2000, 1, 1), date(2100, 1, 1))
SEOUL = RosterUser("asleep", "U1", timezone="Asia/Seoul")


def day(number: int) -> date:
    """A day of November 2026."""
    return START + timedelta(days=number - 1)


def rows(state: State) -> list[tuple[date, date, datetime | None]]:
    """The intervals as they are kept."""
    with state.read() as connection:
        query = sa.select(asked_days).order_by(asked_days.c.user_id, asked_days.c.first_day)
        return [(row.first_day, row.last_day, row.checked_at) for row in connection.execute(query)]


def ask(state: State, user: RosterUser, first: int, last: int) -> set[date]:
    """Note days as asked for; gives what has become expected beside them."""
    with state.write() as connection:
        return note_asked(connection, [(user, (day(first), day(last)))])


def answer(state: State, user: RosterUser, first: int, last: int, at: datetime) -> set[date]:
    """Note days as answered; gives those of which anything new is known."""
    with state.write() as connection:
        return note_answered(connection, [(user, (day(first), day(last)))], at)


def test_what_was_asked_is_known_before_it_is_answered(state: State) -> None:
    """Dates asked for without an answer have no time; an answer gives them one, and asking again takes none away."""
    ask(state, SEOUL, 3, 5)
    assert rows(state) == [(day(3), day(5), None)]
    answer(state, SEOUL, 3, 5, NOW)
    ask(state, SEOUL, 3, 5)
    assert rows(state) == [(day(3), day(5), NOW)]


def test_settled_dates_keep_their_time(state: State) -> None:
    """In Seoul a UTC date is settled at 03:00 of the next one; the last night's answer moves on, older ones stay."""
    second = NOW + timedelta(days=1)
    assert answer(state, SEOUL, 5, 10, NOW) == {day(number) for number in range(5, 11)}
    assert answer(state, SEOUL, 6, 11, second) == {day(10), day(11)}
    assert rows(state) == [(day(5), day(9), NOW), (day(10), day(11), second)]
    assert answer(state, SEOUL, 6, 11, second) == set()
    assert rows(state) == [(day(5), day(9), NOW), (day(10), day(11), second)]


def test_an_answer_before_a_date_is_over_does_not_settle_it_in_the_west(state: State) -> None:
    """At 04:00 UTC of the 10th the night of the 8th is over in Honolulu, that of the 9th is not."""
    honolulu = RosterUser("asleep", "U1", timezone="Pacific/Honolulu")
    second = NOW + timedelta(days=1)
    answer(state, honolulu, 8, 10, NOW)
    answer(state, honolulu, 8, 10, second)
    assert rows(state) == [(day(8), day(8), NOW), (day(9), day(10), second)]


def test_a_gap_between_two_pulls_becomes_expected(state: State) -> None:
    """The dates between an older backfill and what was asked before; nothing when they touch or overlap."""
    assert ask(state, SEOUL, 20, 25) == set()
    assert ask(state, SEOUL, 10, 12) == {day(number) for number in range(13, 20)}
    assert ask(state, SEOUL, 8, 9) == set()
    assert ask(state, SEOUL, 7, 30) == set()
    assert ask(state, SEOUL, 14, 15) == set()


def test_a_first_pull_makes_everything_since_active_from_expected(state: State) -> None:
    """Once; a backfill before that does not make more, because no night before ``active_from`` is expected."""
    user = RosterUser("asleep", "U1", active_from=day(2))
    assert ask(state, user, 5, 9) == {day(2), day(3), day(4)}
    assert ask(state, user, 2, 3) == set()


def test_users_do_not_mix(state: State) -> None:
    """Each has intervals, a first date and an answer of their own; the last date is everybody's."""
    other = RosterUser("asleep", "U2", timezone="UTC")
    with state.write() as connection:
        note_asked(connection, [(SEOUL, (day(1), day(4))), (other, (day(3), day(6)))])
        note_answered(connection, [(other, (day(3), day(6)))], NOW)
    with state.read() as connection:
        assert first_asked(connection, "asleep") == {"U1": day(1), "U2": day(3)}
        assert last_asked(connection, "asleep") == day(6)
        assert first_asked(connection, "another source") == {}
        assert last_asked(connection, "another source") is None
        found = asked_between(connection, "asleep", day(4), day(5))
    one, two = Asked(day(1), day(4), None), Asked(day(3), day(6), NOW)
    assert found == {"U1": {day(4): one}, "U2": {day(4): two, day(5): two}}


def test_of_two_writers_at_once_the_later_answer_counts(state: State) -> None:
    """Overlapping intervals, which two writers may leave in PostgreSQL, are read as one, also after the next note."""
    with state.write() as connection:
        for first, at in ((day(1), None), (day(2), NOW), (day(3), NOW - timedelta(days=1))):
            row = {"source": "asleep", "user_id": "U1", "first_day": first, "last_day": day(4), "checked_at": at}
            connection.execute(sa.insert(asked_days).values(row))
    with state.read() as connection:
        found = asked_between(connection, "asleep", day(1), day(4))["U1"]
    assert [found[day(number)].checked_at for number in range(1, 5)] == [None, NOW, NOW, NOW]
    answer(state, SEOUL, 1, 1, NOW)
    with state.read() as connection:
        found = asked_between(connection, "asleep", day(1), day(4))["U1"]
    assert [found[day(number)].checked_at for number in range(1, 5)] == [NOW] * 4


notes = st.tuples(st.integers(1, 25), st.integers(0, 12), st.none() | st.integers(0, 20))


@settings(max_examples=60)
@given(st.lists(notes, max_size=12), st.sampled_from(["Asia/Seoul", "Pacific/Honolulu", "Pacific/Kiritimati", "UTC"]))
def test_intervals_say_what_a_note_for_each_date_would_say(
    shared_state: State, history: list[tuple[int, int, int | None]], zone: str
) -> None:
    """In whatever order dates are asked for and answered: the same times by date, in the fewest intervals."""
    user, told = RosterUser("asleep", "U1", timezone=zone), dict[date, datetime | None]()
    with shared_state.write() as connection:
        connection.execute(sa.delete(asked_days))
    for first, length, hours in history:
        days = [day(first + number) for number in range(length + 1)]
        if hours is None:
            ask(shared_state, user, first, first + length)
            told |= {one: told.get(one) for one in days}
            continue
        at = NOW + timedelta(days=hours)
        answer(shared_state, user, first, first + length, at)
        for one in days:
            before = told.get(one)
            settled = before is not None and before >= settles_at(one, zone)
            told[one] = before if settled else max(before or at, at)
    with shared_state.read() as connection:
        found = asked_between(connection, "asleep", *WHENEVER).get("U1", {})
    assert {one: interval.checked_at for one, interval in found.items()} == told
    kept = rows(shared_state)
    for left, right in pairwise(kept):
        assert left[1] < right[0]
        assert left[2] != right[2] or left[1] + timedelta(days=1) < right[0]


@pytest.mark.parametrize("kind", [NOT_ASKED, "server_failed"])
def test_who_is_left_is_told_with_the_reason_and_the_dates(state: State, kind: str) -> None:
    """As the pull noted it."""
    with state.write() as connection:
        put_unpulled(connection, "asleep", {"U1": kind}, NOW, (day(1), day(4)))
    with state.read() as connection:
        assert left_over(connection, "asleep") == {"U1": LeftOver(kind, day(1), day(4))}
        assert left_over(connection, "another source") == {}


def test_sessions_are_found_by_the_date_they_start_on(state: State) -> None:
    """Both ends included, whatever the verdict; other dates and sources are not."""
    plain = LedgerSession("asleep", "U1", "S", "org", day(3), "f", DELETED, None, 0, NOW, NOW)
    with state.write() as connection:
        put_sessions(connection, [plain])
    with state.read() as connection:
        assert sessions_starting(connection, "asleep", day(3), day(3)) == [plain]
        assert sessions_starting(connection, "asleep", day(1), day(2)) == []
        assert sessions_starting(connection, "asleep", day(4), day(9)) == []
        assert sessions_starting(connection, "another source", day(1), day(9)) == []


def test_only_refused_sessions_of_the_dates_are_found(state: State) -> None:
    """Documents of another kind and other dates do not count."""
    for document, number in (("session", 3), ("user", 3), ("session", 9)):
        item = Quarantined(
            "a", day(number).isoformat(), "asleep", document, "U1", f"{document}{number}", "h", "r", "p", "e", NOW
        )
        replace_quarantined(state, f"{document}s", day(number).isoformat(), [item])
    with state.read() as connection:
        assert refused_sessions(connection, "asleep", day(2), day(4)) == {("U1", "session3")}
