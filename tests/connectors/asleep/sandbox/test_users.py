"""Making, reading, changing and deleting users, over HTTP."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx

from connectors.asleep.sandbox import World
from tests.connectors.asleep.sandbox.clients import NOW, listed

METADATA = {
    "birth_year": 1990,
    "birth_month": 5,
    "birth_day": 15,
    "gender": "female",
    "height": 168.5,
    "weight": 61.2,
}
ServeWorld = Callable[[World], httpx.Client]


def user_of(vendor: httpx.Client, user_id: str) -> dict[str, Any]:
    """Result of the user endpoint."""
    body = vendor.get(f"/ai/v1/users/{user_id}").raise_for_status().json()
    assert body["detail"] == "success"
    result: dict[str, Any] = body["result"]
    return result


def test_a_new_user_has_what_was_sent_and_no_sessions(serve_world: ServeWorld) -> None:
    """POST answers 201 with the server's id; the user is empty but for the metadata."""
    vendor = serve_world(World(2, 2, now=NOW))
    answer = vendor.post("/ai/v1/users", json={"metadata": METADATA})
    user_id = answer.json()["result"]["user_id"]
    assert (answer.status_code, answer.json()) == (201, {"detail": "success", "result": {"user_id": user_id}})
    assert re.fullmatch(r"G-20261122060000-[A-Za-z]{20}", user_id)
    assert user_of(vendor, user_id) == {
        "user_id": user_id,
        "to_be_deleted": False,
        "last_session_info": None,
        "metadata": METADATA,
    }
    assert listed(vendor, user_id) == []


def test_a_user_needs_no_metadata(serve_world: ServeWorld) -> None:
    """No body, an empty object and a null all make a user without metadata, each with an id of its own."""
    vendor = serve_world(World(2, 2, now=NOW))
    answers = [vendor.post("/ai/v1/users"), vendor.post("/ai/v1/users", json={})]
    answers.append(vendor.post("/ai/v1/users", json={"metadata": None}))
    user_ids = {answer.raise_for_status().json()["result"]["user_id"] for answer in answers}
    assert len(user_ids) == 3
    assert {str(user_of(vendor, user_id)["metadata"]) for user_id in user_ids} == {"None"}


def test_missing_facts_are_null(serve_world: ServeWorld) -> None:
    """Every metadata field is optional and comes back as null; unknown ones are dropped."""
    vendor = serve_world(World(2, 2, now=NOW))
    answer = vendor.post("/ai/v1/users", json={"metadata": {"gender": "non_binary", "height": 180, "shoe": 43}})
    user_id = answer.raise_for_status().json()["result"]["user_id"]
    expected = dict.fromkeys(METADATA) | {"gender": "non_binary", "height": 180.0}
    assert user_of(vendor, user_id)["metadata"] == expected


def test_put_replaces_metadata(serve_world: ServeWorld) -> None:
    """What PUT does not name is null afterwards; null removes everything."""
    world = World(2, 2, now=NOW)
    vendor, user_id = serve_world(world), next(world.users()).user_id
    assert user_of(vendor, user_id)["metadata"] is not None
    answer = vendor.put(f"/ai/v1/users/{user_id}", json={"metadata": {"weight": 60.8}})
    expected = dict.fromkeys(METADATA) | {"weight": 60.8}
    assert answer.json() == {"detail": "success", "result": {"user_id": user_id, "metadata": expected}}
    assert user_of(vendor, user_id)["metadata"] == expected
    vendor.put(f"/ai/v1/users/{user_id}", json={"metadata": None}).raise_for_status()
    assert user_of(vendor, user_id)["metadata"] is None


def test_a_deleted_user_is_gone_with_all_sessions(serve_world: ServeWorld) -> None:
    """204 without a body; afterwards every endpoint answers 404, a second delete too."""
    world = World(2, 2, now=NOW)
    vendor, user = serve_world(world), next(world.users())
    session_id = user.sessions[0].id
    answer = vendor.delete(f"/ai/v1/users/{user.user_id}")
    assert (answer.status_code, answer.content) == (204, b"")
    header = {"x-user-id": user.user_id}
    after = [
        vendor.get(f"/ai/v1/users/{user.user_id}"),
        vendor.put(f"/ai/v1/users/{user.user_id}", json={"metadata": None}),
        vendor.delete(f"/ai/v1/users/{user.user_id}"),
        vendor.get("/data/v1/sessions", headers=header),
        vendor.get(f"/data/v3/sessions/{session_id}", headers=header),
        vendor.delete(f"/ai/v1/sessions/{session_id}", headers=header),
    ]
    assert [answer.status_code for answer in after] == [404] * 6
    assert len(vendor.get("/_control/users").json()) == 1


def test_the_last_session_of_a_user(world: World, vendor: httpx.Client) -> None:
    """Times end in Z; an OPEN session has no end, and only a COMPLETE one has been completed."""
    infos = {}
    for user in world.users():
        info, session = user_of(vendor, user.user_id)["last_session_info"], user.sessions[-1]
        infos[info["state"]] = info
        assert info["session_id"] == session.id
        assert info["start_time"] == f"{session.start:%Y-%m-%dT%H:%M:%SZ}"
        assert (info["inference_type"], info["service"]) == ("MELSPECTROGRAM", "NOSERVICE")
        if info["state"] == "COMPLETE":
            assert info["end_time"] == f"{session.end:%Y-%m-%dT%H:%M:%SZ}"
            assert info["complete_time"] == f"{session.end + timedelta(seconds=60):%Y-%m-%dT%H:%M:%SZ}"
    assert (infos["OPEN"]["end_time"], infos["OPEN"]["complete_time"]) == (None, None)
    assert infos["CLOSED"]["end_time"] is not None
    assert infos["CLOSED"]["complete_time"] is None
