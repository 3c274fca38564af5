"""What the simulator serves has the shape of the reference's sample answers: the same keys, with the same types."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.connectors.eight_sleep.rig import Rig
from tests.connectors.eight_sleep.samples import errors, sample

ANYTHING = {"tags", "alarms", "scheduleProfiles", "phases", "heating"}
"""Lists that are empty wherever they were seen."""


def mismatches(wanted: Any, served: Any, at: str = "$") -> Iterator[str]:
    """Where the answer lacks a key of the sample, or has a value of another kind; more keys are fine."""
    if isinstance(wanted, dict) and isinstance(served, dict):
        for name, value in wanted.items():
            if name not in served:
                yield f"{at}.{name} is missing"
            elif name not in ANYTHING:
                yield from mismatches(value, served[name], f"{at}.{name}")
    elif isinstance(wanted, list) and isinstance(served, list):
        if wanted and not served:
            yield f"{at} is empty"
        if wanted and not isinstance(wanted[0], dict | list):  # a point, or names
            yield from (f"{at} differs" for one, other in zip(wanted, served, strict=False) if kind(one) != kind(other))
            return
        for member in served[:20]:
            if wanted:
                yield from mismatches(wanted[0], member, f"{at}[]")
    elif kind(wanted) != kind(served):
        yield f"{at} is {kind(served)}, not {kind(wanted)}"


def kind(value: Any) -> str:
    """The type of a JSON value; whole and other numbers are one."""
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__


def extra(wanted: Any, served: Any) -> set[str]:
    """Keys of the answer that the sample has not."""
    return set(served) - set(wanted)


@pytest.fixture
def http() -> Iterator[httpx.Client]:
    """A client that knows nothing of ours."""
    with httpx.Client(trust_env=False, verify=False) as client:  # noqa: S501 - plain HTTP on loopback
        yield client


def bearer(http: httpx.Client, rig: Rig) -> dict[str, str]:
    """An access token in its header."""
    words = {
        "grant_type": "password",
        "client_id": "c",
        "username": rig.sleeper.email,
        "password": rig.sleeper.password,
    }
    given = http.post(f"{rig.addresses.auth}/v1/tokens", json=words).json()
    return {"authorization": f"Bearer {given['access_token']}"}


def served(http: httpx.Client, rig: Rig, path: str, **params: str) -> Any:
    """The answer of the client host, or of the application host."""
    if "authorization" not in http.headers:
        http.headers.update(bearer(http, rig))
    base = rig.addresses.app if path.endswith("/temperature") else rig.addresses.client
    answer = http.get(f"{base}/v1{path}", params=params)
    assert answer.status_code == 200
    return answer.json()


DAYS = {"from": "2026-02-27", "to": "2026-03-01", "tz": "Europe/Lisbon"}
CASES: list[tuple[str, str, str, dict[str, str]]] = [
    ("devices", "documented_list_devices", "/users/{user}/devices", {}),
    ("devices", "community_users_me", "/users/me", {}),
    ("devices", "community_device_filtered", "/devices/{bed}", {"filter": "leftUserId,rightUserId,awaySides"}),
    ("devices", "community_device_detail", "/devices/{bed}", {}),
    ("devices", "community_device_detail", "/devices/{bed}", {"offlineView": "true"}),
    ("status", "documented_status", "/devices/{bed}/status", {}),
    ("status", "community_user_temperature", "/users/{user}/temperature", {}),
    ("intervals", "page_1", "/users/{user}/intervals", {}),
    ("trends", "v1_plain", "/users/{user}/trends", DAYS),
    (
        *("trends", "v2_all_sessions", "/users/{user}/trends"),
        {**DAYS, "include-main": "false", "include-all-sessions": "true", "model-version": "v2"},
    ),
    (
        *("trends", "v3_compact", "/users/{user}/trends"),
        {**DAYS, "model-version": "v3", "consistent-read": "false"},
    ),
]


@pytest.mark.parametrize(("file", "name", "path", "params"), CASES)
def test_an_answer_has_the_shape_of_the_sample(
    http: httpx.Client, rig: Rig, file: str, name: str, path: str, params: dict[str, str]
) -> None:
    """Every key, at every depth, with a value of its kind."""
    path = path.format(user=rig.sleeper.user_id, bed=rig.world.beds()[0].id)
    answer = served(http, rig, path, **params)
    assert list(mismatches(sample(file, name), answer)) == []
    if file in ("intervals", "trends"):
        assert not extra(sample(file, name), answer)
        [list_name] = [key for key in answer if isinstance(answer[key], list)]
        assert not extra(sample(file, name)[list_name][0], answer[list_name][0])


def test_the_last_page_and_the_empty_trends_are_those_of_the_samples(http: httpx.Client, rig: Rig) -> None:
    """Byte for byte, but for the answer of 2022, which has no averages of nothing."""
    cursor: dict[str, str] = {}
    for _ in range(9):
        page = served(http, rig, f"/users/{rig.sleeper.user_id}/intervals", **cursor)
        if "next" not in page:
            break
        cursor = {"next": page["next"]}
    assert page == sample("intervals", "page_2_last")
    nothing = served(
        http, rig, f"/users/{rig.sleeper.user_id}/trends", **DAYS | {"from": "2020-01-01", "to": "2020-01-02"}
    )
    assert nothing == sample("trends", "empty")


def test_logins_have_the_shape_of_the_samples(http: httpx.Client, rig: Rig) -> None:
    """The reference's, that of older clients, and both grants."""
    words = {"email": rig.sleeper.email, "password": rig.sleeper.password}
    answer = http.post(f"{rig.addresses.auth}/v1/login", json=words).json()
    assert list(mismatches(sample("login", "documented_login"), answer)) == []
    rig.world.set_variants("expiration_date")
    answer = http.post(f"{rig.addresses.client}/v1/login", json=words).json()
    assert list(mismatches(sample("login", "community_legacy_login"), answer)) == []
    grant = {
        "grant_type": "password",
        "client_id": "c",
        "username": rig.sleeper.email,
        "password": rig.sleeper.password,
    }
    given = http.post(f"{rig.addresses.auth}/v1/tokens", json=grant).json()
    assert list(mismatches(sample("login", "community_oauth_password"), given)) == []
    refresh = {"grant_type": "refresh_token", "refresh_token": given["refresh_token"]}
    again = http.post(f"{rig.addresses.auth}/v1/tokens", json=refresh).json()
    assert list(mismatches(sample("login", "community_oauth_refresh"), again)) == []
    assert not extra(sample("login", "community_oauth_refresh"), again)


