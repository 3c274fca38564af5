"""A receiver on loopback, the events of a small world, and posting to it: whole, or byte by byte over a bare socket."""

import json
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from connectors.asleep.sandbox import World
from connectors.asleep.sandbox.sessions import Session
from connectors.asleep.sandbox.webhooks import session_complete
from connectors.asleep.webhooks.health import Expected
from connectors.asleep.webhooks.inbox import Inbox
from connectors.asleep.webhooks.metrics import Metrics
from connectors.asleep.webhooks.operations import Operations
from connectors.asleep.webhooks.receiver import PATH, Limits, Receiver, receiver_app
from connectors.asleep.webhooks.server import running
from connectors.asleep.webhooks.watch import Watch
from connectors.asleep.webhooks.writer import Writer
from connectors.home import Home
from connectors.logs import open_log
from connectors.state.ledger import COMPLETE, DELETED, PENDING, LedgerSession, put_sessions
from connectors.state.vendor import VendorAccount, remember_complete_pull, remember_vendor

NOW = datetime(2026, 10, 27, 9, 0, tzinfo=UTC)
KEY, NEXT_KEY = "canary-key-of-today", "canary-key-of-tomorrow"
USER = "G-20261027090000-CanaryUserCanaryUser"

PULLED = NOW - timedelta(hours=5)
SESSION = "20261026220000_canary"

LIMITS = Limits()
EXPECTED = Expected(due=lambda now: now - timedelta(days=1), free_bytes=0)


@dataclass
class Post:
    """The receiver at ``base_url`` with the inbox it writes."""

    base_url: str
    inbox: Inbox
    client: httpx.Client

    def __call__(self, body: Any, user: str | None = USER, key: str | None = KEY, **headers: str) -> httpx.Response:
        """Post bytes, pieces of bytes or a JSON value."""
        content = json.dumps(body).encode() if isinstance(body, dict | list) else body
        sent = {"x-user-id": user, "x-api-key": key, **headers}
        return self.client.post(PATH, content=content, headers={k: v for k, v in sent.items() if v is not None})

    def raw(self, sent: bytes) -> bytes:
        """Send bytes as they are, and read all that comes back until the receiver closes."""
        with self.connect() as connection:
            connection.sendall(sent)
            return rest(connection)

    def connect(self) -> socket.socket:
        """A connection of its own; what does not come within a minute fails the test."""
        address = urlsplit(self.base_url)
        return socket.create_connection((address.hostname, address.port), timeout=60)


def rest(connection: socket.socket) -> bytes:
    """Everything until the other side closes."""
    received = bytearray()
    try:
        while piece := connection.recv(65_536):
            received += piece
    except ConnectionResetError:
        pass
    return bytes(received)


def head(length: int | None, **headers: str) -> bytes:
    """The head of a good request with a body of so many bytes, or in chunks."""
    fields = {"host": "loopback", "x-api-key": KEY, "x-user-id": USER, "connection": "close", **headers}
    fields |= {"content-length": str(length)} if length is not None else {"transfer-encoding": "chunked"}
    lines = [f"POST {PATH} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join([*lines, "", ""]).encode()


@contextmanager
def receiver(folder: Path, limits: Limits = LIMITS, head_s: float = 10, busy_s: float = 10) -> Iterator[Post]:
    """A receiver with its inbox and log in ``folder``, which is the home it watches; every look is a new one."""
    log, file, metrics = open_log(folder), folder / "inbox.db", Metrics()
    watch = Watch(Home(folder, clock=lambda: NOW), metrics.processed, kept_s=0)
    with Writer(Inbox(file, busy_s), log) as writer:
        answering = Receiver(
            writer,
            [KEY, NEXT_KEY],
            clock=lambda: NOW,
            unknown_users="quarantine",
            log=log,
            metrics=metrics,
            limits=limits,
        )
        routes = Operations(watch, metrics, EXPECTED).routes()
        with (
            running(receiver_app(answering, writer, routes), head_s) as base_url,
            httpx.Client(base_url=base_url, timeout=60, verify=False) as client,  # noqa: S501 - plain HTTP on loopback
            closing(Inbox(file)) as inbox,
        ):
            yield Post(base_url, inbox, client)


@contextmanager
def well(folder: Path, busy_s: float = 10) -> Iterator[Post]:
    """A receiver in a home whose last run has ended well."""
    with_state(folder)
    with receiver(folder, busy_s=busy_s) as post:
        yield post


def with_state(folder: Path) -> None:
    """A state with sessions at every verdict, after a complete pull."""
    state = Home(folder).state
    with state.write() as connection:
        remember_vendor(connection, VendorAccount("asleep", "http://canary", "canary"))
        rows = [
            LedgerSession(
                "asleep", USER, f"{SESSION}{n}", "canary", date(2026, 10, 26), "f", verdict, None, 1, PULLED, PULLED
            )
            for n, verdict in enumerate([COMPLETE, COMPLETE, PENDING, DELETED])
        ]
        put_sessions(connection, rows)
    remember_complete_pull(state, "asleep", PULLED)
    state.close()


def event(number: int = 0, **data: Any) -> dict[str, Any]:
    """A small SESSION_COMPLETE of ``USER``."""
    session = {"id": f"20261027090000_{number:05}", "state": "COMPLETE", "start_time": "2026-10-26T22:00:00+00:00"}
    return {"event": "SESSION_COMPLETE", "version": "V3", "data": {"user_id": USER, "session": session, **data}}


def nights(count: int) -> dict[str, tuple[str, bytes]]:
    """Real bodies of complete sessions of a small world by session id, each with its user."""
    world = World(users=count, nights=3, now=NOW)
    complete = [(user, session) for user in world.users() for session in user.sessions if is_complete(session)]
    assert len(complete) >= count
    return {
        session.id: (user.user_id, json.dumps(session_complete(user, session, NOW, "v3")).encode())
        for user, session in complete[:count]
    }


def is_complete(session: Session) -> bool:
    """Whether the small world has analysed it."""
    return session.state(NOW) == "COMPLETE"
