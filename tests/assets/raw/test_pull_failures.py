"""Pulls that go wrong in part: what was pulled is kept, what is missing is known, and the next pull makes it good."""

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response

from assets.raw.pull import CHUNK_USERS
from connectors.asleep.sandbox import World
from connectors.errors import HostUnreachable, KeyRefused, PlanExpired, QuotaExceeded
from connectors.home import Home
from connectors.state.ledger import NOT_ASKED, documents_of
from connectors.state.roster import RosterUser, mark_gone
from connectors.state.vendor import last_complete_pull
from schemas.asleep import ASLEEP
from schemas.documents import AVERAGE_STATS, SESSION, USER
from tests.assets.homes import NOW, StandingClock, follow, new_home
from tests.assets.raw.faults import Door, Gate, failing, no_fault, user_of
from tests.assets.raw.pulls import FIRST, LAST, Puller, dirty, follow_everybody, gone, kept, left

STATS = "/average-stats"
DETAIL = "/data/v3/sessions/"
LIST = "/data/v1/sessions"
USERS = "/ai/v1/users/"


@pytest.fixture
def door() -> Door:
    """Two people with six nights in two months."""
    world = World(users=2, nights=6, now=NOW)
    world.advance_to(NOW.replace(minute=30))
    return Door(world)


@pytest.fixture
def puller(home: Home, door: Door) -> Puller:
    """Pulls through the door; both people are on the roster."""
    follow_everybody(home, door.world)
    return Puller(home, transport=door.transport)


def owed(home: Home) -> list[str]:
    """The months of statistics that are to be asked for again."""
    with home.state.read() as connection:
        users = documents_of(connection, ASLEEP, [current.document.user_id for current in kept(home, SESSION)])
    return sorted(
        month
        for documents in users.values()
        for (kind, month), document in documents.items()
        if kind == AVERAGE_STATS and document.content_hash == ""
    )


def content(home: Home) -> set[tuple[str, str, bytes]]:
    """Everything in raw: kind, id and bytes."""
    return {
        (kind, current.document.user_id + current.document.document_id, current.document.body)
        for kind in (SESSION, AVERAGE_STATS, USER)
        for current in kept(home, kind)
    }


def undisturbed(door: Door, tmp_path: Path) -> set[tuple[str, str, bytes]]:
    """What a pull of the same world without any fault keeps."""
    with new_home(tmp_path / "undisturbed", StandingClock()) as home:
        follow_everybody(home, door.world)
        Puller(home, transport=Door(door.world).transport).pull()
        return content(home)


def test_months_whose_statistics_failed_are_owed(puller: Puller, home: Home, door: Door, tmp_path: Path) -> None:
    """The sessions are kept and will not look new again, so the months are remembered and asked for next time."""
    door.fault = failing(STATS)
    broken = puller.pull()
    assert broken.failed == {"server_failed": 2}
    assert broken.counts.new == len(kept(home, SESSION)) > 0
    assert owed(home) == ["2026-10", "2026-10", "2026-11", "2026-11"]
    assert dirty(home, "average_stats") == []
    door.fault = no_fault
    mended = puller.pull()
    assert mended.complete
    assert puller.calls == {"list": 2, "stats": 4}
    assert dirty(home, "average_stats") == ["2026-10", "2026-11"]
    assert owed(home) == []
    assert content(home) == undisturbed(door, tmp_path)


def test_months_that_fail_again_stay_owed(puller: Puller, home: Home, door: Door) -> None:
    """Until they are answered."""
    door.fault = failing(STATS)
    puller.pull()
    assert puller.pull().failed == {"server_failed": 2}
    assert owed(home) == ["2026-10", "2026-10", "2026-11", "2026-11"]


def test_months_that_fail_when_asked_for_alone_are_owed_too(puller: Puller, home: Home, door: Door) -> None:
    """The next pull of sessions asks for them, although no session is new."""
    puller.pull()
    door.fault = failing(STATS)
    assert puller.pull_months(date(2026, 10, 1)).failed == {"server_failed": 2}
    assert owed(home) == ["2026-10", "2026-10"]
    door.fault = no_fault
    assert puller.pull().complete
    assert puller.calls == {"list": 2, "stats": 2}
    assert owed(home) == []


