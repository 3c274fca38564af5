"""Listing, showing and deleting sessions over HTTP: paging, date filters, zones."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

import httpx
import pytest

from connectors.asleep.sandbox import World
from connectors.asleep.sandbox.world import User
from tests.connectors.asleep.sandbox.clients import NOW, listed, shown

LIST_FIELDS = [
    "session_id",
    "state",
    "session_start_time",
    "session_end_time",
    "created_timezone",
    "unexpected_end_time",
    "last_received_seq_num",
    "time_in_bed",
]


@pytest.fixture
def user(world: World) -> User:
    """Someone with a month of sessions."""
    return next(world.users())


def ids(rows: list[dict[str, Any]]) -> list[str]:
    """Session ids of list rows."""
    return [row["session_id"] for row in rows]


def test_the_newest_twenty_come_first(vendor: httpx.Client, user: User) -> None:
    """Without a query the list is the last twenty sessions by start, newest first, in UTC."""
    body = vendor.get("/data/v1/sessions", headers={"x-user-id": user.user_id}).json()
    assert (body["detail"], body["result"]["timezone"]) == ("OK", "UTC")
    assert ids(body["result"]["sleep_session_list"]) == [session.id for session in user.sessions[:-21:-1]]


def test_a_row_has_the_documented_fields(vendor: httpx.Client, user: User) -> None:
    """A COMPLETE row has all of them, in the zone asked for."""
    row, session = listed(vendor, user.user_id, "Asia/Seoul", order_by="ASC")[0], user.sessions[0]
    assert list(row) == LIST_FIELDS
    assert row["session_start_time"].endswith("+09:00")
    assert datetime.fromisoformat(row["session_start_time"]) == session.start
    assert datetime.fromisoformat(row["session_end_time"]) == session.end
    assert row["last_received_seq_num"] == row["time_in_bed"] // 30 - 1
    assert (row["state"], row["unexpected_end_time"], row["created_timezone"]) == ("COMPLETE", None, "Asia/Seoul")


@pytest.mark.parametrize("order", ["ASC", "DESC"])
@pytest.mark.parametrize("limit", [1, 7, 100])
def test_pages_put_together_are_the_list(vendor: httpx.Client, user: User, order: str, limit: int) -> None:
    """Paging until a page is short gives every session once, in order."""
    found: list[str] = []
    while len(page := listed(vendor, user.user_id, order_by=order, offset=len(found), limit=limit)) == limit:
        found += ids(page)
    found += ids(page)
    expected = [session.id for session in user.sessions]
    assert found == (expected if order == "ASC" else expected[::-1])


@pytest.mark.parametrize("query", [{"limit": "0"}, {"offset": "10000"}, {"date_gte": "2026-12-01"}])
def test_an_empty_page_is_an_answer(vendor: httpx.Client, user: User, query: dict[str, str]) -> None:
    """No limit, an offset past the end and dates without sessions give an empty list."""
    assert listed(vendor, user.user_id, **query) == []


@pytest.mark.parametrize("zone", ["UTC", "Asia/Seoul", "America/Los_Angeles", "Asia/Kathmandu"])
def test_date_filters_follow_the_zone_of_the_header(vendor: httpx.Client, user: User, zone: str) -> None:
    """Both ends are inclusive start dates as the asked-for zone's calendar has them."""
    first, last = date(2026, 11, 3), date(2026, 11, 9)
    rows = listed(vendor, user.user_id, zone)
    expected = [row for row in rows if first <= datetime.fromisoformat(row["session_start_time"]).date() <= last]
    assert listed(vendor, user.user_id, zone, date_gte=first, date_lte=last) == expected
    assert 5 <= len(expected) <= 9


