"""What may change in a world while a client looks on: cases, late sessions, second analyses, deletions, variants."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.asleep.sandbox import World
from connectors.asleep.sandbox.answers import session_detail, user_detail
from connectors.asleep.sandbox.cases import CASES
from connectors.asleep.sandbox.variants import VARIANTS
from connectors.asleep.sandbox.world import Session, User
from tests.connectors.asleep.sandbox.clients import MOMENTS, NOW, listed, shown
from tests.connectors.asleep.sandbox.identities import IDENTITIES, Result
from tests.connectors.asleep.sandbox.showcase import UTC_ZONE

ServeWorld = Callable[[World], httpx.Client]
IN_PROGRESS = ("open", "closed", "no_audio", "no_audio_closed", "no_realtime_polling_closed")


def sleeper(world: World) -> User:
    """Somebody with nights behind them and nothing in progress."""
    return [*world.users()][3]


def answer(world: World, session: Session) -> Result:
    """What the vendor says about a session now."""
    return session_detail(session, world.now, UTC_ZONE)


def no_two_meet(sessions: list[Session]) -> bool:
    """Whether sessions of different cases keep out of each other's way."""
    return not any(a.overlaps(b) for a in sessions for b in sessions if a is not b and not a.case == b.case != "")


@pytest.mark.parametrize("case", CASES)
def test_a_case_follows_the_last_night(case: str) -> None:
    """Without a date it comes after all a user has, ordinary nights stay as they are, and the clock shows it."""
    world = World(4, 3, now=NOW)
    user = sleeper(world)
    before = {session.id: answer(world, session) for session in user.sessions}
    added = world.add_case(user, case)
    assert [session.id for session in user.sessions] == [*before, *(session.id for session in added)]
    assert before == {session.id: answer(world, session) for session in user.sessions if session.id in before}
    assert world.now >= NOW
    states = {session.state(world.now) for session in added}
    expected = {"unknown_state": "ANALYSING", "open": "OPEN", "no_audio": "OPEN"}
    assert states == {expected.get(case, "CLOSED" if case in IN_PROGRESS else "COMPLETE")}


@given(st.lists(st.sampled_from(sorted(CASES)), max_size=6), st.integers(0, 1000))
@settings(deadline=None, max_examples=40)
def test_cases_and_nights_follow_each_other(cases: list[str], seed: int) -> None:
    """Any cases, each followed by a night, never meet; all that was added is there."""
    world = World(1, 1, seed, now=NOW)
    user = next(world.users())
    added = []
    for case in cases:
        added += world.add_case(user, case) + world.add_nights(1, [user])
    assert {session.id for session in added} <= {session.id for session in user.sessions}
    assert len({session.id for session in user.sessions}) == len(user.sessions)
    assert no_two_meet(user.sessions)
    assert user.sessions == sorted(user.sessions, key=lambda session: session.start)


def test_a_case_for_a_night_in_the_past() -> None:
    """For a night that is free the clock does not move; for one that is taken there is a sentence."""
    world = World(1, 3, now=NOW)
    user = next(world.users())
    (session,) = world.add_case(user, "two_stage", date(2026, 3, 1))
    assert world.now == NOW
    home = session.start.astimezone(ZoneInfo(user.person.timezone))
    assert (home - timedelta(hours=12)).date() == date(2026, 3, 1)
    count = len(user.sessions)
    with pytest.raises(ValueError, match="another session at that time"):
        world.add_case(user, "two_stage", date(2026, 3, 1))
    assert len(user.sessions) == count


@pytest.mark.parametrize("case", IN_PROGRESS)
def test_a_case_in_progress_for_a_night(case: str) -> None:
    """The clock moves into the night asked for, or to its end; a night that is over cannot be had."""
    world = World(1, 1, now=NOW)
    user = next(world.users())
    (session,) = world.add_case(user, case, date(2026, 12, 24))
    assert date(2026, 12, 24) <= world.now.date() <= date(2026, 12, 25)
    assert session.state(world.now) == ("OPEN" if case in ("open", "no_audio") else "CLOSED")
    with pytest.raises(ValueError, match="The night of 2026-12-01 is over"):
        world.add_case(user, case, date(2026, 12, 1))


@given(st.sampled_from(["open", "closed"]), MOMENTS)
@settings(deadline=None, max_examples=60)
def test_sessions_in_progress_are_cut_short_like_others(case: str, now: datetime) -> None:
    """At any second a recording has a last chunk that is not full, and starts on an odd second."""
    world = World(0, now=now)
    (session,) = world.add_case(world.create_user(None), case)
    assert session.time_in_bed_s % 30
    assert session.start.second % 2
    assert world.now == now


