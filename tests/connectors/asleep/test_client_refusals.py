"""Refusals in every form they may come in, over real HTTP: envelopes, lists, plain text, proxies' pages, compressed."""

import asyncio
import gzip
import json
from collections.abc import Iterable

import pytest

from connectors.asleep.client import AsleepClient
from connectors.errors import (
    Forbidden,
    InvalidUserId,
    KeyRefused,
    PlanExpired,
    QuotaExceeded,
    RateLimited,
    SessionNotFound,
    UserNotFound,
    VendorError,
    stops_everything,
)
from connectors.http import Calls
from connectors.patience import Patience, Retry
from tests.connectors.asleep.client_fixture import opened
from tests.connectors.asleep.test_client_errors import QUESTIONS
from tests.connectors.loopback import Loopback, Seen, Sent, answer, result

PAGE = "<!DOCTYPE html><html><title>{}</title><body><h1>{}</h1><p>nginx</p></body></html>"


def raw(status: int, body: bytes, content_type: str = "text/html", **headers: str) -> Sent:
    """An answer whose body is what it is."""
    lines = [f"HTTP/1.1 {status} Some Reason", f"content-length: {len(body)}", f"content-type: {content_type}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return Sent("\r\n".join([*lines, "", ""]).encode() + body)


def page(status: int, text: str) -> Sent:
    """A proxy's page."""
    return raw(status, PAGE.format(text, text).encode())


def asked(endpoint: str, sent: Sent) -> tuple[VendorError, Calls]:
    """The error a question ends with when the server always answers with this, and the calls made."""

    async def main() -> tuple[VendorError, Calls]:
        async with Loopback(lambda _: sent) as server, opened(server.url) as client:
            with pytest.raises(VendorError) as caught:
                await QUESTIONS[endpoint](client)
            assert len(server.seen) == client.calls.by_endpoint.total()
            return caught.value, client.calls

    return asyncio.run(main())


FORMS = {
    "envelope": lambda text: answer(403, {"detail": text}),
    "list of texts": lambda text: answer(403, {"detail": [text]}),
    "list of objects": lambda text: answer(403, {"detail": [{"loc": ["header"], "msg": text, "type": "forbidden"}]}),
    "object": lambda text: answer(403, {"detail": {"message": text}}),
    "other envelope": lambda text: answer(403, {"error": {"title": text}}),
    "plain": lambda text: raw(403, text.encode(), "text/plain"),
    "page": lambda text: page(403, text),
    "not UTF-8": lambda text: raw(403, b"\xff\xfe" + text.encode()),
    "compressed": lambda text: raw(
        403, gzip.compress(json.dumps({"detail": text}).encode()), "text/html", content_encoding="gzip"
    ),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("text", "error", "calls"),
    [
        ("Rate limit exceeded", RateLimited, 8),
        ("rate-limit reached", RateLimited, 8),
        ("Too Many Requests", RateLimited, 8),
        ("Quota exceeded", QuotaExceeded, 1),
        ("Plan is expired", PlanExpired, 1),
        ("Access from this place is not possible", Forbidden, 1),
        ("corporate limits, moderate limits and explanations", Forbidden, 1),
    ],
)
def test_a_403_is_told_by_its_text_in_whatever_form(form: str, text: str, error: type[VendorError], calls: int) -> None:
    """Only a rate limit is asked again; quota and plan end everything, an unknown text concerns the one call."""
    caught, counted = asked("list", FORMS[form](text))
    assert type(caught) is error
    assert counted.by_endpoint == {"list": calls}
    assert stops_everything(caught) is (error in (QuotaExceeded, PlanExpired))


def test_a_login_page_is_no_expired_plan() -> None:
    """Outside of the vendor's envelope other things expire too."""
    assert type(asked("list", page(403, "Your session has expired"))[0]) is Forbidden
    assert type(asked("list", answer(403, {"detail": "Subscription expired"}))[0]) is PlanExpired


@pytest.mark.parametrize(
    ("sent", "error"),
    [
        (answer(401), KeyRefused),
        (answer(401, {"detail": ""}), KeyRefused),
        (answer(401, {"detail": None}), KeyRefused),
        (answer(401, {"detail": "Unauthorized"}), KeyRefused),
        (answer(401, {"detail": "The API key of this user is invalid"}), KeyRefused),
        (page(401, "Please sign in, dear user"), KeyRefused),
        (answer(401, {"detail": "user_id is invalid"}), InvalidUserId),
        (answer(401, {"detail": "X-User-Id is invalid"}), InvalidUserId),
        (answer(401, {"detail": "invalid user id"}), InvalidUserId),
        (answer(401, {"detail": "invalid user"}), InvalidUserId),
        (answer(401, {"detail": "user_id is invalid for this key"}), InvalidUserId),
        (answer(401, {"detail": [{"msg": "invalid user id"}]}), InvalidUserId),
        (raw(401, b"x-user-id is invalid", "text/plain"), InvalidUserId),
    ],
)
def test_a_401_about_a_user_id_is_never_about_the_key(sent: Sent, error: type[VendorError]) -> None:
    """A malformed id is one user's trouble; without any text a 401 is what it says, and stops everything."""
    caught, counted = asked("list", sent)
    assert type(caught) is error
    assert counted.by_endpoint == {"list": 1}
    assert stops_everything(caught) is (error is KeyRefused)


NO_ENVELOPES = {
    "proxy": page(404, "404 Not Found"),
    "proxy that names users": page(404, "user does not exist"),
    "nothing": answer(404),
    "no detail": answer(404, {"message": "user does not exist"}),
    "null": answer(404, {"detail": None}),
    "empty": answer(404, {"detail": ""}),
    "list of nothing": answer(404, {"detail": ["", {"loc": ["user"]}]}),
    "list": answer(404, ["user does not exist"]),
    "plain": raw(404, b"Session not found", "text/plain"),
    "unknown route": answer(404, {"detail": "Not Found"}),
    "no words": answer(404, {"detail": "gone"}),
    "path of sessions": answer(404, {"detail": "No static resource data/v3/sessions/G-session."}),
    "path of a user": answer(404, {"detail": "Cannot GET /ai/v1/users/user-1"}),
    "other words": answer(404, {"detail": "superuser sessions"}),
}


@pytest.mark.parametrize("endpoint", QUESTIONS)
@pytest.mark.parametrize("form", NO_ENVELOPES)
def test_a_404_that_is_not_the_vendors_deletes_nobody(endpoint: str, form: str) -> None:
    """A proxy's page, or a text that names neither, is an undocumented answer: no user, no session is gone."""
    caught, counted = asked(endpoint, NO_ENVELOPES[form])
    assert type(caught) is VendorError
    assert str(caught) == (f"Asleep gave an undocumented answer to the {endpoint} call (404): check ASLEEP_BASE_URL.")
    assert counted.by_endpoint == {endpoint: 1}
    assert not stops_everything(caught)


@pytest.mark.parametrize("content_type", ["text/html", "application/octet-stream", ""])
def test_the_vendors_404_counts_in_any_packaging(content_type: str) -> None:
    """Compressed and called something else it is the same envelope; the tombstone is what was received, unpacked."""
    body = b'{"detail":"Session not found"}'
    caught, _ = asked("detail", raw(404, gzip.compress(body), content_type, content_encoding="gzip"))
    assert type(caught) is SessionNotFound
    assert caught.body == body
    caught, _ = asked("user", raw(404, b'{"detail":"user does not exist"}', content_type))
    assert type(caught) is UserNotFound


def test_a_good_answer_counts_in_any_packaging() -> None:
    """JSON is JSON, compressed or called HTML."""
    body = gzip.compress(b'{"detail":"OK","result":{"user_id":"u"}}')

    async def main() -> str:
        async with Loopback(lambda _: raw(200, body, content_encoding="gzip")) as server, opened(server.url) as client:
            return (await client.get_user("u")).result().user_id

    assert asyncio.run(main()) == "u"


def attempts_with(sents: Iterable[Sent], patience: Patience) -> int:
    """How often the server was asked before a user came out."""

    async def main() -> int:
        left = iter(sents)
        async with Loopback(lambda _: next(left)) as server, opened(server.url, patience=patience) as client:
            await client.get_user("u")
            return len(server.seen)

    return asyncio.run(main())


@pytest.mark.parametrize("wish", ["0", "-5", "301", "1e9", "nan", "in a moment", "Thu, 01 Jan 1970 00:00:00 GMT"])
@pytest.mark.parametrize("status", [403, 429, 503])
def test_an_absurd_retry_after_is_no_wish(status: int, wish: str) -> None:
    """The call is repeated at its own pace: at once, with a patience of no waits."""
    patience = Patience(Retry(base_s=0, jitter_s=0))
    sents = [answer(status, {"detail": "Rate limit exceeded"}, retry_after=wish), result({"user_id": "u"})]
    assert attempts_with(sents, patience) == 2


@pytest.mark.parametrize("detail", ["Quota exceeded", "Plan is expired", "Unauthorized"])
def test_a_stop_in_the_middle_of_the_details_lets_nothing_more_out(detail: str) -> None:
    """Of 200 details over 32 connections the server sees at most those already on their way when it first refused."""

    def reply(_: Seen) -> Sent:
        status = 401 if detail == "Unauthorized" else 403
        return result({}) if len(server.seen) <= 60 else answer(status, {"detail": detail})

    async def main() -> None:
        async with server, opened(server.url, concurrency=32) as client:
            questions = (client.get_session("u", f"s{number}") for number in range(200))
            outcomes = await asyncio.gather(*questions, return_exceptions=True)
            errors = [outcome for outcome in outcomes if isinstance(outcome, VendorError)]
            assert len(errors) == 140
            assert {type(error) for error in errors} <= {QuotaExceeded, PlanExpired, KeyRefused}
            assert all(stops_everything(error) for error in errors)
            assert client.calls.by_endpoint["detail"] == len(server.seen) <= 60 + 32

    server = Loopback(reply)
    asyncio.run(main())


def test_a_forbidden_call_stops_nobody_else() -> None:
    """An unknown 403 is the trouble of one call: the next one is asked."""

    async def main(client: AsleepClient) -> str:
        with pytest.raises(Forbidden):
            await client.get_session("u", "s")
        return (await client.get_user("u")).result().user_id

    async def with_server() -> str:
        sents = iter([answer(403, {"detail": "no"}), result({"user_id": "u"})])
        async with Loopback(lambda _: next(sents)) as server, opened(server.url) as client:
            return await main(client)

    assert asyncio.run(with_server()) == "u"
