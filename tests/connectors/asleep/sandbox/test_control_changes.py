"""Controls that change the world: odd sessions, other shapes, another analysis, late and deleted sessions, webhooks."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from connectors.asleep.sandbox import World
from connectors.asleep.sandbox.cases import CASES
from connectors.asleep.sandbox.variants import VARIANTS
from tests.connectors.asleep.sandbox.clients import NO_SESSION, NOBODY, NOW, listed, shown, vendor_of

ServeWorld = Callable[[World], httpx.Client]


@pytest.fixture
def small(serve_world: ServeWorld) -> httpx.Client:
    """A world of four people that a test may change."""
    return serve_world(World(4, 3, now=NOW))


@pytest.fixture(scope="module")
def shared() -> Iterator[httpx.Client]:
    """A world with every case in it, for tests that leave it as it is."""
    world = World(3, 2, now=NOW)
    world.add_all_cases()
    with vendor_of(world) as client:
        yield client


def user_ids(vendor: httpx.Client) -> list[str]:
    """Every user's id."""
    return [user["user_id"] for user in vendor.get("/_control/users").json()]


def last_complete(vendor: httpx.Client, user_id: str) -> str:
    """The id of a user's last COMPLETE session."""
    return next(str(row["session_id"]) for row in listed(vendor, user_id) if row["state"] == "COMPLETE")


def test_every_case_can_be_added_for_a_user_of_its_own(small: httpx.Client) -> None:
    """One by one by name; the sessions are in the list of a new user, and nobody else's list changes."""
    assert small.get("/_control/cases").json() == dict(CASES)
    before = user_ids(small)
    for case in CASES:
        added = small.post("/_control/cases", json={"case": case}).raise_for_status().json()["added"]
        newcomer = user_ids(small)[-1]
        assert sorted(row["session_id"] for row in listed(small, newcomer)) == sorted(added)
    assert len(user_ids(small)) == len(before) + len(CASES)


def test_all_cases_at_once(small: httpx.Client) -> None:
    """Every case, and the clock stands still."""
    body = small.post("/_control/cases", json={"case": "all"}).raise_for_status().json()
    assert len(body["added"]) >= len(CASES)
    assert body["now"] == "2026-11-22T06:00:00Z"
    known = {row["session_id"] for user_id in user_ids(small) for row in listed(small, user_id)}
    assert set(body["added"]) <= known


def test_a_case_for_a_user_and_a_night(small: httpx.Client) -> None:
    """The session begins in the evening or the night after it, for this user."""
    user_id = user_ids(small)[0]
    wish = {"case": "unexpected_end", "user": user_id, "night": "2026-10-01"}
    (session_id,) = small.post("/_control/cases", json=wish).raise_for_status().json()["added"]
    assert shown(small, user_id, session_id, "Asia/Seoul")["session"]["unexpected_end_time"]
    assert session_id.startswith("202610")


@pytest.mark.parametrize(
    "wish",
    [
        {"case": "earthquake"},
        {"case": 1},
        {"case": "all", "user": NOBODY},
        {"case": "all", "night": "2026-11-01"},
        {"case": "unexpected_end", "user": NOBODY},
        {"case": "unexpected_end", "night": "yesterday"},
        {"case": "unexpected_end", "night": 20261101},
        {"cases": []},
        {"case": "open", "night": "2026-01-01"},
    ],
)
def test_a_case_that_cannot_be_added(small: httpx.Client, wish: dict[str, Any]) -> None:
    """422 with a sentence; no user and no session has come."""
    before = small.get("/_control/truth").json()
    answer = small.post("/_control/cases", json=wish)
    assert answer.status_code == 422
    assert answer.json()["detail"].endswith(".")
    assert small.get("/_control/truth").json() == before


