"""Statistics of a hypnogram: the published example, the samples, the simulator's own reckoning, and what is unknown."""

from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.asleep.sandbox.statistics import measure
from schemas.hypnogram_statistics import HypnogramStatistics, hypnogram_statistics
from schemas.metrics import METRICS
from schemas.stages import ASLEEP, DEEP, LIGHT, OUT_OF_BED, REM, UNKNOWN, WAKE
from tests.schemas.samples import SESSION, SESSION_ENDED_LATE, SESSION_WEBHOOK, result_of

NOT_METRICS = {"unknown_epochs", "onset_epoch", "final_wake_epoch"}
VENDOR_NAMES = {
    metric.name: metric.asleep_field or ""
    for metric in METRICS
    if metric.name in HypnogramStatistics.__dataclass_fields__
}


def epochs(*parts: tuple[int, int]) -> list[int]:
    """Epochs from (code, count) pairs."""
    return [code for code, count in parts for _ in range(count)]


def under_their_names(statistics: HypnogramStatistics) -> dict[str, Any]:
    """Our figures under the names of the vendor's ``stat``."""
    return {theirs: getattr(statistics, ours) for ours, theirs in VENDOR_NAMES.items()}


def long_runs(codes: tuple[int, ...]) -> st.SearchStrategy[list[int]]:
    """Hypnograms of runs of up to a quarter of an hour, so that awakenings and REM clusters come about."""
    return st.lists(st.tuples(st.sampled_from(codes), st.integers(1, 30)), min_size=1, max_size=40).map(
        lambda parts: epochs(*parts)
    )


@st.composite
def recordings(draw: st.DrawFn, codes: tuple[int, ...]) -> tuple[list[int], list[int] | None, list[int] | None]:
    """Stages, and snoring and breath of the same length or none."""
    stages = draw(long_runs(codes))
    marks = st.none() | st.lists(st.sampled_from((0, 1)), min_size=len(stages), max_size=len(stages))
    return stages, draw(marks), draw(marks)


def test_every_figure_is_a_metric_of_the_vendor() -> None:
    """All but the places in the array are columns of the lake that the vendor sends too."""
    assert {field.name for field in fields(HypnogramStatistics)} - NOT_METRICS == VENDOR_NAMES.keys()
    assert all(VENDOR_NAMES.values())


@pytest.mark.parametrize("sample", [SESSION, SESSION_ENDED_LATE, SESSION_WEBHOOK])
def test_the_samples_have_the_figures_of_their_stat(sample: bytes) -> None:
    """From the arrays of a session comes each figure that was sent with it."""
    result = result_of(sample)
    session, stat = result["session"], result["stat"]
    ours = hypnogram_statistics(
        session["sleep_stages"], snoring=session["snoring_stages"], breath=session["breath_stages"]
    )
    assert under_their_names(ours) == {name: stat[name] for name in VENDOR_NAMES.values()}


def test_the_published_example() -> None:
    """An hour in bed, 15 minutes to sleep, 21 minutes with one awakening of 3, up 24 minutes later."""
    stages = epochs((WAKE, 30), (LIGHT, 20), (WAKE, 6), (LIGHT, 16), (WAKE, 48))
    assert hypnogram_statistics(stages, snoring=[0] * 120) == HypnogramStatistics(
        sleep_onset_latency_s=900,
        sleep_period_s=1260,
        total_sleep_time_s=1080,
        wake_after_sleep_onset_s=180,
        wakeup_latency_s=1440,
        light_sleep_s=1080,
        deep_sleep_s=0,
        rem_sleep_s=0,
        latency_to_light_s=0,
        latency_to_deep_s=None,
        latency_to_rem_s=None,
        awakenings=1,
        longest_awakening_s=180,
        sleep_cycles=0,
        sleep_cycle_mean_s=None,
        snoring_s=0,
        snoring_episodes=0,
        stable_breath_s=None,
        unstable_breath_s=None,
        unstable_breath_episodes=None,
        unknown_epochs=0,
        onset_epoch=30,
        final_wake_epoch=72,
    )


