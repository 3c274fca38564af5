"""SESSION_COMPLETE becomes what a pull would have kept, in every layout, and costs the next pull nothing."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from assets.raw.pulled import SessionCounts
from connectors.asleep.sandbox import World, running
from connectors.asleep.webhooks.inbox import FILE_NAME, Inbox, Status
from connectors.home import Home
from connectors.state.ledger import COMPLETE, DELETED, PENDING
from connectors.state.roster import RosterUser, list_users, mark_to_be_deleted
from schemas.asleep import ASLEEP
from schemas.documents import SESSION, WEBHOOK
from schemas.tables import NIGHT_LEDGER, SESSION_HISTORY, SLEEP_HYPNOGRAMS, SLEEP_SESSIONS, SLEEP_STAGE_INTERVALS
from tests.assets.draining import drain
from tests.assets.homes import StandingClock, follow, new_home
from tests.assets.raw.pulls import Puller, follow_everybody, kept
from tests.assets.raw.webhooks import body_of, complete_sessions, ledger_of, receive, rows_of, take

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
FIRST, LAST = NOW.date() - timedelta(days=14), NOW.date()
IN_PROGRESS = 2
"""Sessions of the world that are not analysed yet."""

TIMES = ("fetched_at", "seen_at", "valid_from", "valid_to", "reason")
OF_NIGHTS = ("first_seen_at", "checked_at", "path", "late_days")


@pytest.fixture
def world() -> World:
    """Four users with three nights each."""
    return World(users=4, nights=3, now=NOW)


@pytest.fixture
def clock() -> StandingClock:
    """The clock of the home: the world's."""
    return StandingClock(NOW)


@pytest.fixture
def served(world: World) -> Iterator[str]:
    """The world, over HTTP."""
    with running(world) as base_url:
        yield base_url


def tables(home: Home) -> list[list[dict[str, object]]]:
    """Every table of nights but for when and how they came."""
    daily = (SLEEP_SESSIONS, SLEEP_HYPNOGRAMS, SLEEP_STAGE_INTERVALS, SESSION_HISTORY)
    return [*(rows_of(home, table, *TIMES) for table in daily), rows_of(home, NIGHT_LEDGER, *OF_NIGHTS)]


@pytest.mark.parametrize("layout", ["v3", pytest.param("v2", marks=pytest.mark.soak)])
def test_a_home_filled_by_webhooks_is_one_filled_by_pulls(
    world: World, home: Home, served: str, tmp_path: Path, clock: StandingClock, layout: str
) -> None:
    """Same rows; the pull afterwards makes a list call a user, no detail call, no revision and no file of nights."""
    users = follow_everybody(home, world)
    bodies = [body_of(user, session, NOW, layout) for user, session in complete_sessions(world)]
    receive(home, bodies)
    intake = take(home)
    assert intake.sessions == SessionCounts(new=len(bodies))
    assert sorted(each.document.body for each in kept(home, SESSION)) == sorted(bodies)
    assert {each.document.reason for each in kept(home, SESSION)} == {WEBHOOK}
    drain(home)
    before = tables(home)
    puller = Puller(home, served)
    report = puller.pull(FIRST, LAST)
    assert report.counts == SessionCounts(unchanged=len(bodies), pending=IN_PROGRESS)
    assert puller.calls == {"list": len(users), "stats": len(users), "user": len(users)}
    drain(home)
    with new_home(tmp_path / "polled", clock) as polled:
        follow_everybody(polled, world)
        Puller(polled, served).pull(FIRST, LAST)
        drain(polled)
        assert tables(home) == tables(polled)
        assert {row["path"] for row in rows_of(home, NIGHT_LEDGER) if row["main_session_id"]} == {"webhook"}
    assert before[:3] == tables(home)[:3]
    assert puller.pull(FIRST, LAST).counts == SessionCounts(unchanged=len(bodies), pending=IN_PROGRESS)
    assert puller.calls == {"list": len(users)}


@pytest.mark.parametrize("layout", ["v3", "v2", "flat"])
def test_a_webhook_after_a_pull_changes_nothing(world: World, home: Home, served: str, layout: str) -> None:
    """Known content is known content; what tells less than is known is not compared."""
    follow_everybody(home, world)
    puller = Puller(home, served)
    puller.pull(FIRST, LAST)
    before = ledger_of(home, *(user.user_id for user in world.users()))
    receive(home, (body_of(user, session, NOW, layout) for user, session in complete_sessions(world)))
    intake = take(home)
    assert intake.reasons == {"not_whole" if layout == "flat" else "known": len(before) - IN_PROGRESS}
    assert ledger_of(home, *(user.user_id for user in world.users())) == before
    assert {each.revision for each in kept(home, SESSION)} == {1}


def test_a_flat_webhook_has_its_session_asked_for(world: World, home: Home, served: str) -> None:
    """It lacks the breath and more: nothing is kept of it but that the session waits, and the pull has it whole."""
    follow_everybody(home, world)
    user, session = complete_sessions(world)[0]
    receive(home, [body_of(user, session, NOW, "flat")])
    assert take(home).reasons == {"not_whole": 1}
    assert kept(home, SESSION) == []
    assert ledger_of(home, user.user_id)[session.id].verdict == PENDING
    puller = Puller(home, served)
    puller.pull(LAST, LAST)
    assert ledger_of(home, user.user_id)[session.id].verdict == COMPLETE
    assert puller.calls["detail"] >= 1
    (document,) = [each.document for each in kept(home, SESSION) if each.document.document_id == session.id]
    assert json.loads(document.body)["result"]["session"]["id"] == session.id


