"""Sizes and times: what is too large or too slow ends with an answer, and stands in nobody's way."""

import socket
import sqlite3
from contextlib import ExitStack
from itertools import repeat
from pathlib import Path

import pytest

from connectors.asleep.webhooks.bodies import SHORT_BYTES
from connectors.asleep.webhooks.connection import FRAME_BYTES
from connectors.asleep.webhooks.inbox import Outcome
from connectors.asleep.webhooks.receiver import Limits
from schemas.asleep_webhook import LONGEST_BODY
from tests.connectors.asleep.webhooks.posting import Post, event, head, receiver, rest

MIB = 1024 * 1024


def good(post: Post, number: int = 0) -> bool:
    """Whether a good event is accepted."""
    return post(event(number)).status_code == 200


def test_a_body_over_the_limit_is_refused(post: Post) -> None:
    """413 for 16 MB and a byte, announced or in chunks, and for 50 MB; the answer arrives; the next event is taken."""
    assert post(b" " * (16 * MIB + 1)).status_code == 413
    assert post(repeat(b" " * MIB, 50)).status_code == 413
    assert post.raw(head(10**15)).startswith(b"HTTP/1.1 413 ")
    assert good(post)
    assert post.inbox.outcomes() == {Outcome.TOO_LARGE: 3, Outcome.ACCEPTED: 1}


def test_the_largest_body_is_kept(post: Post, tmp_path: Path) -> None:
    """16 MB of JSON to the byte; nobody's event, so a dead letter."""
    body = b'["' + b"x" * (16 * MIB - 4) + b'"]'
    assert post(body).status_code == 200
    assert post.inbox.outcomes() == {Outcome.DEAD_LETTER: 1}
    assert (tmp_path / "inbox.db").stat().st_size + (tmp_path / "inbox.db-wal").stat().st_size > 16 * MIB


def test_a_body_that_waits_to_be_asked_for_is_not_asked_for_in_vain(post: Post) -> None:
    """A sender that asks first gets the refusal, and is told to go on only when the body is wanted."""
    refused = post.raw(head(10, expect="100-continue", **{"x-api-key": "wrong"}))
    assert refused.startswith(b"HTTP/1.1 401 ")
    body = b"{}"
    with post.connect() as connection:
        connection.sendall(head(len(body), expect="100-continue"))
        assert connection.recv(25, socket.MSG_WAITALL).startswith(b"HTTP/1.1 100 ")
        connection.sendall(body)
        assert rest(connection).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("length", [33_000, FRAME_BYTES + 1, 5 * MIB])
@pytest.mark.parametrize("finished", [True, False])
def test_a_head_over_the_limit_is_refused(shared: Post, length: int, finished: bool) -> None:
    """413, whether it is one field that never ends or a whole head that is too long."""
    sent = head(2).replace(b"\r\n\r\n", b"\r\nx-more: " + b"a" * length + (b"\r\n\r\n{}" if finished else b""))
    if not finished and length < FRAME_BYTES:
        sent = sent.replace(b"x-more", b"x-more: %s\r\nx-more" % (b"b" * FRAME_BYTES))
    with shared.connect() as connection:
        try:
            connection.sendall(sent)
        except (ConnectionResetError, BrokenPipeError):
            return  # closed while we were still sending
        answer = rest(connection)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 413 ")
    assert answer or length > 2 * FRAME_BYTES


def test_fields_behind_the_body_are_bounded_too(shared: Post) -> None:
    """Trailers without end are cut off; nobody reads them."""
    with shared.connect() as connection, pytest.raises((ConnectionResetError, BrokenPipeError)):  # noqa: PT012
        connection.sendall(head(None) + b"2\r\n{}\r\n0\r\n")
        for number in range(1_000):
            connection.sendall(b"x-%d: %s\r\n" % (number, b"a" * 10_000))


def test_a_body_in_tiny_chunks_is_taken(shared: Post) -> None:
    """However much framing surrounds it: a chunk of one byte has six bytes around it."""
    body = b"[" + b" " * 100_000 + b"]"
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body)
    assert shared.raw(head(None) + chunks + b"0\r\n\r\n").startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /asleep-webhook HTTP/1.1\r\nno colon\r\n\r\n",
        head(-5),
        head(2).replace(b"content-length: 2", b"content-length: 2\r\ncontent-length: 3") + b"{}",
        head(None) + b"zz\r\n{}\r\n",
        head(2, **{"transfer-encoding": "chunked"}) + b"{}",
        b"POST /\xff\xfe%00 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        head(2, host="\x00") + b"{}",
        head(2, upgrade="websocket", connection="upgrade, close") + b"{}",
    ],
)
def test_what_is_hardly_http_is_never_a_failure(shared: Post, sent: bytes) -> None:
    """A 4xx or a closed connection, and the next event is taken."""
    assert shared.raw(sent)[:10] in (b"", b"HTTP/1.1 4")
    assert good(shared)


