"""The sandbox's own endpoints: each does what it says, and refuses with one sentence what it cannot use."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.connectors.eight_sleep.rig import Rig


class Controls:
    """The controls, and what they answer."""

    def __init__(self, http: httpx.Client, base: str) -> None:
        self._http = http
        self._base = base

    def get(self, path: str = "") -> Any:
        """What a control tells."""
        return self._http.get(self._base + path).json()

    def post(self, path: str, **body: Any) -> Any:
        """Turn a control."""
        answer = self._http.post(self._base + path, json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def refused(self, path: str, body: Any) -> str:
        """The sentence with which it refuses."""
        answer = self._http.post(self._base + path, json=body)
        assert answer.status_code == 422
        return str(answer.json()["detail"])


@pytest.fixture
def control(rig: Rig) -> Iterator[Controls]:
    """Those of the rig's world."""
    with httpx.Client(trust_env=False, verify=False) as client:  # noqa: S501 - plain HTTP on loopback
        yield Controls(client, rig.addresses.control)


def stays(control: Controls) -> list[dict[str, Any]]:
    """What the left sleeper must end up with."""
    told: list[dict[str, Any]] = control.get("/truth")["users"][0]["intervals"]
    return told


def test_they_describe_themselves(control: Controls) -> None:
    """Each with its path and what it does."""
    told = control.get()
    assert (told["beds"], told["seed"], told["now"]) == (2, 1, "2026-03-01T12:00:00.000Z")
    assert all(one["does"] and one["path"].startswith("/_control/bed") for one in told["controls"])
    assert len(told["controls"]) > 20


def test_users_are_told_with_how_to_log_in(control: Controls, rig: Rig) -> None:
    """And where they sleep; who has a whole bed, too."""
    users = control.get("/users")
    assert [user["user_id"] for user in users] == [one.user_id for one in rig.world.accounts()]
    assert (users[0]["email"], users[0]["password"]) == (rig.sleeper.email, rig.sleeper.password)
    assert (users[1]["side"], users[1]["timezone"]) == ("right", "Europe/Lisbon")
    control.post("/solo", bed=users[0]["bed"])
    assert [user["side"] for user in control.get("/users")] == ["solo", "left", "right"]


def test_the_truth_is_what_the_endpoints_tell(control: Controls, rig: Rig) -> None:
    """Stay for stay."""
    told = stays(control)
    nights = rig.world.nights_of(rig.sleeper.user_id).told(rig.clock.now)
    assert [one["id"] for one in told] == [night.whole.id for night in nights]
    assert all(one["final"] for one in told)
    assert told[-1]["seconds"]["rem"] == nights[-1].whole.seconds("rem")
    control.post("/forget", user=rig.sleeper.user_id)
    assert rig.sleeper.user_id not in str(control.get("/truth"))


def test_the_clock_moves_on(control: Controls, rig: Rig) -> None:
    """New nights come with it."""
    before = len(stays(control))
    assert control.post("/clock", advance_s=3 * 86_400)["now"] == "2026-03-04T12:00:00.000Z"
    assert before < len(stays(control)) <= before + 5
    assert rig.world.now > rig.clock.now
    assert control.refused("/clock", {"advance_s": 10**12}) == "The clock stops with the year 2100."


def test_stays_are_added_deleted_changed_and_hidden(control: Controls, rig: Rig) -> None:
    """As it happens behind a client's back."""
    user = rig.sleeper.user_id
    nap = {"user": user, "start": "2026-02-28T17:00:00Z", "stages": [["awake", 300], ["light", 1800]]}
    added = control.post("/intervals", **nap)["added"]
    [one] = [one for one in stays(control) if one["id"] == added]
    assert (one["seconds"]["light"], one["end"]) == (1800, "2026-02-28T17:35:00.000Z")
    first, second, third = (one["id"] for one in stays(control)[:3])
    control.post("/intervals/delete", user=user, interval=first)
    control.post("/intervals/reanalyse", user=user, interval=second)
    control.post("/intervals/score", user=user, interval=second, by=-4)
    control.post("/intervals/late", user=user, interval=third, until="2026-03-01T13:00:00Z")
    left = {one["id"]: one for one in stays(control)}
    assert first not in left
    assert third not in left
    assert left[second]["edition"] == 1
    control.post("/clock", advance_s=3600)
    assert third in {one["id"] for one in stays(control)}
    last = stays(control)[-1]["id"]
    control.post("/skip", user=user, evening="2026-02-28")
    assert last not in {one["id"] for one in stays(control)}


