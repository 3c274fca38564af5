"""INFERENCE_COMPLETE is written into the running sessions of the inbox, and never anywhere else."""

import json
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from connectors.asleep.sandbox import World, running
from connectors.asleep.sandbox.sessions import Session, User
from connectors.asleep.webhooks.inbox import FILE_NAME, Inbox, Status
from connectors.asleep.webhooks.live_sessions import LiveSession
from connectors.home import Home
from connectors.state.roster import RosterUser, end_user
from schemas.asleep import ASLEEP
from schemas.documents import SESSION
from tests.assets.homes import StandingClock, follow
from tests.assets.raw.pulls import Puller, dirty, follow_everybody, kept
from tests.assets.raw.webhooks import batches_of, body_of, complete_sessions, ledger_of, receive, take

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


@pytest.fixture
def world() -> World:
    """Two users with two nights each."""
    return World(users=2, nights=2, now=NOW)


@pytest.fixture
def night(world: World) -> tuple[User, Session]:
    """A session that the vendor has analysed, with all its stages."""
    return next(each for each in complete_sessions(world) if len(each[1].recording.stages) >= 200)


@pytest.fixture
def clock() -> StandingClock:
    """The clock of the home: the world's."""
    return StandingClock(NOW)


@pytest.fixture
def followed(world: World, home: Home) -> Home:
    """The home, which follows everybody."""
    follow_everybody(home, world)
    return home


def live_in(home: Home) -> list[LiveSession]:
    """What runs."""
    with closing(Inbox(home.root / FILE_NAME)) as inbox:
        return inbox.live_sessions()


@pytest.mark.parametrize("layout", ["v3", "v2"])
def test_a_night_is_put_together_as_it_comes(followed: Home, night: tuple[User, Session], layout: str) -> None:
    """The stages so far are those of the session; nothing is in raw, in the ledger or to be built."""
    user, session = night
    batches = batches_of(user, session, layout)
    receive(followed, reversed(batches[:10]))
    assert take(followed).reasons == {"live": 10}
    (live,) = live_in(followed)
    assert (live.user_id, live.session_id, live.batches) == (user.user_id, session.id, 10)
    assert live.sleep_stages == list(session.recording.stages[:130])
    assert (kept(followed, SESSION), ledger_of(followed, user.user_id)) == ([], {})
    assert dirty(followed, "sleep_sessions") == []


def test_the_end_replaces_what_was_live(followed: Home, night: tuple[User, Session]) -> None:
    """In the same batch of events or a later one; what comes after the end does nothing."""
    user, session = night
    batches = batches_of(user, session)
    receive(followed, batches[:5])
    take(followed)
    assert len(live_in(followed)) == 1
    receive(followed, [batches[5], body_of(user, session, NOW), batches[6]])
    assert take(followed).reasons == {"live": 1, "kept": 1, "late": 1}
    assert live_in(followed) == []
    receive(followed, batches[7:])
    assert set(take(followed).reasons) == {"late"}
    assert live_in(followed) == []


def test_a_session_whose_end_was_lost_is_live_no_more_once_a_pull_has_it(
    followed: Home, world: World, night: tuple[User, Session], clock: StandingClock
) -> None:
    """After half an hour without a batch it is looked up; one that nobody ever ends goes after two days."""
    user, session = night
    other_user, other = next(each for each in complete_sessions(world) if each[1].id != session.id)
    receive(followed, [batches_of(user, session)[0], batches_of(other_user, other)[0]])
    take(followed)
    with running(world) as base_url:
        Puller(followed, base_url).pull(session.start.date(), session.start.date())
    is_pulled = other.id in ledger_of(followed, other_user.user_id)
    take(followed)
    assert len(live_in(followed)) == 2
    clock.advance(minutes=31)
    take(followed)
    assert [live.session_id for live in live_in(followed)] == ([] if is_pulled else [other.id])
    clock.advance(days=2)
    take(followed)
    assert live_in(followed) == []


def test_numbers_that_contradict_each_other_place_nothing(followed: Home, night: tuple[User, Session]) -> None:
    """The flat layout counts otherwise; nobody guesses where its stages belong."""
    user, session = night
    receive(followed, batches_of(user, session, "flat")[:3])
    assert take(followed).reasons == {"not_placed": 3}
    assert live_in(followed) == []


def test_nobody_who_is_not_followed_is_live(home: Home, night: tuple[User, Session]) -> None:
    """Not on the roster, or no longer: not even the body stays. Who is to be enrolled is shown already."""
    user, session = night
    first, second, third, *_ = batches_of(user, session)
    receive(home, [first])
    assert take(home).reasons == {"unknown_user": 1}
    follow(home, RosterUser(ASLEEP, user.user_id, timezone=user.person.timezone))
    with home.state.write() as connection:
        end_user(connection, ASLEEP, user.user_id, (NOW - timedelta(days=30)).date())
    receive(home, [second])
    assert take(home).reasons == {"not_followed": 1}
    with closing(Inbox(home.root / FILE_NAME)) as inbox:
        assert [each.body_bytes for each in inbox.listed(Status.DONE)] == [0, 0]
    other = json.loads(third)
    other["data"]["user_id"] = "somebody-new"
    receive(home, [json.dumps(other).encode()], "enrol")
    assert take(home).reasons == {"live": 1}
    assert [live.user_id for live in live_in(home)] == ["somebody-new"]


def test_what_was_done_is_deleted_after_its_time(
    followed: Home, night: tuple[User, Session], clock: StandingClock
) -> None:
    """After so many days, or never; dead letters stay."""
    receive(followed, [body_of(*night, NOW)])
    receive(followed, [b'{"event": "SOMETHING_ELSE"}'])
    stranger = json.loads(body_of(*night, NOW))
    stranger["data"]["user_id"] = "somebody-else"
    receive(followed, [json.dumps(stranger).encode()])
    assert take(followed).reasons == {"kept": 1, "not_documented": 1, "unknown_user": 1}
    clock.advance(days=31)
    assert take(followed, keep_days=0).forgotten == 0
    assert take(followed, keep_days=31).forgotten == 0
    assert take(followed, keep_days=30).forgotten == 2
    with closing(Inbox(followed.root / FILE_NAME)) as inbox:
        assert inbox.counts() == {(Status.DEAD_LETTER, "unknown_user"): 1}
