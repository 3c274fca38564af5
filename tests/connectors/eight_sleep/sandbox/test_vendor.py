"""The sandbox as anybody meets it over HTTP: every row of the documented tables, and the token endpoint's grants."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from connectors.eight_sleep.sandbox import Addresses, Fault, Faults, Limits, World, running
from tests.connectors.eight_sleep.rig import NOON, Clock, Rig


@pytest.fixture
def http() -> Iterator[httpx.Client]:
    """A client that knows nothing of ours."""
    with httpx.Client(trust_env=False, verify=False) as client:  # noqa: S501 - plain HTTP on loopback
        yield client


def log_in(http: httpx.Client, rig: Rig, **changes: str) -> httpx.Response:
    """POST /v1/login at the authentication host."""
    body = {"email": rig.sleeper.email, "password": rig.sleeper.password, **changes}
    return http.post(f"{rig.addresses.auth}/v1/login", json=body)


def with_token(http: httpx.Client, rig: Rig) -> dict[str, str]:
    """The headers of a sleeper who has logged in."""
    token = log_in(http, rig).json()["session"]["token"]
    return {"authorization": f"Bearer {token}", "session-token": token}


def device_url(rig: Rig, what: str, device_id: str | None = None) -> str:
    """Below the first bed, unless another one is named."""
    return f"{rig.addresses.client}/v1/devices/{device_id or rig.world.beds()[0].id}/{what}"


@pytest.mark.parametrize("host", ["auth", "client"])
def test_both_hosts_log_in(http: httpx.Client, rig: Rig, host: str) -> None:
    """With or without the application's id; the answer is token, user and expiry."""
    body = {"email": rig.sleeper.email, "password": rig.sleeper.password, "client_id": "any", "client_secret": "any"}
    answer = http.post(f"{getattr(rig.addresses, host)}/v1/login", json=body)
    assert answer.status_code == 200
    session = answer.json()["session"]
    assert session.keys() == {"token", "userId", "expiresAt"}
    assert session["userId"] == rig.sleeper.user_id
    assert session["expiresAt"] == f"{NOON + timedelta(seconds=rig.world.token_life_s):%Y-%m-%dT%H:%M:%SZ}"


def test_wrong_credentials_are_refused(http: httpx.Client, rig: Rig) -> None:
    """401 in the documented envelope."""
    answer = log_in(http, rig, password="wrong")
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "AUTHENTICATION_FAILED")
    assert answer.json()["success"] is False


def test_a_token_stands_in_both_headers_and_holds_for_its_time(http: httpx.Client, rig: Rig) -> None:
    """Without either header, or once it has expired, 401."""
    headers = with_token(http, rig)
    url = device_url(rig, "status")
    assert http.get(url, headers=headers).status_code == 200
    for missing in headers:
        told = {name: value for name, value in headers.items() if name != missing}
        assert http.get(url, headers=told).json()["error"]["code"] == "AUTHENTICATION_FAILED"
    rig.clock.forward(rig.world.token_life_s)
    refused = http.get(url, headers=headers)
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "TOKEN_EXPIRED")


def test_a_user_sees_only_beds_of_their_own(http: httpx.Client, rig: Rig) -> None:
    """The list of another user is forbidden, another's bed is not there."""
    headers = with_token(http, rig)
    users = f"{rig.addresses.client}/v1/users"
    [device] = http.get(f"{users}/{rig.sleeper.user_id}/devices", headers=headers).json()
    assert device.keys() == {"id", "deviceId", "model", "firmwareVersion", "sides"}
    assert http.get(f"{users}/{'0' * 32}/devices", headers=headers).status_code == 403
    missing = http.get(device_url(rig, "status", rig.world.beds()[1].id), headers=headers)
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "DEVICE_NOT_FOUND")