def test_sides_and_beds_are_set(control: Controls, rig: Rig) -> None:
    """Presence, being away, a hub without network."""
    bed = rig.world.beds()[0]
    for presence in (True, False, None):
        control.post("/presence", user=rig.sleeper.user_id, presence=presence)
        assert bed.sides["left"].presence is presence
    control.post("/away", user=rig.sleeper.user_id, away=True)
    control.post("/online", bed=bed.id, online=False)
    assert (bed.sides["left"].is_away, bed.online) == (True, False)
    partner = bed.sides["right"].sleeper.user_id
    control.post("/solo", bed=bed.id)
    assert control.refused("/presence", {"user": partner, "presence": True}).startswith("user must be an id")


def test_faults_variants_and_tokens_are_switched(control: Controls, rig: Rig) -> None:
    """What is in force is told, and how often it has fired."""
    control.post("/faults", faults=[{"kind": "failed", "endpoint": "me", "times": None}])
    assert control.get("/faults")["faults"] == [{"kind": "failed", "endpoint": "me", "times": None, "fired": 0}]
    assert "rate_limit" in control.get("/faults")["kinds"]
    control.post("/variants", variants=["wrapped"])
    assert control.get("/variants")["variants"] == ["wrapped"]
    tokens = {kind: rig.world.give_token("u", kind).value for kind in ("access", "refresh")}
    control.post("/tokens", end="access")
    control.post("/tokens", end="refresh")
    access = rig.world.token(tokens["access"])
    assert access
    assert access.expires_at == rig.world.now
    assert rig.world.token(tokens["refresh"]) is None


def test_calls_are_counted(control: Controls, rig: Rig) -> None:
    """By endpoint and by group, with the most in one window; controls are not."""
    rig.converse(lambda client: client.get_me())
    told = control.get("/calls")
    assert told["calls"] == {"auth_login": 1, "me": 1}
    assert told["groups"] == {"auth": 1, "sleep": 1}
    assert told["most_in_a_window"] == {"auth": 1, "sleep": 1}
    assert control.post("/calls/reset")["calls"] == {}


@pytest.mark.parametrize(
    ("path", "body", "sentence"),
    [
        ("/clock", {"advance_s": -1}, "advance_s must be a whole number of at least 0."),
        ("/clock", [], "The body must be a JSON object with advance_s."),
        ("/faults", {"faults": [{"kind": "nonsense"}]}, "There is no fault 'nonsense'"),
        ("/faults", {"faults": [{"endpoint": "me"}]}, "A fault is an object with kind"),
        ("/faults", {"faults": [{"kind": "failed", "times": 0}]}, "times must be a whole number"),
        ("/faults", {"faults": {}}, "faults must be a list"),
        ("/variants", {"variants": ["nonsense"]}, "There is no variant 'nonsense'"),
        ("/variants", {"variants": "wrapped"}, "variants must be a list"),
        ("/tokens", {"end": "all"}, "end must be access or refresh."),
        ("/presence", {"user": "nobody", "presence": True}, "user must be an id from /_control/bed/users."),
        ("/presence", {"user": "USER", "presence": "yes"}, "presence must be true or false."),
        ("/online", {"bed": "none", "online": True}, "bed must be an id from /_control/bed/users."),
        ("/intervals/delete", {"user": "USER", "interval": "1"}, "interval must be the id of one of this user's"),
        ("/intervals", {"user": "USER", "start": "now", "stages": [["light", 30]]}, "start must be a time such as"),
        ("/intervals", {"user": "USER", "start": "2026-03-01T00:00:01Z", "stages": [["light", 30]]}, "start must be a"),
        ("/intervals", {"user": "USER", "start": "2026-03-01T02:00:00Z", "stages": [["light", 30]]}, "Somebody lies"),
        ("/intervals", {"user": "USER", "start": "2026-03-01T11:00:00Z", "stages": [["x", 30]]}, "stages must be a"),
        ("/skip", {"user": "USER", "evening": "today"}, "evening must be a date such as 2026-11-22."),
    ],
)
def test_what_cannot_be_used_changes_nothing(control: Controls, rig: Rig, path: str, body: Any, sentence: str) -> None:
    """422 and one sentence."""
    if isinstance(body, dict) and body.get("user") == "USER":
        body = body | {"user": rig.sleeper.user_id}
    before = control.get("/truth"), control.get("/faults"), control.get("/variants")
    assert control.refused(path, body).startswith(sentence)
    assert (control.get("/truth"), control.get("/faults"), control.get("/variants")) == before
