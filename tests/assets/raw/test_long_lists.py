"""More than a page of sessions: oldest first, in overlapping pages, each once, whatever is deleted meanwhile."""

from collections.abc import Iterator

import httpx
import pytest

from connectors.asleep.sandbox import World, running
from connectors.home import Home
from schemas.documents import SESSION, SESSION_LIST
from tests.assets.homes import NOW, StandingClock
from tests.assets.raw.listened import Listener, Vendor
from tests.assets.raw.pulls import follow_everybody, kept


@pytest.fixture
def vendor(home: Home, clock: StandingClock) -> Iterator[Vendor]:
    """One person with more than a hundred sessions."""
    world = World(users=1, nights=110, now=NOW)
    follow_everybody(home, world)
    with running(world) as base_url:
        yield Vendor(world, base_url, home, clock)


def test_each_page_begins_with_the_last_row_of_the_one_before(vendor: Vendor, home: Home) -> None:
    """Two pages and one detail a session; each page is kept, and asked for again nothing is kept."""
    [user] = vendor.world.users()
    first = user.sessions[0].start.date()
    vendor.pull(first)
    lists = vendor.listener.lists()
    assert [(query["offset"], query["limit"], query["order_by"]) for query in lists] == [
        ("0", "100", "ASC"),
        ("99", "100", "ASC"),
    ]
    assert vendor.listener.details() == sorted(session.id for session in vendor.complete(user))
    assert len(kept(home, SESSION)) == len(vendor.complete(user)) > 100
    assert [document.document.document_id for document in kept(home, SESSION_LIST)] == ["page 0", "page 1"]
    vendor.pull(first)
    assert vendor.puller.calls == {"list": 2}


class Deleting(Listener):
    """Deletes some of the oldest sessions once the first page has been sent."""

    def __init__(self, vendor: Vendor, number: int) -> None:
        super().__init__(frozenset())
        self._vendor = vendor
        self._number = number

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer, then delete."""
        answer = await super().handle_async_request(request)
        await answer.aread()
        [user] = self._vendor.world.users()
        for session in user.sessions[: self._number]:
            self._vendor.world.delete_session(user, session)
        self._number = 0
        return answer


def test_what_is_deleted_between_two_pages_hides_nothing(vendor: Vendor, home: Home) -> None:
    """The rows behind it slip to the page before, where they are looked for: all the others are there once."""
    [user] = vendor.world.users()
    before = [session.id for session in vendor.complete(user)]
    vendor.puller.transport = Deleting(vendor, 7)
    vendor.puller.pull(user.sessions[0].start.date(), NOW.date())
    found = [document.document.document_id for document in kept(home, SESSION)]
    assert sorted(found) == sorted(before[7:])
