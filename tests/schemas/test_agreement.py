"""Agreement of the vendor's figures with ours: where exact ends, where tolerance ends, and what clocks mean."""

import math
from datetime import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.agreement import Agreement, mean_clock_s, month_agreement, night_agreement
from schemas.hypnogram_statistics import hypnogram_statistics
from schemas.metrics import AVERAGED_METRICS, METRICS

STAGES = [0, 0, 1, 1, 2, 0, 3, 3, 1, 0, 0]
COUNTED = hypnogram_statistics(STAGES, snoring=[0] * 11, breath=[0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0])
NIGHT: dict[str, Any] = {metric.name: getattr(COUNTED, metric.name, None) for metric in METRICS}
NEVER = hypnogram_statistics([0] * 20)


def test_equal_figures_agree_exactly() -> None:
    """Figures that cannot be counted from stages, such as scores, are not compared."""
    assert night_agreement({**NIGHT, "sleep_index": 88.0, "time_in_bed_s": 1}, COUNTED) == Agreement("exact", [])


@pytest.mark.parametrize(
    ("name", "off", "verdict"),
    [
        ("total_sleep_time_s", 30, "within_tolerance"),
        ("total_sleep_time_s", -30, "within_tolerance"),
        ("total_sleep_time_s", 31, "differs"),
        ("wakeup_latency_s", 60, "within_tolerance"),
        ("wakeup_latency_s", 61, "differs"),
        ("sleep_onset_latency_s", 60, "differs"),
        ("awakenings", 1, "differs"),
        ("unstable_breath_episodes", 1, "differs"),
    ],
)
def test_durations_have_a_tolerance_and_counts_have_none(name: str, off: int, verdict: str) -> None:
    """An epoch, two at the end of the recording where chunks get lost."""
    figure: int = NIGHT[name]
    agreement = night_agreement({**NIGHT, name: figure + off}, COUNTED)
    assert agreement == Agreement(verdict, [name] if verdict == "differs" else [])


def test_without_sleep_the_latency_is_all_of_the_recording() -> None:
    """Its last chunks may be lost as well."""
    night: dict[str, Any] = {metric.name: getattr(NEVER, metric.name, None) for metric in METRICS}
    for off, verdict in ((59, "within_tolerance"), (61, "differs")):
        changed = {**night, "sleep_onset_latency_s": night["sleep_onset_latency_s"] + off}
        agreement = night_agreement(changed, NEVER)
        assert agreement is not None
        assert agreement.verdict == verdict


def test_nothing_in_common_is_no_agreement() -> None:
    """A session without figures says nothing about the vendor."""
    assert night_agreement(dict.fromkeys(NIGHT), COUNTED) is None


def test_every_difference_is_named() -> None:
    """In the order of the columns."""
    wrong = {**NIGHT, "awakenings": 9, "rem_sleep_s": 900}
    assert night_agreement(wrong, COUNTED) == Agreement("differs", ["rem_sleep_s", "awakenings"])


def month(**changes: Any) -> dict[str, Any]:
    """A row of averages."""
    names = [metric.name for metric in AVERAGED_METRICS] + ["bedtime", "sleep_onset", "final_wake", "out_of_bed"]
    return dict.fromkeys(names) | changes


def test_averages_are_those_of_the_nights() -> None:
    """Seconds to the second; the clock goes over midnight; what a night does not have does not count."""
    nights = [
        month(total_sleep_time_s=24_000, awakenings=1, bedtime=time(23, 0), snoring_s=None),
        month(total_sleep_time_s=27_001, awakenings=2, bedtime=time(1, 0), snoring_s=600),
    ]
    good = month(total_sleep_time_s=25_500.0, awakenings=1.5, bedtime=time(0, 0), snoring_s=600.0)
    assert month_agreement(good, nights) == Agreement("exact", [])
    assert month_agreement({**good, "total_sleep_time_s": 25_550.0}, nights) == Agreement("within_tolerance", [])
    assert month_agreement({**good, "total_sleep_time_s": 25_561.0}, nights) == Agreement(
        "differs", ["total_sleep_time_s"]
    )
    assert month_agreement({**good, "bedtime": time(12, 0)}, nights) == Agreement("differs", ["bedtime"])
    assert month_agreement({**good, "bedtime": time(23, 59, 30)}, nights) == Agreement("within_tolerance", [])
    assert month_agreement({**good, "awakenings": 2.0}, nights) == Agreement("differs", ["awakenings"])


def test_no_nights_or_no_averages_is_no_agreement() -> None:
    """There is nothing to compare."""
    assert month_agreement(month(total_sleep_time_s=1.0), []) is None
    assert month_agreement(month(), [month(total_sleep_time_s=1)]) is None


@given(st.lists(st.integers(0, 86_399), min_size=1, max_size=8), st.integers(0, 86_399))
def test_the_mean_clock_turns_with_the_clock(seconds: list[int], turn: int) -> None:
    """A circular mean does not know where midnight is."""

    def at(second: int) -> time:
        return time(second // 3600, second // 60 % 60, second % 60)

    mean = mean_clock_s(map(at, seconds))
    turned = mean_clock_s(at((second + turn) % 86_400) for second in seconds)
    x = sum(math.cos(2 * math.pi * second / 86_400) for second in seconds)
    y = sum(math.sin(2 * math.pi * second / 86_400) for second in seconds)
    if math.hypot(x, y) < 1e-6:
        return  # they cancel each other out but for rounding
    assert mean is not None
    assert turned is not None
    apart = abs(turned - mean - turn) % 86_400
    assert min(apart, 86_400 - apart) < 1


def test_opposite_clock_times_have_no_mean() -> None:
    """Neither noon nor midnight lies between 06:00 and 18:00 more than the other."""
    assert mean_clock_s([time(6), time(18)]) is None
    assert mean_clock_s([]) is None