@pytest.mark.parametrize("night", [date.min, date.max])
def test_nights_out_of_time(night: date) -> None:
    """Dates the sandbox's clock never sees are refused."""
    world = World(1, 1, now=NOW)
    with pytest.raises(ValueError, match="years 2000 to 2099"):
        world.add_case(next(world.users()), "two_stage", night)


def test_unknown_names_are_refused() -> None:
    """A case or a variant nobody knows is named, with those there are."""
    world = World(1, 1, now=NOW)
    with pytest.raises(ValueError, match=r"There is no case 'sleepwalking'; the cases are open, closed, .*\.$"):
        world.add_case(next(world.users()), "sleepwalking")
    with pytest.raises(ValueError, match=r"There is no variant 'upside_down'; the variants are .*\.$"):
        world.set_variants(["z_offsets", "upside_down"])
    assert world.variants == frozenset()


def test_variants_are_set_anew_each_time() -> None:
    """What is set is what is on; nothing is on by default."""
    world = World(1, 1, now=NOW)
    assert world.variants == frozenset()
    world.set_variants(VARIANTS)
    assert world.variants == set(VARIANTS)
    world.set_variants(["z_offsets"])
    assert world.variants == {"z_offsets"}


def test_a_second_analysis(serve_world: ServeWorld) -> None:
    """Stages and figures are others each time, id and times stay, every identity holds, and it is deterministic."""
    seen = []
    for _ in range(2):
        world = World(4, 3, now=NOW)
        user = sleeper(world)
        vendor, session = serve_world(world), user.sessions[-1]
        rows = [listed(vendor, user.user_id)]
        details = [shown(vendor, user.user_id, session.id)]
        for _ in range(2):
            world.reanalyse(user, session)
            rows.append(listed(vendor, user.user_id))
            details.append(shown(vendor, user.user_id, session.id))
        assert rows[0] == rows[1] == rows[2]
        seen.append(details)
    assert seen[0] == seen[1]
    assert len({tuple(detail["session"]["sleep_stages"]) for detail in seen[0]}) == 3
    assert len({detail["stat"]["time_in_sleep"] for detail in seen[0]}) > 1
    assert all(identity(detail) for detail in seen[0] for identity in IDENTITIES)
    kept = ("id", "state", "start_time", "end_time", "created_timezone")
    assert len({tuple(detail["session"][name] for name in kept) for detail in seen[0]}) == 1


def test_a_second_analysis_of_a_case_is_still_that_case() -> None:
    """The new stages are odd in the same way."""
    world = World(0, now=NOW)
    user = world.create_user(None)
    (session,) = world.add_case(user, "unknown_stage_code")
    before = answer(world, session)["session"]["sleep_stages"]
    world.reanalyse(user, session)
    after = answer(world, session)["session"]["sleep_stages"]
    assert before != after
    assert before.count(7) == after.count(7) == 4


@pytest.mark.parametrize("case", ["never_slept", "empty", "too_short"])
def test_what_shows_nothing_new_is_not_analysed_again(case: str) -> None:
    """Where a client could see no difference there is a sentence."""
    world = World(0, now=NOW)
    user = world.create_user(None)
    (session,) = world.add_case(user, case)
    with pytest.raises(ValueError, match="shows the same"):
        world.reanalyse(user, session)


def test_a_new_analysis_may_find_another_start(serve_world: ServeWorld) -> None:
    """The id stays and tells the first start; list, detail and figures go by the new one, and every identity holds."""
    world = World(0, now=NOW)
    user = world.create_user(None, "UTC")
    first, session = world.add_nights(2, [user])
    vendor, session_id = serve_world(world), session.id
    start = session.start + timedelta(hours=2, seconds=1)
    world.move_start(user, session, start)
    detail = shown(vendor, user.user_id, session_id)
    assert (detail["session"]["id"], session.start) == (session_id, start)
    assert datetime.fromisoformat(detail["session"]["start_time"]) == start
    assert all(identity(detail) for identity in IDENTITIES)
    assert [row["session_id"] for row in listed(vendor, user.user_id)] == [session_id, first.id]
    for other in (session.end, first.start):
        with pytest.raises(ValueError, match="cannot begin then"):
            world.move_start(user, session, other)
    with pytest.raises(ValueError, match="COMPLETE session of the user"):
        world.move_start(world.create_user(None), session, start)


