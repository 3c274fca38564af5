"""What each method of the Asleep client sends over the wire, and what it makes of a good answer."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from datetime import date, timedelta
from typing import Any
from urllib.parse import unquote

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.asleep.answer import AsleepAnswer
from connectors.asleep.client import PAGE_ROWS, STATS_DAYS, AsleepClient, split_period
from connectors.errors import InvalidRequest, InvalidUserId, UnreadableAnswer, WrongUsage
from connectors.http import Calls
from schemas.asleep import SessionDetail, User, UserMetadata
from tests.connectors.asleep.client_fixture import KEY, NOW, ask, opened
from tests.connectors.loopback import Loopback, Seen, Sent, answer, result

USER = "G-20260101000000-AbCdEfGhIjKlMnOpQrSt"
SESSION = "20260228220000_ab1cd"
ROW = {"session_id": SESSION, "state": "COMPLETE", "session_start_time": "2026-02-28T22:00:00+00:00", "new": 1}
DETAIL = {
    "timezone": "UTC",
    "peculiarities": ["SOMETHING_NEW"],
    "missing_data_ratio": 0.0,
    "session": {"id": SESSION, "state": "OPEN", "start_time": "2026-02-28T22:00:00+00:00"},
    "stat": None,
}
STATS = {"period": {"start_date": "2026-02-01", "end_date": "2026-02-28", "timezone": "Asia/Seoul"}}
DAY, NEXT_DAY = date(2026, 2, 1), date(2026, 2, 28)

Question = Callable[[AsleepClient], Coroutine[Any, Any, Any]]


def over_the_wire(sent: Sent, question: Question) -> tuple[Any, list[Seen], Calls]:
    """What a question brings, the requests the server saw for it, and the client's own count."""

    async def main() -> tuple[Any, list[Seen], Calls]:
        async with Loopback(lambda _: sent) as server, opened(server.url) as client:
            return await question(client), server.seen, client.calls

    return asyncio.run(main())


def test_a_user_is_read() -> None:
    """The answer keeps its bytes, status and time of receipt, and decodes to the documented struct."""
    sent = result({"user_id": USER, "to_be_deleted": True, "metadata": {"height": 180.5}, "new": []})
    got, [seen], calls = over_the_wire(sent, lambda client: client.get_user(USER))
    assert got == AsleepAnswer(sent.raw.partition(b"\r\n\r\n")[2], 200, NOW, User)
    assert got.result() == User(USER, True, UserMetadata(height=180.5))
    assert (seen.method, seen.target, seen.headers["x-api-key"]) == ("GET", f"/ai/v1/users/{USER}", KEY)
    assert "x-user-id" not in seen.headers
    assert calls == Calls({"user": 1}, 0)  # type: ignore[arg-type]


def test_a_user_is_created_with_metadata_or_none() -> None:
    """The id is the server's; the body holds the metadata, or there is none."""
    sent = answer(201, {"detail": "success", "result": {"user_id": USER}})
    got, [seen], calls = over_the_wire(sent, lambda client: client.create_user(UserMetadata(birth_year=1990)))
    assert (got, seen.method, seen.target) == (USER, "POST", "/ai/v1/users")
    assert json.loads(seen.body)["metadata"]["birth_year"] == 1990
    assert seen.headers["content-type"] == "application/json"
    assert calls == Calls({"create_user": 1}, 0)  # type: ignore[arg-type]
    _, [seen], _ = over_the_wire(sent, lambda client: client.create_user(None))
    assert seen.body == b""


def test_a_user_is_updated() -> None:
    """PUT replaces the metadata; the misspellings of the vendor's own example are survived."""
    document = {"detail": "sucess", "result": {"user_id": USER, "metadata": {"gendar": "male", "weight": 70.0}}}
    question: Question = lambda client: client.update_user(USER, UserMetadata(weight=70.0))  # noqa: E731
    got, [seen], _ = over_the_wire(answer(200, document), question)
    assert got.result().metadata == UserMetadata(weight=70.0)
    assert (seen.method, seen.target) == ("PUT", f"/ai/v1/users/{USER}")
    assert json.loads(seen.body)["metadata"]["weight"] == 70.0


@pytest.mark.parametrize(
    ("sent", "deleted"),
    [
        (answer(204), True),
        (answer(404, {"detail": "user does not exist"}), False),
        (answer(404, {"detail": "session does not exist"}), False),
    ],
)
def test_a_second_deletion_finds_nothing_and_says_so(sent: Sent, deleted: bool) -> None:
    """Deleting answers True when something went, False when it was gone already."""
    got, [seen], calls = over_the_wire(sent, lambda client: client.delete_user(USER))
    assert (got, seen.method, seen.target) == (deleted, "DELETE", f"/ai/v1/users/{USER}")
    assert calls.by_endpoint == {"delete_user": 1}
    got, [seen], calls = over_the_wire(sent, lambda client: client.delete_session(USER, SESSION))
    assert (got, seen.method, seen.target) == (deleted, "DELETE", f"/ai/v1/sessions/{SESSION}")
    assert (seen.headers["x-user-id"], calls.by_endpoint) == (USER, {"delete_session": 1})


