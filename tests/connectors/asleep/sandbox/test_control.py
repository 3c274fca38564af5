"""The control endpoints: the world described, counted, and moved, without a key."""

import csv
import io
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from connectors.asleep.sandbox import World
from tests.connectors.asleep.sandbox.clients import NO_SESSION, NOBODY, NOW, listed, shown

ServeWorld = Callable[[World], httpx.Client]


@pytest.fixture
def small(serve_world: ServeWorld) -> httpx.Client:
    """A world of four people that a test may change."""
    return serve_world(World(4, 3, now=NOW))


def truth(vendor: httpx.Client) -> dict[str, Any]:
    """Everything the world knows."""
    body: dict[str, Any] = vendor.get("/_control/truth").raise_for_status().json()
    return body


def test_controls_need_no_key_and_describe_themselves(vendor: httpx.Client) -> None:
    """Every control that is listed answers, with any key."""
    body = vendor.get("/_control", headers={"x-api-key": "wrong"}).raise_for_status().json()
    assert (body["now"], body["users"], body["seed"], body["analysis_s"]) == ("2026-11-22T06:00:00Z", 24, 1, 60)
    readable = [control["path"] for control in body["controls"] if control["method"] == "GET"]
    assert set(readable) > {"/_control/users", "/_control/users.csv", "/_control/truth", "/_control/calls"}
    assert {vendor.get(path, headers={"x-api-key": "wrong"}).status_code for path in readable} == {200}


def test_described_bodies_are_accepted(small: httpx.Client) -> None:
    """The example body of each control is one it takes."""
    controls = small.get("/_control").json()["controls"]
    posts = [control for control in controls if control["method"] == "POST"]
    assert len(posts) == 14
    user_id = small.get("/_control/users").json()[0]["user_id"]
    for control in sorted(posts, key=lambda control: control["path"] == "/_control/delete"):
        body = control["body"]
        if body and body.get("user"):
            body |= {"user": user_id}
        if control["path"] == "/_control/callback":
            body |= {"url": "http://127.0.0.1:1/"}  # whoever listens at the address of the example is not meant
        answer = small.post(control["path"], json=body)
        assert (control["path"], answer.status_code) == (control["path"], 200), answer.text
    assert small.delete("/_control/faults").status_code == 200


def test_the_roster(world: World, vendor: httpx.Client) -> None:
    """JSON and CSV name the same users and zones, in order of arrival."""
    users = vendor.get("/_control/users").json()
    assert users == [{"user_id": user.user_id, "timezone": user.person.timezone} for user in world.users()]
    table = vendor.get("/_control/users.csv")
    assert table.headers["content-type"].startswith("text/csv")
    assert list(csv.DictReader(io.StringIO(table.text))) == users


def test_the_truth_is_what_the_vendor_says(world: World, vendor: httpx.Client) -> None:
    """For every session of some users the figures and counts are those of list and detail in UTC."""
    body = truth(vendor)
    assert body["totals"]["sessions"] == sum(len(user["sessions"]) for user in body["users"])
    assert body["totals"]["sessions"] == sum(body["totals"][state] for state in ("OPEN", "CLOSED", "COMPLETE"))
    assert body["totals"]["users"] == len(body["users"]) == 24
    for user in body["users"][:5]:
        rows = listed(vendor, user["user_id"], order_by="ASC")
        assert [session["id"] for session in user["sessions"]] == [row["session_id"] for row in rows]
        for session, row in zip(user["sessions"], rows, strict=True):
            detail = shown(vendor, user["user_id"], session["id"])
            stages = detail["session"]["sleep_stages"]
            assert (session["stat"], session["peculiarities"]) == (detail["stat"], detail["peculiarities"])
            assert (session["state"], session["time_in_bed"]) == (row["state"], row["time_in_bed"])
            assert (session["start_time"], session["end_time"]) == (row["session_start_time"], row["session_end_time"])
            assert session["counts"]["epochs"] == len(stages)
            assert [session["counts"][name] for name in ("wake", "light", "deep", "rem")] == [
                stages.count(code) for code in range(4)
            ]
            assert session["counts"]["snoring"] == sum(detail["session"]["snoring_stages"])
            assert (session["counts"]["unstable_breath"] is None) == (not user["breathing"])


