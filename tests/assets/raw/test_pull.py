"""Pulling from the simulator over HTTP: what is asked, what is kept, and what is left dirty."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx
import pytest

from assets.raw.pull import PullReport
from assets.raw.pulled import SessionCounts
from connectors.asleep.sandbox import World, build_app, running
from connectors.home import Home
from connectors.state.ledger import sessions_of
from connectors.state.roster import RosterUser
from connectors.state.vendor import OtherVendor, last_complete_pull
from schemas.asleep import ASLEEP
from schemas.documents import AVERAGE_STATS, SESSION, USER
from schemas.nights import local_date
from tests.assets.homes import NOW, StandingClock, follow
from tests.assets.raw.pulls import (
    FIRST,
    KEY,
    Puller,
    control,
    dirty,
    follow_everybody,
    gone,
    kept,
    left,
    start_of,
    truth,
)

NOBODY = "G-20200101000000-abcdefghijklmnopqrst"
"""A well-formed id no world gives out."""


@pytest.fixture
def world() -> World:
    """Four people with six nights in two months, one session OPEN and one CLOSED."""
    return World(users=4, nights=6, now=NOW)


@pytest.fixture
def base_url(world: World) -> Iterator[str]:
    """Where the world is served."""
    with running(world) as base_url:
        yield base_url


@pytest.fixture
def puller(home: Home, base_url: str) -> Puller:
    """Pulls of the test's home from the world."""
    return Puller(home, base_url)


def states(base_url: str) -> Counter[str]:
    """How many sessions are in which state."""
    return Counter(session["state"] for user in truth(base_url)["users"] for session in user["sessions"])