def test_a_page_of_sessions_is_listed() -> None:
    """Dates, order, offset and limit are in the query, user and zone in headers."""
    question: Question = lambda client: client.list_sessions(  # noqa: E731
        USER, date_gte=DAY, date_lte=NEXT_DAY, offset=20, limit=10, zone="Asia/Seoul"
    )
    got, [seen], calls = over_the_wire(result({"timezone": "UTC", "sleep_session_list": [ROW]}), question)
    assert [row.session_id for row in got.result().sleep_session_list] == [SESSION]
    query = "date_gte=2026-02-01&date_lte=2026-02-28&order_by=ASC&offset=20&limit=10"
    assert (seen.method, seen.target) == ("GET", f"/data/v1/sessions?{query}")
    assert (seen.headers["x-user-id"], seen.headers["timezone"]) == (USER, "Asia/Seoul")
    assert calls.by_endpoint == {"list": 1}


def test_a_session_is_read_in_utc_unless_told_otherwise() -> None:
    """The detail call names user and zone in headers; unknown peculiarities are kept."""
    got, [seen], calls = over_the_wire(result(DETAIL), lambda client: client.get_session(USER, SESSION))
    assert got.result().peculiarities == ["SOMETHING_NEW"]
    assert (seen.method, seen.target) == ("GET", f"/data/v3/sessions/{SESSION}")
    assert (seen.headers["x-user-id"], seen.headers["timezone"]) == (USER, "UTC")
    assert calls.by_endpoint == {"detail": 1}


def test_average_stats_are_read_in_the_zone_asked_for() -> None:
    """Both dates are in the query, the user in the path."""
    got, [seen], calls = over_the_wire(
        result(STATS), lambda client: client.average_stats(USER, DAY, NEXT_DAY, zone="Asia/Seoul")
    )
    assert got.result().average_stats is None
    assert seen.target == f"/data/v1/users/{USER}/average-stats?start_date=2026-02-01&end_date=2026-02-28"
    assert seen.headers["timezone"] == "Asia/Seoul"
    assert calls.by_endpoint == {"stats": 1}


@pytest.mark.parametrize(
    "name", ["a/b", "a?b=c", "a#b", "100%", "%2e%2e", "../x", "a b", "a+b", "~tilde", "it's@home", "a;b=c", '"<>"']
)
def test_an_id_arrives_as_it_is(name: str) -> None:
    """Whatever printable characters an id has, it stays one part of the path, and the same in the header."""
    _, [seen], _ = over_the_wire(result(DETAIL), lambda client: client.get_session(name, name))
    *start, last = seen.target.split("/")
    assert (start, unquote(last)) == (["", "data", "v3", "sessions"], name)
    assert seen.headers["x-user-id"] == name


@pytest.mark.parametrize(
    "name", ["", " ", "a\r\nx-evil: 1", "a\n", "ü", "수면", " a", "a ", ".", "..", "x" * 257, "a\x00"]
)
def test_an_id_that_cannot_be_sent_unchanged_is_refused_without_a_call(name: str) -> None:
    """Line breaks, blanks at the ends, letters beyond ASCII, dots and nothing at all reach no server."""
    questions: list[tuple[Question, type[Exception]]] = [
        (lambda client: client.get_user(name), InvalidUserId),
        (lambda client: client.delete_user(name), InvalidUserId),
        (lambda client: client.update_user(name, None), InvalidUserId),
        (lambda client: client.list_sessions(name, date_gte=None, date_lte=None), InvalidUserId),
        (lambda client: client.average_stats(name, DAY, DAY), InvalidUserId),
        (lambda client: client.get_session(name, SESSION), InvalidUserId),
        (lambda client: client.get_session(USER, name), InvalidRequest),
        (lambda client: client.delete_session(USER, name), InvalidRequest),
    ]

    async def main() -> None:
        async with opened("http://asleep.test", transport=httpx.MockTransport(no_call)) as client:
            for question, error in questions:
                with pytest.raises(error):
                    await question(client)

    asyncio.run(main())


def no_call(request: httpx.Request) -> httpx.Response:
    raise AssertionError("a call was made")


def test_a_zone_that_is_no_header_is_refused_without_a_call() -> None:
    """A zone with a line break cannot smuggle a header in."""
    with pytest.raises(InvalidRequest, match="time zone"):
        ask(no_call, lambda client: client.get_session(USER, SESSION, zone="UTC\r\nx-user-id: other"))


@pytest.mark.parametrize("key", ["", "ключ", "key\n", " key", "a\r\nb"])
def test_a_key_that_is_no_header_is_wrong_usage(key: str) -> None:
    """A key with stray characters is named by its setting, and not shown."""

    async def main() -> None:
        async with opened("http://asleep.test", key=key):
            pass

    with pytest.raises(WrongUsage, match=r"^ASLEEP_API_KEY is not a usable key"):
        asyncio.run(main())


