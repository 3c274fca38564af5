"""The command as scripts use it: one JSON object on stdout, exit codes, quarantine from list to retry, SQL."""

import csv
import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.responses import Response

from connectors.asleep.sandbox import World
from tests.connectors.asleep.sandbox.clients import vendor_of
from tests.system.conftest import NEUTRAL, Outcome, WarmProcess, new_home
from tests.system.faults import FaultySandbox, faulty_sandbox
from tests.system.held import HeldAnswer
from tests.system.worlds import KEY, NOW, eventually, hear_ctrl_c

RANGE = ("--from", "2026-10-17", "--to", "2026-10-27")


@pytest.fixture
def sandbox() -> Iterator[FaultySandbox]:
    """A small world whose answers a test may replace."""
    with faulty_sandbox(World(users=2, nights=2, api_key=KEY, now=NOW)) as sandbox:
        yield sandbox


def test_quarantine_from_the_first_sight_to_the_retry(
    warm: WarmProcess, sandbox: FaultySandbox, tmp_path: Path
) -> None:
    """Exit code 3 and one JSON object; the reason is shown without values; the retry keeps what is still wrong."""
    root = new_home(tmp_path / "home", sandbox.base_url)
    sandbox.fault = _no_start_time
    synced = warm.nightshift(root, "sync", *RANGE, "--json", base_url=sandbox.base_url)
    assert synced.status == 3, synced.err
    summary = synced.summary
    assert list(summary) == ["calls", "sessions", "partitions_written", "quarantined", "failed_users", "seconds"]
    assert list(summary["calls"]) == ["list", "detail", "stats", "user", "retries"]
    assert list(summary["sessions"]) == ["new", "changed", "unchanged", "deleted", "pending"]
    assert summary["quarantined"] == summary["sessions"]["new"] > 0

    listed = warm.nightshift(root, "quarantine", "list").out
    assert "$.result.session" in listed
    quarantine_id = listed.splitlines()[-2].split()[0]
    shown = warm.nightshift(root, "quarantine", "show", quarantine_id)
    assert shown.status == 0
    assert "missing required field `start_time`" in shown.out
    retried = warm.nightshift(root, "quarantine", "retry")
    assert (retried.status, retried.out.split()[0]) == (3, "0")


def test_sql_prints_a_table_and_csv(warm: WarmProcess, sandbox: FaultySandbox, tmp_path: Path) -> None:
    """The same answer in both forms; a wrong query is one sentence; the query cannot write."""
    root = new_home(tmp_path / "home", sandbox.base_url)
    synced = warm.nightshift(root, "sync", *RANGE, base_url=sandbox.base_url)
    assert synced.status == 0, synced.err
    assert "Sessions: " in synced.out
    query = "select night_of, total_sleep_time_s from sleep_sessions order by all"
    rows = list(csv.reader(warm.nightshift(root, "sql", "--csv", query).out.splitlines()))
    assert rows[0] == ["night_of", "total_sleep_time_s"]
    assert len(rows) > 2
    table = warm.nightshift(root, "sql", query).out
    assert all(cell in table for row in rows for cell in row)
    wrong = warm.nightshift(root, "sql", "select nothing from nowhere")
    assert (wrong.status, "Traceback" in wrong.err) == (2, False)
    assert warm.nightshift(root, "sql", "delete from sleep_sessions").status == 2


def test_a_backfill_tells_beforehand_what_it_costs(warm: WarmProcess, sandbox: FaultySandbox, tmp_path: Path) -> None:
    """Without a call an estimate, with the lists the exact number, which is the number the backfill then makes."""
    root = new_home(tmp_path / "home", sandbox.base_url)

    def backfill(*options: str) -> Outcome:
        return warm.nightshift(root, "backfill", *RANGE, *options, base_url=sandbox.base_url)

    sandbox.fault = lambda request: sandbox.requests.append(request.url.path)
    estimate = backfill("--dry-run")
    assert "2 list, about" in estimate.out
    assert [path for path in sandbox.requests if not path.startswith("/_control")] == []
    exact = backfill("--dry-run", "--list")
    calls = backfill("--json").summary["calls"]
    assert f"2 list, {calls['detail']} detail, {calls['stats']} stats" in exact.out
    assert backfill("--list").status == 2


