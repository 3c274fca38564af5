"""A world is its arguments: the same bytes every time, and more users or nights change nothing that was there."""

import hashlib
import os
import re
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.asleep.sandbox import World
from connectors.asleep.sandbox.answers import session_detail
from tests.connectors.asleep.sandbox.clients import MOMENTS, NOW, listed, shown, vendor_of

ROOT = Path(__file__).parents[4]
UTC_ZONE = ZoneInfo("UTC")

TRUTH_OF_ANOTHER_PROCESS = """
import hashlib
from datetime import UTC, datetime
import httpx
from connectors.asleep.sandbox import World, running
with running(World(5, 6, 3, now=datetime(2026, 11, 22, 6, tzinfo=UTC))) as base_url:
    print(hashlib.sha256(httpx.get(base_url + "/_control/truth", trust_env=False).content).hexdigest())
"""


def everything(world: World) -> dict[str, dict[str, Any]]:
    """Every session of a world in full, by session id."""
    return {
        session.id: session_detail(session, world.now, UTC_ZONE) for user in world.users() for session in user.sessions
    }


def states(world: World) -> Counter[str]:
    """How many sessions are in which state."""
    return Counter(session.state(world.now) for user in world.users() for session in user.sessions)


def test_the_same_arguments_give_the_same_bytes() -> None:
    """In another process, with another hash seed, the truth is the same to the byte."""
    with vendor_of(World(5, 6, 3, now=NOW)) as vendor:
        here = hashlib.sha256(vendor.get("/_control/truth").content).hexdigest()
    there = subprocess.run(
        [sys.executable, "-c", TRUTH_OF_ANOTHER_PROCESS],
        cwd=ROOT,
        env=os.environ | {"PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert there.stdout.strip() == here


def test_another_seed_is_another_world() -> None:
    """No id is shared by worlds of different seeds."""
    one, other = World(5, 6, seed=1, now=NOW), World(5, 6, seed=2, now=NOW)
    assert not set(everything(one)) & set(everything(other))
    assert not {user.user_id for user in one.users()} & {user.user_id for user in other.users()}


@given(
    MOMENTS,
    st.integers(1, 6),
    st.integers(1, 6),
)
@settings(deadline=None, max_examples=25)
def test_more_users_and_nights_change_nothing(now: datetime, more_users: int, more_nights: int) -> None:
    """A larger world holds every session of the smaller one, unchanged."""
    small = everything(World(4, 2, now=now))
    large = everything(World(4 + more_users, 2 + more_nights, now=now))
    assert small == {session_id: large.get(session_id) for session_id in small}
    assert len(large) > len(small)


def test_a_later_world_agrees_about_the_past() -> None:
    """What was COMPLETE for users without a session in progress is the same in a world that opens two days later."""
    early, late = World(9, 5, now=NOW), everything(World(9, 9, now=NOW + timedelta(days=2)))
    past = {s.id: session_detail(s, early.now, UTC_ZONE) for user in [*early.users()][3:] for s in user.sessions[:-1]}
    assert len(past) > 20
    assert past == {session_id: late.get(session_id) for session_id in past}


@given(MOMENTS)
@settings(deadline=None, max_examples=120)
def test_something_is_open_and_something_is_closed_at_any_hour(now: datetime) -> None:
    """From three users on there is an OPEN and a CLOSED session whenever the world opens, and nobody sleeps twice."""
    world = World(users=3, nights=2, now=now)
    found = states(world)
    assert found["OPEN"] >= 1
    assert found["CLOSED"] >= 1
    for user in world.users():
        assert all(a.end < b.start for a, b in pairwise(user.sessions))
        assert all(session.start <= world.now for session in user.sessions)


def test_people_asleep_at_now_are_open(world: World) -> None:
    """Whoever's night spans now has exactly one OPEN session, their last; nobody has two."""
    for user in world.users():
        in_progress = [session for session in user.sessions if session.state(world.now) == "OPEN"]
        assert in_progress in ([], user.sessions[-1:])
    assert states(world)["OPEN"] > 3


def test_ids_have_the_documented_shapes(world: World) -> None:
    """User ids carry a time and 20 letters, session ids the start in UTC and five characters; all are unique."""
    users = list(world.users())
    sessions = [session for user in users for session in user.sessions]
    assert all(re.fullmatch(r"G-\d{14}-[A-Za-z]{20}", user.user_id) for user in users)
    assert all(re.fullmatch(r"\d{14}_[a-z0-9]{5}", session.id) for session in sessions)
    assert all(session.id.startswith(f"{session.start:%Y%m%d%H%M%S}_") for session in sessions)
    assert len({user.user_id for user in users}) == 24
    assert len({session.id for session in sessions}) == len(sessions)


def test_the_default_world_is_mixed(world: World) -> None:
    """Breathing for two thirds, metadata for most, naps, and some sessions in which nobody slept."""
    users = list(world.users())
    kinds = Counter(session.plan.kind for user in users for session in user.sessions)
    assert sum(user.person.breathing for user in users) == 16
    assert 15 < sum(user.metadata is not None for user in users) < 24
    assert kinds["nap"] > 10
    assert kinds["rest"] >= 2
    assert 0.9 * 24 * 30 < kinds["main"] <= 24 * 30 + 1


def test_sessions_start_on_odd_seconds_and_end_in_a_partial_chunk(world: World) -> None:
    """Only sessions without sleep end on a full chunk, because their latency is the time in bed."""
    for user in world.users():
        for session in user.sessions:
            assert session.start.second % 2 == 1
            assert bool(session.time_in_bed_s % 30) == (session.plan.kind != "rest")


def test_open_then_closed_then_complete() -> None:
    """An OPEN session is CLOSED at its end and COMPLETE after the analysis, with the same stages as before."""
    world = World(3, 2, now=NOW, analysis_s=90)
    user = [*world.users()][2]
    session = user.sessions[-1]
    with vendor_of(world) as vendor:
        seen = []
        for moment in (world.now, session.end - timedelta(seconds=1), session.end, session.end + timedelta(seconds=90)):
            world.advance_to(moment)
            seen.append(shown(vendor, user.user_id, session.id))
    assert [result["session"]["state"] for result in seen] == ["OPEN", "OPEN", "CLOSED", "COMPLETE"]
    assert [result["stat"] is None for result in seen] == [True, True, True, False]
    assert [result["session"]["end_time"] is None for result in seen] == [True, True, False, False]
    stages = [result["session"]["sleep_stages"] for result in seen]
    assert all(stages[3][: len(part)] == part for part in stages)
    assert len(stages[3]) == session.time_in_bed_s // 30


def test_an_open_session_has_its_stages_so_far(world: World, vendor: httpx.Client) -> None:
    """Whole batches of ten chunks are staged, the list knows the last chunk, and nothing is known of the end."""
    user = [*world.users()][2]
    row, session = listed(vendor, user.user_id, limit=1)[0], user.sessions[-1]
    detail = shown(vendor, user.user_id, row["session_id"])
    elapsed = (world.now - session.start) // timedelta(seconds=30)
    assert (row["state"], row["session_end_time"], row["time_in_bed"]) == ("OPEN", None, None)
    assert row["last_received_seq_num"] == elapsed - 1
    assert len(detail["session"]["sleep_stages"]) == len(detail["session"]["snoring_stages"]) == elapsed // 10 * 10 > 0
    assert detail["peculiarities"] == ["IN_PROGRESS", "NO_BREATHING_STABILITY"]


def test_the_clock_stands_still_and_only_moves_forward() -> None:
    """Time passes by ``advance_to`` alone, and never back."""
    world = World(1, 1, now=NOW.replace(microsecond=5))
    assert world.now == NOW
    world.advance_to(NOW + timedelta(hours=1))
    assert world.now == NOW + timedelta(hours=1)
    with pytest.raises(ValueError, match="only moves forward"):
        world.advance_to(NOW)


def test_without_now_the_world_opens_today() -> None:
    """The default clock is the real one."""
    before = datetime.now(UTC)
    assert before - timedelta(seconds=1) <= World(1, 1).now <= datetime.now(UTC)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"users": -1}, "users must not be negative"),
        ({"nights": 0}, "nights must be at least 1"),
        ({"analysis_s": 0}, "analysis_s must be at least 1"),
        ({"now": datetime(2026, 1, 1)}, "now needs an offset"),  # noqa: DTZ001
    ],
)
def test_impossible_worlds_are_refused(arguments: dict[str, Any], message: str) -> None:
    """A wrong argument is named."""
    with pytest.raises(ValueError, match=message):
        World(**arguments)


def test_no_ids_in_reprs(world: World) -> None:
    """People and sessions do not print who they are."""
    user = next(world.users())
    shown_as = repr(user) + repr(user.person) + repr(user.sessions[0])
    assert user.user_id not in shown_as
    assert user.sessions[0].id not in shown_as
