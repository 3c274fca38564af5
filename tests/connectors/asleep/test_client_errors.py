"""Every documented refusal of Asleep, and the typed error with its sentence that it becomes."""

import asyncio
import pickle
from collections.abc import Callable, Coroutine
from datetime import date
from typing import Any

import httpx
import pytest

from connectors.asleep.client import AsleepClient
from connectors.errors import (
    Forbidden,
    InvalidRequest,
    InvalidUserId,
    KeyRefused,
    PlanExpired,
    QuotaExceeded,
    RateLimited,
    ServerFailed,
    SessionNotFound,
    UnreadableAnswer,
    UserNotFound,
    VendorError,
)
from connectors.http import Calls
from tests.connectors.asleep.client_fixture import opened

DAY = date(2026, 2, 1)
PARAMETER_LIST = [{"loc": ["query", "limit"], "msg": "too large", "type": "value_error"}]

Question = Callable[[AsleepClient], Coroutine[Any, Any, Any]]

QUESTIONS: dict[str, Question] = {
    "create_user": lambda client: client.create_user(None),
    "user": lambda client: client.get_user("u"),
    "update_user": lambda client: client.update_user("u", None),
    "delete_user": lambda client: client.delete_user("u"),
    "list": lambda client: client.list_sessions("u", date_gte=None, date_lte=None),
    "detail": lambda client: client.get_session("u", "s"),
    "delete_session": lambda client: client.delete_session("u", "s"),
    "stats": lambda client: client.average_stats("u", DAY, DAY),
}


def refused(endpoint: str, response: httpx.Response) -> tuple[VendorError, Calls]:
    """The error that a question ends with when every attempt gets ``response``, and the calls made."""

    async def main() -> tuple[VendorError, Calls]:
        async with opened("http://asleep.test", transport=httpx.MockTransport(lambda _: response)) as client:
            with pytest.raises(VendorError) as caught:
                await QUESTIONS[endpoint](client)
            return caught.value, client.calls

    return asyncio.run(main())


@pytest.mark.parametrize("endpoint", QUESTIONS)
@pytest.mark.parametrize(
    ("status", "detail", "error", "calls"),
    [
        (400, "The invalid timezone is provided", InvalidRequest, 1),
        (400, "Invalid timezone format", InvalidRequest, 1),
        (400, "The period should be less than or equal to 100 days", InvalidRequest, 1),
        (401, "Unauthorized", KeyRefused, 1),
        (401, "user_id is invalid", InvalidUserId, 1),
        (401, "x-user-id is invalid", InvalidUserId, 1),
        (401, "invalid user id", InvalidUserId, 1),
        (403, "Plan is expired", PlanExpired, 1),
        (403, "Rate limit exceeded", RateLimited, 8),
        (403, "RATE LIMIT exceeded for this plan", RateLimited, 8),
        (403, "Quota exceeded", QuotaExceeded, 1),
        (403, "Session was terminated", Forbidden, 1),
        (403, "See the explanation", Forbidden, 1),
        (422, PARAMETER_LIST, InvalidRequest, 1),
        (422, "Invalid parameter", InvalidRequest, 1),
        (429, "Rate limit exceeded", RateLimited, 8),
        (409, "conflict", VendorError, 1),
        (413, "too large", VendorError, 1),
    ],
)
def test_every_refusal_has_its_error(
    endpoint: str, status: int, detail: object, error: type[VendorError], calls: int
) -> None:
    """Status and, where statuses are shared, the text decide the type; only a rate limit is asked again."""
    caught, counted = refused(endpoint, httpx.Response(status, json={"detail": detail}))
    assert type(caught) is error
    assert counted == Calls({endpoint: calls}, calls - 1)  # type: ignore[arg-type]
    assert "\n" not in str(caught)
    assert str(status) in str(caught)


@pytest.mark.parametrize("status", [500, 502, 503, 504, 599])
@pytest.mark.parametrize("body", [b"", b"<html>Bad Gateway</html>", b'{"detail":"Service Unavailable"}'])
def test_a_failing_server_is_asked_five_times(status: int, body: bytes) -> None:
    """Any 5xx, with any body, is passing; the last one is told with the number of attempts."""
    caught, calls = refused("list", httpx.Response(status, content=body))
    assert type(caught) is ServerFailed
    assert str(caught) == f"Asleep still fails after 5 attempts ({status}): start the run again later."
    assert calls == Calls({"list": 5}, 4)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("endpoint", "detail", "error"),
    [
        ("user", "user does not exist", UserNotFound),
        ("update_user", "user not exist", UserNotFound),
        ("list", "user requested was not found", UserNotFound),
        ("detail", "user not exist", UserNotFound),
        ("detail", "Unable to find the user of id G-20250301120000-session", UserNotFound),
        ("list", "x-user-id does not exist", UserNotFound),
        ("stats", "Unable to find the user of id G-20250301120000-session", UserNotFound),
        ("detail", "Session not found", SessionNotFound),
        ("detail", "session does not exist", SessionNotFound),
        ("detail", "user does not exist", UserNotFound),
        ("detail", "the session of this user", SessionNotFound),
        ("detail", "This user's session does not exist", SessionNotFound),
        ("detail", ["session_id not found"], SessionNotFound),
    ],
)
def test_what_is_not_there_is_told_by_its_text(endpoint: str, detail: object, error: type[VendorError]) -> None:
    """A 404 is a user's or a session's by what its wording names first; neither an id nor an owner is that."""
    response = httpx.Response(404, json={"detail": detail})
    caught, _ = refused(endpoint, response)
    assert type(caught) is error
    if isinstance(caught, SessionNotFound):
        assert caught.body == response.content