def test_the_roster_by_hand(warm: WarmProcess, tmp_path: Path) -> None:
    """Add, change, list and remove a user without a vendor."""
    root = tmp_path / "home"
    assert warm.nightshift(root, "users", "add", "somebody", "--timezone", "Asia/Seoul").out == "added.\n"
    assert warm.nightshift(root, "users", "add", "somebody", "--timezone", "Asia/Tokyo").out == "changed.\n"
    assert "Asia/Tokyo" in warm.nightshift(root, "users", "list").out
    assert warm.nightshift(root, "users", "remove", "somebody").status == 0
    assert "empty" in warm.nightshift(root, "users", "list").err


@pytest.mark.parametrize(
    "arguments", [("vendor", "user", "show", "G-20261001000000-somebody"), ("backfill", *RANGE, "--dry-run", "--list")]
)
def test_ctrl_c_is_one_sentence(sandbox: FaultySandbox, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """While an answer is outstanding, in commands that run no Dagster: exit code 1, and what to do is told."""
    root = new_home(tmp_path / "home", sandbox.base_url)
    sandbox.fault = lambda request: None if request.url.path.startswith("/_control") else HeldAnswer()
    sandbox.requests.clear()
    with subprocess.Popen(
        [sys.executable, "-m", "pipelines.command.main", *arguments],
        env={**NEUTRAL, "NIGHTSHIFT_HOME": str(root), "ASLEEP_BASE_URL": sandbox.base_url, "ASLEEP_API_KEY": KEY},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=hear_ctrl_c,
    ) as process:
        eventually(lambda: bool(sandbox.requests))
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=60)
    sentence = "nightshift: stopped. What was written before is kept: run the command again."
    assert (process.returncode, told.splitlines()[-1], "Traceback" in told) == (1, sentence, False)


def test_help_and_wrong_usage_keep_their_exit_codes(warm: WarmProcess, tmp_path: Path) -> None:
    """0 for help; 2, with what is wrong, for an option or a command that there is not; an end of input is told."""
    helped = warm.nightshift(tmp_path / "home", "vendor", "user", "--help")
    assert (helped.status, "create" in helped.out) == (0, True)
    for wrong in (("sync", "--nonsense"), ("nonsense",), ("vendor", "nonsense")):
        ended = warm.nightshift(tmp_path / "home", *wrong)
        assert (ended.status, "nonsense" in ended.err, "Traceback" in ended.err) == (2, True, False)
    assert "ASLEEP_API_KEY" in warm.nightshift(tmp_path / "home", "vendor", "rotate-key").said


def test_examples_of_the_sandbox_page_work_at_any_date() -> None:
    """No example asks for dates of its own, and every one that moves the clock works in later years too."""
    page = (Path(__file__).parents[2] / "docs" / "sandbox.md").read_text(encoding="utf-8")
    examples = "".join(re.findall("```sh\n(.*?)```", page, re.DOTALL))
    assert re.findall(r"(?:date\w*=|now\W+)\d{4}-", examples) == []
    bodies = re.findall(r"-X POST \$SANDBOX/_control/clock -d '([^']+)'", examples)
    assert bodies
    with vendor_of(World(1, 1, now=NOW.replace(year=2029))) as vendor:
        assert [vendor.post("/_control/clock", content=body).status_code for body in bodies] == [200] * len(bodies)


def _no_start_time(request: Request) -> Response | None:
    if "/v3/sessions/" not in request.url.path:
        return None
    session = {"id": request.url.path.rpartition("/")[2], "state": "COMPLETE", "end_time": "2026-10-26T06:00:00+00:00"}
    return Response(json.dumps({"detail": "OK", "result": {"session": session}}), media_type="application/json")
