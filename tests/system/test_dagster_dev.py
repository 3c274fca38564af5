"""The real ``nightshift dev``: its daemon, its GraphQL, and what a person would start from the UI."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipelines.command.truth import differences, expected_sessions
from pipelines.dirty_runs import RANGE_END, RANGE_START
from tests.system.conftest import NEUTRAL, new_home, session_rows
from tests.system.worlds import KEY, control, eventually, sandbox

DAILY_ASSETS = [
    ["raw", "sessions"],
    ["lake", "sleep_sessions"],
    ["lake", "sleep_hypnograms"],
    ["lake", "sleep_stage_intervals"],
    ["lake", "session_history"],
    ["fhir", "sleep_observations"],
    ["warehouse", "sleep_sessions"],
    ["warehouse", "sleep_hypnograms"],
    ["warehouse", "sleep_stage_intervals"],
    ["warehouse", "session_history"],
]
LAUNCH = """mutation($params: ExecutionParams!) { launchPipelineExecution(executionParams: $params) {
  __typename ... on LaunchRunSuccess { run { runId } } } }"""
BACKFILL = """mutation($params: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $params) {
  __typename ... on LaunchBackfillSuccess { backfillId } } }"""
RUN_STATUS = "query($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"
BACKFILL_STATUS = """query($id: String!) { partitionBackfillOrError(backfillId: $id) {
  ... on PartitionBackfill { status numPartitions } } }"""
RUNS_OF_JOB = """query($job: String!) { runsOrError(filter: {pipelineName: $job}) {
  ... on Runs { results { status } } } }"""
REPOSITORY = "{ repositoriesOrError { ... on RepositoryConnection { nodes { name location { name } } } } }"


class Ui:
    """A running UI, spoken to by GraphQL as the browser does."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def ask(self, query: str, **variables: Any) -> Any:
        """The one field of an answer."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(f"{self.url}/graphql", body, {"content-type": "application/json"})  # noqa: S310
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
            (field,) = json.load(answer)["data"].values()
        return field

    def launch(self, job: str, first: str, last: str) -> str:
        """Start a job over a range of partitions; the id of the run."""
        (repository,) = self.ask(REPOSITORY)["nodes"]
        selector = {
            "pipelineName": job,
            "repositoryName": repository["name"],
            "repositoryLocationName": repository["location"]["name"],
        }
        tags = [{"key": RANGE_START, "value": first}, {"key": RANGE_END, "value": last}]
        params = {"selector": selector, "mode": "default", "runConfigData": "{}", "executionMetadata": {"tags": tags}}
        return str(self.ask(LAUNCH, params=params)["run"]["runId"])

    def outcome(self, run_id: str) -> str:
        """The final status of a run."""
        return str(eventually(lambda: self._ended(RUN_STATUS, run_id, ("SUCCESS", "FAILURE", "CANCELED"))))

    def backfill(self, partitions: list[str]) -> str:
        """Start a backfill of all daily assets; its final status."""
        selection = [{"path": path} for path in DAILY_ASSETS]
        params = {"assetSelection": selection, "partitionNames": partitions}
        backfill_id = self.ask(BACKFILL, params=params)["backfillId"]
        ends = ("COMPLETED_SUCCESS", "COMPLETED_FAILED", "FAILED", "CANCELED")
        return str(eventually(lambda: self._ended(BACKFILL_STATUS, backfill_id, ends)))

    def statuses(self, job: str) -> list[str]:
        """The statuses of all runs of a job."""
        return [run["status"] for run in self.ask(RUNS_OF_JOB, job=job)["results"]]

    def _ended(self, query: str, id: str, ends: tuple[str, ...]) -> str | None:
        status = self.ask(query, id=id)["status"]
        return status if status in ends else None


@pytest.fixture
def ui(tmp_path: Path) -> Iterator[tuple[Ui, Path, str, Path]]:
    """The UI on a home whose roster is a world of 30 nights up to now."""
    now = datetime.now(UTC).replace(microsecond=0)
    with sandbox(users=3, nights=30, now=now) as base_url:
        root = new_home(tmp_path / "home", base_url)
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        settings = {
            "NIGHTSHIFT_HOME": str(root),
            "ASLEEP_BASE_URL": base_url,
            "ASLEEP_API_KEY": KEY,
            "ASLEEP_REQUESTS_PER_SECOND": "500",
        }
        log = tmp_path / "dev.log"
        command = [sys.executable, "-m", "pipelines.command.main", "dev", "--port", str(port)]
        with (
            log.open("wb") as output,
            subprocess.Popen(
                command, env={**NEUTRAL, **settings}, stdout=output, stderr=output, start_new_session=True
            ) as process,
        ):
            ui = Ui(port)
            try:
                eventually(lambda: _answers(ui))
                yield ui, root, base_url, log
            finally:
                os.killpg(process.pid, signal.SIGINT)
                try:
                    process.wait(timeout=30)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)


def _answers(ui: Ui) -> bool:
    try:
        return bool(ui.ask(REPOSITORY)["nodes"])
    except (urllib.error.URLError, KeyError, OSError):
        return False


def test_backfill_one_partition_and_nightly_from_the_ui(ui: tuple[Ui, Path, str, Path]) -> None:
    """A 30-day backfill pulls and builds its range; a date builds beside a nightly pull, whose change is drained."""
    dagster, root, base_url, log = ui
    today = datetime.now(UTC).date()
    days = [(today - timedelta(days=back)).isoformat() for back in range(29, -1, -1)]

    assert dagster.backfill(days) == "COMPLETED_SUCCESS"
    in_range = {
        key: session
        for key, session in expected_sessions(control(base_url, "truth")).items()
        if session["start_time"][:10] in days
    }
    assert len(in_range) > 60
    assert differences(in_range, session_rows(root)) == []

    with_pending = control(base_url, "clock", {"advance_s": 86_400})
    assert with_pending["now"]
    first = (today - timedelta(days=35)).isoformat()
    runs = [dagster.launch("sleep", days[-3], days[-3]), dagster.launch("nightly", first, today.isoformat())]
    assert [dagster.outcome(run) for run in runs] == ["SUCCESS", "SUCCESS"]
    expected = expected_sessions(control(base_url, "truth"))
    assert len(expected) > len(in_range)
    eventually(lambda: differences(expected, session_rows(root)) == [])
    eventually(lambda: "SUCCESS" in dagster.statuses("users") and "SUCCESS" in dagster.statuses("average_stats"))
    assert _warnings_of_ours(log) == []


def _warnings_of_ours(log: Path) -> list[str]:
    lines = log.read_text(errors="replace").splitlines()
    ours = ("/pipelines/", "/assets/", "/connectors/", "/schemas/", "backfill_policy")
    return [line for line in lines if "Warning" in line and any(place in line for place in ours)]