def complete_sessions(base_url: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Every complete session with its user."""
    users = truth(base_url)["users"]
    return [(user, session) for user in users for session in user["sessions"] if session["state"] == "COMPLETE"]


def months(base_url: str) -> set[tuple[str, date]]:
    """User and month of every complete session, in the user's zone."""
    return {
        (user["user_id"], local_date(start_of(session), user["timezone"]).replace(day=1))
        for user, session in complete_sessions(base_url)
    }


def test_the_first_pull_asks_for_everything_once(puller: Puller, home: Home, base_url: str, world: World) -> None:
    """One list a user, one detail a complete session, one answer a user and month, one document a user."""
    follow_everybody(home, world)
    report = puller.pull()
    sessions = states(base_url)
    assert (sessions["OPEN"], sessions["CLOSED"]) == (1, 1)
    assert puller.calls == {"list": 4, "detail": sessions["COMPLETE"], "stats": len(months(base_url)), "user": 4}
    assert report.counts == SessionCounts(new=sessions["COMPLETE"], pending=2)
    assert (report.users, report.complete, report.users_changed) == (4, True, True)
    assert last_complete_pull(home.state, ASLEEP) == NOW


def test_what_is_pulled_is_dirty_in_every_asset_made_from_it(
    puller: Puller, home: Home, base_url: str, world: World
) -> None:
    """Days by UTC start, months in the user's zone, and the users."""
    follow_everybody(home, world)
    report = puller.pull()
    days = sorted({start_of(session).astimezone(UTC).date() for _, session in complete_sessions(base_url)})
    first_days = sorted({month for _, month in months(base_url)})
    assert first_days == [date(2026, 10, 1), date(2026, 11, 1)]
    assert sorted(report.dirty_days) == days
    assert sorted(report.dirty_months) == first_days
    for asset in ("sleep_sessions", "sleep_hypnograms", "sleep_stage_intervals", "fhir_sleep_observations"):
        assert dirty(home, asset) == [day.isoformat() for day in days]
    assert dirty(home, "fhir_average_stats") == [f"{month:%Y-%m}" for month in first_days]
    assert dirty(home, "warehouse_users") == ["all"]


def test_raw_holds_exactly_the_bytes_that_were_sent(puller: Puller, home: Home, base_url: str, world: World) -> None:
    """Asked again without Nightshift, the vendor sends the same bodies; the time of receipt is the client's clock's."""
    zones = {user.user_id: user.timezone for user in follow_everybody(home, world)}
    puller.pull()
    documents = {kind: kept(home, kind) for kind in (SESSION, AVERAGE_STATS, USER)}
    assert len(documents[SESSION]) == len(complete_sessions(base_url))
    assert len(documents[AVERAGE_STATS]) == len(months(base_url))
    assert len(documents[USER]) == 4
    with httpx.Client(base_url=base_url, headers={"x-api-key": KEY}, trust_env=False) as vendor:
        for current in documents[SESSION]:
            raw = current.document
            headers = {"x-user-id": raw.user_id, "timezone": "UTC"}
            assert raw.body == vendor.get(f"/data/v3/sessions/{raw.document_id}", headers=headers).content
            assert (raw.org_id, raw.status, raw.fetched_at, current.revision) == ("clinic", 200, NOW, 1)
        for current in documents[AVERAGE_STATS]:
            raw, zone = current.document, zones[current.document.user_id]
            end = min((raw.date + timedelta(days=31)).replace(day=1) - timedelta(days=1), local_date(NOW, zone))
            period = {"start_date": raw.date.isoformat(), "end_date": end.isoformat()}
            path = f"/data/v1/users/{raw.user_id}/average-stats"
            assert raw.body == vendor.get(path, params=period, headers={"timezone": zone}).content
        for current in documents[USER]:
            assert current.document.body == vendor.get(f"/ai/v1/users/{current.document.user_id}").content


def test_a_second_pull_asks_for_the_lists_alone(puller: Puller, home: Home, world: World) -> None:
    """Nothing has changed: one list a user and no other call, no document, no new file, nothing more dirty."""
    follow_everybody(home, world)
    first = puller.pull()
    files = sorted((home.root / "raw").rglob("*.parquet"))
    with home.state.write() as connection:
        connection.exec_driver_sql("DELETE FROM dirty_partitions")
    second = puller.pull()
    assert puller.calls == {"list": 4}
    assert second.counts == SessionCounts(unchanged=first.counts.new, pending=2)
    assert (second.documents, second.dirty_days, second.dirty_months) == (0, set(), set())
    assert sorted((home.root / "raw").rglob("*.parquet")) == files
    assert dirty(home, "sleep_sessions") == []


def test_a_pull_is_a_window(puller: Puller, home: Home, base_url: str, world: World) -> None:
    """Only sessions that start on the UTC dates asked for, both ends included."""
    follow_everybody(home, world)
    first, last = date(2026, 10, 30), date(2026, 11, 1)
    puller.pull(first, last)
    assert {current.document.document_id for current in kept(home, SESSION)} == {
        session["id"] for _, session in complete_sessions(base_url) if first <= start_of(session).date() <= last
    }


def test_a_new_night_costs_one_detail_and_one_month(home: Home, clock: StandingClock) -> None:
    """The others are listed and left alone."""
    world = World(users=2, nights=3, now=NOW)
    with running(world) as base_url:
        puller = Puller(home, base_url)
        users = follow_everybody(home, world)
        clock.now = datetime.fromisoformat(control(base_url, "clock", {"advance_s": 300})["now"])
        assert puller.pull().counts.pending == 0
        added = control(base_url, "nights", {"count": 1, "users": [users[1].user_id]})
        clock.now = datetime.fromisoformat(added["now"])
        report = puller.pull(last=clock.now.date())
        [started] = [start_of(s).date() for _, s in complete_sessions(base_url) if s["id"] in added["added"]]
    assert puller.calls == {"list": 2, "detail": 1, "stats": 1}
    assert (report.counts.new, report.counts.pending, report.counts.changed) == (1, 0, 0)
    assert report.dirty_days == {started}
    assert dirty(home, "sleep_sessions").count(started.isoformat()) == 1


def test_pending_sessions_are_pulled_when_they_are_complete(
    puller: Puller, home: Home, base_url: str, clock: StandingClock, world: World
) -> None:
    """OPEN and CLOSED wait in the ledger, not in raw, until the vendor has analysed them."""
    follow_everybody(home, world)
    complete = puller.pull().counts.new
    assert len(kept(home, SESSION)) == complete
    clock.now = datetime.fromisoformat(control(base_url, "clock", {"advance_s": 86_400})["now"])
    report = puller.pull(last=clock.now.date())
    assert (report.counts.new, report.counts.pending, report.counts.unchanged) == (2, 0, complete)
    assert puller.calls["detail"] == 2
    assert len(kept(home, SESSION)) == complete + 2


def test_pending_sessions_are_asked_for_outside_of_the_window_too(
    puller: Puller, home: Home, base_url: str, clock: StandingClock, world: World
) -> None:
    """A backfill of an old month also brings what was waiting."""
    follow_everybody(home, world)
    puller.pull()
    past = date(2026, 1, 1)
    still = puller.pull(past, past)
    assert (still.counts, puller.calls) == (SessionCounts(pending=2), {"list": 4, "detail": 2})
    clock.now = datetime.fromisoformat(control(base_url, "clock", {"advance_s": 86_400})["now"])
    report = puller.pull(past, past)
    assert report.counts == SessionCounts(new=2)
    assert (puller.calls["list"], puller.calls["detail"]) == (4, 2)


def test_a_user_the_vendor_does_not_know_fails_once_and_is_then_known_to_be_gone(
    puller: Puller, home: Home, world: World
) -> None:
    """The first time the pull is not complete; from then on it is, and the user is asked about all the same."""
    follow_everybody(home, world)
    follow(home, RosterUser(ASLEEP, NOBODY))
    first, second = puller.pull(), puller.pull()
    assert (first.failed, first.complete, first.users) == ({"user_not_found": 1}, False, 5)
    assert (second.failed, second.complete, second.gone) == ({}, True, 1)
    assert puller.calls == {"list": 5}
    assert gone(home) == [NOBODY]
    assert left(home) == {}


def test_importing_the_same_roster_again_is_no_news(puller: Puller, home: Home, world: World) -> None:
    """Who imports the whole roster every night must not have a red run every night."""
    follow_everybody(home, world)
    follow(home, RosterUser(ASLEEP, NOBODY))
    puller.pull()
    follow(home, RosterUser(ASLEEP, NOBODY))
    assert gone(home) == [NOBODY]
    assert puller.pull().failed == {}


def test_a_user_whom_the_vendor_knows_again_is_followed_again(home: Home) -> None:
    """Nothing has to be done: the sessions come with the next pull."""
    smaller, larger = World(users=2, nights=3, now=NOW), World(users=3, nights=3, now=NOW)
    late = follow_everybody(home, larger)[2].user_id
    assert Puller(home, transport=httpx.ASGITransport(build_app(smaller))).pull().failed == {"user_not_found": 1}
    assert gone(home) == [late]
    assert Puller(home, transport=httpx.ASGITransport(build_app(larger))).pull().complete
    assert gone(home) == []
    assert late in {current.document.user_id for current in kept(home, SESSION)}


def test_a_user_is_asked_about_only_in_the_days_they_are_followed(
    puller: Puller, home: Home, base_url: str, world: World
) -> None:
    """active_from and active_to are included; a window outside of them makes no list call at all."""
    users = [user.user_id for user in world.users()]
    first, last = date(2026, 10, 30), date(2026, 11, 1)
    follow(
        home,
        RosterUser(ASLEEP, users[0], active_from=first, active_to=last),
        RosterUser(ASLEEP, users[1], active_from=date(2026, 12, 1)),
        RosterUser(ASLEEP, users[3], active_to=date(2020, 1, 1)),
    )
    report = puller.pull()
    assert puller.calls["list"] == 1
    assert {current.document.document_id for current in kept(home, SESSION)} == {
        session["id"]
        for user, session in complete_sessions(base_url)
        if user["user_id"] == users[0] and first <= start_of(session).date() <= last
    }
    assert report.complete


def test_user_documents_are_asked_for_once_in_seven_days(
    puller: Puller, home: Home, clock: StandingClock, world: World
) -> None:
    """Fetched when new, then when a week old; what has not changed is not kept twice."""
    follow_everybody(home, world)
    asked = []
    for _ in range(8):
        puller.pull()
        asked.append(puller.calls["user"])
        clock.advance(days=1)
    assert asked == [4, 0, 0, 0, 0, 0, 0, 4]
    assert {current.revision for current in kept(home, USER)} == {1}
    assert len(home.raw.dates(ASLEEP, USER)) == 1


def test_user_documents_alone(puller: Puller, home: Home, world: World) -> None:
    """Those that are missing, and nothing else."""
    follow_everybody(home, world)
    assert puller.pull_users().documents == 4
    assert puller.calls == {"user": 4}
    assert puller.pull_users().documents == 0
    assert puller.calls == {}


def test_months_alone(puller: Puller, home: Home, base_url: str, world: World) -> None:
    """Statistics of the months asked for, for users who were followed in them."""
    users = [user.user_id for user in world.users()]
    follow(home, RosterUser(ASLEEP, users[0]), RosterUser(ASLEEP, users[3], active_from=date(2026, 11, 2)))
    report = puller.pull_months(date(2026, 10, 1), date(2026, 11, 1))
    assert puller.calls == {"stats": 3}
    assert report.dirty_months == {date(2026, 10, 1), date(2026, 11, 1)}
    assert sorted(
        (current.document.user_id, current.document.document_id) for current in kept(home, AVERAGE_STATS)
    ) == sorted([(users[0], "2026-10"), (users[0], "2026-11"), (users[3], "2026-11")])


def test_a_month_that_has_not_begun_for_the_user_is_left_out(
    puller: Puller, home: Home, clock: StandingClock, world: World
) -> None:
    """At two in the morning in UTC it is still the month before in America."""
    people = {user.person.timezone: user.user_id for user in world.users()}
    follow(home, *(RosterUser(ASLEEP, people[zone], timezone=zone) for zone in ("America/New_York", "Europe/Berlin")))
    clock.now = datetime(2026, 12, 1, 2, tzinfo=UTC)
    assert puller.pull_months(date(2026, 12, 1)).complete
    assert [current.document.user_id for current in kept(home, AVERAGE_STATS)] == [people["Europe/Berlin"]]


@pytest.mark.parametrize(("address", "key"), [("http://127.0.0.1:9", KEY), (None, "another-key")])
def test_another_vendor_is_refused_before_any_call(
    puller: Puller, home: Home, world: World, address: str | None, key: str
) -> None:
    """Another address or another key may be another account: nothing is asked and nothing is changed."""
    follow_everybody(home, world)
    puller.pull()
    documents = len(kept(home, SESSION))
    other = Puller(home, address or puller.base_url, key=key)
    for ask in (other.pull, other.pull_users, lambda: other.pull_months(FIRST.replace(day=1))):
        with pytest.raises(OtherVendor):
            ask()
        assert other.calls == {}
    assert len(kept(home, SESSION)) == documents
    assert left(home) == {}


def test_the_ledger_knows_every_session(puller: Puller, home: Home, base_url: str, world: World) -> None:
    """Verdict, partition, revision and the content hash of the raw document."""
    users = [user.user_id for user in follow_everybody(home, world)]
    puller.pull()
    hashes = {current.document.document_id: current.document.content_hash for current in kept(home, SESSION)}
    with home.state.read() as connection:
        ledger = [session for of_user in sessions_of(connection, ASLEEP, users).values() for session in of_user]
    assert {
        session.session_id: (session.partition, session.verdict, session.content_hash, session.revision)
        for session in ledger
    } == {
        session["id"]: (
            start_of(session).date(),
            *(("complete", hashes[session["id"]], 1) if session["state"] == "COMPLETE" else ("pending", None, 0)),
        )
        for user in truth(base_url)["users"]
        for session in user["sessions"]
    }


def test_an_empty_roster_is_a_complete_pull_of_nobody(puller: Puller) -> None:
    """No call is made."""
    assert puller.pull() == PullReport(ASLEEP)
    assert puller.calls == {}


class Seen:
    """Somebody who watches a pull."""

    def __init__(self) -> None:
        self.told: list[int | SessionCounts] = []

    def users(self, total: int) -> None:
        self.told.append(total)

    def user_done(self, counts: SessionCounts) -> None:
        self.told.append(counts)


def test_progress_is_told_for_each_user(puller: Puller, home: Home, world: World) -> None:
    """First how many there are, then what was found for each; together they are the report."""
    follow_everybody(home, world)
    seen = Seen()
    report = puller.pull(progress=seen)
    assert seen.told[0] == 4
    found = SessionCounts()
    for counts in seen.told[1:]:
        assert isinstance(counts, SessionCounts)
        found.add(counts)
    assert (len(seen.told), found) == (5, report.counts)
