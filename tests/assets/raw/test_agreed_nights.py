"""Only the nights of ``active_from`` to ``active_to`` are asked about, however they are asked for, and all of them."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import date, timedelta

import msgspec
import pytest

from connectors.asleep.sandbox import World, running
from connectors.asleep.sandbox.world import Session, User
from connectors.home import Home
from connectors.state.ledger import DELETED, PENDING, put_sessions
from connectors.state.nights import asked_between
from connectors.state.roster import RosterUser
from schemas.asleep import ASLEEP
from schemas.documents import AVERAGE_STATS, SESSION, SESSION_LIST
from schemas.nights import night_of
from tests.assets.homes import NOW, StandingClock, follow
from tests.assets.raw.listened import Vendor
from tests.assets.raw.pulls import kept

DAY = timedelta(days=1)


@pytest.fixture
def vendor(home: Home, clock: StandingClock) -> Iterator[Vendor]:
    """Ten people in ten zones with eleven nights, and naps in many an afternoon."""
    world = World(users=10, nights=11, now=NOW)
    for user in world.users():
        for days_ago in range(3, 8):
            with suppress(ValueError):  # that day is full
                world.add_late_session(user, days_ago)
    with running(world) as base_url:
        yield Vendor(world, base_url, home, clock)


def followed(user: User, first: date | None, last: date | None, zone: str | None = None) -> RosterUser:
    """A user of the world on the roster."""
    return RosterUser(ASLEEP, user.user_id, "clinic", zone or user.person.timezone, first, last)


def agreed(sessions: list[Session], user: RosterUser) -> list[str]:
    """The sessions of the nights in which somebody is followed."""
    first, last = user.active_from or date.min, user.active_to or date.max
    return sorted(session.id for session in sessions if first <= night_of(session.start, user.timezone) <= last)


@pytest.mark.parametrize(
    ("first", "last", "elsewhere"),
    [
        (date(2026, 10, 27), date(2026, 10, 29), None),
        (date(2026, 10, 24), date(2026, 10, 25), None),  # the clocks of Berlin change in the night between them
        (date(2026, 10, 31), date(2026, 11, 1), None),  # those of New York, and the month ends
        (date(2026, 11, 1), None, None),
        (None, date(2026, 10, 28), None),
        (date(2026, 10, 27), date(2026, 10, 28), "Pacific/Honolulu"),
        (date(2026, 10, 27), date(2026, 10, 28), "Pacific/Kiritimati"),
    ],
)
def test_exactly_the_agreed_nights_are_fetched(
    vendor: Vendor, home: Home, first: date | None, last: date | None, elsewhere: str | None
) -> None:
    """In every zone, or seen from another one: each of their sessions, no other one's detail, row or figures."""
    roster = [followed(user, first, last, elsewhere) for user in vendor.world.users()]
    follow(home, *roster)
    vendor.pull()
    assert vendor.report.complete
    wanted = [
        session_id
        for user, rostered in zip(vendor.world.users(), roster, strict=True)
        for session_id in agreed(vendor.complete(user), rostered)
    ]
    assert len(wanted) > len(roster)
    assert vendor.listener.details() == sorted(wanted)
    assert sorted(current.document.document_id for current in kept(home, SESSION)) == sorted(wanted)
    allowed = {
        name
        for person, user in zip(vendor.world.users(), roster, strict=True)
        for name in agreed(person.sessions, user)
    }
    named = {
        row["session_id" if kind == SESSION_LIST else "id"]
        for kind, field in ((SESSION_LIST, "sleep_session_list"), (AVERAGE_STATS, "slept_sessions"))
        for current in kept(home, kind)
        for row in msgspec.json.decode(current.document.body)["result"][field]
    }
    assert named <= allowed
    assert {session_id for user in roster for session_id in vendor.known(user.user_id)} <= allowed


