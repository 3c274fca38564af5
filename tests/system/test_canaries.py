"""Nothing that names a person or opens an account is told, logged, kept by Dagster or in a file name."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.asleep.sandbox import World
from tests.assets.raw.faults import user_of
from tests.system.conftest import WarmProcess, new_home
from tests.system.faults import Fault, FaultySandbox, answer, faulty_sandbox
from tests.system.worlds import KEY, NOW, control

ORG = "canary-org-Eszterhazy"
NAME = "Canary Kovacs-Person"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[FaultySandbox]:
    """A world whose answers the tests replace."""
    with faulty_sandbox(World(users=3, nights=3, api_key=KEY, now=NOW)) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def canaries(sandbox: FaultySandbox) -> list[bytes]:
    """Every user id and session id of the world, the key, the organisation and a name."""
    truth = control(sandbox.base_url, "truth")
    users = [user["user_id"] for user in truth["users"]]
    sessions = [session["id"] for user in truth["users"] for session in user["sessions"]]
    return [word.encode() for word in (*users, *sessions, KEY, ORG, NAME)]


def test_a_clean_run_tells_nothing(
    warm: WarmProcess, sandbox: FaultySandbox, canaries: list[bytes], tmp_path: Path
) -> None:
    """No canary in what is printed, in logs, below dagster, or in a file name; and the run did work."""
    sandbox.fault = None
    root = new_home(tmp_path / "home", sandbox.base_url, ORG)
    outcome = warm.sync(root, sandbox.base_url)
    assert outcome.status == 0, outcome.err
    assert outcome.summary["sessions"]["new"] > 0
    assert told(root, outcome.out + outcome.err, canaries) == []


def test_every_refusal_is_one_sentence_without_a_name(
    warm: WarmProcess, sandbox: FaultySandbox, canaries: list[bytes], tmp_path: Path
) -> None:
    """Answers that quote ids, names and keys are met on every way an error can take; none of it is passed on."""
    root = new_home(tmp_path / "home", sandbox.base_url, ORG)
    quoted = " ".join(word.decode() for word in canaries)

    def detail(text: str) -> str:
        return json.dumps({"detail": f"{text} {quoted}"})

    of_everybody = {
        "key refused": (1, answer(401, detail("Unauthorized"))),
        "plan": (1, answer(403, detail("Plan is expired"))),
        "quota": (1, answer(403, detail("Quota exceeded"))),
        "rate limit": (3, answer(403, detail("Rate limit exceeded"))),
        "unknown user": (3, answer(404, detail("Unable to find the user of id"))),
    }
    of_one = {
        "user id refused": answer(401, detail("x-user-id is invalid")),
        "forbidden": answer(403, detail("No")),
        "unknown session": answer(404, detail("Session not found"), path="/v3/sessions/"),
        "bad request": answer(422, json.dumps({"detail": [{"loc": [quoted], "msg": quoted}]})),
        "not json": answer(200, f"<html>{quoted}</html>", "text/html"),
        "wrong shape": answer(200, json.dumps({"detail": "OK", "result": {"sleep_session_list": quoted}})),
        "server failed": answer(503, f"<html>{quoted}</html>", "text/html"),
        "too many": answer(429, detail("slow")),
        "statistics fail": answer(500, detail("no"), path="average-stats"),
    }
    users = [user.user_id for user in sandbox.world.users()]
    names = list(of_one)
    trios = [names[first : first + len(users)] for first in range(0, len(names), len(users))]
    faults = {**of_everybody, **{", ".join(trio): (3, each(users, [of_one[name] for name in trio])) for trio in trios}}
    printed = {}
    for name, (status, fault) in faults.items():
        sandbox.fault = fault
        outcome = warm.sync(root, sandbox.base_url)
        assert outcome.status == status, (name, outcome.err)
        printed[name] = outcome.out + outcome.err
        assert "Traceback" not in outcome.err, name
        if status == 3:
            assert outcome.summary["failed_users"] == len(users), name
    sandbox.fault = None
    healed = warm.sync(root, sandbox.base_url)
    assert (healed.status, healed.summary["failed_users"]) == (0, 0), healed.err
    assert told(root, "".join(printed.values()), canaries) == []


def test_a_document_in_quarantine_is_not_quoted(
    warm: WarmProcess, sandbox: FaultySandbox, canaries: list[bytes], tmp_path: Path
) -> None:
    """A session of the wrong shape is kept, counted and explained without its content."""
    root = new_home(tmp_path / "home", sandbox.base_url, ORG)
    quoted = " ".join(word.decode() for word in canaries)
    session = {"id": quoted, "state": "COMPLETE", "start_time": "2026-10-26T22:00:00+00:00", "end_time": quoted}
    sandbox.fault = answer(200, json.dumps({"detail": "OK", "result": {"session": session}}), path="/v3/sessions/")
    outcome = warm.sync(root, sandbox.base_url)
    sandbox.fault = None
    assert outcome.summary["quarantined"] == outcome.summary["sessions"]["new"] > 0
    assert told(root, outcome.out + outcome.err, canaries) == []


def each(users: list[str], faults: list[Fault]) -> Fault:
    """Every user meets a fault of their own."""
    met = dict(zip(users, faults, strict=True))
    return lambda request: met[user_of(request)](request) if user_of(request) in met else None


def told(root: Path, printed: str, canaries: list[bytes]) -> list[str]:
    """Where a canary was found: ``printed``, a file of logs or dagster, or a file name anywhere in the home."""
    files = [path for folder in ("logs", "dagster") for path in (root / folder).rglob("*") if path.is_file()]
    assert files
    places = {"printed": printed.encode()} | {str(path): path.read_bytes() for path in files}
    places["file names"] = "\n".join(str(path.relative_to(root)) for path in root.rglob("*")).encode()
    return [place for place, content in places.items() if any(canary in content for canary in canaries)]