def test_a_detail_that_fails_takes_no_month_of_the_others_along(
    puller: Puller, home: Home, door: Door, tmp_path: Path
) -> None:
    """A session of November fails: the others stay, and their statistics are asked for all the same."""
    night = next(iter(door.world.users())).sessions[-1]
    assert night.start.month == 11
    door.fault = failing(night.id)
    assert puller.pull().failed == {"server_failed": 1}
    assert (owed(home), puller.calls["user"]) == ([], 2)
    door.fault = no_fault
    mended = puller.pull()
    assert (mended.complete, mended.counts.new, puller.calls["detail"]) == (True, 1, 1)
    assert content(home) == undisturbed(door, tmp_path)
    assert owed(home) == []


def test_a_failed_backfill_is_not_forgotten_by_a_good_pull(
    puller: Puller, home: Home, door: Door, tmp_path: Path
) -> None:
    """The user whom the older dates missed is still to be pulled, and asking for the rest asks for those dates."""
    second = [user.user_id for user in door.world.users()][1]
    broken = failing(LIST)
    door.fault = lambda request: broken(request) if user_of(request) == second else None
    middle = date(2026, 10, 31)
    assert puller.pull(FIRST, middle).failed == {"server_failed": 1}
    door.fault = no_fault
    assert puller.pull(middle, LAST).complete
    assert set(left(home)) == {second}
    assert puller.pull(middle, LAST, only_unpulled=True).users == 1
    assert left(home) == {}
    assert content(home) == undisturbed(door, tmp_path)


@pytest.mark.parametrize("part", [LIST, DETAIL, STATS, USERS])
def test_a_user_who_fails_costs_the_others_nothing(
    puller: Puller, home: Home, door: Door, tmp_path: Path, part: str
) -> None:
    """Whatever fails for one user: the other one is pulled, and a retry asks only for the one."""
    first, second = (user.user_id for user in door.world.users())
    broken = failing(part)
    door.fault = lambda request: broken(request) if user_of(request) == second else None
    report = puller.pull()
    assert report.failed == {"server_failed": 1}
    assert left(home) == {second: "server_failed"}
    assert last_complete_pull(home.state, ASLEEP) is None
    door.fault = no_fault
    door.asked.clear()
    assert puller.pull(only_unpulled=True).complete
    assert not any(first in path for path in door.asked)
    assert puller.calls["list"] == 1
    assert left(home) == {}
    assert content(home) == undisturbed(door, tmp_path)


def test_a_retry_with_nobody_left_asks_everybody(puller: Puller, home: Home) -> None:
    """After a complete pull there is nobody to prefer."""
    puller.pull()
    assert puller.pull(only_unpulled=True).users == 2
    assert puller.calls == {"list": 2}


def test_a_user_who_is_gone_is_nobody_to_retry(puller: Puller, home: Home) -> None:
    """Otherwise a retry would ask for them alone, for ever."""
    nobody = "G-20200101000000-abcdefghijklmnopqrst"
    follow(home, RosterUser(ASLEEP, nobody))
    puller.pull()
    assert left(home) == {nobody: "user_not_found"}
    puller.pull()
    assert (left(home), gone(home)) == ({}, [nobody])
    assert puller.pull(only_unpulled=True).users == 3


def test_who_is_gone_stays_so_until_the_vendor_says_otherwise(puller: Puller, home: Home, door: Door) -> None:
    """A pull in which the vendor was not asked about the user tells nothing."""
    user_id = next(iter(door.world.users())).user_id
    puller.pull()
    door.world.delete_user(user_id)
    puller.pull()
    assert gone(home) == [user_id]
    puller.pull_users()
    assert (puller.calls, gone(home)) == ({}, [user_id])


def test_who_is_gone_and_ended_is_not_asked_for(home: Home, door: Door) -> None:
    """A home all of whose users were deleted on purpose is at rest: no call, and no failure."""
    ended = RosterUser(ASLEEP, "G-20200101000000-abcdefghijklmnopqrst", active_to=FIRST - timedelta(days=1))
    follow(home, ended)
    with home.state.write() as connection:
        mark_gone(connection, ASLEEP, gone=[ended.user_id], back=[])
    report = Puller(home, transport=door.transport).pull()
    assert (door.asked, report.complete) == ([], True)