@pytest.mark.parametrize("body", [b"Rate limit exceeded", b'{"message": "Rate limit exceeded"}'])
def test_a_403_outside_the_envelope_is_read_too(body: bytes) -> None:
    """No body is documented for 403, so its text counts wherever it stands."""
    caught, _ = refused("list", httpx.Response(403, content=body))
    assert type(caught) is RateLimited


def test_a_rate_limit_carries_the_wish() -> None:
    """The seconds the vendor asked for are on the error when all attempts are used up."""
    caught, _ = refused("create_user", httpx.Response(429, headers={"retry-after": "0.001"}))
    assert isinstance(caught, RateLimited)
    assert caught.retry_after_s == 0.001


@pytest.mark.parametrize(
    ("endpoint", "body", "calls"),
    [
        ("list", b'{"detail":"OK","result":{"sleep', 5),
        ("detail", b'{"detail":"OK","result":{"sess', 5),
        ("stats", b"", 5),
        ("user", b"<html>Sign in to the hotel's network</html>", 5),
        ("update_user", b"{", 5),
        ("create_user", b"{", 1),
        ("list", b'{"detail":"OK"}', 1),
        ("stats", b'{"detail":"OK","result":[]}', 1),
        ("user", b'"OK"', 1),
    ],
)
def test_a_good_status_with_a_bad_body_is_unreadable(endpoint: str, body: bytes, calls: int) -> None:
    """What is no JSON is taken for cut and asked again, unless that could do harm; the wrong JSON is final."""
    caught, counted = refused(endpoint, httpx.Response(200, content=body))
    assert isinstance(caught, UnreadableAnswer)
    assert counted.by_endpoint == {endpoint: calls}


@pytest.mark.parametrize("body", [b'{"detail":"OK"}', b'{"result":{"session":7}}', b"null", b"[1]"])
def test_a_session_document_of_any_form_is_handed_on(body: bytes) -> None:
    """A detail answer that is JSON is kept as it is; reading it is for whoever normalises it."""

    async def main() -> bytes:
        transport = httpx.MockTransport(lambda _: httpx.Response(200, content=body))
        async with opened("http://asleep.test", transport=transport) as client:
            return (await client.get_session("u", "s")).body

    assert asyncio.run(main()) == body


@pytest.mark.parametrize("status", [300, 302, 304])
def test_a_redirect_is_not_followed(status: int) -> None:
    """The key goes to no other address than the one it was meant for."""
    caught, calls = refused("list", httpx.Response(status, headers={"location": "http://elsewhere.test"}))
    assert type(caught) is VendorError
    assert calls.by_endpoint == {"list": 1}


def test_the_sentences_say_what_to_do() -> None:
    """The errors that stop a run name the setting or the step that ends them."""
    sentences = {
        (401, "Unauthorized"): "Asleep refused the API key (401): check ASLEEP_API_KEY in the environment or .env.",
        (403, "Plan is expired"): "The Asleep plan has expired (403): renew it, then start the run again.",
        (403, "Quota exceeded"): "Asleep's quota is used up (403): have it raised, then start the run again.",
        (429, ""): "Asleep's rate limit is still exceeded after 8 attempts (429): "
        "lower ASLEEP_REQUESTS_PER_SECOND or start the run again later.",
    }
    for (status, detail), sentence in sentences.items():
        assert str(refused("list", httpx.Response(status, json={"detail": detail}))[0]) == sentence


@pytest.mark.parametrize("status", [401, 404, 429, 503])
def test_errors_survive_a_process_boundary(status: int) -> None:
    """Type, text and what an error carries come through pickling."""
    caught, _ = refused("detail", httpx.Response(status, json={"detail": "session"}))
    again = pickle.loads(pickle.dumps(caught))  # noqa: S301
    assert (type(again), str(again), vars(again)) == (type(caught), str(caught), vars(caught))


@pytest.mark.parametrize("endpoint", ["delete_user", "delete_session"])
def test_a_page_in_place_of_an_answer_is_no_deletion(endpoint: str) -> None:
    """A login page with 200 says nothing about what was deleted: it is asked again, and then told."""
    error, calls = refused(endpoint, httpx.Response(200, text="<html>Sign in</html>"))
    assert isinstance(error, UnreadableAnswer)
    assert calls.by_endpoint[endpoint] > 1
