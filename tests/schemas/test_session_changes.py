"""The history of a session in words: reasons, what was known when, and differences that a person reads at a glance."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.session_changes import NOT_KNOWN, WORDS, as_known_at, differences, reason_of, told
from schemas.tables import SESSION_HISTORY, SLEEP_SESSIONS
from tests.schemas.fhir.rows import any_night, night

WAKE = datetime(2026, 11, 21, 21, 51, tzinfo=UTC)  # 06:51 in Seoul


@pytest.mark.parametrize(
    ("column", "before", "after", "text"),
    [
        ("deep_sleep_s", 3000, 3720, "deep +12 min"),
        ("rem_sleep_s", 4500, 600, "REM -1 h 5 min"),
        ("light_sleep_s", 0, 30, "light +30 s"),
        ("light_sleep_s", 90, 0, "light -1 min 30 s"),
        ("total_sleep_time_s", 3600, 10_800, "total sleep +2 h"),
        ("sleep_cycle_mean_s", 4980.0, 5040.4, "mean cycle +1 min"),
        ("sleep_cycle_mean_s", 4980.0, 4980.04, "mean cycle +0.04 s"),
        ("deep_sleep_s", None, 4320, f"deep {NOT_KNOWN} -> 1 h 12 min"),
        ("deep_sleep_s", 0, None, f"deep 0 s -> {NOT_KNOWN}"),
        ("sleep_efficiency", 0.87, 0.85, "efficiency -2 points"),
        ("sleep_efficiency", 0.85, 0.86, "efficiency +1 point"),
        ("sleep_efficiency", 0.85, 0.8537, "efficiency +0.4 points"),
        ("sleep_efficiency", 0.85, 0.85001, "efficiency +0.001 points"),
        ("sleep_efficiency", None, 0.853, f"efficiency {NOT_KNOWN} -> 85.3 %"),
        ("missing_data_ratio", 0.01, 0.06, "missing audio +5 points"),
        ("awakenings", 4, 3, "awakenings -1"),
        ("awakenings", None, 0, f"awakenings {NOT_KNOWN} -> 0"),
        ("sleep_index", 88.0, 91.5, "sleep score +3.5"),
        ("breathing_index", 0.74, 1.14, "breathing index +0.4 per h"),
        ("breathing_index", 0.74, None, f"breathing index 0.7 per h -> {NOT_KNOWN}"),
        ("breathing_pattern", "STABLE_BREATH", None, f"breathing pattern STABLE_BREATH -> {NOT_KNOWN}"),
        ("has_stages", "4-stage", "none", "stages 4-stage -> none"),
        ("peculiarities", [], ["NEVER_SLEPT", "SOMETHING"], "remarks none -> NEVER_SLEPT, SOMETHING"),
        ("night_of", date(2026, 11, 21), date(2026, 11, 22), "night of 2026-11-21 -> 2026-11-22"),
        ("created_timezone", None, "Asia/Seoul", f"zone of the phone {NOT_KNOWN} -> Asia/Seoul"),
        ("final_wake", WAKE, WAKE - timedelta(minutes=9), "wake 06:51 -> 06:42"),
        ("final_wake", WAKE, WAKE + timedelta(seconds=30), "wake 06:51:00 -> 06:51:30"),
        ("final_wake", WAKE, WAKE + timedelta(hours=24), "wake 2026-11-22 06:51 -> 2026-11-23 06:51"),
        ("final_wake", WAKE, None, f"wake 2026-11-22 06:51 -> {NOT_KNOWN}"),
        ("sleep_onset", WAKE, WAKE - timedelta(hours=7), "asleep 2026-11-22 06:51 -> 2026-11-21 23:51"),
        (
            "end_time",
            WAKE,
            WAKE + timedelta(microseconds=1),
            "end 2026-11-22 06:51:00+09:00 -> 2026-11-22 06:51:00.000001+09:00",
        ),
        ("provider_agreement", "exact", "differs", "agreement with the stages exact -> differs"),
    ],
)
def test_a_difference_is_told_as_people_say_it(column: str, before: Any, after: Any, text: str) -> None:
    """Durations in h and min, shares in points, counts as counts, clock times of the session's zone, null not known."""
    assert differences(night(**{column: before}), night(**{column: after})) == [text]


def test_a_time_that_looks_the_same_on_the_clock_is_told_with_its_offset() -> None:
    """In the hour that an autumn night has twice, 02:30 is not 02:30."""
    first = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    before, after = (night(timezone="Europe/Berlin", final_wake=wake) for wake in (first, first + timedelta(hours=1)))
    assert differences(before, after) == ["wake 2026-10-25 02:30:00+02:00 -> 2026-10-25 02:30:00+01:00"]


def test_another_zone_moves_no_instant() -> None:
    """The zone and the local dates that follow from it are told, the times are not: they are the same moments."""
    assert differences(night(), night(timezone="UTC", created_timezone="UTC", wake_date=date(2025, 3, 10))) == [
        "zone of the phone Asia/Seoul -> UTC",
        "zone Asia/Seoul -> UTC",
        "wake date 2025-03-11 -> 2025-03-10",
    ]


def test_what_matters_most_is_told_first() -> None:
    """Sleep and its stages, then the rest of the figures, then times."""
    after = night(final_wake=None, awakenings=5, sleep_efficiency=0.5, deep_sleep_s=3000)
    told_words = [text.split()[0] for text in differences(night(), after)]
    assert told_words == ["deep", "efficiency", "awakenings", "wake"]


