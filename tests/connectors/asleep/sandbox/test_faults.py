"""Every kind of fault as a client sees it on the wire, byte by byte over a socket of its own."""

import gzip
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

import pytest

from connectors.asleep.sandbox import Faults, Rule, World, running
from tests.connectors.asleep.sandbox.clients import NO_SESSION, NOBODY, NOW

LIST = "/data/v1/sessions?limit=10"
PATIENCE_S = 30.0
SILENCE_S = 0.3
"""How long nothing must come until a stalled answer is taken for one."""


class Seen(NamedTuple):
    """What came over a connection, and how it ended: ``closed``, ``reset``, ``kept`` (answered in full), ``silent``."""

    status: int
    headers: dict[str, str]
    body: bytes
    ended: str

    @property
    def detail(self) -> Any:
        """The error's text or list."""
        assert self.headers["content-type"] == "application/json"
        return json.loads(self.body)["detail"]


class Vendor:
    """A sandbox under rules, and its first user, spoken to over sockets."""

    def __init__(self, world: World, base_url: str, faults: Faults) -> None:
        self.world = world
        self.faults = faults
        self.user_id = next(world.users()).user_id
        self.address = ("127.0.0.1", int(base_url.rpartition(":")[2]))

    def ask(
        self,
        target: str = LIST,
        method: str = "GET",
        *,
        user_id: str = "",
        key: str = "",
        patience_s: tuple[float, float] = (PATIENCE_S, PATIENCE_S),
        **headers: str,
    ) -> Seen:
        """Send one request on a new connection and take what comes, patient for the headers and after them."""
        lines = [f"{method} {target} HTTP/1.1", "host: sandbox", f"x-api-key: {key or self.world.api_key}"]
        lines += [f"x-user-id: {user_id or self.user_id}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        with socket.create_connection(self.address, PATIENCE_S) as connection:
            connection.sendall("\r\n".join([*lines, "", ""]).encode())
            return _receive(connection, *patience_s)


def _receive(connection: socket.socket, headers_s: float, body_s: float) -> Seen:
    received, ended = b"", "closed"
    try:
        while not _is_whole(received):
            connection.settimeout(body_s if b"\r\n\r\n" in received else headers_s)
            part = connection.recv(65_536)
            received += part
            if not part:
                break
        else:
            ended = "kept"
    except ConnectionResetError:
        ended = "reset"
    except TimeoutError:
        ended = "silent"
    head, _, body = received.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    headers = {name: value for name, _, value in (line.partition(": ") for line in lines)}
    return Seen(int(status.split(" ")[1]) if status else 0, headers, body, ended)


def _is_whole(received: bytes) -> bool:
    head, found, body = received.partition(b"\r\n\r\n")
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length: ")]
    return bool(found) and len(body) >= int(lengths[0][16:] if lengths else 0)


@contextmanager
def vendor_with(*rules: Rule, nights: int = 4, users: int = 1) -> Iterator[Vendor]:
    """A sandbox with a small world in which these rules hold."""
    world, faults = World(users, nights, now=NOW), Faults(rules)
    with running(world, faults) as base_url:
        yield Vendor(world, base_url, faults)


def rows_of(seen: Seen) -> list[str]:
    """Session ids of a list page."""
    return [row["session_id"] for row in json.loads(seen.body)["result"]["sleep_session_list"]]


@pytest.mark.parametrize(
    ("kind", "status", "detail"),
    [
        ("rate_limit", 403, "Rate limit exceeded"),
        ("quota", 403, "Quota exceeded"),
        ("plan", 403, "Plan is expired"),
        ("forbidden", 403, "Access from this place is not possible"),
        ("too_many", 429, "Rate limit exceeded"),
    ],
)
def test_a_refusal(kind: str, status: int, detail: str) -> None:
    """Status and text in the documented envelope, without Retry-After, on a connection that stays."""
    with vendor_with(Rule(kind=kind)) as vendor:
        seen = vendor.ask()
    assert (seen.status, seen.detail, seen.ended) == (status, detail, "kept")
    assert "retry-after" not in seen.headers


@pytest.mark.parametrize("wish", [3, 0.5, -5, 1_000_000_000, "in a moment", ""])
@pytest.mark.parametrize("kind", ["too_many", "rate_limit", "server_error"])
def test_retry_after_is_sent_as_it_is_said(kind: str, wish: float | str) -> None:
    """Numbers, negative and huge ones too, and any text."""
    with vendor_with(Rule(kind=kind, retry_after=wish)) as vendor:
        assert vendor.ask().headers["retry-after"] == str(wish)


def test_retry_after_can_be_a_date() -> None:
    """An HTTP date within the next seconds."""
    with vendor_with(Rule(kind="too_many", retry_after="date")) as vendor:
        before = datetime.now(UTC)
        header = vendor.ask().headers["retry-after"]
    assert header.endswith(" GMT")
    assert before + timedelta(seconds=1) <= parsedate_to_datetime(header) <= datetime.now(UTC) + timedelta(seconds=2)


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_server_error_is_a_page(status: int) -> None:
    """HTML, nothing of the envelope."""
    with vendor_with(Rule(kind="server_error", status=status)) as vendor:
        seen = vendor.ask()
    assert (seen.status, seen.headers["content-type"]) == (status, "text/html; charset=utf-8")
    assert seen.body.startswith(b"<!DOCTYPE html>")


def test_a_truncated_answer_has_the_length_of_the_cut() -> None:
    """First half of the right bytes, no JSON, and nothing in the headers tells."""
    with vendor_with(Rule(kind="truncated", times=1)) as vendor:
        cut, whole = vendor.ask(), vendor.ask()
    assert (cut.status, cut.ended, int(cut.headers["content-length"])) == (200, "kept", len(cut.body))
    assert cut.body == whole.body[: len(whole.body) // 2]
    with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
        json.loads(cut.body)


def test_a_wrong_length_promises_more_than_comes() -> None:
    """All of the body, then the end of the connection before the promised length."""
    with vendor_with(Rule(kind="wrong_length", times=1)) as vendor:
        short, whole = vendor.ask(), vendor.ask()
    assert (short.status, short.body, short.ended) == (200, whole.body, "closed")
    assert int(short.headers["content-length"]) > len(short.body)


def test_a_reset_comes_in_the_middle_of_the_body() -> None:
    """Headers and at most half of the body, then RST; a deletion is done, and RST comes in place of its answer."""
    with vendor_with(Rule(kind="reset", times=2)) as vendor:
        path = f"/ai/v1/users/{vendor.user_id}"
        broken = vendor.ask()
        assert (broken.ended, broken.status) == ("reset", 200)
        assert len(broken.body) < int(broken.headers["content-length"])
        nothing = vendor.ask(path, "DELETE")
        assert (nothing.ended, nothing.status) == ("reset", 0)
        assert vendor.ask(path).status == 404


@pytest.mark.parametrize(("how", "status", "headers_s"), [("headers", 200, PATIENCE_S), ("silence", 0, SILENCE_S)])
def test_a_stall_keeps_the_connection_and_says_nothing(how: str, status: int, headers_s: float) -> None:
    """Headers without a body, or no answer at all; the client has to go away, and the server answers others."""
    with vendor_with(Rule(kind="stall", how=how, times=1)) as vendor:
        seen = vendor.ask(patience_s=(headers_s, SILENCE_S))
        assert (seen.ended, seen.status, seen.body) == ("silent", status, b"")
        assert vendor.ask().ended == "kept"


@pytest.mark.parametrize("how", ["headers", "silence"])
def test_a_stall_may_end(how: str) -> None:
    """With a delay the server closes the connection itself."""
    with vendor_with(Rule(kind="stall", how=how, delay_s=0.01)) as vendor:
        assert vendor.ask().ended == "closed"


def test_the_server_stops_although_somebody_waits() -> None:
    """A stalled connection is closed when the sandbox ends, before anybody has to be cut off."""
    with vendor_with(Rule(kind="stall")) as vendor:
        waiting = socket.create_connection(vendor.address, PATIENCE_S)
        waiting.sendall(b"GET /data/v1/sessions HTTP/1.1\r\nhost: x\r\nx-api-key: sandbox-key\r\n\r\n")
        assert waiting.recv(12) == b"HTTP/1.1 401"
        assert vendor.faults.fired == {0: 1}
    with waiting:
        while waiting.recv(65_536):
            pass


def test_a_login_page_instead_of_data() -> None:
    """200, and HTML."""
    with vendor_with(Rule(kind="wrong_type")) as vendor:
        seen = vendor.ask()
    assert (seen.status, seen.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert b"Sign in" in seen.body


def test_right_json_under_a_wrong_name() -> None:
    """The right bytes called text/html."""
    with vendor_with(Rule(kind="wrong_type", how="json", times=1)) as vendor:
        odd, right = vendor.ask(), vendor.ask()
    assert (odd.status, odd.body) == (200, right.body)
    assert (odd.headers["content-type"], right.headers["content-type"]) == (
        "text/html; charset=utf-8",
        "application/json",
    )


def test_an_empty_body() -> None:
    """The good status, length 0, on a connection that stays."""
    with vendor_with(Rule(kind="empty_body")) as vendor:
        seen = vendor.ask()
    assert (seen.status, seen.headers["content-length"], seen.body, seen.ended) == (200, "0", b"", "kept")


def test_a_user_id_is_refused() -> None:
    """401 in the words for header or path; never for the call that has no user id."""
    with vendor_with(Rule(kind="user_refused")) as vendor:
        assert (vendor.ask().status, vendor.ask().detail) == (401, "x-user-id is invalid")
        assert vendor.ask(f"/ai/v1/users/{vendor.user_id}").detail == "user_id is invalid"
        assert vendor.ask("/ai/v1/users", "POST").status == 201


@pytest.mark.parametrize(
    ("how", "status", "body"),
    [("text", 403, b"Rate limit exceeded"), ("text", 404, b"Not Found"), ("empty", 403, b""), ("empty", 404, b"")],
)
def test_an_error_without_envelope(how: str, status: int, body: bytes) -> None:
    """Plain text, or nothing."""
    with vendor_with(Rule(kind="no_envelope", status=status, how=how)) as vendor:
        seen = vendor.ask()
    assert (seen.status, seen.body, seen.headers["content-type"]) == (status, body, "text/plain; charset=utf-8")


def test_earned_errors_lose_their_envelope() -> None:
    """Without a status the request's own 404 loses its envelope, and good answers stay as they are."""
    with vendor_with(Rule(kind="no_envelope")) as vendor:
        lost = vendor.ask(f"/data/v3/sessions/{NO_SESSION}")
        assert (lost.status, lost.body) == (404, b"Session not found")
        assert rows_of(vendor.ask())


def test_errors_in_other_words() -> None:
    """Each time the next of the documented wordings, 422 as a string, and nothing else changes."""
    with vendor_with(Rule(kind="odd_texts")) as vendor:
        texts = [vendor.ask(f"/ai/v1/users/{NOBODY}").detail for _ in range(3)]
        assert texts == ["user not exist", "user requested was not found", "user not exist"]
        assert vendor.ask(f"/data/v3/sessions/{NO_SESSION}").detail == "session does not exist"
        assert vendor.ask(user_id="me").detail == "invalid user id"
        assert vendor.ask(timezone="Mars/Base").detail == "Invalid timezone"
        invalid = vendor.ask("/data/v1/sessions?limit=500")
        assert (invalid.status, invalid.detail) == (422, "Invalid parameter")
        assert rows_of(vendor.ask())
        assert vendor.faults.fired == {0: 7}


@pytest.mark.parametrize("order", ["ASC", "DESC"])
@pytest.mark.parametrize("page", [1, 2, 3, 4, 7, 100])
def test_rows_told_twice_keep_their_order_and_lose_nobody(order: str, page: int) -> None:
    """Pages of any size, put together, are the real list with every third row twice."""
    with vendor_with(Rule(kind="duplicated_rows"), nights=12) as vendor:
        real = [session.id for session in next(vendor.world.users()).sessions]
        real = real if order == "ASC" else real[::-1]
        told: list[str] = []
        while rows := rows_of(vendor.ask(f"/data/v1/sessions?order_by={order}&limit={page}&offset={len(told)}")):
            assert len(rows) <= page
            told += rows
    assert told == [row for number, row in enumerate(real) for _ in range(2 if number % 3 == 0 else 1)]


def test_repetition_leaves_odd_requests_alone() -> None:
    """No rows asked for, or nonsense, are answered as always."""
    with vendor_with(Rule(kind="duplicated_rows")) as vendor:
        assert rows_of(vendor.ask("/data/v1/sessions?limit=0")) == []
        assert vendor.ask("/data/v1/sessions?limit=500").status == 422
        assert vendor.ask("/data/v1/sessions?offset=-1").status == 422


@pytest.mark.parametrize("order", ["ASC", "DESC"])
@pytest.mark.parametrize(("how", "by"), [("disappears", 1), ("appears", -1)])
def test_rows_shift_between_pages(order: str, how: str, by: int) -> None:
    """The first page is right; the second starts one row too late (one is lost) or too early (one comes again)."""
    with vendor_with(Rule(kind="shifting_rows", how=how), nights=12) as vendor:
        real = [session.id for session in next(vendor.world.users()).sessions]
        real = real if order == "ASC" else real[::-1]
        assert rows_of(vendor.ask(f"/data/v1/sessions?order_by={order}&limit=5")) == real[:5]
        second = rows_of(vendor.ask(f"/data/v1/sessions?order_by={order}&limit=5&offset=5"))
    assert second == real[5 + by : 10 + by]


def test_a_slow_answer_is_the_right_one() -> None:
    """The same bytes, and the time that was wished has passed for the server."""
    with vendor_with(Rule(kind="slow", delay_s=0.05, times=1)) as vendor:
        before = datetime.now(UTC)
        slow = vendor.ask()
        assert datetime.now(UTC) - before >= timedelta(seconds=0.05)
        assert slow.body == vendor.ask().body


def test_a_compressed_answer() -> None:
    """gzip for who accepts it, with the right length; as always for who does not."""
    with vendor_with(Rule(kind="gzip")) as vendor:
        packed, plain = vendor.ask(accept_encoding="deflate, gzip"), vendor.ask()
    assert packed.headers["content-encoding"] == "gzip"
    assert int(packed.headers["content-length"]) == len(packed.body)
    assert gzip.decompress(packed.body) == plain.body
    assert "content-encoding" not in plain.headers


def test_the_key_comes_before_any_fault() -> None:
    """A wrong key is 401 although the plan has expired, and counts for no rule."""
    with vendor_with(Rule(kind="plan", times=1)) as vendor:
        assert vendor.ask(key="wrong").status == 401
        assert vendor.ask().status == 403


def test_refusals_come_before_whatever_is_wrong_with_the_request() -> None:
    """Quota before a malformed id, an unknown zone, a bad parameter and an unknown user."""
    with vendor_with(Rule(kind="quota")) as vendor:
        assert vendor.ask(user_id="me").detail == "Quota exceeded"
        assert vendor.ask("/data/v1/sessions?limit=500", timezone="Mars/Base").detail == "Quota exceeded"
        assert vendor.ask(user_id=NOBODY).detail == "Quota exceeded"


def test_controls_and_unknown_paths_know_no_faults() -> None:
    """Only the vendor's endpoints misbehave."""
    with vendor_with(Rule(kind="server_error")) as vendor:
        assert vendor.ask("/_control/faults").status == 200
        assert vendor.ask("/data/v9/sessions").status == 404
        assert vendor.ask().status == 503
