"""What the receiver answers, over real HTTP: its checks in their order, and what is in the inbox afterwards."""

import gzip
import json
import sqlite3
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from connectors.asleep.sandbox import World
from connectors.asleep.sandbox.webhooks import LAYOUTS, inference_complete, session_complete
from connectors.asleep.webhooks.inbox import Delivery, Outcome, Status
from connectors.asleep.webhooks.receiver import NOT_PLACED, PATH
from tests.connectors.asleep.webhooks.posting import KEY, NEXT_KEY, NOW, USER, Post, event, head, nights, receiver


@contextmanager
def noted(post: Post, *outcomes: Outcome) -> Iterator[None]:
    """In this block the audit gets a line for each of these outcomes and no other, and no event is kept."""
    before, events = Counter(post.inbox.outcomes()), len(kept(post))
    yield
    assert Counter(post.inbox.outcomes()) - before == Counter(outcomes)
    assert len(kept(post)) == events


def kept(post: Post) -> list[Delivery]:
    """The new events of the inbox."""
    return [each.delivery for each in post.inbox.events_after(0, 1_000)]


def letters(folder: Path) -> list[tuple[Any, ...]]:
    """Event, user, session, reason and body of every dead letter."""
    query = "SELECT event, user_id, session_id, reason, body FROM events WHERE status = 'dead_letter' ORDER BY id"
    connection = sqlite3.connect(folder / "inbox.db")
    rows = connection.execute(query).fetchall()
    connection.close()
    return rows


@pytest.mark.parametrize("layout", LAYOUTS)
def test_row_10_events_in_every_layout_are_kept_as_they_came(post: Post, layout: str) -> None:
    """To the byte, typed, with their ids, and with the policy of the day."""
    world = World(users=3, nights=2, now=NOW)
    user = next(world.users())
    session = next(session for session in user.sessions if len(session.recording.stages) >= 60)
    bodies = [session_complete(user, session, NOW, layout), inference_complete(user, session, 4, layout)]
    sent = [json.dumps(body).encode() for body in bodies]
    assert [post(body, user.user_id).status_code for body in sent] == [200, 200]
    assert kept(post) == [
        Delivery("asleep", name, user.user_id, session.id, Status.NEW, reason, "quarantine", body)
        for name, body, reason in (
            ("SESSION_COMPLETE", sent[0], ""),
            ("INFERENCE_COMPLETE", sent[1], NOT_PLACED if layout == "flat" else ""),
        )
    ]


def test_row_17_an_unknown_event_is_kept(post: Post) -> None:
    """With 200, for whoever knows later what it means."""
    assert post({"event": "user created", "data": {"user_id": USER}}).status_code == 200
    assert [(each.event, each.status) for each in kept(post)] == [("user created", Status.NEW)]


SENSELESS = [
    b"null",
    b"[]",
    b"{}",
    b'"SESSION_COMPLETE"',
    b'{"event": "SESSION_COMPLETE", "version": "V9", "data": {}}',
    b'{"event": "SESSION_COMPLETE", "data": {"session": {"id": 1e400}}}',
    b'{"event": "\\ud800"}',
    b"[" * 50_000,
]


def test_row_28_what_cannot_be_processed_is_answered_200(post: Post, tmp_path: Path) -> None:
    """Authenticated JSON without sense is a dead letter, kept to the byte with its reason; never a 5xx."""
    assert {post(body).status_code for body in SENSELESS} == {200}
    assert [letter[4] for letter in letters(tmp_path)] == SENSELESS
    assert all(reason for *_, reason, _ in letters(tmp_path))
    assert {user for _, user, *_ in letters(tmp_path)} == {USER}
    assert kept(post) == []


def test_row_28_the_fate_of_an_event_does_not_change_the_answer(post: Post) -> None:
    """Sent again after it was found to be of no use, it is still answered 200, and stays what it was."""
    post(event())
    (first,) = post.inbox.events_after(0, 10)
    post.inbox.mark([first.id], Status.DEAD_LETTER, NOW, "bad_time")
    assert post(event()).status_code == 200
    assert kept(post) == []


def test_a_duplicate_changes_nothing(post: Post) -> None:
    """The same body again is answered the same; another body of the same session is another event."""
    answers = [post(body) for body in (event(1), event(1), event(1, stat=None), event(2))]
    assert {(answer.status_code, answer.text) for answer in answers} == {(200, '{"status":"received"}')}
    assert len(kept(post)) == 3
    assert post.inbox.outcomes() == {Outcome.ACCEPTED: 3, Outcome.DUPLICATE: 1}


def test_both_keys_are_let_in(post: Post) -> None:
    """While a key is being replaced, the old and the new one work."""
    assert [post(event(n), key=key).status_code for n, key in enumerate((KEY, NEXT_KEY))] == [200, 200]


