"""Controls that spoil: rules and profiles set, read and taken away over HTTP."""

from typing import Any

import httpx
import pytest

from connectors.asleep.sandbox import PROFILES, Faults, World, running
from connectors.asleep.sandbox.rules import KINDS
from tests.connectors.asleep.sandbox.clients import NOW, vendor_of


@pytest.fixture(scope="module")
def shared() -> Any:
    """A world for tests that leave no rules behind."""
    with vendor_of(World(2, 2, now=NOW)) as client:
        yield client


def test_without_rules_nothing_goes_wrong(shared: httpx.Client) -> None:
    """No profile, no faults, and every kind with a sentence."""
    body = shared.get("/_control/faults").json()
    assert (body["profile"], body["faults"]) == (None, [])
    assert body["kinds"] == {name: kind.does for name, kind in KINDS.items()}


def test_rules_are_set_told_with_their_count_and_taken_away(shared: httpx.Client) -> None:
    """As they were given, each with how often it was really carried out."""
    rules: list[dict[str, Any]] = [
        {"kind": "gzip", "endpoint": "list"},
        {"kind": "quota", "endpoint": "user", "times": 2},
    ]
    body = shared.post("/_control/faults", json={"faults": rules}).raise_for_status().json()
    assert body["faults"] == [rule | {"fired": 0} for rule in rules]
    path = f"/ai/v1/users/{shared.get('/_control/users').json()[0]['user_id']}"
    assert [shared.get(path).status_code for _ in range(3)] == [403, 403, 200]
    shared.get("/data/v1/sessions", headers={"x-user-id": "me"})
    assert [rule["fired"] for rule in shared.get("/_control/faults").json()["faults"]] == [0, 2]
    assert shared.delete("/_control/faults").json()["faults"] == []
    assert shared.get(path).status_code == 200


def test_a_rule_may_concern_one_user(shared: httpx.Client) -> None:
    """By the id in header or path; others are served."""
    one, other = (user["user_id"] for user in shared.get("/_control/users").json())
    shared.post("/_control/faults", json={"faults": [{"kind": "forbidden", "users": [one]}]}).raise_for_status()
    statuses = [shared.get("/data/v1/sessions", headers={"x-user-id": user}).status_code for user in (one, other)]
    statuses += [shared.get(f"/ai/v1/users/{user}").status_code for user in (one, other)]
    shared.delete("/_control/faults")
    assert statuses == [403, 200, 403, 200]


@pytest.mark.parametrize("name", PROFILES)
def test_every_profile_is_told_and_can_be_set(shared: httpx.Client, name: str) -> None:
    """With its sentence and its rules."""
    told = shared.get("/_control/profiles").json()[name]
    body = shared.post("/_control/faults", json={"profile": name}).raise_for_status().json()
    shared.delete("/_control/faults")
    assert (told["does"], told["heals"]) == (PROFILES[name].does, PROFILES[name].heals)
    assert body["profile"] == name
    assert body["faults"] == [rule | {"fired": 0} for rule in told["faults"]]


def test_a_server_can_begin_with_faults() -> None:
    """As ``--profile`` does; the control names the profile."""
    world = World(1, 1, now=NOW)
    with running(world, Faults(PROFILES["gzip"].rules, profile="gzip")) as base_url:
        assert httpx.get(f"{base_url}/_control/faults", trust_env=False).json()["profile"] == "gzip"


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({}, "Send either profile or faults."),
        ({"profile": "storm", "faults": []}, "Send either profile or faults."),
        ({"rules": []}, "The body may hold only profile and faults."),
        ({"profile": "strom"}, f"Unknown profile: there are {', '.join(PROFILES)}."),
        ({"profile": ["storm"]}, f"Unknown profile: there are {', '.join(PROFILES)}."),
        ({"faults": {"kind": "quota"}}, "faults must be a list of rules."),
        ({"faults": [{"kind": "quota"}, {"kind": "earthquake"}]}, f"Unknown kind: there are {', '.join(KINDS)}."),
        ({"faults": [{"kind": "quota", "share": 2}]}, "share must be between 0 and 1."),
    ],
)
def test_rules_that_cannot_be(shared: httpx.Client, body: object, sentence: str) -> None:
    """422 with one sentence, and the rules in force stay."""
    shared.post("/_control/faults", json={"profile": "gzip"}).raise_for_status()
    answer = shared.post("/_control/faults", json=body)
    kept = shared.get("/_control/faults").json()["profile"]
    shared.delete("/_control/faults")
    assert (answer.status_code, answer.json(), kept) == (422, {"detail": sentence}, "gzip")