def test_variants_are_put_in_force_together(small: httpx.Client) -> None:
    """Two at once, both seen in one answer, then none: the answer is as it was."""
    user_id = user_ids(small)[0]
    path = f"/ai/v1/users/{user_id}"
    usual = small.get(path).json()
    wish = ["unknown_fields", "old_last_session"]
    body = small.post("/_control/variants", json={"variants": wish}).raise_for_status().json()
    assert (body["variants"], body["known"]) == (sorted(wish), dict(VARIANTS))
    odd = small.get(path).json()["result"]
    assert "session_start_time" in odd["last_session_info"]
    assert set(odd) > set(usual["result"])
    assert small.post("/_control/variants", json={"variants": []}).json()["variants"] == []
    assert small.get(path).json() == usual


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_is_an_answer(shared: httpx.Client, name: str) -> None:
    """Whatever the shape, each endpoint answers 200 with a result, in every state and for every case."""
    shared.post("/_control/variants", json={"variants": [name]}).raise_for_status()
    days = {"start_date": "2026-09-01", "end_date": "2026-11-22"}
    for user in shared.get("/_control/truth").json()["users"]:
        user_id, headers = user["user_id"], {"x-user-id": user["user_id"]}
        answers = [
            shared.get(f"/ai/v1/users/{user_id}"),
            shared.put(f"/ai/v1/users/{user_id}", json={"metadata": user["metadata"]}),
            shared.get("/data/v1/sessions", headers=headers),
            shared.get(f"/data/v1/users/{user_id}/average-stats", params=days),
            *(shared.get(f"/data/v3/sessions/{session['id']}", headers=headers) for session in user["sessions"]),
        ]
        assert {answer.status_code for answer in answers} == {200}
        assert all(isinstance(answer.json()["result"], dict) for answer in answers)


@pytest.mark.parametrize("wish", [{}, {"variants": "all"}, {"variants": [1]}, {"variants": ["upside_down"]}])
def test_unknown_variants(small: httpx.Client, wish: dict[str, Any]) -> None:
    """422 with a sentence, and nothing is in force."""
    answer = small.post("/_control/variants", json=wish)
    assert answer.status_code == 422
    assert answer.json()["detail"].endswith(".")
    assert small.get("/_control/variants").json()["variants"] == []


def test_a_session_is_analysed_again(small: httpx.Client) -> None:
    """Other stages under the same id, start and end; others' sessions stay."""
    mine, other = user_ids(small)[0], user_ids(small)[3]
    session_id = last_complete(small, mine)
    before, others = shown(small, mine, session_id), shown(small, other, last_complete(small, other))
    answer = small.post("/_control/reanalyse", json={"user": mine, "session": session_id})
    assert answer.json() == {"reanalysed": [session_id]}
    after = shown(small, mine, session_id)
    assert after["session"]["sleep_stages"] != before["session"]["sleep_stages"]
    for name in ("id", "start_time", "end_time", "state"):
        assert after["session"][name] == before["session"][name]
    assert shown(small, other, last_complete(small, other)) == others


def test_everybody_is_analysed_again(small: httpx.Client) -> None:
    """Each user's last COMPLETE session."""
    last = {user_id: last_complete(small, user_id) for user_id in user_ids(small)}
    before = {user_id: shown(small, user_id, session_id) for user_id, session_id in last.items()}
    again = small.post("/_control/reanalyse").json()["reanalysed"]
    changed = {
        session_id for user_id, session_id in last.items() if shown(small, user_id, session_id) != before[user_id]
    }
    assert set(again) == changed
    assert len(again) >= 3


def test_a_late_session(small: httpx.Client) -> None:
    """It was slept days ago and is there only now, once for one user, once for everybody with room."""
    user_id = user_ids(small)[0]
    before = {row["session_id"] for row in listed(small, user_id)}
    body = small.post("/_control/late", json={"user": user_id, "days_ago": 10}).raise_for_status().json()
    assert {row["session_id"] for row in listed(small, user_id)} == before | set(body["added"])
    assert body["added"][0][:8] in ("20261112", "20261111", "20261113")
    assert body["now"] == "2026-11-22T06:00:00Z"
    assert len(small.post("/_control/late", json={"days_ago": 20}).json()["added"]) == 4


def test_the_vendor_deletes(small: httpx.Client) -> None:
    """A session, then its user."""
    user_id = user_ids(small)[0]
    session_id = last_complete(small, user_id)
    assert small.post("/_control/delete", json={"user": user_id, "session": session_id}).json() == {
        "deleted": session_id
    }
    assert session_id not in {row["session_id"] for row in listed(small, user_id)}
    assert small.post("/_control/delete", json={"user": user_id}).json() == {"deleted": user_id}
    assert small.get(f"/ai/v1/users/{user_id}").status_code == 404


def test_a_user_is_marked_for_deletion(small: httpx.Client) -> None:
    """The user answer says so, others' do not, and the sessions are still there."""
    user_id, other = user_ids(small)[:2]
    assert small.post("/_control/to_be_deleted", json={"user": user_id}).json() == {"to_be_deleted": user_id}
    marks = [small.get(f"/ai/v1/users/{name}").json()["result"]["to_be_deleted"] for name in (user_id, other)]
    assert marks == [True, False]
    assert listed(small, user_id)


