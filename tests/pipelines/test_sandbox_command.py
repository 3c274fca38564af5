"""``nightshift sandbox``: what it lists, what it refuses, and that its options reach the simulator."""

import json
import subprocess
import sys
import urllib.request
from typing import Any

import pytest

from connectors.asleep.sandbox.cases import CASES
from connectors.asleep.sandbox.profiles import PROFILES
from connectors.asleep.sandbox.variants import VARIANTS

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
