"""Users whom the vendor has marked for deletion: nothing more is pulled about them, and nothing of theirs deleted."""

from collections.abc import Iterator
from datetime import date, timedelta

import pytest

from connectors.asleep.sandbox import World, running
from connectors.asleep.sandbox.world import User
from connectors.home import Home
from connectors.lake.raw import RawDocument
from connectors.state.nights import asked_between
from connectors.state.roster import list_users
from schemas.asleep import ASLEEP
from schemas.documents import AVERAGE_STATS, SESSION
from schemas.night_hours import last_night_over
from schemas.tables import NIGHT_LEDGER, SLEEP_SESSIONS, USERS
from tests.assets.draining import drain
from tests.assets.homes import NOW, StandingClock, follow, sleeper
from tests.assets.raw.listened import Vendor
from tests.assets.raw.pulls import Puller, follow_everybody, gone, kept, left
from tests.assets.raw.scripted import ScriptedVendor
from tests.schemas.samples import USER, changed

DAY = timedelta(days=1)


@pytest.fixture
def vendor(home: Home, clock: StandingClock) -> Iterator[Vendor]:
    """Three people with four nights, one of them marked: what was pulled is what was found with the mark."""
    world = World(users=3, nights=4, now=NOW)
    world.mark_to_be_deleted(next(world.users()))
    with running(world) as base_url:
        vendor = Vendor(world, base_url, home, clock)
        follow_everybody(home, world)
        vendor.pull()
        yield vendor


@pytest.fixture
def user(vendor: Vendor) -> User:
    """The one who is marked."""
    return next(vendor.world.users())


def marked(home: Home) -> list[str]:
    """The users who are known to be marked."""
    with home.state.read() as connection:
        return [user.user_id for user in list_users(connection, ASLEEP) if user.to_be_deleted]


def of(home: Home, user: User) -> list[RawDocument]:
    """What raw has of a user's sleep."""
    documents = (current.document for kind in (SESSION, AVERAGE_STATS) for current in kept(home, kind))
    return sorted((d for d in documents if d.user_id == user.user_id), key=lambda d: (d.document, d.document_id))


def verdicts(home: Home, user: User, first: date, last: date) -> dict[str, str]:
    """The verdicts of a user's nights in the lake."""
    nights = [first + number * DAY for number in range((last - first).days + 1)]
    rows = [row for night in nights for row in home.lake.read(NIGHT_LEDGER, f"date={night}").to_pylist()]
    return {str(row["night_of"]): row["verdict"] for row in rows if row["user_id"] == user.user_id}


def test_the_mark_ends_all_calls_but_that_for_the_mark(vendor: Vendor, home: Home, user: User) -> None:
    """No list, no detail, no statistics of new nights, analyses and deletions; the others are pulled as ever."""
    assert (vendor.puller.calls["list"], marked(home)) == (3, [user.user_id])
    before, known = of(home, user), vendor.known(user.user_id)
    vendor.world.reanalyse(user, vendor.complete(user)[-1])
    vendor.world.delete_session(user, vendor.complete(user)[0])
    vendor.clock.advance(days=31)  # the sweep is due, and so are the user documents
    vendor.sleep()
    vendor.pull()
    assert vendor.report.complete
    assert [heard.path for heard in vendor.listener.heard if user.user_id in heard.path] == [
        f"/ai/v1/users/{user.user_id}"
    ]
    assert (vendor.puller.calls["list"], vendor.puller.calls["user"]) == (2, 3)
    assert (of(home, user), vendor.known(user.user_id)) == (before, known)
    vendor.pull()
    assert vendor.puller.calls == {"list": 2, "user": 1}


def test_other_pulls_leave_them_alone_too(vendor: Vendor, user: User) -> None:
    """Months by themselves are of the others; user documents by themselves ask for the mark."""
    vendor.puller.pull_months(date(2026, 10, 1), date(2026, 11, 1))
    assert vendor.puller.calls == {"stats": 4}
    vendor.puller.pull_users()
    assert vendor.puller.calls == {"user": 1}


def test_their_later_nights_are_those_of_a_user_who_is_gone(vendor: Vendor, home: Home, user: User) -> None:
    """What was found before stays in every table; of what nobody asks for the reason is told."""
    drain(home)
    tables = [home.lake.read(SLEEP_SESSIONS, f"date={NOW.date() - number * DAY}") for number in range(1, 6)]
    zone = user.person.timezone
    before = verdicts(home, user, NOW.date() - 5 * DAY, NOW.date())
    assert set(before.values()) <= {"complete", "no_recording"}
    vendor.clock.advance(days=3)
    vendor.pull()
    drain(home)
    after = verdicts(home, user, NOW.date() - 5 * DAY, NOW.date() + 5 * DAY)
    assert before.items() <= after.items()
    assert set(after.values()) - set(before.values()) == {"user_gone"}
    assert max(after) == str(last_night_over(vendor.clock.now, zone))
    assert tables == [home.lake.read(SLEEP_SESSIONS, f"date={NOW.date() - number * DAY}") for number in range(1, 6)]
    [row] = [row for row in home.lake.read(USERS, "").to_pylist() if row["user_id"] == user.user_id]
    assert row["to_be_deleted"] is True
    with home.state.read() as connection:
        asked = asked_between(connection, ASLEEP, NOW.date(), NOW.date() + 9 * DAY)
    assert max(asked[user.user_id]) == NOW.date()


def test_a_mark_that_is_taken_back_has_everything_asked_for_again(vendor: Vendor, home: Home, user: User) -> None:
    """In the very pull that sees it: the nights between, and what waited."""
    vendor.clock.advance(days=1)
    vendor.pull()
    new = vendor.sleep(user)
    user.to_be_deleted = False
    vendor.pull()
    assert set(vendor.listener.details()) >= {session.id for session in new}
    assert (marked(home), vendor.report.complete) == ([], True)
    drain(home)
    assert "user_gone" not in verdicts(home, user, NOW.date() - 5 * DAY, NOW.date() + 5 * DAY).values()
    vendor.pull()
    assert vendor.puller.calls["user"] == 0
    assert vendor.puller.calls["list"] == 3


def test_who_is_deleted_at_last_is_gone_as_anybody_else(vendor: Vendor, home: Home, user: User) -> None:
    """A failure once, then known; no session is deleted here."""
    before = of(home, user)
    vendor.world.delete_user(user.user_id)
    vendor.pull()
    assert (vendor.report.failed, gone(home)) == ({"user_not_found": 1}, [user.user_id])
    vendor.pull()
    assert (vendor.report.failed, vendor.report.gone, vendor.puller.calls["user"]) == ({}, 1, 1)
    assert (of(home, user), left(home)) == (before, {})


@pytest.mark.parametrize("odd", [b"{}", b'{"result": 7}', b'{"result": {"user_id": 3, "to_be_deleted": false}}'])
def test_a_user_document_that_cannot_be_read_changes_no_mark(home: Home, clock: StandingClock, odd: bytes) -> None:
    """Neither is somebody asked about again, nor left out, because of an odd answer."""
    vendor = ScriptedVendor()
    follow(home, sleeper("G-20250301120000-kQmZrTbLwXcVnHjPdSfA"))
    lists = []
    for body in (changed(USER, {"result.to_be_deleted": True}), odd, USER, odd, odd):
        vendor.user = body
        puller = Puller(home, transport=vendor.transport)
        puller.pull(last=clock.now.date())
        lists.append(puller.calls["list"])
        clock.advance(days=7)
    assert lists == [1, 0, 1, 1, 1]