@settings(deadline=None, max_examples=300)
@given(recordings((WAKE, LIGHT, DEEP, REM, UNKNOWN)))
def test_the_simulator_reckons_the_same(recording: tuple[list[int], list[int] | None, list[int] | None]) -> None:
    """Its statistics were written apart from ours, to the same documentation."""
    stages, snoring, breath = recording
    ours = hypnogram_statistics(stages, snoring=snoring, breath=breath)
    theirs = measure(stages, snoring, breath, 30 * len(stages))
    assert under_their_names(ours) == {name: getattr(theirs, name) for name in VENDOR_NAMES.values()}
    assert ours.unknown_epochs == stages.count(UNKNOWN)


@settings(deadline=None)
@given(recordings((WAKE, LIGHT, UNKNOWN)))
def test_the_simulator_reckons_the_same_where_stages_are_not_told_apart(
    recording: tuple[list[int], list[int] | None, list[int] | None],
) -> None:
    """Asleep counts as sleep; its depth, latencies and cycles are null."""
    stages, snoring, breath = recording
    asleep = [ASLEEP if stage == LIGHT else stage for stage in stages]
    ours = hypnogram_statistics(asleep, two_stage=True, snoring=snoring, breath=breath)
    theirs = measure(stages, snoring, breath, 30 * len(stages), two_stage=True)
    expected = {name: getattr(theirs, name) for name in VENDOR_NAMES.values()} | {"sleep_cycle_count": None}
    assert under_their_names(ours) == expected


@pytest.mark.parametrize(
    ("parts", "cycles", "mean_s"),
    [
        ([(REM, 19)], 0, None),
        ([(REM, 20)], 1, 30 * 79),
        ([(REM, 10), (LIGHT, 20), (REM, 10)], 1, 30 * 99),
        ([(REM, 10), (LIGHT, 21), (REM, 10)], 0, None),
        ([(REM, 10), (WAKE, 5), (UNKNOWN, 10), (DEEP, 5), (REM, 10)], 1, 30 * 99),
        ([(REM, 20), (LIGHT, 21), (REM, 20)], 2, 15 * 120),
        ([(REM, 20), (LIGHT, 21), (REM, 19)], 1, 30 * 79),
        ([(REM, 20), (LIGHT, 30), (REM, 20), (LIGHT, 31), (REM, 20)], 3, 10 * 180),
    ],
)
def test_cycles_end_with_clusters_of_rem(parts: list[tuple[int, int]], cycles: int, mean_s: int | None) -> None:
    """Ten minutes of REM are needed, gaps of ten minutes are bridged; the mean is from onset to the last REM epoch."""
    ours = hypnogram_statistics(epochs((WAKE, 7), (LIGHT, 60), *parts, (LIGHT, 60)))
    assert (ours.sleep_cycles, ours.sleep_cycle_mean_s) == (cycles, mean_s)


def test_the_mean_cycle_is_in_whole_seconds() -> None:
    """Half a second is rounded up: 4 cycles over 151 epochs are 1132.5 s each."""
    cluster = [(REM, 20), (LIGHT, 24)]
    ours = hypnogram_statistics(epochs(*cluster, *cluster, *cluster, (REM, 20)))
    assert (ours.sleep_cycles, ours.sleep_cycle_mean_s) == (4, 1133)


@pytest.mark.parametrize("codes", [(WAKE,), (UNKNOWN,), (OUT_OF_BED,), (WAKE, UNKNOWN, OUT_OF_BED), ()])
@pytest.mark.parametrize("two_stage", [False, True])
def test_nobody_slept(codes: tuple[int, ...], two_stage: bool) -> None:
    """The latency is the whole recording, all else is 0, and what cannot be is null."""
    stages = epochs(*((code, 20) for code in codes))
    ours = hypnogram_statistics(stages, two_stage=two_stage, snoring=[1] * len(stages), breath=[1] * len(stages))
    told_apart = {"light_sleep_s", "deep_sleep_s", "rem_sleep_s", "sleep_cycles"}
    null = {"latency_to_light_s", "latency_to_deep_s", "latency_to_rem_s", "sleep_cycle_mean_s"}
    null |= {"onset_epoch", "final_wake_epoch"} | (told_apart if two_stage else set())
    expected = {field.name: None if field.name in null else 0 for field in fields(HypnogramStatistics)}
    expected |= {"sleep_onset_latency_s": 30 * len(stages), "unknown_epochs": stages.count(UNKNOWN)}
    assert ours == HypnogramStatistics(**expected)  # type: ignore[arg-type]


