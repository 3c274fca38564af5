"""Our sleep statistics against those of yasa, the sleep laboratories' Python package (Vallat and Walker, 2021).

Both count by the rules of the sleep laboratory, so equal means equal; only names, units and edges differ:

- Minutes against seconds; percent, rounded to four decimals, against a fraction.
- SPT, from the first to the last epoch of sleep, is our sleep period; WASO is wake inside it; SOL our onset latency. In
  both, unknown epochs (yasa: UNS) are never onset, belong to no sum, and lengthen the spans they lie in.
- SE is TST over TIB, and TIB is all epochs. Ours in the lake is over end minus start of tracking, which may be up to an
  epoch longer: here both are taken over the epochs.
- N1 and N2 are our light sleep, N3 is deep. yasa's WAKE also counts wake outside the sleep period: it is WASO, latency
  and time after the final wake together, less what is unknown there.
- Lat_REM counts from the start of the recording, ours from sleep onset: the difference is SOL.
- Without sleep yasa has no SOL and no WASO; the vendor, and we, have the whole recording and 0.
- yasa knows no bed to be out of: to it that is wake, as it is to us. Awakenings and cycles it does not count.
"""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest

from connectors.asleep.sandbox.hypnogram import hypnogram
from schemas.hypnogram_statistics import HypnogramStatistics, hypnogram_statistics
from schemas.stages import ASLEEP, DEEP, LIGHT, OUT_OF_BED, REM, UNKNOWN, WAKE

PYTHON = Path(__file__).parents[2] / ".venv" / "oracles" / "yasa" / "bin" / "python"
RUNNER = Path(__file__).with_name("yasa_runner.py")

Measured = dict[str, Any]

LABELS = {
    UNKNOWN: "UNS",
    WAKE: "WAKE",
    OUT_OF_BED: "WAKE",
    LIGHT: "LIGHT",
    DEEP: "DEEP",
    REM: "REM",
    ASLEEP: "SLEEP",
}
CODES = {"UNS": UNKNOWN, "WAKE": WAKE, "N1": LIGHT, "N2": LIGHT, "N3": DEEP, "REM": REM}
FOUR_STAGES = (WAKE, LIGHT, DEEP, REM)


def asked(
    tmp_path: Path,
    hypnograms: Sequence[tuple[int, Sequence[int]]] = (),
    simulations: Sequence[tuple[int, int]] = (),
    python: Path = PYTHON,
) -> list[Measured]:
    """What yasa says of hypnograms (number of stages, lake codes) and of its simulations (minutes in bed, seed)."""
    if not python.exists():
        pytest.fail("yasa is not set up: `make oracles` makes its environment, and `make test` does so by itself.")
    request = {
        "hypnograms": [(n_stages, [LABELS[code] for code in codes]) for n_stages, codes in hypnograms],
        "simulations": simulations,
    }
    ended = subprocess.run(
        [python, "-I", RUNNER],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        check=False,
        env={"HOME": str(tmp_path)},  # matplotlib, which yasa imports, leaves a list of fonts at home
    )
    assert ended.returncode == 0, ended.stderr
    answers: list[Measured] = json.loads(ended.stdout)
    return answers


def in_their_words(ours: HypnogramStatistics, epochs: int) -> dict[str, float | None]:
    """Our statistics under yasa's names, in minutes, without efficiency and stages."""
    slept = ours.total_sleep_time_s > 0
    rem_s = ours.latency_to_rem_s
    return {
        "TIB": epochs / 2,
        "SPT": ours.sleep_period_s / 60,
        "WASO": ours.wake_after_sleep_onset_s / 60 if slept else None,
        "TST": ours.total_sleep_time_s / 60,
        "SOL": ours.sleep_onset_latency_s / 60 if slept else None,
        "Lat_REM": (ours.sleep_onset_latency_s + rem_s) / 60 if rem_s is not None else None,
    }


