"""Every documented error, and the order of the checks: key, ids, parameters, existence."""

from typing import Any

import httpx
import pytest

from connectors.asleep.sandbox import World
from tests.connectors.asleep.sandbox.clients import NO_SESSION, NOBODY

LIST = "/data/v1/sessions"
DETAIL = f"/data/v3/sessions/{NO_SESSION}"
DELETE_SESSION = f"/ai/v1/sessions/{NO_SESSION}"
AVERAGES = "/data/v1/users/{}/average-stats"
USER = "/ai/v1/users/{}"
DAYS = {"start_date": "2026-11-01", "end_date": "2026-11-30"}

ENDPOINTS = [
    ("POST", "/ai/v1/users"),
    ("GET", USER.format(NOBODY)),
    ("PUT", USER.format(NOBODY)),
    ("DELETE", USER.format(NOBODY)),
    ("GET", DETAIL),
    ("GET", LIST),
    ("DELETE", DELETE_SESSION),
    ("GET", AVERAGES.format(NOBODY)),
]
MALFORMED_IDS = ["", "me@example.com", NOBODY[:-1], NOBODY + "x", NOBODY.replace("a", "1"), "a/b"]


@pytest.mark.parametrize(("method", "path"), ENDPOINTS)
@pytest.mark.parametrize("key", [None, "", "another-key"])
def test_without_the_key_nothing_else_is_looked_at(
    vendor: httpx.Client, method: str, path: str, key: str | None
) -> None:
    """A missing or wrong key is 401 before anything else is checked."""
    headers = {"x-api-key": key or "", "timezone": "Mars/Base"}
    request = vendor.build_request(method, path, headers=headers)
    if key is None:
        del request.headers["x-api-key"]
    answer = vendor.send(request)
    assert (answer.status_code, answer.json()) == (401, {"detail": "Unauthorized"})


@pytest.mark.parametrize(("method", "path"), [("GET", LIST), ("GET", DETAIL), ("DELETE", DELETE_SESSION)])
@pytest.mark.parametrize("user_id", [None, *MALFORMED_IDS])
def test_a_malformed_header_id_comes_before_parameters(
    vendor: httpx.Client, method: str, path: str, user_id: str | None
) -> None:
    """401 for ``x-user-id``, although zone and limit are wrong too."""
    headers = {"timezone": "Mars/Base"} | ({} if user_id is None else {"x-user-id": user_id})
    answer = vendor.request(method, path, params={"limit": "500"}, headers=headers)
    assert (answer.status_code, answer.json()) == (401, {"detail": "x-user-id is invalid"})


@pytest.mark.parametrize(
    ("method", "path"), [("GET", USER), ("PUT", USER), ("DELETE", USER), ("GET", AVERAGES)], ids=str
)
@pytest.mark.parametrize("user_id", MALFORMED_IDS)
def test_a_malformed_path_id_comes_before_parameters(
    vendor: httpx.Client, method: str, path: str, user_id: str
) -> None:
    """401 for the id in the path, an empty one too, although body and zone are wrong as well."""
    answer = vendor.request(method, path.format(user_id), content=b"{", headers={"timezone": "Mars/Base"})
    assert (answer.status_code, answer.json()) == (401, {"detail": "user_id is invalid"})


@pytest.mark.parametrize(
    ("path", "detail"),
    [
        (LIST, "The invalid timezone is provided"),
        (DETAIL, "Invalid timezone format"),
        (AVERAGES.format(NOBODY), "Invalid timezone"),
    ],
)
@pytest.mark.parametrize("zone", ["Mars/Base", "asia/seoul", "+09:00", ""])
def test_an_unknown_zone_comes_before_existence(vendor: httpx.Client, path: str, detail: str, zone: str) -> None:
    """400 in the endpoint's own words, although the user does not exist."""
    answer = vendor.get(path, params=DAYS, headers={"x-user-id": NOBODY, "timezone": zone})
    assert (answer.status_code, answer.json()) == (400, {"detail": detail})


@pytest.mark.parametrize(
    ("path", "params", "name"),
    [
        *((LIST, {"limit": value}, "limit") for value in ("500", "-1", "ten", "", "1.5")),
        *((LIST, {"offset": value}, "offset") for value in ("-1", "x", "1e3")),
        *((LIST, {"order_by": value}, "order_by") for value in ("UP", "asc", "")),
        *((LIST, {"date_gte": value}, "date_gte") for value in ("2025-13-01", "20250101", "today", "")),
        (LIST, {"date_lte": "2025-02-30"}, "date_lte"),
        (AVERAGES.format(NOBODY), {"end_date": "2026-11-30"}, "start_date"),
        (AVERAGES.format(NOBODY), {"start_date": "2026-11-30"}, "end_date"),
        (AVERAGES.format(NOBODY), DAYS | {"start_date": "1 Nov"}, "start_date"),
        (AVERAGES.format(NOBODY), {"start_date": "2026-11-02", "end_date": "2026-11-01"}, "end_date"),
    ],
)
def test_a_bad_query_comes_before_existence(vendor: httpx.Client, path: str, params: dict[str, str], name: str) -> None:
    """422 names the parameter, although the user does not exist, and does not repeat the value."""
    answer = vendor.get(path, params=params, headers={"x-user-id": NOBODY})
    assert answer.status_code == 422
    (fault,) = answer.json()["detail"]
    assert fault["loc"] == ["query", name]
    assert set(fault) == {"loc", "msg", "type"}


