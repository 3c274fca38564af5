"""Stays from polls, for any polls: inside them, apart from each other, true at each, over no gap."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from schemas.bed_presence import LONGEST_GAP, Poll, stays

BEGIN = datetime(2026, 11, 3, tzinfo=UTC)


@st.composite
def polls(draw: st.DrawFn) -> list[Poll]:
    """Polls of a side some minutes apart, of one sleeper or another, some of which know nothing."""
    gaps = draw(st.lists(st.integers(min_value=1, max_value=1500), max_size=30))
    time, found = BEGIN, []
    for gap_s in gaps:
        time += timedelta(seconds=gap_s)
        found.append(Poll(time, draw(st.sampled_from([True, True, False, None])), draw(st.sampled_from("aab"))))
    return found


@given(polls(), st.randoms())
def test_stays_say_what_polls_saw_and_nothing_else(seen: list[Poll], chance: object) -> None:
    """Whatever the order in which they come."""
    shuffled = list(seen)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    found = list(stays(shuffled))
    knowing = [poll for poll in seen if poll.presence is not None]
    times = [poll.time for poll in knowing]
    assert all(one.end <= other.start for one, other in pairwise(found))
    for stay in found:
        assert stay.start in times
        assert stay.end in times
        within = [poll for poll in knowing if stay.start <= poll.time <= stay.end]
        assert all(later.time - earlier.time <= LONGEST_GAP for earlier, later in pairwise(within))
        there = within if stay.ends_unseen else within[:-1]
        assert all(poll.presence and poll.user_id == stay.user_id for poll in there)
        assert stay.polls == len(there)
        if not stay.ends_unseen:
            assert not (within[-1].presence and within[-1].user_id == stay.user_id)
    covered = [poll for poll in knowing if poll.presence]
    for poll in covered:
        mine = [stay for stay in found if stay.user_id == poll.user_id and stay.start <= poll.time <= stay.end]
        assert len([stay for stay in mine if stay.ends_unseen or poll.time < stay.end]) == 1
    assert sum(stay.polls for stay in found) == len(covered)


@given(polls())
def test_what_nobody_saw_is_flagged(seen: list[Poll]) -> None:
    """A stay's start was seen exactly when a poll shortly before saw the side without them; its end likewise."""
    knowing = [poll for poll in seen if poll.presence is not None]
    for stay in stays(seen):
        before = [poll for poll in knowing if stay.start - LONGEST_GAP <= poll.time < stay.start]
        assert stay.starts_unseen == (not before)
        after = [poll for poll in knowing if stay.end < poll.time <= stay.end + LONGEST_GAP]
        if stay.ends_unseen:
            assert not after