@pytest.mark.parametrize(
    ("path", "wish", "sentence"),
    [
        *((path, {"user": NOBODY}, "user must be an id from /_control/users.") for path in ("delete", "to_be_deleted")),
        *((path, {"user": None}, "user must be an id from /_control/users.") for path in ("delete", "to_be_deleted")),
        *((path, {"user": NOBODY}, "user must be an id from /_control/users.") for path in ("late", "reanalyse")),
        ("reanalyse", {"session": NO_SESSION}, "A session needs its user: give both."),
        ("late", {"days_ago": 0}, "days_ago must be a whole number from 1 to 3650."),
        ("late", {"days_ago": "3"}, "days_ago must be a whole number from 1 to 3650."),
        ("delete", {"who": 1}, "The body may hold only user and session."),
        ("cases", {"who": 1}, "The body may hold only case, user and night."),
    ],
)
def test_a_change_says_what_is_wrong(small: httpx.Client, path: str, wish: dict[str, Any], sentence: str) -> None:
    """422 with one sentence, and nothing has changed."""
    before = small.get("/_control/truth").json()
    answer = small.post(f"/_control/{path}", json=wish)
    assert (answer.status_code, answer.json()) == (422, {"detail": sentence})
    assert small.get("/_control/truth").json() == before


def test_an_unknown_session_is_one_sentence(small: httpx.Client) -> None:
    """For deletion and analysis alike."""
    for path in ("delete", "reanalyse"):
        answer = small.post(f"/_control/{path}", json={"user": user_ids(small)[0], "session": NO_SESSION})
        assert answer.json() == {"detail": "session must be the id of a session of this user, from /_control/truth."}


def test_a_webhook_is_shown(small: httpx.Client) -> None:
    """SESSION_COMPLETE holds the result of the session endpoint and the user's id, whatever the layout calls them."""
    user_id = user_ids(small)[0]
    session_id = last_complete(small, user_id)
    shown_by_default = small.get("/_control/webhook").raise_for_status().json()
    chosen = small.get("/_control/webhook", params={"user": user_id, "session": session_id, "layout": "v3"}).json()
    assert shown_by_default == chosen
    assert (chosen["event"], chosen["version"], chosen["data"]["user_id"]) == ("SESSION_COMPLETE", "V3", user_id)
    assert chosen["data"]["session"] == shown(small, user_id, session_id)["session"]
    older = small.get("/_control/webhook", params={"layout": "v2"}).json()
    assert older["callback_event"] == "SESSION_COMPLETE"
    flat = small.get("/_control/webhook", params={"layout": "flat"}).json()
    assert flat["session_id"] == session_id
    inference = small.get("/_control/webhook", params={"event": "INFERENCE_COMPLETE", "inference_seq_num": "5"}).json()
    assert (inference["event"], inference["data"]["inference_seq_num"]) == ("INFERENCE_COMPLETE", 5)


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({"event": "USER_CREATED"}, "event must be SESSION_COMPLETE or INFERENCE_COMPLETE."),
        ({"layout": "v1"}, "layout must be v3, v2 or flat."),
        ({"session": NO_SESSION}, "A session needs its user: give both."),
        ({"user": NOBODY}, "user must be an id from /_control/users."),
        ({"inference_seq_num": "-1"}, "inference_seq_num must be a whole number of at least 0."),
        ({"seq": "1"}, "The query may hold only user, session, event, layout and inference_seq_num."),
    ],
)
def test_a_webhook_that_cannot_be_shown(small: httpx.Client, query: dict[str, str], sentence: str) -> None:
    """422 with one sentence."""
    answer = small.get("/_control/webhook", params=query)
    assert (answer.status_code, answer.json()) == (422, {"detail": sentence})


def test_no_webhook_for_what_is_not_over(serve_world: ServeWorld) -> None:
    """A session that is not COMPLETE has no SESSION_COMPLETE, and an empty world has none at all."""
    nobody = serve_world(World(0, 1, now=NOW))
    assert nobody.get("/_control/webhook").status_code == 422
    busy = serve_world(World(3, 3, now=NOW))
    user_id = user_ids(busy)[2]
    (going_on,) = (row["session_id"] for row in listed(busy, user_id) if row["state"] == "OPEN")
    answer = busy.get("/_control/webhook", params={"user": user_id, "session": going_on})
    assert answer.status_code == 422
    assert answer.json()["detail"].endswith(".")