def test_a_period_of_more_than_100_days(vendor: httpx.Client) -> None:
    """100 days between the dates are accepted, 101 are not."""
    path = AVERAGES.format(NOBODY)
    answer = vendor.get(path, params={"start_date": "2026-01-01", "end_date": "2026-04-12"})
    assert (answer.status_code, answer.json()) == (
        400,
        {"detail": "The period should be less than or equal to 100 days"},
    )
    assert vendor.get(path, params={"start_date": "2026-01-01", "end_date": "2026-04-11"}).status_code == 404


@pytest.mark.parametrize(
    ("metadata", "name"),
    [
        *(({"birth_year": value}, "birth_year") for value in (1899, 2027, "1990", 1990.5, True)),
        *(({"birth_month": value}, "birth_month") for value in (0, 13)),
        *(({"birth_day": value}, "birth_day") for value in (0, 32)),
        ({"birth_month": 2, "birth_day": 30}, "birth_day"),
        ({"birth_year": 2001, "birth_month": 2, "birth_day": 29}, "birth_day"),
        ({"birth_month": 4, "birth_day": 31}, "birth_day"),
        *(({"gender": value}, "gender") for value in ("Female", "", 1, ["male"])),
        *(({"height": value}, "height") for value in (-0.1, 300.1, 168.55, "168", True)),
        *(({"weight": value}, "weight") for value in (-1, 1000.1, 61.25)),
        ([], "metadata"),
        ("none", "metadata"),
    ],
)
@pytest.mark.parametrize(("method", "path"), [("POST", "/ai/v1/users"), ("PUT", USER.format(NOBODY))], ids=str)
def test_bad_metadata_comes_before_existence(
    vendor: httpx.Client, method: str, path: str, metadata: Any, name: str
) -> None:
    """422 names the field that breaks its rule, although the user to change does not exist."""
    answer = vendor.request(method, path, json={"metadata": metadata})
    assert answer.status_code == 422
    assert [fault["loc"] for fault in answer.json()["detail"]] == [["body", name]]


@pytest.mark.parametrize(
    "metadata",
    [
        {"birth_year": 1900, "birth_month": 1, "birth_day": 31},
        {"birth_year": 2026},
        {"birth_year": 2000, "birth_month": 2, "birth_day": 29},
        {"birth_month": 2, "birth_day": 29},
        {"birth_day": 31},
        {"height": 0, "weight": 1000},
        {"height": 300.0, "weight": 0.1},
        dict.fromkeys(("birth_year", "birth_month", "birth_day", "gender", "height", "weight")),
    ],
)
def test_metadata_at_the_edge_is_accepted(vendor: httpx.Client, metadata: dict[str, Any]) -> None:
    """Good metadata of an unknown user gets as far as existence."""
    answer = vendor.put(USER.format(NOBODY), json={"metadata": metadata})
    assert (answer.status_code, answer.json()) == (404, {"detail": "user not exist"})


@pytest.mark.parametrize("content", [b"{", b"[]", b'"x"', b"1", b"\xff"])
@pytest.mark.parametrize(("method", "path"), [("POST", "/ai/v1/users"), ("PUT", USER.format(NOBODY))], ids=str)
def test_a_body_that_is_no_object(vendor: httpx.Client, method: str, path: str, content: bytes) -> None:
    """422 for the whole body."""
    answer = vendor.request(method, path, content=content)
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body"]


@pytest.mark.parametrize("content", [b"", b"null", b"{}"])
def test_put_needs_metadata(vendor: httpx.Client, content: bytes) -> None:
    """A change without ``metadata`` is 422."""
    assert vendor.put(USER.format(NOBODY), content=content).status_code == 422


@pytest.mark.parametrize(
    ("method", "path", "detail"),
    [
        ("GET", USER.format(NOBODY), "user does not exist"),
        ("DELETE", USER.format(NOBODY), "user does not exist"),
        ("GET", LIST, "user does not exist"),
        ("GET", DETAIL, "user does not exist"),
        ("DELETE", DELETE_SESSION, "user does not exist"),
        ("GET", AVERAGES.format(NOBODY), f"Unable to find the user of id {NOBODY}"),
    ],
)
def test_an_unknown_user(vendor: httpx.Client, method: str, path: str, detail: str) -> None:
    """404 in the endpoint's own words when everything else is right."""
    answer = vendor.request(method, path, params=DAYS, headers={"x-user-id": NOBODY})
    assert (answer.status_code, answer.json()) == (404, {"detail": detail})


@pytest.mark.parametrize(
    ("method", "path", "detail"),
    [
        ("GET", "/data/v3/sessions/{}", "Session not found"),
        ("DELETE", "/ai/v1/sessions/{}", "session does not exist"),
    ],
)
def test_an_unknown_session(vendor: httpx.Client, world: World, method: str, path: str, detail: str) -> None:
    """404 for an id nobody has and for another user's session."""
    mine, other = [*world.users()][:2]
    for session_id in (NO_SESSION, other.sessions[0].id, "not-an-id"):
        answer = vendor.request(method, path.format(session_id), headers={"x-user-id": mine.user_id})
        assert (answer.status_code, answer.json()) == (404, {"detail": detail})


def test_unknown_paths_and_methods(vendor: httpx.Client) -> None:
    """Errors outside the documented endpoints are JSON as well, and need the key as well."""
    assert vendor.get("/data/v9/sessions").json() == {"detail": "Not Found"}
    assert vendor.patch("/ai/v1/users").json() == {"detail": "Method Not Allowed"}
    assert vendor.get("/data/v9/sessions", headers={"x-api-key": "wrong"}).status_code == 401