@pytest.mark.parametrize("key", [None, "", "wrong", KEY[:-1], KEY + "x", f"{KEY},{NEXT_KEY}", KEY.upper()])
def test_a_wrong_key_is_refused_before_anything_else_is_looked_at(shared: Post, key: str | None) -> None:
    """401 with the documented body, whatever the rest is; the attempt is in the audit and nothing in the inbox."""
    with noted(shared, Outcome.WRONG_KEY, Outcome.WRONG_KEY):
        answers = [shared(event(), USER, key), shared(b"no json", None, key, **{"content-encoding": "gzip"})]
    assert [(answer.status_code, answer.json()) for answer in answers] == [(401, {"error": "Unauthorized"})] * 2


def test_two_keys_at_once_are_no_key(post: Post) -> None:
    """A request whose header is there twice could be read in two ways."""
    sent = head(2).replace(b"\r\n\r\n", f"\r\nx-api-key: {KEY}\r\n\r\n".encode())
    assert post.raw(sent + b"{}").startswith(b"HTTP/1.1 401 ")


@pytest.mark.parametrize("user", [None, "", "somebody else", USER + "x", USER.lower()])
def test_the_user_of_the_header_is_that_of_the_body(shared: Post, user: str | None) -> None:
    """Missing or another one: 400, in the audit, not in the inbox; also where the rest makes no sense."""
    with noted(shared, *[Outcome.OTHER_USER if user else Outcome.NO_USER] * 2):
        answers = [shared(event(), user), shared(event(session="nonsense"), user)]
    assert [answer.status_code for answer in answers] == [400, 400]


@pytest.mark.parametrize("body", [b"", b"no json", b'{"event": NaN}', b'{"event":', b"\xff{}"])
def test_what_is_no_json_is_refused(shared: Post, body: bytes) -> None:
    """400, in the audit, not in the inbox."""
    with noted(shared, Outcome.NOT_JSON):
        assert shared(body).status_code == 400


def test_what_is_compressed_is_refused(post: Post) -> None:
    """415, so that no small body can become a large one; ``identity`` says that it is not compressed."""
    assert post(gzip.compress(b"{}"), **{"content-encoding": "gzip"}).status_code == 415
    assert post(event(), **{"content-encoding": "identity"}).status_code == 200


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"])
def test_events_are_posted(shared: Post, method: str) -> None:
    """Every other method is 405 with the one that is meant, whoever asks."""
    with noted(shared, Outcome.METHOD):
        answer = shared.client.request(method, PATH)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


def test_only_the_known_paths_are_there(shared: Post) -> None:
    """404 elsewhere, without a redirect; the two probes answer to everybody."""
    for path in ("/", PATH + "/", "/docs", "/asleep-webhook/x"):
        assert shared.client.post(path, content=b"{}").status_code == 404
    assert [shared.client.get(path).status_code for path in ("/live", "/ready")] == [200, 200]


def test_many_at_once(post: Post) -> None:
    """Real nights, each sent three times by many senders at once: each is kept once, to the byte."""
    sent = nights(20)
    deliveries = [(body, user) for user, body in sent.values()] * 3
    with ThreadPoolExecutor(16) as senders:
        answers = list(senders.map(lambda each: post(*each).status_code, deliveries))
    assert set(answers) == {200}
    assert {each.session_id: (each.user_id, each.body) for each in kept(post)} == sent
    assert post.inbox.outcomes() == {Outcome.ACCEPTED: 20, Outcome.DUPLICATE: 40}


def test_what_cannot_be_committed_is_not_accepted(tmp_path: Path) -> None:
    """503 while another holds the inbox, and not ready; then all is well again, and the failures are in the audit."""
    with receiver(tmp_path, busy_s=0.05) as post:
        assert post(event(1)).status_code == 200
        holder = sqlite3.connect(tmp_path / "inbox.db", isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        refused = [post(event(2)), post(event(3)), post(event(4), key="wrong"), post.client.get("/ready")]
        assert [answer.status_code for answer in refused] == [503, 503, 401, 503]
        assert post.client.get("/live").status_code == 200
        holder.execute("ROLLBACK")
        holder.close()
        assert post.client.get("/ready").status_code == 200
        assert post(event(2)).status_code == 200
        assert len(kept(post)) == 2
        assert post.inbox.outcomes() == {Outcome.ACCEPTED: 2, Outcome.NOT_COMMITTED: 2, Outcome.WRONG_KEY: 1}
    lines = [json.loads(line) for line in (tmp_path / "nightshift.jsonl").read_text().splitlines()]
    assert {(line["event"], line["error_kind"]) for line in lines} == {("webhooks.not_committed", "InboxUnavailable")}
