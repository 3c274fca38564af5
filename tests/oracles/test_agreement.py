"""Kappa, bias and limits of phone and bed against scikit-learn's and scipy's, which count epoch by epoch."""

import json
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from connectors.asleep.sandbox.hypnogram import hypnogram
from schemas.hypnogram_statistics import hypnogram_statistics
from schemas.marts import AGREEMENT_FIGURES, EVERYBODY
from schemas.stages import ASLEEP, DEEP, LIGHT, OUT_OF_BED, REM, UNKNOWN, WAKE
from tests.assets.marts.recordings import BED, Row, marts_of, session_between, stages_of
from tests.oracles.test_yasa import PYTHON

RUNNER = Path(__file__).with_name("agreement_runner.py")
EVENING = datetime(2026, 11, 3, 22, tzinfo=UTC)
COMPARISONS = ("sleep_wake", "stages")


def other_opinion(rng: Random, stages: list[int], shift: int) -> list[int]:
    """What another device says of the same night: later or earlier by some epochs, and mistaken for stretches."""
    found = [WAKE] * shift + stages
    for _ in range(rng.randint(0, 25)):
        begin = rng.randrange(len(found))
        length = min(rng.randint(1, 40), len(found) - begin)
        stage = rng.choice((WAKE, LIGHT, DEEP, REM, UNKNOWN, OUT_OF_BED, ASLEEP))
        found[begin : begin + length] = [stage] * length
    return found


def two_recordings(rng: Random, number: int) -> tuple[dict[str, Any], list[Row], list[Row]]:
    """A night as both have it: the question to the oracle, its sessions and their stages."""
    stages = hypnogram(rng, rng.randint(400, 1100))
    codes = {"phone": other_opinion(rng, stages, 0), "bed": other_opinion(rng, stages, rng.randint(0, 60))}
    if number % 10 == 0:
        codes = {"phone": [LIGHT] * 900, "bed": [LIGHT] * 900}  # one stage throughout has no kappa
    user, begins = f"user {number % 4}", EVENING + timedelta(days=number)
    # Half of an epoch later is the very edge: there a middle falls on the border of two stages.
    late = {"phone": 0.0, "bed": rng.choice((0.0, 0.5, 7.25, 15.0, 22.0, 299.999))}
    night: dict[str, Any] = {"user": user, "differences": {}}
    sessions, intervals = [], []
    for source, label in (("phone", {}), ("bed", BED)):
        start = begins + timedelta(seconds=late[source])
        counted = hypnogram_statistics(codes[source])
        row = session_between(f"{source} {number}", start, start + timedelta(seconds=30 * len(codes[source])), "UTC")
        row |= {"user_id": user, "has_stages": "4-stage", **label}
        row |= {name: getattr(counted, name) for name in AGREEMENT_FIGURES}
        sessions.append(row)
        intervals += stages_of(row, codes[source])
        night[source] = {"start": late[source], "stages": codes[source]}
    night["differences"] = {name: sessions[1][name] - sessions[0][name] for name in AGREEMENT_FIGURES}
    return night, sessions, intervals


def asked(nights: list[dict[str, Any]]) -> dict[str, Any]:
    """What scikit-learn and scipy say."""
    if not PYTHON.exists():
        pytest.fail("yasa is not set up: `make oracles` makes its environment, and `make test` does so by itself.")
    command = [str(PYTHON), "-I", str(RUNNER)]
    ended = subprocess.run(command, input=json.dumps(nights), capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    answer: dict[str, Any] = json.loads(ended.stdout)
    return answer


def nearly(value: float | None) -> Any:
    """The same number but for the last digits, or null."""
    return None if value is None else pytest.approx(value, rel=1e-9, abs=1e-9)


def test_scikit_learn_and_scipy_agree() -> None:
    """Night by night, person by person and over everybody, over forty nights and one of a person of their own."""
    rng = Random(8)  # noqa: S311
    made = [two_recordings(rng, number) for number in range(40)]
    alone = two_recordings(rng, 41)
    for row in (alone[0], *alone[1], *alone[2]):
        row["user" if "user" in row else "user_id"] = "user 9"
    made.append(alone)
    nights = [night for night, _, _ in made]
    marts = marts_of([row for _, of, _ in made for row in of], stages=[one for *_, of in made for one in of])
    assert [check for check in marts.checks if not check.passed] == []
    answer = asked(nights)

    rows = {row["phone_session_id"]: row for row in marts.tables["source_agreement_nights"].to_pylist()}
    assert len(rows) == len(nights)
    for (night, sessions, _), expected in zip(made, answer["nights"], strict=True):
        row = rows[sessions[0]["session_id"]]
        for name, prefix, epochs in (("sleep_wake", "sleep_wake", "epochs"), ("stages", "stage", "stage_epochs")):
            assert row[epochs] == expected[name]["epochs"]
            assert row[f"{prefix}_agreement"] == nearly(expected[name]["share"])
            assert row[f"{prefix}_kappa"] == nearly(expected[name]["kappa"])
        assert {name: row[f"{name}_difference"] for name in AGREEMENT_FIGURES} == night["differences"]
    assert None in {expected["stages"]["kappa"] for expected in answer["nights"]}

    found = marts.tables["source_agreement"].to_pylist()
    assert {row["user_id"] for row in found} == {*answer["users"]}
    for row in found:
        expected = answer["users"][row["user_id"]][row["metric"]]
        if row["metric"] in COMPARISONS:
            assert (row["epochs"], row["bias_s"]) == (expected["epochs"], None)
            assert row["observed_agreement"] == nearly(expected["share"])
            assert row["kappa"] == nearly(expected["kappa"])
        else:
            columns = {"bias": "bias_s", "sd": "difference_sd_s", "lower": "lower_limit_s", "upper": "upper_limit_s"}
            assert {name: row[column] for name, column in columns.items()} == {
                name: nearly(value) for name, value in expected.items()
            }
            assert (row["epochs"], row["kappa"]) == (None, None)
        assert row["nights"] == (41 if row["user_id"] == EVERYBODY else 1 if row["user_id"] == "user 9" else 10)
        assert row["users"] == (5 if row["user_id"] == EVERYBODY else 1)
