"""A receiver that is killed anywhere: what was acknowledged is there, and sending all again makes it all there once."""

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO

import httpx
import pytest

from connectors.asleep.webhooks.inbox import Inbox
from connectors.asleep.webhooks.receiver import PATH
from tests.connectors.asleep.webhooks.posting import KEY, nights

CHILD = """
import sys
from pathlib import Path
from connectors.asleep.webhooks.server import serve
from connectors.asleep.webhooks.inbox import Inbox
from connectors.asleep.webhooks.metrics import Metrics
from connectors.asleep.webhooks.receiver import Receiver, receiver_app
from connectors.asleep.webhooks.writer import Writer
from connectors.logs import open_log
from tests.connectors.asleep.webhooks.posting import KEY, NOW
folder = Path(sys.argv[1])
log = open_log(folder)
with Writer(Inbox(folder / "inbox.db"), log) as writer:
    receiver = Receiver(writer, [KEY], clock=lambda: NOW, unknown_users="quarantine", log=log, metrics=Metrics())
    serve(receiver_app(receiver, writer), "127.0.0.1", 0, lambda url: print(url, flush=True))
"""


@contextmanager
def child(folder: Path, failpoint: str = "") -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    """A receiver in a process of its own, and its address."""
    command, environment = [sys.executable, "-c", CHILD, str(folder)], {**os.environ, "NIGHTSHIFT_FAILPOINT": failpoint}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            yield line(process.stdout), process
        finally:
            process.kill()


def line(stream: IO[str] | None) -> str:
    """The next line."""
    assert stream is not None
    return stream.readline().strip()


def acknowledged(
    base_url: str, sent: dict[str, tuple[str, bytes]], process: "subprocess.Popen[str] | None"
) -> set[str]:
    """Send all, eight at a time; the sessions that were answered with 200. A process is killed in the middle."""
    answered: set[str] = set()

    def send(session: str) -> None:
        user, body = sent[session]
        try:
            answer = client.post(base_url + PATH, content=body, headers={"x-api-key": KEY, "x-user-id": user})
        except httpx.TransportError:
            return
        assert answer.status_code == 200
        answered.add(session)
        if process is not None and len(answered) == len(sent) // 2:
            process.kill()

    # Of one client, which reads the certificates of the system once.
    with httpx.Client(timeout=60, trust_env=False) as client, ThreadPoolExecutor(8) as senders:
        list(senders.map(send, sent))
    return answered


@pytest.mark.parametrize("place", ["inbox.written:4", "inbox.committed:4", "from outside"])
def test_what_was_acknowledged_survives_a_kill(tmp_path: Path, place: str) -> None:
    """Before the commit, after it and before the answer, or at any moment: nothing lost, nothing twice."""
    sent = nights(40)
    with child(tmp_path, "" if place == "from outside" else place) as (base_url, process):
        first = acknowledged(base_url, sent, process if place == "from outside" else None)
        assert process.wait(60) == -9
    assert len(first) < len(sent)
    with closing(Inbox(tmp_path / "inbox.db")) as inbox:
        assert first <= {each.delivery.session_id for each in inbox.events_after(0, 1_000)}
    with child(tmp_path) as (base_url, process):
        assert acknowledged(base_url, sent, None) == sent.keys()
        process.terminate()
        assert process.wait(60) == 0
    with closing(Inbox(tmp_path / "inbox.db")) as inbox:
        kept = [each.delivery for each in inbox.events_after(0, 1_000)]
    assert len(kept) == len(sent)
    assert {each.session_id: (each.user_id, each.body) for each in kept} == sent