def test_a_session_can_be_on_another_date_in_another_zone(vendor: httpx.Client, user: User) -> None:
    """The same day's filter finds different sessions for different zones."""
    day = {"date_gte": "2026-11-05", "date_lte": "2026-11-05"}
    found = {zone: ids(listed(vendor, user.user_id, zone, **day)) for zone in ("Asia/Seoul", "Pacific/Kiritimati")}
    assert found["Asia/Seoul"] != found["Pacific/Kiritimati"]


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kathmandu", "America/St_Johns", "Australia/Lord_Howe"])
def test_the_zone_shifts_every_timestamp_of_a_session(vendor: httpx.Client, user: User, zone: str) -> None:
    """Written in any zone the moments are the same; only the zone of creation stays as it is."""
    session = max(user.sessions, key=lambda session: session.stat.sleep_cycle_count)
    here, utc = shown(vendor, user.user_id, session.id, zone), shown(vendor, user.user_id, session.id)
    assert (here["timezone"], here["session"]["created_timezone"]) == (zone, "Asia/Seoul")
    moments, utc_moments = timestamps(here), timestamps(utc)
    assert len(moments) >= 7
    assert [datetime.fromisoformat(text) for text in moments] == [datetime.fromisoformat(text) for text in utc_moments]
    assert (moments == utc_moments) == (zone == "UTC")
    assert all(text.endswith("+05:45") for text in moments) == (zone == "Asia/Kathmandu")
    assert here["session"]["sleep_stages"] == utc["session"]["sleep_stages"]


def timestamps(result: dict[str, Any]) -> list[str]:
    """Every timestamp of a session answer."""
    session, stat = result["session"], result["stat"]
    moments = [session["start_time"], session["end_time"], stat["sleep_time"], stat["wake_time"]]
    return [*moments, *stat["sleep_cycle_time"]]


def test_list_and_detail_agree(vendor: httpx.Client, world: World) -> None:
    """Id, state, times and zone of a row are those of the session, whatever its state."""
    for user in [*world.users()][:4]:
        for row in listed(vendor, user.user_id, limit=4):
            result = shown(vendor, user.user_id, row["session_id"])
            session = result["session"]
            assert [session[name] for name in ("id", "state", "start_time", "end_time", "created_timezone")] == [
                row[name] for name in LIST_FIELDS[:5]
            ]
            assert ("IN_PROGRESS" in result["peculiarities"]) == (row["state"] != "COMPLETE")
            assert (result["stat"] is None) == (row["state"] != "COMPLETE")
            assert result["missing_data_ratio"] == 0.0


def test_a_session_nobody_slept_in(vendor: httpx.Client, world: World) -> None:
    """NEVER_SLEPT comes with figures: the latency is the time in bed, the rest is 0 or null."""
    user, session = next((u, s) for u in world.users() for s in u.sessions if s.plan.kind == "rest")
    result = shown(vendor, user.user_id, session.id)
    stat = result["stat"]
    assert "NEVER_SLEPT" in result["peculiarities"]
    assert set(result["session"]["sleep_stages"]) == {0}
    assert stat["sleep_latency"] == stat["time_in_bed"] == 30 * len(result["session"]["sleep_stages"])
    assert [stat[name] for name in ("wakeup_latency", "time_in_sleep", "time_in_wake", "sleep_ratio")] == [0, 0, 0, 0]
    assert [stat[name] for name in ("light_latency", "deep_latency", "rem_latency", "sleep_cycle")] == [None] * 4


def test_a_deleted_session_is_gone(serve_world: Callable[[World], httpx.Client]) -> None:
    """204 without a body; afterwards the session is in no answer, and a second delete finds nothing."""
    world = World(3, 5, now=NOW)
    vendor, user = serve_world(world), next(world.users())
    session_id, header = user.sessions[-1].id, {"x-user-id": user.user_id}
    answer = vendor.delete(f"/ai/v1/sessions/{session_id}", headers=header)
    assert (answer.status_code, answer.content) == (204, b"")
    assert session_id not in ids(listed(vendor, user.user_id))
    assert vendor.get(f"/data/v3/sessions/{session_id}", headers=header).status_code == 404
    again = vendor.delete(f"/ai/v1/sessions/{session_id}", headers=header)
    assert (again.status_code, again.json()) == (404, {"detail": "session does not exist"})
    last = vendor.get(f"/ai/v1/users/{user.user_id}").json()["result"]["last_session_info"]
    assert last["session_id"] == user.sessions[-1].id != session_id


def test_an_unending_session_runs_on(serve_world: Callable[[World], httpx.Client]) -> None:
    """While the clock moves inside an OPEN session, its stages grow and keep their beginning."""
    world = World(3, 2, now=NOW)
    vendor, user = serve_world(world), [*world.users()][2]
    before = shown(vendor, user.user_id, user.sessions[-1].id)["session"]["sleep_stages"]
    world.advance_to(NOW + timedelta(minutes=20))
    after = shown(vendor, user.user_id, user.sessions[-1].id)["session"]["sleep_stages"]
    assert len(after) == len(before) + 40
    assert after[: len(before)] == before
