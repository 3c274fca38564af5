"""The verdict on a night, reasoned by hand for every kind of night, and what holds whatever the facts are."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.night_verdicts import (
    OPEN_VERDICTS,
    VERDICTS,
    NightFacts,
    NightSession,
    Standing,
    judge,
)

ENDED = datetime(2026, 11, 4, 12, tzinfo=UTC)
"""The night of 3 November 2026 in UTC is over."""
SEEN = ENDED - timedelta(hours=3)
CHECKED = ENDED + timedelta(hours=16)
HOURS = timedelta(hours=1)


def built(session_id: str = "night", hour: float = 11, hours: float = 8, **changes: Any) -> NightSession:
    """A built session that begins so many hours after noon, slept through unless told."""
    start = ENDED - timedelta(days=1) + hour * HOURS
    plain = NightSession(
        session_id, Standing.BUILT, SEEN, 1, start, start + hours * HOURS, "UTC", slept=True, path="poll"
    )
    return replace(plain, **changes)


def other(standing: Standing, session_id: str = "other", revision: int = 0) -> NightSession:
    """A session without a row."""
    return NightSession(session_id, standing, SEEN, revision)


NAP = built("nap", 2, 0.9)
REST = built("rest", 2, 0.9, slept=False)
AWAKE = built("awake", slept=False)
SHORT = built("short", 11, 0.2, slept=None, too_short=True)
WITHOUT_FIGURES = built("figureless", slept=None)
WAITING, REFUSED, GONE = other(Standing.WAITING), other(Standing.REFUSED), other(Standing.DELETED, "gone", 2)

CHECKED_NIGHT: dict[str, Any] = {"checked_at": CHECKED, "asked": True}
FAILED: dict[str, Any] = {"failure": "server_failed", "asked": True}
VENDOR_FAILED = "the vendor failed for this user (server_failed), asked again with nightshift sync --unfinished"
NOT_REACHED = "the pull ended before it came to this user, asked again with nightshift sync --unfinished"
NOT_SINCE = "the vendor was not asked since the night was over: nightshift sync"
NEVER_ASKED = "the vendor was never asked for these dates: nightshift backfill"
NOTHING = "the vendor had nothing when asked at 2026-11-05 04:00 UTC"

# what it shows, sessions, other facts, verdict, reason (None: that of the verdict in general), main session
CASES: list[tuple[str, Sequence[NightSession], dict[str, Any], str, str | None, str | None]] = [
    ("a night's sleep", [built()], CHECKED_NIGHT, "complete", None, "night"),
    ("seen before the night was over and not since", [built()], {"asked": True}, "complete", None, "night"),
    ("the vendor failed afterwards", [built()], FAILED, "complete", None, "night"),
    ("the user is gone, the night is not", [built()], {"known": False}, "complete", None, "night"),
    ("a nap before the night", [NAP, built()], CHECKED_NIGHT, "complete", None, "night"),
    ("another session still waits", [built(), WAITING], CHECKED_NIGHT, "complete", None, "night"),
    ("another document is refused", [built(), REFUSED], CHECKED_NIGHT, "complete", None, "night"),
    ("another session was deleted", [built(), GONE], CHECKED_NIGHT, "complete", None, "night"),
    ("a night in two parts", [built("a", 10, 3), built("b", 14, 5)], CHECKED_NIGHT, "complete", None, "b"),
    ("sleep by day after work at night", [built("day", 21, 3)], CHECKED_NIGHT, "complete", None, "day"),
    ("broken off after an hour at night", [built("cut", 11, 1)], CHECKED_NIGHT, "complete", None, "cut"),
    ("a night without figures", [WITHOUT_FIGURES], CHECKED_NIGHT, "complete", None, "figureless"),
    ("lay awake, then slept", [AWAKE, built("later", 15, 4)], CHECKED_NIGHT, "complete", None, "later"),
    ("still recording", [WAITING], CHECKED_NIGHT, "pending", None, None),
    ("still recording, and a nap", [NAP, WAITING], CHECKED_NIGHT, "pending", None, None),
    ("one waits, one is refused", [WAITING, REFUSED], CHECKED_NIGHT, "pending", None, None),
    ("waits, and the vendor failed", [WAITING], FAILED, "pending", None, None),
    ("a refused document", [REFUSED], CHECKED_NIGHT, "quarantined", None, None),
    ("a refused document and a nap", [REFUSED, NAP], CHECKED_NIGHT, "quarantined", None, None),
    ("refused, and not asked since", [REFUSED], {"asked": True}, "quarantined", None, None),
    ("the user is gone", [], {"known": False, "asked": True}, "user_gone", None, None),
    ("gone, and the error of the first 404", [], FAILED | {"known": False}, "user_gone", None, None),
    ("gone after a nap", [NAP], {"known": False, "asked": True}, "user_gone", None, None),
    ("gone, but asked before", [], CHECKED_NIGHT | {"known": False}, "no_recording", NOTHING, None),
    ("the vendor failed", [], FAILED, "provider_error", VENDOR_FAILED, None),
    ("a nap, then the vendor failed", [NAP], FAILED, "provider_error", VENDOR_FAILED, None),
    ("failed, but checked before", [], CHECKED_NIGHT | FAILED, "no_recording", NOTHING, None),
    ("will be deleted at the vendor", [], {"marked": True, "asked": True}, "user_gone", None, None),
    ("will be deleted, and a session waits", [WAITING], {"marked": True}, "user_gone", None, None),
    ("will be deleted, the night is not", [built()], {"marked": True}, "complete", None, "night"),
    ("will be deleted, but asked before", [], CHECKED_NIGHT | {"marked": True}, "no_recording", NOTHING, None),
    ("outside of the roster's new dates", [], {"followed": False, "asked": True}, "inactive", None, None),
    ("outside of them, and a session waits", [WAITING], {"followed": False}, "inactive", None, None),
    ("outside of them, but asked before", [], CHECKED_NIGHT | {"followed": False}, "no_recording", NOTHING, None),
    ("never asked", [], {}, "not_checked", NEVER_ASKED, None),
    ("asked before it was over", [], {"asked": True}, "not_checked", NOT_SINCE, None),
    ("the pull stopped", [], {"asked": True, "stopped": True}, "not_checked", NOT_REACHED, None),
    ("a nap, and the night is not known", [NAP], {"asked": True}, "not_checked", NOT_SINCE, None),
    ("deleted, and not asked since", [GONE], {"asked": True}, "not_checked", NOT_SINCE, None),
    ("lay awake all night", [AWAKE], CHECKED_NIGHT, "never_slept", None, None),
    ("a nap, then awake all night", [NAP, AWAKE], CHECKED_NIGHT, "never_slept", None, None),
    ("a rest without sleep", [REST], CHECKED_NIGHT, "never_slept", None, None),
    ("a nap only", [NAP], CHECKED_NIGHT, "nap_only", None, None),
    ("a nap and a rest", [NAP, REST], CHECKED_NIGHT, "nap_only", None, None),
    ("a nap and a broken try", [NAP, SHORT], CHECKED_NIGHT, "nap_only", None, None),
    ("a nap, the night deleted", [NAP, GONE], CHECKED_NIGHT, "nap_only", None, None),
    ("a nap without figures", [replace(NAP, slept=None)], CHECKED_NIGHT, "nap_only", None, None),
    ("too short to analyse", [SHORT], CHECKED_NIGHT, "too_short", None, None),
    ("too short, another deleted", [SHORT, GONE], CHECKED_NIGHT, "too_short", None, None),
    ("deleted", [GONE], CHECKED_NIGHT, "deleted", None, None),
    ("nothing there", [], CHECKED_NIGHT, "no_recording", NOTHING, None),
]


@pytest.mark.parametrize(
    ("sessions", "facts", "verdict", "reason", "main"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_nights_by_hand(
    sessions: Sequence[NightSession], facts: dict[str, Any], verdict: str, reason: str | None, main: str | None
) -> None:
    """Verdict, sentence and main sleep of a night, whatever the order in which its sessions are known."""
    expected = reason or (None if verdict == "complete" else VERDICTS[verdict])
    for order in (sessions, sessions[::-1]):
        found = judge(NightFacts(ENDED, order, **facts))
        assert (found.verdict, found.reason, found.main_session_id) == (verdict, expected, main)


def test_every_verdict_is_among_the_cases() -> None:
    """None is decided without an example."""
    assert {case[3] for case in CASES} == set(VERDICTS)


@pytest.mark.parametrize(("hours", "days"), [(-3, 0), (0, 0), (23, 0), (24, 1), (71, 2), (240, 10)])
def test_how_late_data_came_is_counted_in_whole_days(hours: int, days: int) -> None:
    """From the end of the night; what came before it was over is not late."""
    found = judge(NightFacts(ENDED, [built(first_seen_at=ENDED + hours * HOURS)], **CHECKED_NIGHT))
    assert found.late_days == days


def test_the_main_sleep_tells_when_and_how_the_data_came() -> None:
    """Not a nap that was there before; without a main sleep it is what was seen first."""
    early, late = SEEN - timedelta(days=1), SEEN + timedelta(days=4)
    nap = replace(NAP, first_seen_at=early, path="webhook")
    both = judge(NightFacts(ENDED, [nap, built(first_seen_at=late)], **CHECKED_NIGHT))
    assert (both.first_seen_at, both.path, both.late_days) == (late, "poll", 3)
    only = judge(NightFacts(ENDED, [nap, replace(REST, first_seen_at=late)], **CHECKED_NIGHT))
    assert (only.first_seen_at, only.path, only.late_days) == (early, "webhook", 0)


def test_deleted_sessions_are_not_among_the_nights_data() -> None:
    """They make the night revised, but it has no ids, no first sight and no path of theirs."""
    found = judge(NightFacts(ENDED, [GONE], **CHECKED_NIGHT))
    assert (found.session_ids, found.first_seen_at, found.late_days, found.path) == ([], None, None, None)
    assert found.revised


@pytest.mark.parametrize(("revision", "revised"), [(0, False), (1, False), (2, True), (7, True)])
def test_a_night_is_revised_once_a_second_version_came(revision: int, revised: bool) -> None:
    """The first complete version is revision 1, one that has not come is 0."""
    assert judge(NightFacts(ENDED, [built(revision=revision)])).revised is revised


def test_sessions_are_listed_by_start_and_those_without_a_start_last() -> None:
    """So that the same facts give the same row."""
    found = judge(NightFacts(ENDED, [WAITING, built("b", 13), built("a", 10)]))
    assert found.session_ids == ["a", "b", "other"]


@st.composite
def any_session(draw: st.DrawFn) -> NightSession:
    """A session of any standing, times, figures and history."""
    return built(
        draw(st.sampled_from("abcdefgh")),
        draw(st.floats(0, 23)),
        draw(st.floats(0, 14)),
        standing=draw(st.sampled_from(Standing)),
        slept=draw(st.none() | st.booleans()),
        too_short=draw(st.booleans()),
        revision=draw(st.integers(0, 3)),
        first_seen_at=ENDED + draw(st.integers(-40, 2_000)) * HOURS,
        path=draw(st.sampled_from([None, "poll", "webhook"])),
    )


any_facts = st.builds(
    NightFacts,
    ended_at=st.just(ENDED),
    sessions=st.lists(any_session(), max_size=5, unique_by=lambda session: session.session_id),
    checked_at=st.none() | st.integers(0, 500).map(lambda hours: ENDED + hours * HOURS),
    asked=st.booleans(),
    followed=st.booleans(),
    known=st.booleans(),
    marked=st.booleans(),
    failure=st.none() | st.just("server_failed"),
    stopped=st.booleans(),
)


@given(any_facts, st.randoms(use_true_random=False))
def test_every_night_has_one_verdict_that_does_not_depend_on_order(facts: NightFacts, random: Any) -> None:
    """A known verdict, a reason exactly when it is not complete, and the same for the sessions in any order."""
    found = judge(facts)
    assert found.verdict in VERDICTS
    assert (found.reason is None) == (found.verdict == "complete") == (found.main_session_id is not None)
    shuffled = list(facts.sessions)
    random.shuffle(shuffled)
    assert judge(replace(facts, sessions=shuffled)) == found


@given(any_facts)
def test_nothing_is_left_open_once_the_vendor_has_answered(facts: NightFacts) -> None:
    """A checked night is never not checked, failed, gone or inactive; an unchecked one is never without recording.

    Unless a session waits that nobody asks for any more.
    """
    verdict = judge(facts).verdict
    left_waiting = any(session.standing is Standing.WAITING for session in facts.sessions)
    if facts.checked_at and ((facts.followed and not facts.marked) or not left_waiting):
        assert verdict not in (OPEN_VERDICTS - {"quarantined"}) | {"user_gone", "inactive"}
    elif not facts.checked_at:
        assert verdict not in {"no_recording", "nap_only", "too_short", "deleted", "never_slept"}


@given(any_facts)
def test_a_nights_sleep_is_complete_whatever_else_is_known(facts: NightFacts) -> None:
    """And it is the longest of those there are; sessions of the night are all that are not deleted."""
    found = judge(replace(facts, sessions=[*facts.sessions, built("z", 9, 14.5)]))
    assert (found.verdict, found.main_session_id) == ("complete", "z")
    kept = {session.session_id for session in facts.sessions if session.standing is not Standing.DELETED}
    assert set(found.session_ids) == kept | {"z"}


@given(any_facts)
def test_what_is_shown_of_facts_names_nobody(facts: NightFacts) -> None:
    """Neither ids nor times stand in a repr, which ends up in logs and errors."""
    shown = repr(facts) + repr(judge(facts)) + "".join(map(repr, facts.sessions))
    assert "2026" not in shown
    assert "session_id" not in shown
