"""``nightshift sandbox``: what it lists, what it refuses, and that its options reach the simulator."""

import json
import re
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from connectors.asleep.sandbox.cases import CASES
from connectors.asleep.sandbox.profiles import PROFILES
from connectors.asleep.sandbox.variants import VARIANTS
from connectors.state.roster import read_roster_csv
from pipelines.account_file import read_accounts
from schemas.asleep import ASLEEP

SANDBOX = [sys.executable, "-m", "pipelines.command.main", "sandbox"]


def told(base_url: str, path: str) -> Any:
    """What a control tells."""
    with urllib.request.urlopen(f"{base_url}/_control{path}", timeout=60) as answer:  # noqa: S310
        return json.loads(answer.read())


def test_the_list_has_every_name_with_its_sentence() -> None:
    """Profiles, variants and cases, and nothing is served."""
    listed = subprocess.run([*SANDBOX, "--list"], capture_output=True, text=True, check=True, timeout=60).stdout
    lines = [line.strip() for line in listed.splitlines()]
    sentences = {name: profile.does for name, profile in PROFILES.items()}
    for names in (sentences, VARIANTS, CASES):
        for name, sentence in names.items():
            assert any(line.split()[:1] == [name] and line.endswith(sentence) for line in lines), name


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--profile", "strom"], f"--profile: 'strom' is not one of {', '.join(PROFILES)}."),
        (["--variant", "odd_detail", "--variant", "x"], f"--variant: 'x' is not one of {', '.join(VARIANTS)}."),
        (["--limit", "0"], "--limit: limit_per_s must be a number greater than 0 and at most 1000000."),
        (["--limit", "0.05"], "--limit: limit_per_s times window_s must be at least 1 request."),
    ],
)
def test_unknown_names_and_impossible_limits(words: list[str], sentence: str) -> None:
    """One sentence with the known ones, exit code 2."""
    ended = subprocess.run([*SANDBOX, *words], capture_output=True, text=True, check=False, timeout=60)
    assert (ended.returncode, ended.stdout, ended.stderr) == (2, "", f"nightshift: {sentence}\n")


def test_everything_asked_for_is_in_force() -> None:
    """Profile, variants, cases and limit, as the controls tell them."""
    words = ["--port", "0", "--users", "1", "--nights", "2", "--profile", "storm", "--cases", "--limit", "20"]
    words += ["--variant", "odd_detail", "--variant", "z_offsets"]
    with subprocess.Popen([*SANDBOX, *words], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            base_url = process.stdout.readline().strip().rpartition(" at ")[2]
            assert told(base_url, "/faults")["profile"] == "storm"
            assert told(base_url, "/variants")["variants"] == ["odd_detail", "z_offsets"]
            assert told(base_url, "/limit") == {"limit_per_s": 20.0, "window_s": 10.0}
            assert told(base_url, "")["users"] == 1 + len(CASES)
        finally:
            process.terminate()
    assert process.returncode == 0


def saved(url: str, file: Path) -> Path:
    """What is at an address, in a file that only its owner can read."""
    with urllib.request.urlopen(url, timeout=60) as answer:  # noqa: S310
        file.touch(mode=0o600)
        file.write_bytes(answer.read())
    return file


@pytest.mark.parametrize("beds", [0, 1, 2])
def test_the_settings_of_both_vendors_are_told(beds: int, tmp_path: Path) -> None:
    """One bed has an account to export, several have a file of accounts; everybody's roster can be read as it is.

    With --now the time of both stands still there.
    """
    words = ["--port", "0", "--users", "1", "--nights", "1", "--beds", str(beds), "--now", "2026-11-22T06:00:00Z"]
    with subprocess.Popen([*SANDBOX, *words], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            base_url = process.stdout.readline().strip().rpartition(" at ")[2]
            shown = [process.stdout.readline() for _ in range(3 + 6 * (beds > 0))]
            exported = dict(re.findall(r"(EIGHT_SLEEP_\w+)=(\S+)", "".join(shown)))
            if not beds:
                assert told(base_url, "")["users"] == 1
                assert exported == {}
                return
            assert exported["EIGHT_SLEEP_APP_URL"] == f"{base_url}/app-api"
            if beds == 1:
                accounts = [(exported["EIGHT_SLEEP_EMAIL"], exported["EIGHT_SLEEP_PASSWORD"])]
            else:
                accounts = read_accounts(saved(f"{base_url}/_control/bed/accounts.csv", tmp_path / "accounts.csv"))
            users = told(base_url, "/bed/users")
            assert accounts == [(user["email"], user["password"]) for user in users[::2]]
            (person,) = told(base_url, "/users")
            rostered = read_roster_csv(saved(f"{base_url}/_control/bed/users.csv", tmp_path / "beds.csv"), ASLEEP)
            assert [user.vendor_user_id for user in rostered] == [user["user_id"] for user in users]
            assert [user.user_id == person["user_id"] for user in rostered] == [True] + [False] * (2 * beds - 1)
            assert told(base_url, "/bed")["now"] == "2026-11-22T06:00:00.000Z"
        finally:
            process.terminate()
