"""``nightshift serve`` as a process: refusals, a night of the simulator, hostile bodies, a full disk, the end."""

import json
import re
import resource
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from connectors.asleep.webhooks.inbox import Inbox, Outcome
from connectors.home import Home
from connectors.state.vendor import VendorAccount, remember_complete_pull, remember_vendor
from tests.connectors.asleep.webhooks.posting import KEY, NEXT_KEY, USER, event, head, nights, rest
from tests.system.conftest import NEUTRAL

MIB = 1024 * 1024
LONGEST_WAIT_S = 120


@dataclass
class Served:
    """The command while it runs."""

    url: str
    process: "subprocess.Popen[str]"
    root: Path

    def post(self, body: object, user: str = USER, key: str = KEY) -> int:
        """Post bytes, pieces of bytes or a JSON value; the status of the answer."""
        content = json.dumps(body).encode() if isinstance(body, dict) else body
        headers = {"x-api-key": key, "x-user-id": user}
        return httpx.post(self.url, content=content, headers=headers, timeout=60).status_code  # type: ignore[arg-type]

    def ask(self, path: str) -> httpx.Response:
        """Ask what is asked of it beside the webhook."""
        return httpx.get(self.url.replace("/asleep-webhook", path), timeout=60)

    def connect(self) -> socket.socket:
        """A connection of its own."""
        address = httpx.URL(self.url)
        return socket.create_connection((address.host, address.port or 80), timeout=60)

    def most_memory_mib(self) -> float:
        """The most memory it has ever had."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) / 1024


def command(root: Path, *words: str, keys: str = f"{KEY}, {NEXT_KEY}") -> "subprocess.Popen[str]":
    """The command, started."""
    settings = {"NIGHTSHIFT_HOME": str(root), "ASLEEP_WEBHOOK_KEYS": keys, "PYTHONUNBUFFERED": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "pipelines.command.main", "serve", *words],
        env=NEUTRAL | settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def pulled(root: Path, ago: timedelta) -> None:
    """A home in which every user was last pulled so long ago."""
    root.mkdir()
    home = Home(root)
    with home.state.write() as connection:
        remember_vendor(connection, VendorAccount("asleep", "http://loopback", "0"))
    remember_complete_pull(home.state, "asleep", home.clock() - ago)
    home.state.close()


@contextmanager
def serving(root: Path) -> Iterator[Served]:
    """The command on a free port."""
    with command(root, "--port", "0") as process:
        try:
            assert process.stdout is not None
            said = process.stdout.readline()
            assert said.startswith("Receiving Asleep's webhooks at http://127.0.0.1:")
            yield Served(said.rpartition(" at ")[2].strip(), process, root)
        finally:
            process.kill()


def test_without_keys_it_does_not_start(tmp_path: Path) -> None:
    """One sentence that names the setting; exit code 2; nothing listens and no inbox is made."""
    with command(tmp_path / "home", keys="") as process:
        out, err = process.communicate(timeout=LONGEST_WAIT_S)
    assert (process.returncode, out) == (2, "")
    assert err.startswith("nightshift: ASLEEP_WEBHOOK_KEYS is not set")
    assert err.count("\n") == 1
    assert not (tmp_path / "home" / "inbox.db").exists()


def test_a_port_that_is_taken_is_wrong_usage(tmp_path: Path) -> None:
    """One sentence that says what to do; exit code 2."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with command(tmp_path / "home", "--port", str(port)) as process:
            out, err = process.communicate(timeout=LONGEST_WAIT_S)
    assert (process.returncode, out) == (2, "")
    assert err == (
        f"nightshift: Cannot listen on port {port} of that host (Address already in use): "
        "choose others with --host and --port.\n"
    )