@pytest.mark.parametrize("first", ["old", "new"])
def test_of_two_contents_the_vendor_is_asked_which_counts(world: World, home: Home, served: str, first: str) -> None:
    """In whatever order they come, the session waits, and the next pull has the true one as the newest version."""
    follow_everybody(home, world)
    user, session = complete_sessions(world)[-1]
    old = body_of(user, session, NOW)
    world.reanalyse(user, session)
    new = body_of(user, session, NOW)
    assert old != new
    receive(home, [old, new] if first == "old" else [new, old])
    assert take(home).reasons == {"kept": 1, "differs": 1}
    assert ledger_of(home, user.user_id)[session.id].verdict == PENDING
    puller = Puller(home, served)
    puller.pull(FIRST, LAST)
    drain(home)
    assert ledger_of(home, user.user_id)[session.id].verdict == COMPLETE
    current = [each for each in kept(home, SESSION) if each.document.document_id == session.id]
    assert [each.revision for each in current] == [2 if first == "old" else 1]
    assert ledger_of(home, user.user_id)[session.id].revision == current[0].revision
    puller.pull(FIRST, LAST)
    assert puller.calls["detail"] == 0


def test_a_session_whose_row_changed_since_its_webhook_is_fetched(world: World, home: Home, served: str) -> None:
    """Another end in the list is news."""
    follow_everybody(home, world)
    user, session = complete_sessions(world)[-1]
    receive(home, [body_of(user, session, NOW)])
    take(home)
    marked = ledger_of(home, user.user_id)[session.id].fingerprint
    world.reanalyse(user, session)
    puller = Puller(home, served)
    puller.pull(FIRST, LAST)
    known = ledger_of(home, user.user_id)[session.id]
    assert known.fingerprint != marked
    assert known.averaged_hash is not None


def test_a_user_who_is_not_followed_leaves_nothing(world: World, home: Home) -> None:
    """By the dates of the roster, by removal, or marked for deletion at the vendor: not even the body stays."""
    dated, removed, marked, _ = world.users()
    follow(
        home,
        RosterUser(ASLEEP, dated.user_id, "clinic", dated.person.timezone, active_to=FIRST),
        RosterUser(ASLEEP, removed.user_id, "clinic", removed.person.timezone, removed=True),
        RosterUser(ASLEEP, marked.user_id, "clinic", marked.person.timezone),
    )
    with home.state.write() as connection:
        mark_to_be_deleted(connection, ASLEEP, marked=[marked.user_id], unmarked=[])
    theirs = [each for each in complete_sessions(world) if each[0] in (dated, removed, marked)]
    receive(home, (body_of(user, session, NOW) for user, session in theirs))
    assert take(home).reasons == {"not_followed": len(theirs)}
    assert (kept(home, SESSION), ledger_of(home, *(user.user_id for user in world.users()))) == ([], {})
    with closing(Inbox(home.root / FILE_NAME)) as inbox:
        assert {each.body_bytes for each in inbox.listed(Status.DONE)} == {0}


def test_a_session_that_was_deleted_here_stays_deleted(
    world: World, home: Home, served: str, clock: StandingClock
) -> None:
    """A late webhook does not bring back what a person has deleted."""
    follow_everybody(home, world)
    user, session = complete_sessions(world)[-1]
    body = body_of(user, session, NOW)
    puller = Puller(home, served)
    puller.pull(FIRST, LAST)
    world.delete_session(user, session)
    clock.advance(hours=1)
    assert puller.pull(FIRST, LAST).counts.deleted == 1
    receive(home, [body])
    assert take(home).reasons == {"deleted": 1}
    assert ledger_of(home, user.user_id)[session.id].verdict == DELETED
    drain(home)
    assert session.id not in {row["session_id"] for row in rows_of(home, SLEEP_SESSIONS)}


def test_an_unknown_user_is_a_dead_letter_or_enrolled(world: World, home: Home) -> None:
    """By the policy that was stored with the event; whoever is enrolled lives where the phone was."""
    user, session = complete_sessions(world)[0]
    receive(home, [body_of(user, session, NOW)])
    intake = take(home)
    assert (intake.dead_letters, intake.reasons) == (1, {"unknown_user": 1})
    assert kept(home, SESSION) == []
    receive(home, [body_of(user, session, NOW, "v2")], "enrol")
    intake = take(home)
    assert (intake.enrolled, intake.reasons) == (1, {"kept": 1})
    with home.state.read() as connection:
        (enrolled,) = list_users(connection, ASLEEP)
    assert (enrolled.user_id, enrolled.timezone) == (user.user_id, session.timezone)
    drain(home)
    assert [row["session_id"] for row in rows_of(home, SLEEP_SESSIONS)] == [session.id]


def test_two_at_once_take_everything_in_once(world: World, home: Home, clock: StandingClock) -> None:
    """One waits for the other, and finds nothing left."""
    follow_everybody(home, world)
    bodies = [body_of(user, session, NOW) for user, session in complete_sessions(world)]
    receive(home, bodies)
    with ThreadPoolExecutor(3) as runs:
        intakes = list(runs.map(lambda _: take(Home(home.root, clock=clock)), range(3)))
    assert sorted(intake.events for intake in intakes) == [0, 0, len(bodies)]
    assert sorted(each.document.body for each in kept(home, SESSION)) == sorted(bodies)