def test_only_complete_sessions_of_the_user_are_analysed_again() -> None:
    """An OPEN session and somebody else's are refused."""
    world = World(4, 2, now=NOW)
    users = [*world.users()]
    for user, session in ((users[2], users[2].sessions[-1]), (users[0], users[3].sessions[0])):
        with pytest.raises(ValueError, match="COMPLETE session of the user"):
            world.reanalyse(user, session)


@given(st.integers(1, 30), st.integers(0, 1000), MOMENTS)
@settings(deadline=None, max_examples=80)
def test_a_late_session(days_ago: int, seed: int, now: datetime) -> None:
    """It is COMPLETE at once, lies so many days back and meets no other session; or that day is taken and stays."""
    world = World(2, 5, seed, now=now)
    user = next(world.users())
    before = list(user.sessions)
    try:
        session = world.add_late_session(user, days_ago)
    except ValueError:
        assert user.sessions == before
        assert days_ago < 6
        return
    home = ZoneInfo(user.person.timezone)
    night = (session.start.astimezone(home) - timedelta(hours=12)).date()
    today = (now.astimezone(home) - timedelta(hours=12)).date()
    assert today - night == timedelta(days=days_ago)
    assert session.end <= world.now == session.completes == now
    assert session.state(now) == "COMPLETE"
    assert no_two_meet(user.sessions)
    assert not {identity.__name__ for identity in IDENTITIES if not identity(answer(world, session))}


def test_late_sessions_fit_between_the_nights() -> None:
    """Almost every day has room for one, and none for a third."""
    world = World(1, 20, now=NOW)
    user = next(world.users())
    assert {world.add_late_session(user, days).case for days in range(1, 20)} == {"late"}
    world.add_late_session(user, 40)
    world.add_late_session(user, 40)
    with pytest.raises(ValueError, match="are taken"):
        world.add_late_session(user, 40)


@pytest.mark.parametrize("days_ago", [-1, 0, 3651, 10**12])
def test_late_means_some_days(days_ago: int) -> None:
    """Today is not late, and nobody uploads after ten years."""
    world = World(1, 1, now=NOW)
    with pytest.raises(ValueError, match="1 to 3650 days back"):
        world.add_late_session(next(world.users()), days_ago)


def test_a_late_session_is_listed_where_it_started(serve_world: ServeWorld) -> None:
    """The list finds it by its start, though it came after all others; nothing else says that it is late."""
    world = World(1, 5, now=NOW)
    user, vendor = next(world.users()), serve_world(world)
    known = {row["session_id"] for row in listed(vendor, user.user_id)}
    session = world.add_late_session(user, 30)
    day = f"{session.start:%Y-%m-%d}"
    (row,) = listed(vendor, user.user_id, date_gte=day, date_lte=day)
    assert row["session_id"] == session.id not in known
    assert shown(vendor, user.user_id, session.id)["stat"]["time_in_sleep"] > 0


def test_a_user_is_marked_before_being_deleted() -> None:
    """Until the deletion only the flag tells."""
    world = World(1, 2, now=NOW)
    user = next(world.users())
    before = user_detail(user, NOW)
    world.mark_to_be_deleted(user)
    assert user_detail(user, NOW) == before | {"to_be_deleted": True}
    assert before["to_be_deleted"] is False
    world.delete_user(user.user_id)
    assert world.user(user.user_id) is None


def test_a_deleted_case_is_gone_and_its_night_with_it() -> None:
    """The next case comes on another night, under another id."""
    world = World(0, now=NOW)
    user = world.create_user(None)
    (session,) = world.add_case(user, "two_stage")
    world.delete_session(user, session)
    (after,) = world.add_case(user, "two_stage")
    assert after.id != session.id
    assert after.start > session.start


def test_ordinary_nights_do_not_depend_on_cases() -> None:
    """Cases for some change nothing for the others, now and later."""

    def others(world: World) -> list[Result]:
        users = [*world.users()][1:4]
        world.add_nights(2, users)
        return [answer(world, session) for user in users for session in user.sessions]

    with_cases, without = World(4, 3, now=NOW), World(4, 3, now=NOW)
    with_cases.add_all_cases()
    with_cases.add_late_session(next(with_cases.users()), 2)
    moment = datetime(2026, 12, 1, tzinfo=NOW.tzinfo)
    for world in (with_cases, without):
        world.advance_to(moment)
    assert others(with_cases) == others(without)