def test_it_ends_when_it_is_told_to_and_finishes_what_was_accepted(tmp_path: Path) -> None:
    """The night arrives with both keys; at SIGTERM an event on its way is still taken, and nobody new is let in."""
    sent = nights(4)
    pulled(tmp_path / "home", ago=timedelta())
    with serving(tmp_path / "home") as served:
        statuses = [
            served.post(body, user, key)
            for (user, body), key in zip(sent.values(), (KEY, NEXT_KEY, KEY, NEXT_KEY), strict=True)
        ]
        health = served.ask("/health").json()
        assert [health[what]["fine"] for what in ("state", "inbox", "last_run")] == [True] * 3
        assert health["inbox"]["depth"] == 4
        body = json.dumps(event()).encode()
        with served.connect() as halfway, served.connect() as idle:
            halfway.sendall(head(len(body)) + body[:-1])
            idle.sendall(head(2, connection="keep-alive") + b"{}")
            assert idle.recv(13) == b"HTTP/1.1 200 "
            served.process.terminate()
            rest(idle)
            with pytest.raises(ConnectionRefusedError):
                served.connect()
            halfway.sendall(body[-1:])
            assert rest(halfway).startswith(b"HTTP/1.1 200 ")
        out, err = served.process.communicate(timeout=LONGEST_WAIT_S)
    assert (served.process.returncode, out, err) == (0, "", "")
    assert statuses == [200] * 4
    with closing(Inbox(served.root / "inbox.db")) as inbox:
        kept = {each.delivery.session_id: each.delivery.body for each in inbox.events_after(0, 100)}
    assert kept == {session: body for session, (_, body) in sent.items()} | {event()["data"]["session"]["id"]: body}
    assert not any((served.root / "logs").iterdir())


def test_a_full_disk_and_hostile_bodies_are_survived(tmp_path: Path) -> None:
    """503 without room and well again with it; bodies of 15 and 50 MB at once need less than 50 MB of memory more.

    Health and metrics are told all the while; that no run has ended well for days makes no difference to the webhook.
    """
    pulled(tmp_path / "home", ago=timedelta(days=3))
    with serving(tmp_path / "home") as served:
        assert served.post(event(1)) == 200
        health = served.ask("/health")
        assert (health.status_code, health.json()["state"]["fine"]) == (503, True)
        assert health.json()["last_run"]["fine"] is False
        no_limit = resource.prlimit(served.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(served.process.pid, resource.RLIMIT_FSIZE, (4_096, no_limit[1]))
        assert [served.post(event(2)), served.post(event(3))] == [503, 503]
        assert [served.ask(path).status_code for path in ("/ready", "/health", "/metrics")] == [503, 503, 200]
        resource.prlimit(served.process.pid, resource.RLIMIT_FSIZE, no_limit)
        assert served.post(event(2)) == 200

        before = served.most_memory_mib()
        large = b'["' + b"x" * (15 * MIB) + b'"]'
        builds = b"[" + b"[]," * 330_000 + b"[]]"
        bodies = [large, [b" " * MIB] * 50, builds, b"[" * 15 * MIB, large[:-1] + b" "]
        with ThreadPoolExecutor(5) as senders:
            statuses = list(senders.map(lambda body: served.post(body), bodies * 2))
        assert served.post(event(3)) == 200
        grown = served.most_memory_mib() - before
        served.process.terminate()
        _, err = served.process.communicate(timeout=LONGEST_WAIT_S)
    assert statuses == [200, 413, 200, 200, 400] * 2
    assert grown < 50
    assert (served.process.returncode, err) == (0, "")
    with closing(Inbox(served.root / "inbox.db")) as inbox:
        assert inbox.outcomes() == {
            Outcome.ACCEPTED: 3,
            Outcome.DEAD_LETTER: 3,
            Outcome.DUPLICATE: 3,
            Outcome.NOT_COMMITTED: 2,
            Outcome.NOT_JSON: 2,
            Outcome.TOO_LARGE: 2,
        }
    assert [path.name for path in (served.root / "logs").iterdir()] == ["nightshift.jsonl"]