def check(codes: Sequence[int], theirs: dict[str, float | None], *, two_stage: bool = False) -> None:
    """Durations are equal; percentages are equal as far as yasa gives them."""
    ours = hypnogram_statistics(codes, two_stage=two_stage)
    expected = in_their_words(ours, len(codes))
    assert {name: theirs.get(name) for name in expected} == expected
    assert theirs["SE"] == rounded_percent(ours.total_sleep_time_s, 30 * len(codes))
    if ours.sleep_period_s:
        assert theirs["SME"] == rounded_percent(ours.total_sleep_time_s, ours.sleep_period_s)
    stages = (ours.light_sleep_s, ours.deep_sleep_s, ours.rem_sleep_s)
    assert stages == ((None,) * 3 if two_stage else tuple(60 * minutes for minutes in stage_minutes(theirs)))
    first, last = ours.onset_epoch, ours.final_wake_epoch
    outside = [*codes[:first], *codes[last:]] if first is not None else list(codes)
    outside_s = ours.sleep_onset_latency_s + ours.wakeup_latency_s
    assert theirs["WAKE"] == (ours.wake_after_sleep_onset_s + outside_s - 30 * outside.count(UNKNOWN)) / 60


def rounded_percent(part_s: int, whole_s: int) -> Any:
    """A percentage that was rounded to four decimals on the way."""
    return pytest.approx(100 * part_s / whole_s, rel=0, abs=0.000_050_001)


def stage_minutes(theirs: dict[str, float | None]) -> list[float]:
    """Minutes of light, deep and REM sleep, from four stages or from five."""
    names = (("LIGHT", "N1", "N2"), ("DEEP", "N3"), ("REM",))
    return [sum(theirs.get(name) or 0 for name in same) for same in names]


def any_codes(rng: Random, codes: Sequence[int]) -> list[int]:
    """Runs of any stages of any length, or a new stage every epoch, with all stages or only some of them."""
    among = rng.sample(codes, rng.randint(1, len(codes)))
    longest = rng.choice((1, 5, 60))
    runs = ([rng.choice(among)] * rng.randint(1, longest) for _ in range(rng.randint(1, 1200 // longest)))
    return [code for run in runs for code in run]


def test_yasa_agrees_on_a_thousand_hypnograms(tmp_path: Path) -> None:
    """Total sleep, period, WASO, latencies, efficiency, stages: simulated nights and naps, and any sequence at all."""
    rng = Random(20_261_122)  # noqa: S311
    nights = [hypnogram(rng, rng.randint(1, 1500)) for _ in range(500)]
    sequences = [any_codes(rng, (*FOUR_STAGES, OUT_OF_BED)) for _ in range(250)]
    with_gaps = [any_codes(rng, (*FOUR_STAGES, UNKNOWN)) for _ in range(250)]
    hypnograms = nights + sequences + with_gaps
    answers = asked(tmp_path, [(4, codes) for codes in hypnograms])
    for codes, answer in zip(hypnograms, answers, strict=True):
        check(codes, answer["statistics"])
    never_slept = [codes for codes in hypnograms if not set(codes) & {LIGHT, DEEP, REM}]
    assert 1 < len(never_slept) < 100


def test_yasa_agrees_where_stages_are_not_told_apart(tmp_path: Path) -> None:
    """The same for asleep and awake only; stages are null with us."""
    rng = Random(2)  # noqa: S311
    hypnograms = [any_codes(rng, (WAKE, ASLEEP, OUT_OF_BED, UNKNOWN)) for _ in range(100)]
    answers = asked(tmp_path, [(2, codes) for codes in hypnograms])
    for codes, answer in zip(hypnograms, answers, strict=True):
        check(codes, answer["statistics"], two_stage=True)


def test_we_agree_on_the_hypnograms_that_yasa_makes(tmp_path: Path) -> None:
    """Its own simulated nights in five stages, among them the one whose figures its documentation prints."""
    simulations = [(480, 42), *((tib, seed) for seed, tib in enumerate(range(60, 660, 5)))]
    answers = asked(tmp_path, simulations=simulations)
    for answer in answers:
        check([CODES[label] for label in answer["labels"]], answer["statistics"])
    ours = hypnogram_statistics([CODES[label] for label in answers[0]["labels"]])
    assert ours.sleep_period_s == 477.5 * 60
    assert ours.wake_after_sleep_onset_s == 79.5 * 60
    assert ours.total_sleep_time_s == 398 * 60
    assert ours.sleep_onset_latency_s == 2.5 * 60
    assert (ours.light_sleep_s, ours.deep_sleep_s, ours.rem_sleep_s) == (307.5 * 60, 53 * 60, 37.5 * 60)


def test_a_missing_environment_says_how_to_make_it(tmp_path: Path) -> None:
    """The comparison fails with the word to type; it is not left out."""
    with pytest.raises(pytest.fail.Exception, match="`make oracles`"):
        asked(tmp_path, python=tmp_path / "python")
