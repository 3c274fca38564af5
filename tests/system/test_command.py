"""The command as scripts use it: one JSON object on stdout, exit codes, quarantine from list to retry, SQL."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.responses import Response

from connectors.asleep.sandbox import World
from tests.system.conftest import new_home
from tests.system.faults import FaultySandbox, faulty_sandbox
from tests.system.test_bad_input import nightshift
from tests.system.worlds import KEY, NOW

RANGE = ("--from", "2026-10-17", "--to", "2026-10-27")


@pytest.fixture
def sandbox() -> Iterator[FaultySandbox]:
    """A small world whose answers a test may replace."""
    with faulty_sandbox(World(users=2, nights=2, api_key=KEY, now=NOW)) as sandbox:
        yield sandbox


def test_quarantine_from_the_first_sight_to_the_retry(sandbox: FaultySandbox, tmp_path: Path) -> None:
    """Exit code 3 and one JSON object; the reason is shown without values; the retry keeps what is still wrong."""
    root = new_home(tmp_path / "home", sandbox.base_url)
    settings = {
        "ASLEEP_BASE_URL": sandbox.base_url,
        "ASLEEP_API_KEY": KEY,
        "ASLEEP_REQUESTS_PER_SECOND": "500",
    }
    sandbox.fault = _no_start_time
    synced = nightshift(root, "sync", *RANGE, "--json", **settings)
    assert synced.returncode == 3, synced.stderr
    summary = json.loads(synced.stdout)
    assert list(summary) == ["calls", "sessions", "partitions_written", "quarantined", "failed_users", "seconds"]
    assert list(summary["calls"]) == ["list", "detail", "stats", "user", "retries"]
    assert list(summary["sessions"]) == ["new", "changed", "unchanged", "deleted", "pending"]
    assert summary["quarantined"] == summary["sessions"]["new"] > 0

    listed = nightshift(root, "quarantine", "list").stdout
    assert "$.result.session" in listed
    quarantine_id = listed.splitlines()[-2].split()[0]
    shown = nightshift(root, "quarantine", "show", quarantine_id)
    assert shown.returncode == 0
    assert "missing required field `start_time`" in shown.stdout
    retried = nightshift(root, "quarantine", "retry")
    assert (retried.returncode, retried.stdout.split()[0]) == (3, "0")


def test_sql_prints_a_table_and_csv(sandbox: FaultySandbox, tmp_path: Path) -> None:
    """The same answer in both forms; a wrong query is one sentence; the query cannot write."""
    root = new_home(tmp_path / "home", sandbox.base_url)
    settings = {"ASLEEP_BASE_URL": sandbox.base_url, "ASLEEP_API_KEY": KEY, "ASLEEP_REQUESTS_PER_SECOND": "500"}
    synced = nightshift(root, "sync", *RANGE, **settings)
    assert synced.returncode == 0, synced.stderr
    assert "Sessions: " in synced.stdout
    query = "select night_of, total_sleep_time_s from sleep_sessions order by all"
    rows = list(csv.reader(nightshift(root, "sql", "--csv", query).stdout.splitlines()))
    assert rows[0] == ["night_of", "total_sleep_time_s"]
    assert len(rows) > 2
    table = nightshift(root, "sql", query).stdout
    assert all(cell in table for row in rows for cell in row)
    wrong = nightshift(root, "sql", "select nothing from nowhere")
    assert (wrong.returncode, "Traceback" in wrong.stderr) == (2, False)
    assert nightshift(root, "sql", "delete from sleep_sessions").returncode == 2


def test_a_backfill_tells_beforehand_what_it_costs(sandbox: FaultySandbox, tmp_path: Path) -> None:
    """Without a call an estimate, with the lists the exact number, which is the number the backfill then makes."""
    root = new_home(tmp_path / "home", sandbox.base_url)
    settings = {"ASLEEP_BASE_URL": sandbox.base_url, "ASLEEP_API_KEY": KEY, "ASLEEP_REQUESTS_PER_SECOND": "500"}
    sandbox.fault = lambda request: sandbox.requests.append(request.url.path)
    estimate = nightshift(root, "backfill", *RANGE, "--dry-run", **settings)
    assert "2 list, about" in estimate.stdout
    assert [path for path in sandbox.requests if not path.startswith("/_control")] == []
    exact = nightshift(root, "backfill", *RANGE, "--dry-run", "--list", **settings)
    calls = json.loads(nightshift(root, "backfill", *RANGE, "--json", **settings).stdout)["calls"]
    assert f"2 list, {calls['detail']} detail, {calls['stats']} stats" in exact.stdout
    assert nightshift(root, "backfill", *RANGE, "--list", **settings).returncode == 2


def test_the_roster_by_hand(tmp_path: Path) -> None:
    """Add, change, list and remove a user without a vendor."""
    root = tmp_path / "home"
    assert nightshift(root, "users", "add", "somebody", "--timezone", "Asia/Seoul").stdout == "added.\n"
    assert nightshift(root, "users", "add", "somebody", "--timezone", "Asia/Tokyo").stdout == "changed.\n"
    assert "Asia/Tokyo" in nightshift(root, "users", "list").stdout
    assert nightshift(root, "users", "remove", "somebody").returncode == 0
    assert "empty" in nightshift(root, "users", "list").stderr


def _no_start_time(request: Request) -> Response | None:
    if "/v3/sessions/" not in request.url.path:
        return None
    session = {"id": request.url.path.rpartition("/")[2], "state": "COMPLETE", "end_time": "2026-10-26T06:00:00+00:00"}
    return Response(json.dumps({"detail": "OK", "result": {"session": session}}), media_type="application/json")
