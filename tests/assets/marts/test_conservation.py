"""What holds whatever the sessions are: none is lost, none counts twice, and the order of rows changes nothing."""

from datetime import UTC, datetime, timedelta
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.assets.marts.recordings import AWAKE, BED, NO_FIGURES, TOO_SHORT, Row, ledger_of, marts_of, session_between

BEGIN = datetime(2026, 10, 24, 6, tzinfo=UTC)
"""The clocks of Berlin go back in the night that follows."""
DAY_S = 86_400
USERS = ("ann", "ben", "cid", "dan")
QUARTERS = st.integers(0, 3 * 96)
ZONES = st.sampled_from(["Europe/Berlin", "Asia/Seoul", "Pacific/Kiritimati", "Pacific/Pago_Pago"])
SOURCES: st.SearchStrategy[Row] = st.sampled_from([{}, BED])
"""The phone, and the bed."""
FIGURES: st.SearchStrategy[Row] = st.sampled_from([{}, {}, {}, AWAKE, NO_FIGURES, TOO_SHORT])


@st.composite
def any_sessions(draw: st.DrawFn) -> list[Row]:
    """Up to 24 sessions of four users within three days, many of which overlap; some are longer than a day.

    Both sources tell of everybody.
    """
    rows = []
    for number in range(draw(st.integers(0, 24))):
        start = BEGIN + timedelta(minutes=15 * draw(QUARTERS))
        quarters = draw(st.integers(0, 48) | st.integers(90, 130))
        row = session_between(f"s{number}", start, start + timedelta(minutes=15 * quarters), draw(ZONES))
        rows.append(row | draw(FIGURES) | draw(SOURCES) | {"user_id": draw(st.sampled_from(USERS))})
    return rows


def counted(night: Row) -> list[str]:
    """The sessions whose figures are in the night's."""
    main = [night["main_session_id"]] if night["main_session_id"] else []
    return [*main, *night["further_session_ids"], *night["nap_session_ids"], *night["without_sleep_session_ids"]]


def overlap_s(a: Row, b: Row) -> float:
    """The time that two sessions share; 0 or less if none."""
    return float((min(a["end_time"], b["end_time"]) - max(a["start_time"], b["start_time"])).total_seconds())


def assert_conserved(sessions: list[Row]) -> None:
    """Build the marts and hold them against the sessions."""
    marts = marts_of(sessions, ledger_of(sessions))
    assert [check for check in marts.checks if not check.passed] == []
    nights = marts.tables["nights"].to_pylist()
    assert_every_session_is_in_one_night_once(sessions, nights)
    assert_the_main_sleep_is_a_sources(sessions, nights)
    assert_nothing_counts_twice(sessions, nights)


def assert_every_session_is_in_one_night_once(sessions: list[Row], nights: list[Row]) -> None:
    """Counted or named as overlapped, in the night that it says; time is that of the sessions, each second once."""
    listed = sorted(
        (n["user_id"], n["night_of"], i) for n in nights for i in (*counted(n), *n["overlapped_session_ids"])
    )
    assert listed == sorted((row["user_id"], row["night_of"], row["session_id"]) for row in sessions)
    by_id = {row["session_id"]: row for row in sessions}
    for night in nights:
        quarters: set[int] = set()
        for row in sessions:
            if (row["user_id"], row["night_of"]) == (night["user_id"], night["night_of"]):
                quarters |= set(
                    range(*((row[end] - BEGIN) // timedelta(minutes=15) for end in ("start_time", "end_time")))
                )
        assert night["recorded_s"] == 900 * len(quarters)
        parts = ("main_tracked_s", "further_tracked_s", "nap_tracked_s", "without_sleep_tracked_s")
        spans = [(by_id[i]["end_time"] - by_id[i]["start_time"]).total_seconds() for i in counted(night)]
        assert sum(night[part] for part in parts) == sum(spans)
        assert night["overlapped_only_s"] == night["recorded_s"] - sum(spans) >= 0


def assert_the_main_sleep_is_a_sources(sessions: list[Row], nights: list[Row]) -> None:
    """The night has a main sleep if a source by itself has one, and it is one of theirs, with all its figures."""
    by_id = {row["session_id"]: row for row in sessions}
    alone = marts_of([row | {"user_id": f"{row['user_id']} {row['source']}"} for row in sessions]).tables["nights"]
    theirs = {
        (*night["user_id"].split(), night["night_of"]): night["main_session_id"]
        for night in alone.to_pylist()
        if night["main_session_id"]
    }
    for night in nights:
        key = (night["user_id"], night["night_of"])
        of_sources = {source: main for (user, source, night_of), main in theirs.items() if (user, night_of) == key}
        assert (night["main_session_id"] is None) == (not of_sources)
        if main := night["main_session_id"]:
            assert main == of_sources[night["source"]]
            assert night["total_sleep_time_s"] == by_id[main]["total_sleep_time_s"]
        known = {source for source, one in of_sources.items() if by_id[one]["total_sleep_time_s"] is not None}
        assert not known or night["source"] in known or by_id[of_sources["eight_sleep"]]["time_in_bed_s"] > DAY_S


def assert_nothing_counts_twice(sessions: list[Row], nights: list[Row]) -> None:
    """Counted sessions share no time, mains of two nights excepted; an overlapped one shares some with another."""
    by_id = {row["session_id"]: row for row in sessions}
    mains = {night["main_session_id"] for night in nights}
    for user in USERS:
        of_user = [night for night in nights if night["user_id"] == user]
        ids = [session_id for night in of_user for session_id in counted(night)]
        for a, b in combinations(ids, 2):
            assert overlap_s(by_id[a], by_id[b]) <= 0 or {a, b} <= mains
        for overlapped in (session_id for night in of_user for session_id in night["overlapped_session_ids"]):
            rest = [row for row in sessions if row["user_id"] == user and row["session_id"] != overlapped]
            assert any(overlap_s(by_id[overlapped], row) > 0 for row in rest)
        means = [night for night in of_user if night["in_means"]]
        for one, other in combinations(means, 2):
            first, second = (by_id[night["main_session_id"]] for night in (one, other))
            shorter = min((row["end_time"] - row["start_time"]).total_seconds() for row in (first, second))
            assert overlap_s(first, second) <= shorter / 2


@settings(max_examples=8)
@given(any_sessions())
def test_no_session_is_lost_and_none_counts_twice(sessions: list[Row]) -> None:
    """Whatever their times, zones, figures and overlaps; the ledger has the same main sleeps."""
    assert_conserved(sessions)


@pytest.mark.soak
@settings(max_examples=500)
@given(any_sessions())
def test_no_session_is_lost_in_many_worlds(sessions: list[Row]) -> None:
    """The same for many more of them."""
    assert_conserved(sessions)


@settings(max_examples=3)
@given(any_sessions(), st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_nothing(sessions: list[Row], random: Any) -> None:
    """Every mart is equal to the last bit."""
    ledger = ledger_of(sessions)
    found = marts_of(sessions, ledger).tables
    shuffled: list[list[Any]] = [list(sessions), list(ledger)]
    for rows in shuffled:
        random.shuffle(rows)
    again = marts_of(*shuffled).tables
    assert {name: rows.to_pylist() for name, rows in again.items()} == {
        n: rows.to_pylist() for n, rows in found.items()
    }