def test_errors_have_the_envelopes_of_the_samples(http: httpx.Client, rig: Rig) -> None:
    """Each documented code, and each answer that was observed, as far as its body is known."""
    bed = rig.world.beds()[0]
    status = f"{rig.addresses.client}/v1/devices/{bed.id}/status"
    headers = bearer(http, rig)
    temperature = f"{rig.addresses.client}/v1/devices/{bed.id}/temperature"
    found = {
        "AUTHENTICATION_FAILED": http.get(status),
        "DEVICE_NOT_FOUND": http.get(status.replace(bed.id, "unknown"), headers=headers),
        "INVALID_TEMPERATURE": http.put(temperature, headers=headers, json={"left": {"level": 140, "duration": 0}}),
    }
    bed.online = False
    found["DEVICE_OFFLINE"] = http.put(temperature, headers=headers, json={"left": {"level": 1, "duration": 0}})
    rig.world.expire_tokens()
    found["TOKEN_EXPIRED"] = http.get(status, headers=headers)
    rig.limits.spend("auth", rig.sleeper.email, 5)
    words = {"email": rig.sleeper.email, "password": rig.sleeper.password}
    found["RATE_LIMIT_EXCEEDED"] = http.post(f"{rig.addresses.auth}/v1/login", json=words)
    for wanted in errors("documented_envelope"):
        answer = found[wanted["body"]["error"]["code"]]
        assert answer.status_code == wanted["status"]
        assert list(mismatches(wanted["body"], answer.json())) == []