def test_unknown_epochs_are_in_no_sum() -> None:
    """Neither onset nor final wake nor sleep nor wake; spans pass over them, and they end an awakening."""
    stages = epochs(
        (UNKNOWN, 2), (WAKE, 3), (UNKNOWN, 1), (LIGHT, 10), (WAKE, 2), (UNKNOWN, 1), (WAKE, 4), (DEEP, 5), (UNKNOWN, 6)
    )
    ours = hypnogram_statistics(stages)
    assert (ours.onset_epoch, ours.final_wake_epoch, ours.unknown_epochs) == (6, 28, 10)
    assert (ours.sleep_onset_latency_s, ours.sleep_period_s, ours.wakeup_latency_s) == (180, 660, 180)
    assert (ours.total_sleep_time_s, ours.wake_after_sleep_onset_s) == (450, 180)
    assert (ours.light_sleep_s, ours.deep_sleep_s, ours.latency_to_deep_s) == (300, 150, 510)
    assert (ours.awakenings, ours.longest_awakening_s) == (2, 120)


def test_out_of_bed_is_wake() -> None:
    """Getting up in the night is one awakening together with lying awake before and after."""
    stages = epochs((OUT_OF_BED, 4), (LIGHT, 10), (WAKE, 2), (OUT_OF_BED, 6), (WAKE, 1), (REM, 5), (OUT_OF_BED, 3))
    ours = hypnogram_statistics(stages)
    assert ours == hypnogram_statistics([WAKE if stage == OUT_OF_BED else stage for stage in stages])
    assert (ours.awakenings, ours.longest_awakening_s, ours.sleep_onset_latency_s) == (1, 270, 120)


def test_marks_count_inside_the_sleep_period() -> None:
    """Outside they do not, unknown marks are neither, and each unbroken stretch is one episode."""
    stages = epochs((WAKE, 5), (LIGHT, 20), (WAKE, 5))
    marks = epochs((1, 8), (0, 4), (UNKNOWN, 2), (1, 3), (UNKNOWN, 1), (1, 4), (0, 1), (1, 7))
    ours = hypnogram_statistics(stages, snoring=marks, breath=marks)
    assert (ours.snoring_s, ours.snoring_episodes) == (30 * 12, 4)
    assert (ours.unstable_breath_s, ours.unstable_breath_episodes) == (30 * 12, 4)
    assert ours.stable_breath_s == 30 * 5


def test_a_short_array_of_marks_counts_as_far_as_it_goes() -> None:
    """What was not sent is not invented."""
    stages = epochs((WAKE, 5), (LIGHT, 20))
    ours = hypnogram_statistics(stages, snoring=[1] * 8, breath=[0] * 3)
    assert (ours.snoring_s, ours.snoring_episodes) == (90, 1)
    assert (ours.stable_breath_s, ours.unstable_breath_s, ours.unstable_breath_episodes) == (0, 0, 0)


@settings(deadline=None)
@given(long_runs((WAKE, LIGHT, DEEP, REM, UNKNOWN)), st.lists(st.sampled_from((WAKE, UNKNOWN, OUT_OF_BED))))
def test_time_before_and_after_sleep_changes_only_the_latencies(stages: list[int], awake: list[int]) -> None:
    """Lying in bed longer, at either end, moves the sleep and leaves it as it was."""
    night = [LIGHT, *stages, REM]
    ours, later = hypnogram_statistics(night), hypnogram_statistics(awake + night + awake)
    assert later == replace(
        ours,
        sleep_onset_latency_s=30 * len(awake),
        wakeup_latency_s=30 * len(awake),
        unknown_epochs=ours.unknown_epochs + 2 * awake.count(UNKNOWN),
        onset_epoch=len(awake),
        final_wake_epoch=len(awake) + len(night),
    )


@pytest.mark.parametrize("code", [6, -2, 255, 10**9, -(10**9)])
def test_a_foreign_code_is_an_error(code: int) -> None:
    """In stages as in marks, and the text does not tell it."""
    with pytest.raises(ValueError, match="a code that the lake does not have") as foreign:
        hypnogram_statistics([WAKE, LIGHT, code])
    assert str(code) not in str(foreign.value)
    with pytest.raises(ValueError, match="a code that the lake does not have"):
        hypnogram_statistics([LIGHT] * 3, snoring=[0, 1, code])
