"""The server: its address, its end, several at once, and what the sandbox is made of."""

import ast
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import httpx
import pytest

import connectors.asleep.sandbox
from connectors.asleep.sandbox import World, running, serve
from tests.connectors.asleep.sandbox.clients import NOW

ROOT = Path(__file__).parents[4]
PACKAGE = Path(connectors.asleep.sandbox.__file__).parent

SERVE = """
from connectors.asleep.sandbox import World, serve
serve(World(1, 1), port=0, on_ready=lambda base_url: print(base_url, flush=True))
print("stopped")
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serve_answers_until_a_signal_and_then_returns(number: signal.Signals) -> None:
    """The base URL is told once requests are answered; after the signal the function returns and nothing was logged."""
    with subprocess.Popen(
        [sys.executable, "-c", SERVE], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        base_url = server.stdout.readline().strip()
        answer = httpx.get(f"{base_url}/_control", trust_env=False)
        os.kill(server.pid, number)
        rest, errors = server.communicate(timeout=30)
    assert base_url.startswith("http://127.0.0.1:")
    assert answer.json()["users"] == 1
    assert (server.returncode, rest, errors) == (0, "stopped\n", "")


def test_a_signal_ends_a_stalled_answer_without_a_word() -> None:
    """Whoever is kept waiting is let go, and nothing is logged about it."""
    program = SERVE.replace("import World, serve", "import Faults, Rule, World, serve").replace(
        "port=0", 'port=0, faults=Faults([Rule(kind="stall", how="silence")])'
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        base_url = server.stdout.readline().strip()
        with httpx.Client(base_url=base_url, headers={"x-api-key": "sandbox-key"}, trust_env=False) as client:
            with pytest.raises(httpx.ReadTimeout):
                client.get("/data/v1/sessions", timeout=0.5)
            waiting = threading.Thread(target=_ask_in_vain, args=(client,))
            waiting.start()
            while client.get("/_control/faults").json()["faults"][0]["fired"] != 2:
                pass
            os.kill(server.pid, signal.SIGTERM)
            rest, errors = server.communicate(timeout=30)
            waiting.join()
    assert (server.returncode, rest, errors) == (0, "stopped\n", "")


def _ask_in_vain(client: httpx.Client) -> None:
    with pytest.raises(httpx.TransportError):
        client.get("/data/v1/sessions", timeout=60)


def test_two_worlds_run_side_by_side() -> None:
    """Each has its own port and its own people, and both are gone afterwards."""
    before = threading.enumerate()
    with running(World(2, 1, seed=1, now=NOW)) as one, running(World(3, 1, seed=2, now=NOW)) as other:
        counts = [len(httpx.get(f"{url}/_control/users", trust_env=False).json()) for url in (one, other)]
    assert counts == [2, 3]
    assert threading.enumerate() == before
    with pytest.raises(httpx.ConnectError):
        httpx.get(one, trust_env=False)


def test_a_port_in_use_is_an_error() -> None:
    """Serving where somebody else listens fails at once."""
    with running(World(1, 1, now=NOW)) as base_url, pytest.raises(OSError, match="in use"):
        serve(World(1, 1, now=NOW), port=httpx.URL(base_url).port or 0)


def test_the_server_says_nothing_about_itself() -> None:
    """Answers carry no server name."""
    with running(World(1, 1, now=NOW)) as base_url:
        assert "server" not in httpx.get(f"{base_url}/_control", trust_env=False).headers


def test_the_sandbox_shares_nothing_with_the_pipeline() -> None:
    """It is the truth the pipeline is tested against, so of ours it imports only itself and the sandboxes' server."""
    ours = {"assets", "connectors", "pipelines", "schemas", "tests"}
    own = ("connectors.asleep.sandbox", "connectors.sandbox")
    foreign = {
        name
        for path in PACKAGE.rglob("*.py")
        for name in imported(path)
        if name.split(".")[0] in ours and not name.startswith(own)
    }
    assert foreign == set()


def imported(path: Path) -> list[str]:
    """Modules a file imports."""
    names: list[str] = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            names.append(node.module or "")
    return names
