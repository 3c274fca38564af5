"""Two syncs of one home at the same time: every night once, no failure, nothing left dirty."""

import subprocess
import sys
from pathlib import Path

from connectors.home import Home
from connectors.state.dirty import list_dirty
from pipelines.command.truth import differences, expected_sessions
from tests.system.conftest import NEUTRAL, WarmProcess, new_home, session_rows
from tests.system.worlds import KEY, control


def test_two_syncs_at_once_do_no_harm(warm: WarmProcess, small_world: str, tmp_path: Path) -> None:
    """Both end well and the tables equal the truth, after one more sync for what one left to the other."""
    root = new_home(tmp_path / "home", small_world)
    settings = {
        "NIGHTSHIFT_HOME": str(root),
        "ASLEEP_BASE_URL": small_world,
        "ASLEEP_API_KEY": KEY,
        "ASLEEP_REQUESTS_PER_SECOND": "500",
    }
    command = [sys.executable, "-m", "pipelines.command.main", "sync", "--from", "2026-10-17", "--to", "2026-10-27"]

    def start() -> "subprocess.Popen[str]":
        return subprocess.Popen(
            command, env={**NEUTRAL, **settings}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    both = [start(), start()]
    outcomes = [(process.communicate(), process.returncode) for process in both]
    assert [code for _, code in outcomes] == [0, 0], outcomes
    assert warm.sync(root, small_world).status == 0
    home = Home(root)
    with home.state.read() as connection:
        assert list_dirty(connection) == {}
    home.state.close()
    assert differences(expected_sessions(control(small_world, "truth")), session_rows(root)) == []
    revisions = {row["revision"] for row in session_rows(root)}
    assert revisions == {1}