def test_the_list_has_no_more_dates_than_these_nights(vendor: Vendor, home: Home) -> None:
    """In New York two nights have three UTC dates; the night ledger is told which."""
    [user] = [user for user in vendor.world.users() if user.person.timezone == "America/New_York"]
    follow(home, followed(user, date(2026, 10, 27), date(2026, 10, 28)))
    vendor.pull()
    [query] = vendor.listener.lists()
    assert (query["date_gte"], query["date_lte"], query["order_by"]) == ("2026-10-27", "2026-10-29", "ASC")
    with home.state.read() as connection:
        asked = asked_between(connection, ASLEEP, date(2026, 10, 1), date(2026, 11, 30))[user.user_id]
    assert [str(day) for day in asked] == ["2026-10-27", "2026-10-28", "2026-10-29"]
    assert all(answer.checked_at == NOW for answer in asked.values())
    vendor.pull(date(2026, 10, 29), date(2026, 10, 30))
    assert [(query["date_gte"], query["date_lte"]) for query in vendor.listener.lists()] == [("2026-10-29",) * 2]
    vendor.pull(date(2026, 10, 30), date(2026, 11, 3))
    assert vendor.listener.lists() == []


def test_an_edge_that_does_not_change_leaves_nothing_behind(vendor: Vendor, home: Home) -> None:
    """The list shows sessions beyond the agreed nights every time: nothing is kept and nothing is marked for them."""
    follow(home, *(followed(user, date(2026, 10, 27), date(2026, 10, 29)) for user in vendor.world.users()))
    vendor.pull()
    files = sorted((home.root / "raw").rglob("*.parquet"))
    vendor.pull()
    assert vendor.puller.calls == {"list": 10}
    assert sorted((home.root / "raw").rglob("*.parquet")) == files


def test_a_session_deleted_by_ourselves_leaves_whatever_the_dates(vendor: Vendor, home: Home) -> None:
    """The command that deletes one has the next pull look whether it is gone; one that is still there is not kept."""
    [user, *_] = vendor.world.users()
    follow(home, followed(user, None, None))
    vendor.pull()
    deleted, stays, *_ = vendor.complete(user)
    with home.state.write() as connection:
        known = vendor.known(user.user_id)
        put_sessions(connection, [replace(known[session.id], verdict=PENDING) for session in (deleted, stays)])
    follow(home, followed(user, None, date(2026, 10, 1)))
    vendor.world.reanalyse(user, stays)
    vendor.world.delete_session(user, deleted)
    vendor.pull()
    assert vendor.puller.calls["detail"] == 2
    assert vendor.report.counts.deleted == 1
    assert vendor.known(user.user_id)[deleted.id].verdict == DELETED
    assert vendor.known(user.user_id)[stays.id] == known[stays.id]
    vendor.pull()
    assert vendor.puller.calls == {}


def test_new_dates_hold_for_everything_that_was_known_before(vendor: Vendor, home: Home) -> None:
    """What waits, is analysed again or deleted outside of them is not asked for: by no list, sweep or statistics."""
    users = list(vendor.world.users())
    follow(home, *(followed(user, None, None) for user in users))
    vendor.pull()
    assert vendor.report.counts.pending >= 2
    before = [vendor.known(user.user_id) for user in users]
    last = date(2026, 10, 31)
    narrowed = [followed(user, None, last) for user in users]
    follow(home, *narrowed)
    allowed = [agreed(user.sessions, rostered) for user, rostered in zip(users, narrowed, strict=True)]
    vendor.world.advance_to(NOW + DAY)
    for user in users:
        vendor.world.reanalyse(user, vendor.complete(user)[-1])
        vendor.world.delete_session(user, vendor.complete(user)[-2])
    vendor.clock.advance(days=31)  # sweeps are due
    vendor.pull()
    heard = vendor.listener.details()
    vendor.listen()
    vendor.puller.pull_months(date(2026, 10, 1), date(2026, 11, 1))
    heard += vendor.listener.details()
    assert set(heard) <= {session_id for agreed_ones in allowed for session_id in agreed_ones}
    assert {end for _, end in vendor.listener.periods()} == {last}
    for user, known, agreed_ones in zip(users, before, allowed, strict=True):
        now = vendor.known(user.user_id)
        assert now.keys() == known.keys()
        assert all(now[session_id] == known[session_id] for session_id in known.keys() - set(agreed_ones))