def test_a_status_has_the_documented_fields(http: httpx.Client, rig: Rig) -> None:
    """And no other."""
    status = http.get(device_url(rig, "status"), headers=with_token(http, rig)).json()
    assert status.keys() == {"deviceId", "online", "left", "right"}
    for side in ("left", "right"):
        assert status[side].keys() == {"isOwner", "userId", "side", "presence", "tempTarget", "tempBed"}


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"left": {"level": -100, "duration": 0}}, 200, None),
        ({"left": {"level": 100, "duration": 5}, "right": {"level": 0, "duration": 0}}, 200, None),
        ({"left": {"level": 101, "duration": 0}}, 400, "INVALID_TEMPERATURE"),
        ({"right": {"level": -101, "duration": 0}}, 400, "INVALID_TEMPERATURE"),
        ({"right": {"level": "1", "duration": 0}}, 400, "INVALID_TEMPERATURE"),
        ({"right": {"level": True, "duration": 0}}, 400, "INVALID_TEMPERATURE"),
        ({"right": {"level": 1, "duration": -1}}, 400, None),
        ({"right": None}, 400, "INVALID_TEMPERATURE"),
        ({}, 400, None),
    ],
)
def test_a_temperature_is_checked(http: httpx.Client, rig: Rig, body: Any, status: int, code: str | None) -> None:
    """Level and duration of each side that is named; a refusal changes nothing."""
    answer = http.put(device_url(rig, "temperature"), headers=with_token(http, rig), json=body)
    assert answer.status_code == status
    if status == 200:
        assert answer.json() == {"success": True, "message": "Temperature updated"}
    else:
        assert rig.world.beds()[0].sides["left"].target == rig.world.beds()[0].sides["right"].target == 0
    assert code is None or answer.json()["error"]["code"] == code


def test_a_bed_that_is_offline_takes_no_command_and_says_so(http: httpx.Client, rig: Rig) -> None:
    """503 to a command, ``online`` false in a status."""
    rig.world.beds()[0].online = False
    headers = with_token(http, rig)
    refused = http.put(device_url(rig, "temperature"), headers=headers, json={"left": {"level": 1, "duration": 0}})
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "DEVICE_OFFLINE")
    assert http.get(device_url(rig, "status"), headers=headers).json()["online"] is False


@pytest.mark.parametrize(("group", "most"), [("auth", 5), ("status", 30), ("temperature", 20), ("devices", 10)])
def test_a_group_is_limited_for_each_user_and_minute(http: httpx.Client, rig: Rig, group: str, most: int) -> None:
    """The headers count down, the next call is refused until the minute is over."""
    headers = {} if group == "auth" else with_token(http, rig)

    def ask() -> httpx.Response:
        match group:
            case "auth":
                return log_in(http, rig)
            case "devices":
                return http.get(f"{rig.addresses.client}/v1/users/{rig.sleeper.user_id}/devices", headers=headers)
            case "temperature":
                return http.put(device_url(rig, group), headers=headers, json={"left": {"level": 1, "duration": 0}})
        return http.get(device_url(rig, group), headers=headers)

    for left in reversed(range(most)):
        answer = ask()
        assert answer.status_code == 200
        assert (answer.headers["x-ratelimit-limit"], answer.headers["x-ratelimit-remaining"]) == (str(most), str(left))
    rig.clock.forward(17)
    refused = ask()
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "RATE_LIMIT_EXCEEDED")
    assert (refused.headers["retry-after"], refused.headers["x-ratelimit-remaining"]) == ("43", "0")
    rig.clock.forward(43)
    assert ask().status_code == 200


def oauth(http: httpx.Client, rig: Rig, **body: str) -> httpx.Response:
    """POST /v1/tokens."""
    return http.post(f"{rig.addresses.auth}/v1/tokens", json=body)


def test_the_password_grant_gives_tokens_and_the_user(http: httpx.Client, rig: Rig) -> None:
    """The access token alone, as a bearer, opens everything."""
    words = {"username": rig.sleeper.email, "password": rig.sleeper.password}
    given = oauth(http, rig, grant_type="password", client_id="c", client_secret="s", **words).json()
    assert given.keys() == {"access_token", "token_type", "expires_in", "refresh_token", "userId"}
    assert (given["token_type"], given["userId"]) == ("bearer", rig.sleeper.user_id)
    headers = {"authorization": f"Bearer {given['access_token']}"}
    assert http.get(device_url(rig, "status"), headers=headers).status_code == 200