def test_a_night_is_added_for_everybody(small: httpx.Client) -> None:
    """Each user gets the night after the last main one, COMPLETE; the clock stands just after the last of them."""
    before = truth(small)
    body = small.post("/_control/nights").raise_for_status().json()
    after = truth(small)
    added = {session["id"]: session for user in after["users"] for session in user["sessions"]}
    assert len(body["added"]) == 4
    assert {added[session_id]["state"] for session_id in body["added"]} == {"COMPLETE"}
    ends = [datetime.fromisoformat(added[session_id]["end_time"]) for session_id in body["added"]]
    assert datetime.fromisoformat(body["now"]) == max(ends) + timedelta(seconds=60) > NOW
    for was, now in zip(before["users"], after["users"], strict=True):
        assert [s["id"] for s in was["sessions"]] == [s["id"] for s in now["sessions"]][: len(was["sessions"])]
        assert len(now["sessions"]) == len(was["sessions"]) + 1


def test_nights_for_some_users(small: httpx.Client) -> None:
    """Three nights for one user are on three following dates; others keep what they had."""
    users = small.get("/_control/users").json()
    body = small.post("/_control/nights", json={"count": 3, "users": [users[0]["user_id"]]}).json()
    rows = {row["session_id"]: row for row in listed(small, users[0]["user_id"], "Asia/Seoul")}
    starts = [datetime.fromisoformat(rows[session_id]["session_start_time"]) for session_id in body["added"]]
    nights = [(start - timedelta(hours=12)).date() for start in starts]
    assert [later - nights[0] for later in nights] == [timedelta(days=number) for number in range(3)]
    assert truth(small)["totals"]["users"] == 4


def test_the_first_night_of_a_new_user_needs_no_clock(small: httpx.Client) -> None:
    """A user made by POST gets the last night that is over; the clock stands still."""
    user_id = small.post("/ai/v1/users").json()["result"]["user_id"]
    body = small.post("/_control/nights", json={"users": [user_id]}).json()
    assert body["now"] == "2026-11-22T06:00:00Z"
    assert [row["session_id"] for row in listed(small, user_id)] == body["added"]
    assert listed(small, user_id)[0]["state"] == "COMPLETE"


def test_a_deleted_night_does_not_come_back(small: httpx.Client) -> None:
    """After the last night is deleted, the next one added is another."""
    user_id = small.get("/_control/users").json()[0]["user_id"]
    (session_id,) = small.post("/_control/nights", json={"users": [user_id]}).json()["added"]
    assert small.delete(f"/ai/v1/sessions/{session_id}", headers={"x-user-id": user_id}).status_code == 204
    (next_id,) = small.post("/_control/nights", json={"users": [user_id]}).json()["added"]
    assert next_id > session_id


def test_the_clock_finishes_what_is_in_progress(small: httpx.Client) -> None:
    """A day later nothing is OPEN or CLOSED, and no session has begun."""
    before = truth(small)["totals"]
    assert before["OPEN"] >= 1
    assert before["CLOSED"] >= 1
    assert small.post("/_control/clock", json={"advance_s": 86_400}).json() == {"now": "2026-11-23T06:00:00Z"}
    after = truth(small)["totals"]
    assert (after["OPEN"], after["CLOSED"], after["COMPLETE"]) == (0, 0, before["sessions"])


def test_the_clock_can_be_set(small: httpx.Client) -> None:
    """An ISO time in any zone will do, the present too."""
    assert (
        small.post("/_control/clock", json={"now": "2026-11-22T16:30:00+09:00"}).json()["now"] == "2026-11-22T07:30:00Z"
    )
    assert small.post("/_control/clock", json={"now": "2026-11-22T07:30:00Z"}).json()["now"] == "2026-11-22T07:30:00Z"


