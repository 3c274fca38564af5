"""Webhooks that are posted to a real address: what, when, to whom, and what becomes of those that are not taken."""

import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from connectors.asleep.sandbox import World, running
from connectors.asleep.sandbox.callback import ATTEMPTS
from connectors.asleep.sandbox.webhooks import FIRST_BATCH, LAYOUTS, inference_complete, session_complete
from tests.connectors.asleep.sandbox.clients import NOW


@dataclass
class Received:
    """What a receiver has got; ``status`` is what it answers."""

    url: str = ""
    status: int = 200
    posts: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)

    def of(self, event: str) -> list[dict[str, Any]]:
        """The bodies of an event in layout V3."""
        return [body["data"] for _, _, body in self.posts if body["event"] == event]


@contextmanager
def receiver() -> Iterator[Received]:
    """A server that notes key, user and body of what is posted to it."""
    received, turn = Received(), threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            with turn:
                received.posts.append((self.headers["x-api-key"], self.headers["x-user-id"], body))
            self.send_response(received.status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        request_queue_size = 64

    server = Server(("127.0.0.1", 0), Handler)
    received.url = f"http://127.0.0.1:{server.server_port}/asleep-webhook"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield received
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def world() -> World:
    """Three users with two nights each."""
    return World(users=3, nights=2, seed=4, now=NOW)


@pytest.fixture
def control(world: World) -> Iterator[httpx.Client]:
    """The controls of the world, served."""
    with running(world) as base_url, httpx.Client(base_url=f"{base_url}/_control", verify=False) as client:  # noqa: S501 - plain HTTP on loopback
        yield client


def posted(control: httpx.Client, path: str, **body: Any) -> dict[str, Any]:
    """What a control answers."""
    answer = control.post(path, json=body)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def test_a_night_is_told_batch_by_batch_and_then_whole(world: World, control: httpx.Client) -> None:
    """With the user and the key of each, in order; nothing of what was before, nothing twice."""
    with receiver() as received:
        posted(control, "/callback", url=received.url)
        user = next(world.users())
        posted(control, "/nights", users=[user.user_id])
        session = user.sessions[-1]
        mine = [body for body in received.of("SESSION_COMPLETE") if body["session"]["id"] == session.id]
        assert mine == [session_complete(user, session, world.now, "v3")["data"]]
        batches = [body for body in received.of("INFERENCE_COMPLETE") if body["session_id"] == session.id]
        last = len(session.recording.stages) // 10
        assert sorted(batch["inference_seq_num"] for batch in batches) == list(range(FIRST_BATCH, last))
        assert all(
            batch == inference_complete(user, session, batch["inference_seq_num"], "v3")["data"] for batch in batches
        )
        assert {
            (key, user_id) for key, user_id, body in received.posts if body["data"].get("user_id") == user.user_id
        } == {(world.api_key, user.user_id)}
        before = len(received.posts)
        posted(control, "/clock", advance_s=1)
        assert len(received.posts) == before
        assert control.get("/callback").json() == {"on": True, "answers": {"200": before}, "waiting": 0}


def test_a_session_in_progress_is_told_as_it_goes_on(world: World, control: httpx.Client) -> None:
    """Each step of the clock brings the batches of its minutes."""
    with receiver() as received:
        user = world.create_user(None)
        (session,) = world.add_case(user, "open")
        posted(control, "/callback", url=received.url)
        already = session.chunks_received(world.now) // 10
        step = timedelta(minutes=30)
        posted(control, "/clock", advance_s=int(step.total_seconds()))
        mine = [one for one in received.of("INFERENCE_COMPLETE") if one["session_id"] == session.id]
        numbers = sorted(one["inference_seq_num"] for one in mine)
        assert numbers == list(range(max(already, FIRST_BATCH), session.chunks_received(world.now) // 10))
        assert session.id not in [one["session"]["id"] for one in received.of("SESSION_COMPLETE")]


def test_what_is_not_taken_is_posted_again_and_then_given_up(control: httpx.Client) -> None:
    """With the next change or when it is asked for; a receiver that is away loses nothing before."""
    with receiver() as received:
        posted(control, "/callback", url=received.url, events=["SESSION_COMPLETE"])
        received.status = 503
        posted(control, "/nights")
        some = len(received.posts)
        assert some >= 3
        assert control.get("/callback").json() == {"on": True, "answers": {"503": some}, "waiting": some}
        received.status = 200
        assert posted(control, "/callback/send") == {"on": True, "answers": {"503": some, "200": some}, "waiting": 0}
        bodies = [json.dumps(body) for _, _, body in received.posts]
        assert sorted(bodies[:some]) == sorted(bodies[some:])
        received.status = 500
        posted(control, "/nights")
        for _ in range(ATTEMPTS - 1):
            told = posted(control, "/callback/send")
        assert (told["waiting"], told["answers"]["given_up"], told["answers"]["500"]) == (0, 3, 3 * ATTEMPTS)
    posted(control, "/nights")
    assert control.get("/callback").json()["answers"]["unreachable"] == 3
    assert control.delete("/callback").json() == {"on": False, "answers": {}, "waiting": 0}


def test_the_vendor_posts_as_badly_as_it_is_told_to(control: httpx.Client, world: World) -> None:
    """Shares come twice, late, never or with another key, in every layout; what is not lost comes at last."""
    shares = {"twice": 0.3, "late": 0.3, "lost": 0.2, "wrong_key": 0.1}
    with receiver() as received:
        posted(control, "/callback", url=received.url, layouts=list(LAYOUTS), events=["SESSION_COMPLETE"], **shares)
        for _ in range(30):
            posted(control, "/nights")
        told = control.get("/callback").json()["answers"]
    happened = sum(len(user.sessions) for user in world.users())
    bodies = Counter(json.dumps(body, sort_keys=True) for key, _, body in received.posts if key == world.api_key)
    assert len(bodies) + told["lost"] >= 90
    assert len(bodies) + told["lost"] <= happened
    assert 0.1 < told["lost"] / 90 < 0.3
    assert 0.2 < sum(count == 2 for count in bodies.values()) / len(bodies) < 0.4
    assert any(key == f"not {world.api_key}" for key, _, _ in received.posts)
    assert {frozenset(body) & {"data", "callback_data", "session"} for _, _, body in received.posts} == {
        frozenset({"data"}),
        frozenset({"callback_data"}),
        frozenset({"session"}),
    }


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"url": "https://example.org/asleep-webhook"},
        {"url": "http://127.0.0.1:1/", "key": "caf\u00e9"},
        {"url": "http://127.0.0.1:1/", "lost": 2},
        {"url": "http://127.0.0.1:1/", "layouts": ["v4"]},
        {"url": "http://127.0.0.1:1/", "events": []},
        {"url": "http://127.0.0.1:1/", "speed": 3},
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(control: httpx.Client, body: dict[str, Any]) -> None:
    """Only this machine is posted to; nothing is changed."""
    answer = control.post("/callback", json=body)
    assert answer.status_code == 422
    assert answer.json()["detail"].endswith(".")
    assert control.get("/callback").json()["on"] is False