def test_a_retry_that_gets_everybody_completes_the_pull(puller: Puller, home: Home, door: Door) -> None:
    """Who was left over is pulled, so nothing is missing any more."""
    refused = next(iter(door.world.users())).user_id
    door.fault = lambda request: Response("{}", 502) if user_of(request) == refused else None
    puller.pull()
    assert last_complete_pull(home.state, ASLEEP) is None
    door.fault = no_fault
    assert puller.pull(only_unpulled=True).complete
    assert last_complete_pull(home.state, ASLEEP) == home.clock()


def test_what_a_backfill_left_over_does_not_make_the_nightly_pull_incomplete(
    puller: Puller, home: Home, door: Door
) -> None:
    """Its user stays noted for the older dates; everybody was pulled for these ones all the same."""
    refused = next(iter(door.world.users())).user_id
    door.fault = lambda request: Response("{}", 502) if user_of(request) == refused else None
    puller.pull(FIRST, FIRST)
    door.fault = no_fault
    assert puller.pull(FIRST + timedelta(days=1), LAST).complete
    assert (set(left(home)), last_complete_pull(home.state, ASLEEP)) == ({refused}, home.clock())


def test_a_user_who_is_gone_loses_nothing(puller: Puller, home: Home, door: Door) -> None:
    """A 404 for a user deletes no session."""
    puller.pull()
    before = content(home)
    with home.state.write() as connection:
        connection.exec_driver_sql("DELETE FROM dirty_partitions")
    door.world.delete_user(next(iter(door.world.users())).user_id)
    report = puller.pull()
    assert (report.counts.deleted, content(home), dirty(home, "sleep_sessions")) == (0, before, [])


def refused(status: int, detail: str) -> Callable[[Request], Response]:
    """Answers everything with a refusal."""
    return lambda _: Response(f'{{"detail":"{detail}"}}', status, media_type="application/json")


def unreachable(_: Request) -> Response:
    """Answers nothing at all."""
    raise httpx.ConnectError("connection refused")


@pytest.mark.parametrize(
    ("users", "stop", "error"),
    [
        pytest.param(3, refused(401, "Unauthorized"), KeyRefused, id="key"),
        pytest.param(3, refused(403, "Plan is expired"), PlanExpired, id="plan"),
        pytest.param(3, refused(403, "Quota exceeded"), QuotaExceeded, id="quota"),
        pytest.param(3, unreachable, HostUnreachable, id="host"),
        pytest.param(CHUNK_USERS + 2, unreachable, HostUnreachable, id="in the second chunk"),
    ],
)
def test_a_stop_keeps_whom_it_did_not_concern(
    home: Home, tmp_path: Path, users: int, stop: Callable[[Request], Response], error: type[Exception]
) -> None:
    """The last user meets the error when all others are done: they are kept, and a retry asks for that one alone."""
    door = Door(World(users, nights=1, now=NOW))
    last = follow_everybody(home, door.world)[-1].user_id
    door.gate = Gate(last, users - 1)
    door.fault = lambda request: stop(request) if user_of(request) == last else None
    puller = Puller(home, transport=door.transport)
    with pytest.raises(error):
        puller.pull(progress=door.gate)
    assert left(home) == {last: NOT_ASKED}
    assert len({current.document.user_id for current in kept(home, USER)}) == users - 1
    assert dirty(home, "users") == ["all"]
    assert last_complete_pull(home.state, ASLEEP) is None
    door.fault, door.gate = no_fault, None
    assert puller.pull(only_unpulled=True).complete
    assert puller.calls["list"] == 1
    assert content(home) == undisturbed(door, tmp_path)


def test_a_stop_at_the_first_call_keeps_nothing(puller: Puller, home: Home, door: Door) -> None:
    """Nobody was asked, and the home is not tied to a vendor that refused it."""
    door.fault = refused(401, "Unauthorized")
    with pytest.raises(KeyRefused):
        puller.pull()
    assert content(home) == set()
    assert set(left(home).values()) == {NOT_ASKED}
    door.fault = no_fault
    assert Puller(home, "http://another.test", door.transport, key="sandbox-key").pull().complete


def test_a_host_that_knows_nobody_is_not_remembered(puller: Puller, home: Home, door: Door) -> None:
    """A wrong address that answers 404 to everything knows no user and has filled nothing; the right one is taken."""
    door.fault = refused(404, "Not Found")
    assert puller.pull().failed == {"vendor_error": 2}
    assert puller.pull().failed == {"vendor_error": 2}
    door.fault = no_fault
    assert Puller(home, "http://another.test", door.transport).pull().complete
