"""A backfill may stop anywhere: started again it asks only for what is missing."""

import json
import signal
from pathlib import Path

from pipelines.command.truth import expected_sessions
from tests.system.conftest import WarmProcess, new_home
from tests.system.worlds import control, sandbox

RANGE = ("--from", "2026-07-20", "--to", "2026-10-27")
"""A hundred days: two ranges."""


def test_killed_in_its_first_range_only_the_second_one_is_left(warm: WarmProcess, tmp_path: Path) -> None:
    """What it had pulled is not to be fetched again, nor, after another kill, what a part of the range had brought."""
    with sandbox(users=2, nights=3) as base_url:
        users = [user["user_id"] for user in control(base_url, "users")]
        for user in users:
            control(base_url, "late", {"user": user, "days_ago": 97})
        truth = control(base_url, "truth")
        root = new_home(tmp_path / "home", base_url)
        forecast = ("backfill", *RANGE, "--dry-run", "--list", "--json")
        everything = json.loads(warm.nightshift(root, *forecast, base_url=base_url).out)
        assert everything["calls"]["detail"] == len(expected_sessions(truth))
        control(base_url, "calls/reset", {})
        for _ in range(2):
            killed = warm.nightshift(root, "backfill", *RANGE, base_url=base_url, failpoint="pull.committed")
            assert killed.status == -signal.SIGKILL
            assert control(base_url, "calls")["detail"] == len(users)
            left = json.loads(warm.nightshift(root, *forecast, base_url=base_url).out)
            assert left["sessions_there"] == len(users)
            assert left["calls"]["detail"] == everything["calls"]["detail"] - len(users)
