"""The community clients' endpoints as anybody meets them over HTTP: rights, queries, changes, temperatures."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from connectors.eight_sleep.sandbox import Fault
from tests.connectors.eight_sleep.rig import Rig
from tests.connectors.eight_sleep.sandbox.test_shapes import DAYS, bearer


@pytest.fixture
def http(rig: Rig) -> Iterator[httpx.Client]:
    """A client with the access token of the left sleeper."""
    with httpx.Client(trust_env=False, verify=False) as client:  # noqa: S501 - plain HTTP on loopback
        client.headers.update(bearer(client, rig))
        yield client


def users(rig: Rig, user_id: str | None = None) -> str:
    """Where a user's data is."""
    return f"{rig.addresses.client}/v1/users/{user_id or rig.sleeper.user_id}"


def test_one_sees_oneself_and_the_partner(http: httpx.Client, rig: Rig) -> None:
    """Strangers are forbidden, who is gone is not found."""
    _, partner, stranger, _ = (one.user_id for one in rig.world.accounts())
    for what in ("", "/intervals"):
        assert http.get(users(rig, partner) + what).status_code == 200
        assert http.get(users(rig, stranger) + what).status_code == 403
    rig.world.forget(partner)
    gone = http.get(users(rig, partner))
    assert (gone.status_code, gone.json()["error"]["code"]) == (404, "USER_NOT_FOUND")
    [me] = [http.get(f"{rig.addresses.client}/v1/users/me").json()["user"]]
    assert me["userId"] == rig.sleeper.user_id
    assert me["sharingMetricsTo"] == [partner]


def test_without_a_token_nothing_is_seen(rig: Rig) -> None:
    """401 for every call."""
    for what in ("", "/intervals", "/intervals/1", "/trends"):
        assert httpx.get(users(rig) + what, trust_env=False).status_code == 401
    assert httpx.get(f"{rig.addresses.app}/v1/users/me/temperature", trust_env=False).status_code == 401


def test_a_deleted_interval_is_gone(http: httpx.Client, rig: Rig) -> None:
    """From the page, from trends, and by itself."""
    [newest, *_] = http.get(f"{users(rig)}/intervals").json()["intervals"]
    url = f"{users(rig)}/intervals/{newest['id']}"
    assert http.get(url).json() == newest
    assert http.delete(url).status_code == 200
    assert (http.get(url).status_code, http.delete(url).status_code) == (404, 404)
    assert newest["id"] not in http.get(f"{users(rig)}/intervals").text
    assert newest["id"] not in http.get(f"{users(rig)}/trends", params=DAYS).text


@pytest.mark.parametrize(
    "query",
    [
        {"from": "2026-03-02", "to": "2026-03-01"},
        {"from": "yesterday"},
        {"to": ""},
        {"tz": "Mars/Olympus"},
        {"model-version": "v9"},
    ],
)
def test_a_query_that_cannot_be_is_a_bad_request(http: httpx.Client, rig: Rig, query: dict[str, str]) -> None:
    """400."""
    assert http.get(f"{users(rig)}/trends", params=DAYS | query).status_code == 400


def test_days_begin_in_the_zone_asked_for(http: httpx.Client, rig: Rig) -> None:
    """The same night ends on another day elsewhere."""
    night = rig.world.nights_of(rig.sleeper.user_id).told(rig.clock.now)[-1].whole
    day = (night.end + timedelta(hours=14)).date()

    def days(zone: str) -> Any:
        query = {"from": "2026-02-20", "to": "2026-03-05", "tz": zone}
        found = http.get(f"{users(rig)}/trends", params=query).json()["days"]
        return [one["day"] for one in found if night.id in one["sessionIds"]]

    assert days("Europe/Lisbon") == [f"{night.end.date()}"]
    assert days("Pacific/Kiritimati") == [f"{day}"]


def test_trends_have_the_options_of_the_reference(http: httpx.Client, rig: Rig) -> None:
    """Sessions only when asked for; in v3 they cost the scores; averages only in the answer of 2022."""
    url = f"{users(rig)}/trends"
    plain = http.get(url, params=DAYS).json()
    assert "avgScore" in plain
    for model in ("v2", "v3"):
        without = http.get(url, params=DAYS | {"model-version": model}).json()
        sessions = http.get(url, params=DAYS | {"model-version": model, "include-all-sessions": "true"}).json()
        assert "avgScore" not in without
        assert all("sessions" not in day and "score" in day for day in without["days"])
        assert all([one["id"] for one in day["sessions"]] for day in sessions["days"])
        assert all(("score" in day) == (model == "v2") for day in sessions["days"])