def test_the_refresh_grant_gives_new_tokens_and_keeps_the_old(http: httpx.Client, rig: Rig) -> None:
    """It does not name the user; the refresh token can be used again, and is no access token."""
    words = {"username": rig.sleeper.email, "password": rig.sleeper.password, "client_id": "c"}
    first = oauth(http, rig, grant_type="password", **words).json()
    for _ in range(2):
        given = oauth(http, rig, grant_type="refresh_token", refresh_token=first["refresh_token"]).json()
        assert given.keys() == {"access_token", "token_type", "expires_in", "refresh_token"}
        assert given["access_token"] != first["access_token"]
    headers = {"authorization": f"Bearer {first['refresh_token']}"}
    assert http.get(device_url(rig, "status"), headers=headers).status_code == 401


@pytest.mark.parametrize(
    "body",
    [
        {"grant_type": "password", "username": "nobody@example.com", "password": "p", "client_id": "c"},
        {"grant_type": "refresh_token", "refresh_token": "unknown"},
        {"grant_type": "client_credentials", "client_id": "c"},
    ],
)
def test_a_grant_that_is_refused_is_a_bad_request(http: httpx.Client, rig: Rig, body: dict[str, str]) -> None:
    """400 ``invalid_grant``, in the other envelope."""
    answer = oauth(http, rig, **body)
    assert answer.status_code == 400
    assert answer.json() == {"status": 400, "code": "BadRequest", "error": "invalid_grant"}


@pytest.mark.parametrize(
    ("kind", "status", "shown"),
    [
        ("token_expired", 401, "TOKEN_EXPIRED"),
        ("rate_limit", 429, "RATE_LIMIT_EXCEEDED"),
        ("throttled", 429, '{"status":429,"code":"Too Many Requests"}'),
        ("offline", 503, "DEVICE_OFFLINE"),
        ("bad_gateway", 502, "<html><head><title>502 Bad Gateway</title></head></html>"),
        ("gateway_timeout", 504, "<html><head><title>504 Gateway Time-out</title></head></html>"),
        ("failed", 500, ""),
        ("not_there", 404, ""),
        ("forbidden", 403, ""),
    ],
)
def test_a_fault_happens_as_often_as_it_is_switched_on(
    http: httpx.Client, rig: Rig, kind: str, status: int, shown: str
) -> None:
    """Only at its endpoint; then all is well again."""
    headers = with_token(http, rig)
    rig.faults.set(Fault(kind, "status", 2))
    assert log_in(http, rig).status_code == 200
    answers = [http.get(device_url(rig, "status"), headers=headers) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [status, status, 200]
    assert shown in answers[0].text


@pytest.mark.parametrize("wrong", [("nonsense", None), ("failed", "nowhere")])
def test_a_switch_that_does_not_exist_is_refused(wrong: tuple[str, str | None]) -> None:
    """With the names of those that do."""
    with pytest.raises(ValueError, match="There is no"):
        Fault(*wrong)
    with pytest.raises(ValueError, match="There is no variant"):
        World().set_variants("nonsense")


def test_the_same_seed_is_the_same_world() -> None:
    """Byte for byte, tokens included; another seed is another world."""

    def told(seed: int) -> str:
        world = World(beds=3, seed=seed, clock=Clock())
        return repr((list(world.accounts()), world.beds(), world.give_token("u", "session")))

    assert told(1) == told(1)
    assert told(1) != told(2)


def test_sleepers_are_in_bed_at_night_and_up_by_day() -> None:
    """Unless somebody says otherwise."""
    [bed] = World(clock=Clock()).beds()
    midnight = NOON.replace(hour=0)
    for side in bed.sides.values():
        assert [side.is_occupied(midnight + timedelta(hours=hour)) for hour in (1, 4, 12, 20)] == [
            True,
            True,
            False,
            False,
        ]
    bed.sides["left"].presence = True
    assert bed.sides["left"].is_occupied(NOON)


def test_the_documented_limits_hold_unless_others_are_given(http: httpx.Client) -> None:
    """A world can also be served without any; then no header speaks of them."""
    world = World(clock=Clock())
    with running(world, Faults(), Limits(world.clock, None)) as addresses:
        assert isinstance(addresses, Addresses)
        sleeper = next(world.accounts())
        body = {"email": sleeper.email, "password": sleeper.password}
        answers = [http.post(f"{addresses.client}/v1/login", json=body) for _ in range(8)]
    assert {answer.status_code for answer in answers} == {200}
    assert "x-ratelimit-limit" not in answers[0].headers