def test_a_sender_that_goes_away_leaves_nothing(post: Post) -> None:
    """Half a body is no event, even if the half is JSON; it stands in the audit."""
    with post.connect() as connection:
        connection.sendall(head(10) + b"{}")
        connection.shutdown(socket.SHUT_WR)
        rest(connection)
    assert good(post)
    assert len(post.inbox.events_after(0, 10)) == 1


def test_slow_senders_are_cut_off(tmp_path: Path) -> None:
    """Nothing, half a head, half a second head, half a body: each ends by itself; the last one with 408."""
    with receiver(tmp_path, Limits(body_s=0.2), head_s=0.2) as post, ExitStack() as stack:
        starts = [b"", head(2)[:-2], b"\r\n", head(2, connection="keep-alive") + b"{}" + head(2)[:-2]]
        silent = [stack.enter_context(post.connect()) for _ in range(len(starts) + 2)]
        for connection, start in zip(silent, [*starts, head(10) + b"{}", head(10, **{"x-api-key": "no"})], strict=True):
            connection.sendall(start)
        ends = [rest(connection)[:13] for connection in silent]
    assert ends == [b"", b"", b"", b"HTTP/1.1 200 ", b"HTTP/1.1 408 ", b"HTTP/1.1 401 "]


def test_five_hundred_slow_senders_do_not_stop_a_good_one(tmp_path: Path) -> None:
    """While they hold connections open with parts of heads and bodies, short and long, good events are taken."""
    long = b"[" * (SHORT_BYTES - 1)
    parts = [
        b"",
        b"POST",
        head(100)[:-1],
        head(100) + b"{",
        head(2 * SHORT_BYTES) + long,
        head(9, **{"x-api-key": "?"}),
    ]
    limits = Limits(body_s=60)
    with receiver(tmp_path, limits, head_s=60) as post, ExitStack() as stack:
        slow = [stack.enter_context(post.connect()) for _ in range(500)]
        for number, connection in enumerate(slow):
            connection.sendall(parts[number % len(parts)])
        assert all(good(post, number) for number in range(20))
        assert post(b" " * (LONGEST_BODY + 1) + b"{}").status_code == 200
    assert len(slow) == 500


def test_pipelined_requests_are_all_answered(shared: Post) -> None:
    """Several in one piece, as the protocol allows."""
    one = head(2, connection="keep-alive") + b"{}"
    assert shared.raw(one * 20 + head(2) + b"{}").count(b"HTTP/1.1 200 ") == 21


def test_long_bodies_wait_for_each_other_and_all_come_through(shared: Post) -> None:
    """One that is slow does not hold up short ones, and the next long one is taken when it has ended."""
    body = b" " * SHORT_BYTES * 2 + b"{}"
    with shared.connect() as slow, shared.connect() as next_one:
        slow.sendall(head(len(body)) + body[:-1])
        next_one.sendall(head(len(body)) + body)
        assert good(shared)
        slow.sendall(body[-1:])
        assert rest(slow).startswith(b"HTTP/1.1 200 ")
        assert rest(next_one).startswith(b"HTTP/1.1 200 ")


def test_a_commit_that_takes_too_long_is_not_lost(tmp_path: Path) -> None:
    """The sender is told to come again; what is committed after all is the whole body, and then a duplicate."""
    body = b'["' + b"x" * LONGEST_BODY + b'"]'
    with receiver(tmp_path, Limits(commit_s=0.2), busy_s=60) as post:
        assert good(post)
        holder = sqlite3.connect(tmp_path / "inbox.db", isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        assert post(body).status_code == 503
        holder.execute("ROLLBACK")
        assert post.client.get("/ready").status_code == 200
        assert post(event(1)).status_code == 200
        assert post(body).status_code == 200
        assert holder.execute("SELECT body FROM events WHERE status = 'dead_letter'").fetchall() == [(body,)]
        holder.close()
        assert post.inbox.outcomes() == {Outcome.ACCEPTED: 2, Outcome.DEAD_LETTER: 1, Outcome.DUPLICATE: 1}
