"""Failpoints: a process dies where, and at the passage, that the environment names; otherwise nothing happens."""

import os
import signal
import subprocess
import sys

import pytest

PASSES = """
from connectors.failpoints import failpoint
for passage in range(3):
    failpoint("raw.appended")
    failpoint("other")
    print(passage, flush=True)
"""


@pytest.mark.parametrize(
    ("wanted", "passed", "code"),
    [
        ("", ["0", "1", "2"], 0),
        ("elsewhere", ["0", "1", "2"], 0),
        ("raw", ["0", "1", "2"], 0),
        ("raw.appended", [], -signal.SIGKILL),
        ("raw.appended:1", [], -signal.SIGKILL),
        ("raw.appended:3", ["0", "1"], -signal.SIGKILL),
        ("raw.appended:4", ["0", "1", "2"], 0),
    ],
)
def test_a_process_dies_where_it_is_told_to(wanted: str, passed: list[str], code: int) -> None:
    """By SIGKILL, at the n-th passage of that name and at no other place."""
    ended = subprocess.run(
        [sys.executable, "-c", PASSES],
        env={**os.environ, "NIGHTSHIFT_FAILPOINT": wanted},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.stdout.split(), ended.returncode) == (passed, code)
