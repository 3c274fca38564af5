"""The load: a process that posts events over kept connections, each of which waits for its answer.

Run as ``python -m benchmarks.webhooks.sender``. Reads tasks as lines of JSON, answers each with a line. Sockets are
used without a library, so that as little as possible of the machine goes to asking.
"""

import json
import socket
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from selectors import EVENT_READ, DefaultSelector
from urllib.parse import urlsplit

from benchmarks.webhooks.events import Event, Events

KEY = "key-of-the-benchmark"

_TAKEN = b'{"status":"received"}'
_PIECE_BYTES = 65_536
_SILENT_S = 60


@dataclass(frozen=True, slots=True)
class Task:
    """Post the events with the numbers from ``first`` on to a receiver."""

    url: str
    first: int
    count: int
    connections: int


@dataclass(frozen=True, slots=True)
class Sent:
    """What came of it: seconds of wall and of the sender's CPU, bytes of the bodies, seconds each answer took."""

    wall_s: float
    cpu_s: float
    body_bytes: int
    answers_s: list[float]


class NotTaken(Exception):
    """An event was not answered with 200."""


def main() -> None:
    """Do tasks until the input ends."""
    events = Events()
    for line in sys.stdin:
        task = Task(**json.loads(line))
        chosen = list(events.numbered(task.first, task.count))
        print(json.dumps(asdict(_send(task, chosen))), flush=True)


def _send(task: Task, events: Sequence[Event]) -> Sent:
    requests = [_request(*event) for event in events]
    address = urlsplit(task.url)
    with ExitStack() as stack:
        connections = [
            stack.enter_context(socket.create_connection((address.hostname, address.port), timeout=_SILENT_S))
            for _ in range(min(task.connections, task.count))
        ]
        for connection in connections:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        cpu_s, began = time.process_time(), time.perf_counter()
        answers_s = _exchange(connections, requests)
        wall_s, cpu_s = time.perf_counter() - began, time.process_time() - cpu_s
    return Sent(wall_s, cpu_s, sum(len(body) for _, body in events), answers_s)


def _exchange(connections: list[socket.socket], requests: Sequence[bytes]) -> list[float]:
    """Send every request over whichever connection has its answer; seconds from each to its answer."""
    answers_s: list[float] = []
    waiting = iter(requests)
    began: dict[socket.socket, float] = {}
    received: dict[socket.socket, bytes] = dict.fromkeys(connections, b"")
    with DefaultSelector() as selector:
        for connection in connections:
            selector.register(connection, EVENT_READ, connection)
            began[connection] = time.perf_counter()
            connection.sendall(next(waiting))
        while len(answers_s) < len(requests):
            ready = selector.select(_SILENT_S)
            if not ready:
                raise NotTaken("nothing has come for a minute")
            for key, _ in ready:
                answering: socket.socket = key.data
                piece = answering.recv(_PIECE_BYTES)
                answer = received[answering] + piece
                received[answering] = answer
                if not answer.endswith(_TAKEN):
                    if not piece or not b"HTTP/1.1 200 ".startswith(answer[:13]):
                        raise NotTaken(answer[:300].decode("ascii", "replace"))
                    continue
                answers_s.append(time.perf_counter() - began[answering])
                received[answering] = b""
                if (request := next(waiting, None)) is not None:
                    began[answering] = time.perf_counter()
                    answering.sendall(request)
    return answers_s


def _request(user_id: str, body: bytes) -> bytes:
    """With the fields that a sender's library and a reverse proxy put there."""
    fields = (
        "POST /asleep-webhook HTTP/1.1",
        "host: your.host",
        "accept: */*",
        "accept-encoding: gzip, deflate",
        "user-agent: python-requests/2.32",
        "content-type: application/json",
        f"content-length: {len(body)}",
        f"x-api-key: {KEY}",
        f"x-user-id: {user_id}",
    )
    return "\r\n".join([*fields, "", ""]).encode() + body


if __name__ == "__main__":
    main()
