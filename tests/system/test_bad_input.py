"""A user's mistake gets one clear sentence and the contract's exit code, never a traceback."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.system.conftest import NEUTRAL, WarmProcess, new_home
from tests.system.worlds import KEY, eventually, hear_ctrl_c


def nightshift(root: Path, *arguments: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    """Run the real command in an empty folder with only these settings."""
    env = {**NEUTRAL, "NIGHTSHIFT_HOME": str(root), **settings}
    cwd = root.parent if root.parent.is_dir() and os.access(root.parent, os.W_OK) else Path("/tmp")  # noqa: S108
    return subprocess.run(
        [sys.executable, "-m", "pipelines.command.main", *arguments],
        env=env,
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )


def said(result: "subprocess.CompletedProcess[str]") -> str:
    """The one sentence on stderr."""
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, result.stderr
    return lines[0]


@pytest.mark.parametrize(
    ("arguments", "settings", "sentence"),
    [
        (["sync"], {}, "ASLEEP_API_KEY is not set"),
        (["sync", "--from", "2026-13-01"], {"ASLEEP_API_KEY": "k"}, "--from: not a date like 2026-11-22"),
        (["sync", "--from", "2026-10-05", "--to", "2026-10-01"], {"ASLEEP_API_KEY": "k"}, "swap them"),
        (["backfill", "--from", "2019-01-01", "--to", "2019-02-01"], {"ASLEEP_API_KEY": "k"}, "2020-01-01"),
        (["backfill", "--from", "2026-10-05", "--to", "2026-10-01"], {"ASLEEP_API_KEY": "k"}, "swap them"),
        (["sync"], {"ASLEEP_REQUESTS_PER_SECOND": "none", "ASLEEP_BASE_URL": "asleep"}, "ASLEEP_BASE_URL"),
        (["sql", "select 1"], {}, "nightshift sync"),
        (["quarantine", "show", "00"], {}, "quarantine list"),
        (["users", "remove", "nobody"], {}, "nightshift users list"),
        (["users", "add", "somebody", "--timezone", "Mars/Olympus"], {}, "IANA"),
    ],
)
def test_wrong_usage_and_settings(
    arguments: list[str], settings: dict[str, Any], sentence: str, warm: WarmProcess, tmp_path: Path
) -> None:
    """Missing key, unknown dates, reversed dates, wrong settings: exit code 2 and one sentence."""
    outcome = warm.nightshift(tmp_path / "home", *arguments, **settings)
    assert sentence in outcome.said
    assert outcome.status == (1 if arguments[0] == "sql" else 2)


def test_every_wrong_setting_is_told_at_once(tmp_path: Path) -> None:
    """Two wrong settings are two parts of one sentence, and the values are not shown."""
    wrong = {"ASLEEP_REQUESTS_PER_SECOND": "none-canary", "ASLEEP_BASE_URL": "canary-address"}
    sentence = said(nightshift(tmp_path / "home", "sync", **wrong))
    assert "ASLEEP_REQUESTS_PER_SECOND" in sentence
    assert "ASLEEP_BASE_URL" in sentence
    assert "canary" not in sentence


@pytest.mark.parametrize(
    ("csv", "sentence"),
    [
        ("user_id,timezone\nu-1,Asia/Seoul\nu-2,Asia/Soul\n", "line 3: the timezone is not an IANA name"),
        ("user,timezone\nu-1,Asia/Seoul\n", "line 1: the column user_id is missing"),
        ("user_id,active_from\nu-1,yesterday\n", "line 2: active_from is not a date"),
    ],
)
def test_a_wrong_csv_names_its_line_and_imports_nobody(
    csv: str, sentence: str, warm: WarmProcess, tmp_path: Path
) -> None:
    """A bad zone, a missing column, a bad date: exit code 2, the line, and an empty roster."""
    file = tmp_path / "users.csv"
    file.write_text(csv)
    outcome = warm.nightshift(tmp_path / "home", "users", "import", str(file))
    assert sentence in outcome.said
    assert outcome.status == 2
    assert "The roster is empty" in warm.nightshift(tmp_path / "home", "users", "list").err


@pytest.mark.parametrize("home", ["/proc/nightshift", "{file}/home"])
def test_a_home_that_cannot_be_written(home: str, warm: WarmProcess, tmp_path: Path) -> None:
    """A home in a read-only place, or below a file: exit code 2 and one sentence."""
    file = tmp_path / "file"
    file.touch()
    outcome = warm.nightshift(Path(home.format(file=file)), "users", "list")
    assert "The home cannot be written" in outcome.said
    assert outcome.status == 2


def test_a_wrong_key_stops_with_one_sentence(warm: WarmProcess, small_world: str, tmp_path: Path) -> None:
    """The vendor's 401 ends the run with exit code 1; the home does not remember the wrong key."""
    root = new_home(tmp_path / "home", small_world)
    result = nightshift(root, "sync", ASLEEP_BASE_URL=small_world, ASLEEP_API_KEY="not-the-key")
    assert "Asleep refused the API key" in result.stderr
    assert "Traceback" not in result.stderr
    assert result.returncode == 1
    right = warm.nightshift(root, "doctor", base_url=small_world)
    assert "accepts the key" in right.out


def test_an_unreachable_host_and_a_second_vendor(warm: WarmProcess, small_world: str, tmp_path: Path) -> None:
    """Nobody answers: exit code 1. Another address or key on a filled home: exit code 2, and the way out is told."""
    root = new_home(tmp_path / "home", small_world)
    nobody = warm.sync(root, "http://127.0.0.1:9")
    assert nobody.status == 1
    assert "No answer from http://127.0.0.1:9" in nobody.err
    assert warm.sync(root, small_world).status == 0
    elsewhere, another_key = warm.sync(root, "http://127.0.0.1:9"), warm.sync(root, small_world, key="another-key")
    assert (elsewhere.status, "--new-vendor" in elsewhere.err) == (2, True)
    assert (another_key.status, "rotate-key" in another_key.err) == (2, True)


def test_an_interrupted_sync_says_so_in_one_line(small_world: str, tmp_path: Path) -> None:
    """Ctrl-C in the middle of a pull: exit code 1, no traceback, and the next sync goes on."""
    root = new_home(tmp_path / "home", small_world)
    slow = {"ASLEEP_BASE_URL": small_world, "ASLEEP_API_KEY": KEY, "ASLEEP_REQUESTS_PER_SECOND": "1"}
    command = [sys.executable, "-m", "pipelines.command.main", "sync", "--from", "2026-10-17", "--to", "2026-10-27"]
    with subprocess.Popen(
        command,
        env={**NEUTRAL, "NIGHTSHIFT_HOME": str(root), **slow},
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=hear_ctrl_c,
    ) as process:
        eventually(lambda: (root / "locks" / "asleep.budget").exists())
        process.send_signal(signal.SIGINT)
        _, said_last = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "nightshift: stopped." in said_last
    assert "Traceback" not in said_last