@pytest.mark.parametrize(
    ("path", "body", "sentence"),
    [
        ("clock", b"{", "The body must be a JSON object."),
        ("clock", b"[]", "The body must be a JSON object."),
        ("clock", b"", "Send either now or advance_s."),
        ("clock", b'{"now": "2026-11-23T00:00:00Z", "advance_s": 1}', "Send either now or advance_s."),
        ("clock", b'{"later": 1}', "The body may hold only now and advance_s."),
        (
            "clock",
            b'{"now": "2026-11-21T00:00:00Z"}',
            "The clock only moves forward; it stands at 2026-11-22T06:00:00Z.",
        ),
        *(
            ("clock", body, "now must be an ISO 8601 time with an offset, such as 2026-11-22T06:00:00Z.")
            for body in (b'{"now": "2026-11-23T00:00:00"}', b'{"now": 5}', b'{"now": "soon"}', b'{"now": null}')
        ),
        *(
            ("clock", body, "advance_s must be a whole number of seconds, 0 or more.")
            for body in (b'{"advance_s": -1}', b'{"advance_s": 1.5}', b'{"advance_s": "60"}', b'{"advance_s": true}')
        ),
        ("clock", b'{"advance_s": 999999999999999}', "The clock stops at the end of the year 2099."),
        ("clock", b'{"now": "9999-12-31T23:59:59Z"}', "The clock stops at the end of the year 2099."),
        ("nights", b"nights", "The body must be a JSON object."),
        ("nights", b'{"nights": 3}', "The body may hold only count and users."),
        *(
            ("nights", body, "count must be a whole number from 1 to 400.")
            for body in (b'{"count": 0}', b'{"count": 401}', b'{"count": "1"}', b'{"count": null}', b'{"count": true}')
        ),
        *(
            ("nights", body, "users must be null or a list of different ids from /_control/users.")
            for body in (b'{"users": "x"}', b'{"users": [1]}', b'{"users": ["G-nobody"]}', b'{"users": {}}')
        ),
    ],
)
def test_a_control_says_what_is_wrong(vendor: httpx.Client, path: str, body: bytes, sentence: str) -> None:
    """422 with one sentence, and nothing has moved."""
    answer = vendor.post(f"/_control/{path}", content=body)
    assert (answer.status_code, answer.json()) == (422, {"detail": sentence})
    assert vendor.get("/_control").json()["now"] == "2026-11-22T06:00:00Z"


def test_calls_are_counted_by_endpoint(small: httpx.Client) -> None:
    """Each request with the right key counts once, whatever the answer; others are refused, controls not counted."""
    user_id = small.get("/_control/users").json()[0]["user_id"]
    session_id = listed(small, user_id)[0]["session_id"]
    shown(small, user_id, session_id)
    small.get(f"/data/v3/sessions/{NO_SESSION}", headers={"x-user-id": user_id})
    small.get(f"/data/v1/users/{user_id}/average-stats")
    small.get(f"/ai/v1/users/{NOBODY}")
    small.post("/ai/v1/users")
    small.put("/ai/v1/users/nonsense")
    small.delete(f"/ai/v1/sessions/{session_id}", headers={"x-user-id": user_id})
    small.delete(f"/ai/v1/users/{user_id}")
    small.get("/data/v1/sessions", headers={"x-api-key": "wrong"})
    assert small.get("/_control/calls").json() == {
        "list": 1,
        "detail": 2,
        "stats": 1,
        "user": 1,
        "create_user": 1,
        "update_user": 1,
        "delete_user": 1,
        "delete_session": 1,
        "refused": 1,
    }


def test_counters_can_be_reset(small: httpx.Client) -> None:
    """After a reset everything is zero and counts on."""
    small.post("/ai/v1/users")
    zeros = small.post("/_control/calls/reset").json()
    assert set(zeros.values()) == {0}
    small.post("/ai/v1/users")
    assert small.get("/_control/calls").json() == zeros | {"create_user": 1}