def test_days_without_a_night_are_missing_or_empty(http: httpx.Client, rig: Rig) -> None:
    """As some answers have them."""
    url = f"{users(rig)}/trends"
    nights = rig.world.nights_of(rig.sleeper.user_id)
    nights.skip((rig.clock.now - timedelta(days=1)).date())
    assert [day["day"] for day in http.get(url, params=DAYS).json()["days"]] == ["2026-02-27", "2026-02-28"]
    rig.world.set_variants("placeholder_days")
    assert http.get(url, params=DAYS).json()["days"][-1] == {
        "day": "2026-03-01",
        "score": 0,
        "tags": [],
        "sessionIds": [],
    }


def test_a_filter_names_what_is_told_of_a_bed(http: httpx.Client, rig: Rig) -> None:
    """``awaySides`` only when somebody is away."""
    bed = rig.world.beds()[0]
    url = f"{rig.addresses.client}/v1/devices/{bed.id}"
    wanted = {"filter": "leftUserId,rightUserId,awaySides"}
    assert http.get(url, params=wanted).json()["result"].keys() == {"leftUserId", "rightUserId"}
    bed.sides["left"].is_away = True
    assert http.get(url, params=wanted).json()["result"]["awaySides"] == {"leftUserId": rig.sleeper.user_id}
    assert http.get(f"{rig.addresses.client}/v1/devices/{rig.world.beds()[1].id}").status_code == 404


def test_a_side_is_switched_on_before_it_takes_a_level(http: httpx.Client, rig: Rig) -> None:
    """On the application host, by user; a level sent to a side that is off has no effect."""
    url = f"{rig.addresses.app}/v1/users/{rig.sleeper.user_id}/temperature"

    def state() -> tuple[int, str]:
        told = http.get(url).json()
        return told["currentLevel"], told["currentState"]["type"]

    assert http.put(url, json={"currentLevel": -50}).json() == {}
    assert state() == (0, "off")
    http.put(url, json={"smart": {"bedTimeLevel": -15}})
    http.put(url, json={"currentState": {"type": "smart"}})
    assert state() == (-15, "smart:bedtime")
    http.put(f"{url}/pod", params={"ignoreDeviceErrors": "false"}, json={"currentLevel": -50})
    rig.clock.forward(600)
    assert state() == (-50, "smart:bedtime")
    assert http.get(url).json()["currentDeviceLevel"] == -50
    http.put(url, json={"overrideLevels": {"bedTime": -5}})
    everything = http.get(f"{url}/all").json()
    assert everything.keys() == {"devices", "temperatureSettings", "schedules", "nextScheduledTimestamp"}
    assert everything["devices"][0]["smart"]["bedTimeLevel"] == -5
    http.put(url, json={"currentState": {"type": "off"}})
    assert state() == (0, "off")


@pytest.mark.parametrize(
    "wish",
    [
        {"timeBased": {"level": 1, "durationSeconds": 5}},
        {"currentLevel": 101},
        {"currentLevel": "1"},
        {},
        {"smart": {"x": 1}},
    ],
)
def test_a_wish_that_is_none_is_a_bad_request(http: httpx.Client, rig: Rig, wish: dict[str, Any]) -> None:
    """Also ``timeBased``, which is defunct."""
    url = f"{rig.addresses.app}/v1/users/{rig.sleeper.user_id}/temperature"
    assert http.put(url, json=wish).status_code == 400


def test_the_older_command_wants_an_access_token(http: httpx.Client, rig: Rig) -> None:
    """A login's token may read and is refused for changes."""
    bed = rig.world.beds()[0]
    url = f"{rig.addresses.client}/v1/devices/{bed.id}"
    wish = {"leftTargetHeatingLevel": 20, "leftHeatingDuration": 600}
    assert http.put(url, json=wish).status_code == 200
    assert bed.sides["left"].target == 20
    assert http.get(url).json()["result"]["leftHeatingDuration"] == 600
    assert http.put(url, json={"rightTargetHeatingLevel": 900}).status_code == 400
    session = http.post(
        f"{rig.addresses.client}/v1/login", json={"email": rig.sleeper.email, "password": rig.sleeper.password}
    ).json()["session"]["token"]
    headers = {"authorization": f"Bearer {session}", "session-token": session}
    assert http.get(url, headers=headers).status_code == 200
    assert http.put(url, headers=headers, json=wish).status_code == 401


def test_faults_reach_these_endpoints_and_calls_are_counted(http: httpx.Client, rig: Rig) -> None:
    """By their names; users, nights and scores are one group without a limit."""
    rig.faults.set(Fault("unavailable", "trends"), Fault("bad_gateway", "intervals"))
    assert http.get(f"{users(rig)}/trends", params=DAYS).status_code == 503
    assert http.get(f"{users(rig)}/intervals").headers["content-type"] == "text/html; charset=utf-8"
    good = http.get(f"{users(rig)}/intervals")
    assert "x-ratelimit-limit" not in good.headers
    assert rig.calls == {"tokens": 1, "trends": 1, "intervals": 2}
    assert rig.limits.most_in_a_window("sleep") == 3