@pytest.mark.parametrize(
    ("start", "end"), [(DAY, DAY + timedelta(days=STATS_DAYS)), (NEXT_DAY, DAY), (DAY, date(2036, 1, 1))]
)
def test_a_period_the_vendor_would_refuse_costs_no_call(start: date, end: date) -> None:
    """More than a hundred days, both ends counted, and reversed dates are refused here."""
    with pytest.raises(WrongUsage):
        ask(no_call, lambda client: client.average_stats(USER, start, end))


def test_a_hundred_days_are_asked_for() -> None:
    """The longest period that is safe on either reading of the vendor's rule goes through."""
    end = DAY + timedelta(days=STATS_DAYS - 1)
    _, [seen], _ = over_the_wire(result(STATS), lambda client: client.average_stats(USER, DAY, end))
    assert seen.target.endswith(f"start_date={DAY}&end_date={end}")


@settings(max_examples=200)
@given(st.dates(date(1990, 1, 1), date(2090, 1, 1)), st.integers(0, 2000), st.integers(1, 150))
def test_a_split_period_covers_every_day_once(start: date, length: int, days: int) -> None:
    """The pieces follow each other without gap or overlap, and none is too long."""
    end = start + timedelta(days=length)
    pieces = split_period(start, end, days)
    covered = [first + timedelta(days=step) for first, last in pieces for step in range((last - first).days + 1)]
    assert covered == [start + timedelta(days=step) for step in range(length + 1)]
    assert all((last - first).days < days for first, last in pieces)


def test_a_user_with_few_sessions_costs_one_call() -> None:
    """Under a hundred rows there is nothing to ask after the first page."""
    rows = [ROW | {"session_id": f"s{number}"} for number in range(PAGE_ROWS - 1)]

    async def everything(client: AsleepClient) -> list[str]:
        return [row.session_id async for row in client.iterate_sessions(USER, date_gte=DAY, date_lte=NEXT_DAY)]

    got, seen, _ = over_the_wire(result({"sleep_session_list": rows}), everything)
    assert got == [row["session_id"] for row in rows]
    assert [request.target for request in seen] == [
        "/data/v1/sessions?date_gte=2026-02-01&date_lte=2026-02-28&order_by=ASC&offset=0&limit=100"
    ]


def test_pages_are_followed_to_the_end() -> None:
    """A long list comes complete and in order; each page starts on the last row of the one before."""
    names = [f"s{number:03}" for number in range(250)]
    offsets = []

    def page(request: httpx.Request) -> httpx.Response:
        offset = int(request.url.params["offset"])
        offsets.append(offset)
        rows = [ROW | {"session_id": name} for name in names[offset : offset + 100]]
        return httpx.Response(200, json={"detail": "OK", "result": {"sleep_session_list": rows}})

    async def everything(client: AsleepClient) -> list[str]:
        return [row.session_id async for row in client.iterate_sessions(USER, date_gte=None, date_lte=None)]

    assert ask(page, everything) == names
    assert offsets == [0, 99, 198]


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (b'{"result":{"session":{"id":7}}}', r"Expected str, got int - at \$\.result\.session\.id"),
        (b'{"result":{"session":{"id":"x"}}}', r"missing required field state - at \$\.result\.session"),
        (b'{"detail":"OK"}', "missing required field result"),
        (b'{"result":{"session":{"id":"\xff"}}}', "not JSON"),
        (b'{"result":{"session":', "not JSON"),
        (b"[]", "Expected object, got array"),
        (b'{"result":' + b"[" * 100_000, "Expected object"),
        (b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "not JSON"),
    ],
)
def test_an_undocumented_document_is_unreadable_and_tells_where(body: bytes, complaint: str) -> None:
    """The error names place and types, no value, and nothing of the decoder hangs on it."""
    with pytest.raises(UnreadableAnswer, match=complaint) as caught:
        AsleepAnswer(body, 200, NOW, SessionDetail).result()
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_an_answer_does_not_show_its_body() -> None:
    """Logging an answer tells status and shape only."""
    assert "secret" not in repr(AsleepAnswer(b'{"result": "secret"}', 200, NOW, User))


def test_a_client_shows_its_host_only() -> None:
    """Neither the key nor the rest of the address is in its repr."""

    async def main() -> str:
        async with opened("https://asleep.test/x") as client:
            return repr(client)

    assert asyncio.run(main()) == "<AsleepClient https://asleep.test>"


def test_progress_is_told_call_by_call() -> None:
    """``on_call`` hears the endpoint's name before each request."""
    heard: list[str] = []
    ask(lambda _: httpx.Response(204), lambda client: client.delete_user(USER), on_call=heard.append)
    assert heard == ["delete_user"]
