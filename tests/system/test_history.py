"""The history through the whole system: pulled over HTTP, built by Dagster's jobs, asked for at the command line."""

import csv
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

from connectors.asleep.sandbox import World
from tests.system.conftest import WarmProcess, new_home, session_rows
from tests.system.faults import faulty_sandbox
from tests.system.worlds import KEY, NOW


def asked(warm: WarmProcess, root: Path, query: str) -> list[list[str]]:
    """The rows that ``nightshift sql`` prints."""
    ended = warm.nightshift(root, "sql", "--csv", query)
    assert ended.status == 0, ended.err
    return list(csv.reader(ended.out.splitlines()))[1:]


def test_a_deletion_is_told_and_the_past_can_still_be_asked_for(warm: WarmProcess, tmp_path: Path) -> None:
    """The deleted session is in no present table, in the history with its reason, and in the tables as of before."""
    with faulty_sandbox(World(users=2, nights=3, api_key=KEY, now=NOW)) as sandbox:
        root = new_home(tmp_path / "home", sandbox.base_url)
        assert warm.sync(root, sandbox.base_url).status == 0
        before = session_rows(root)
        user_id, doomed = before[0]["user_id"], before[0]["session_id"]
        words = ("vendor", "session", "delete", doomed, "--user", user_id, "--yes")
        ended = warm.nightshift(root, *words, base_url=sandbox.base_url)
        assert ended.status == 0, ended.err
        later = NOW + timedelta(days=1)
        assert warm.sync(root, sandbox.base_url, now=later).summary["sessions"]["deleted"] == 1

    present = {row["session_id"] for row in session_rows(root)}
    assert present == {row["session_id"] for row in before} - {doomed}
    told = warm.nightshift(root, "history", doomed, "--user", user_id, "--json", now=later)
    assert told.status == 0, told.err
    versions: list[dict[str, Any]] = json.loads(told.out)["sessions"][0]["versions"]
    assert [(version["revision"], version["reason"]) for version in versions] == [(1, "first_seen"), (2, "deleted")]
    assert versions[0]["total_sleep_time_s"] == before[0]["total_sleep_time_s"]
    assert versions[1]["valid_from"] == versions[0]["valid_to"] == later.isoformat()

    ids = "select session_id from sleep_sessions_as_of('{}') order by all"
    moments = (NOW + timedelta(hours=1), later)
    then, now = ({row for (row,) in asked(warm, root, ids.format(moment))} for moment in moments)
    assert then == {row["session_id"] for row in before}
    assert now == present
    assert asked(warm, root, "select count(*) from session_history") == [[str(len(before) + 1)]]