@given(any_night(), any_night())
def test_a_text_for_every_column_that_differs_and_for_no_other(before: dict[str, Any], after: dict[str, Any]) -> None:
    """Whatever the schema allows can be told, in the order of the words, and always tells the two sides apart."""
    texts = differences(before, after)
    changed = {column: word for column, word in WORDS.items() if before[column] != after[column]}
    assert differences(before, before) == []
    for text, (column, word) in zip(texts, changed.items(), strict=True):
        assert text.startswith(f"{word} ")
        old, arrow, new = text.removeprefix(f"{word} ").partition(" -> ")
        if column != "peculiarities":  # a list of two may look like a list of one with a comma in it
            assert old != new if arrow else old[0] in "+-"


def test_every_column_that_says_something_of_the_night_is_compared() -> None:
    """All of ``sleep_sessions`` but the keys and what only tells the version; each with a word of its own."""
    told_otherwise = {"org_id", "source", "user_id", "session_id", "revision", "content_hash", "fetched_at"}
    assert set(WORDS) == set(SLEEP_SESSIONS.schema.names) - told_otherwise
    assert set(WORDS) <= set(SESSION_HISTORY.schema.names)
    assert len(set(WORDS.values())) == len(WORDS)


def version(revision: int, reason: str = "re_analysed", **changes: Any) -> dict[str, Any]:
    """A version that counted from its hour to the next; a deletion has nothing in it."""
    seen = datetime(2026, 11, 22, revision, tzinfo=UTC)
    content = dict.fromkeys(WORDS) if reason == "deleted" else night(**changes)
    kept = {"reason": reason, "revision": revision, "seen_at": seen, "valid_from": seen}
    return content | kept | {"valid_to": seen + timedelta(hours=1)}


def test_each_version_is_compared_with_the_last_that_had_content() -> None:
    """Nothing is told of the first and of a deletion; a restored session is compared with what was deleted."""
    versions = [
        version(1, "first_seen"),
        version(2, awakenings=5),
        version(3, "deleted"),
        version(4, "deleted"),
        version(5, "restored", awakenings=5),
        version(6, awakenings=4),
    ]
    assert told(versions) == [[], ["awakenings +1"], [], [], [], ["awakenings -1"]]
    assert told(versions[2:5]) == [[], [], []]


def test_what_was_known_at_a_moment_leaves_out_what_came_later() -> None:
    """A version counts from the very moment it was seen until, and not at, the moment the next one was."""
    versions = [*(version(number) for number in (1, 2)), version(3) | {"valid_to": None}]
    at = versions[1]["seen_at"]
    instant = timedelta(microseconds=1)
    found = {
        moment: [(row["revision"], row["valid_to"] is None) for row in as_known_at(versions, moment)]
        for moment in (versions[0]["seen_at"] - instant, at - instant, at, versions[2]["seen_at"])
    }
    assert list(found.values()) == [
        [],
        [(1, True)],
        [(1, False), (2, True)],
        [(1, False), (2, False), (3, True)],
    ]
    assert [row["valid_to"] for row in versions] == [versions[1]["seen_at"], versions[2]["seen_at"], None]


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=6), st.integers(-1, 6000))
def test_at_every_moment_at_most_one_version_counts(gaps_s: list[int], asked_s: int) -> None:
    """Exactly one from the first sight on, and it is the newest that had been seen."""
    zero = datetime(2026, 11, 22, tzinfo=UTC)
    seen = [zero + timedelta(seconds=sum(gaps_s[:number])) for number in range(len(gaps_s))]
    ends = [*(later for _, later in pairwise(seen)), None]
    versions = [{"valid_from": start, "valid_to": end} for start, end in zip(seen, ends, strict=True)]
    moment = zero + timedelta(seconds=asked_s)
    counting = [row["valid_from"] for row in as_known_at(versions, moment) if row["valid_to"] is None]
    assert counting == [max(start for start in seen if start <= moment)] if asked_s >= 0 else counting == []


@pytest.mark.parametrize(
    ("kept_because", "revision", "deleted", "after_deletion", "reason"),
    [
        (None, 1, False, False, "first_seen"),
        (None, 2, False, False, "re_analysed"),
        (None, 2, True, False, "deleted"),
        (None, 3, False, True, "restored"),
        ("first_seen", 1, False, False, "first_seen"),
        ("completed", 1, False, False, "completed"),
        ("re_analysed", 2, False, False, "re_analysed"),
        ("webhook", 1, False, False, "webhook"),
        ("webhook", 4, False, False, "webhook"),
        ("deleted", 2, True, False, "deleted"),
        ("deleted", 3, True, True, "deleted"),
        ("re_analysed", 3, False, True, "restored"),
        ("webhook", 3, False, True, "restored"),
        ("first_seen", 2, False, False, "re_analysed"),
        ("completed", 2, False, False, "re_analysed"),
        ("a word of a later release", 2, False, False, "a word of a later release"),
    ],
)
def test_the_reason_is_the_word_of_raw_unless_raw_shows_otherwise(
    kept_because: str | None, revision: int, deleted: bool, after_deletion: bool, reason: str
) -> None:
    """Files of older releases have no word; a home that lost its state took what it had seen before for new."""
    assert reason_of(kept_because, revision=revision, deleted=deleted, after_deletion=after_deletion) == reason
