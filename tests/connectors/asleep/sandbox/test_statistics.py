"""Vendor figures from arrays: the published numbers of a real session, the REM clusters, the rounding, the means."""

from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from connectors.asleep.sandbox.statistics import averages, mean_clock, measure, stage_ratios

WAKE, LIGHT, DEEP, REM = 0, 1, 2, 3


def runs(*parts: tuple[int, int]) -> list[int]:
    """Epochs from (value, count) pairs."""
    return [value for value, count in parts for _ in range(count)]


def hour_of_light() -> list[int]:
    """The shape of the vendor's published example: an hour in bed, 18 minutes of light sleep, one awakening."""
    return runs((WAKE, 30), (LIGHT, 20), (WAKE, 6), (LIGHT, 16), (WAKE, 48))


def test_the_published_example() -> None:
    """The vendor's own numbers come out of a session of that shape."""
    stat = measure(hour_of_light(), [0] * 120, None, 3600)
    assert (stat.sleep_latency, stat.time_in_sleep_period, stat.wakeup_latency) == (900, 1260, 1440)
    assert (stat.time_in_sleep, stat.time_in_wake, stat.time_in_light) == (1080, 180, 1080)
    assert (stat.light_latency, stat.deep_latency, stat.rem_latency) == (0, None, None)
    assert (stat.sleep_efficiency, stat.sleep_ratio, stat.wake_ratio) == (0.3, 0.86, 0.14)
    assert (stat.light_ratio, stat.deep_ratio, stat.rem_ratio) == (0.86, 0, 0)
    assert (stat.waso_count, stat.longest_waso) == (1, 180)
    assert (stat.time_in_snoring, stat.time_in_no_snoring, stat.no_snoring_ratio) == (0, 1260, 1)
    assert (stat.sleep_cycle_count, stat.sleep_cycle, stat.sleep_cycle_time) == (0, None, ())


def test_a_partial_last_chunk_lies_before_the_final_wake() -> None:
    """The final wake is counted back from the end, so the partial chunk is nobody's."""
    stat = measure(hour_of_light(), [0] * 120, None, 3613)
    assert stat.wake_time == 3613 - 1440
    assert stat.sleep_latency + stat.time_in_sleep_period + stat.wakeup_latency == 3600


def test_three_cycles_of_a_real_night() -> None:
    """Ends 00:59:30, 02:39:30 and 03:29:30 after an onset at 00:20:00 are three cycles of 3790 s."""
    first, second, third = 79, 279, 379
    stages = runs((LIGHT, first - 24), (REM, 25), (LIGHT, second - first - 25), (REM, 25))
    stages += runs((LIGHT, third - second - 25), (REM, 25), (LIGHT, 40))
    stat = measure(stages, [0] * len(stages), None, 30 * len(stages))
    assert stat.sleep_cycle_time == (0, 30 * first, 30 * second, 30 * third)
    assert (stat.sleep_cycle_count, stat.sleep_cycle) == (3, 3790)


@pytest.mark.parametrize(
    ("parts", "cycles"),
    [
        ([(REM, 19)], 0),
        ([(REM, 20)], 1),
        ([(REM, 10), (LIGHT, 20), (REM, 10)], 1),
        ([(REM, 10), (LIGHT, 21), (REM, 10)], 0),
        ([(REM, 20), (LIGHT, 21), (REM, 20)], 2),
        ([(REM, 20), (WAKE, 5), (LIGHT, 5), (REM, 20)], 1),
    ],
)
def test_rem_clusters(parts: list[tuple[int, int]], cycles: int) -> None:
    """Gaps of up to ten minutes are bridged, and a cluster needs ten minutes of REM."""
    stages = runs((LIGHT, 60), *parts, (LIGHT, 60))
    assert measure(stages, [0] * len(stages), None, 30 * len(stages)).sleep_cycle_count == cycles


def test_nobody_slept() -> None:
    """Without sleep the latency is the time in bed, every time and fraction is 0 and what cannot be is null."""
    stat = measure([WAKE] * 60, [0] * 60, [0] * 60, 1800)
    assert (stat.sleep_latency, stat.sleep_time, stat.wake_time, stat.wakeup_latency) == (1800, 1800, 1800, 0)
    assert (stat.light_latency, stat.deep_latency, stat.rem_latency, stat.sleep_cycle) == (None,) * 4
    assert (stat.time_in_sleep_period, stat.time_in_sleep, stat.time_in_wake) == (0, 0, 0)
    assert (stat.sleep_efficiency, stat.sleep_ratio, stat.wake_ratio, stat.stable_breath_ratio) == (0, 0, 0, 0)
    assert not stat.slept


def test_unknown_epochs_belong_to_the_period_and_to_no_sum() -> None:
    """Of 100 epochs between first and last sleep 20 are unknown: ratios are of all 100, and no latency starts there."""
    stages = runs((WAKE, 20), (-1, 5), (LIGHT, 30), (-1, 20), (REM, 30), (WAKE, 10), (DEEP, 10), (-1, 5), (WAKE, 10))
    stat = measure(stages, [0] * 140, None, 4200)
    assert (stat.sleep_latency, stat.time_in_sleep_period, stat.wakeup_latency) == (750, 3000, 450)
    assert (stat.time_in_sleep, stat.time_in_wake) == (2100, 300)
    assert (stat.time_in_light, stat.time_in_deep, stat.time_in_rem) == (900, 300, 900)
    assert (stat.sleep_ratio, stat.wake_ratio, stat.light_ratio, stat.deep_ratio, stat.rem_ratio) == (
        *(0.7, 0.1, 0.3, 0.1, 0.3),
    )
    assert (stat.light_latency, stat.rem_latency, stat.deep_latency) == (0, 1500, 2700)
    assert (stat.waso_count, stat.sleep_cycle_count, stat.sleep_efficiency) == (1, 1, 0.5)


def test_onset_may_be_taken_for_unknown() -> None:
    """Where an unknown epoch can be the onset, the period and all latencies begin with it."""
    stages = runs((WAKE, 20), (-1, 5), (LIGHT, 30), (WAKE, 5))
    stat = measure(stages, [0] * 60, None, 1800, onset_at_unknown=True)
    assert (stat.sleep_latency, stat.time_in_sleep_period, stat.light_latency) == (600, 1050, 150)
    assert measure([-1, WAKE], [0, 0], None, 60, onset_at_unknown=True).sleep_latency == 60


def test_two_stages_have_no_depth() -> None:
    """In the plan with two stages sleep is one figure, and what there is of it is as ever."""
    stat = measure(hour_of_light(), None, None, 3600, two_stage=True)
    assert (stat.time_in_sleep, stat.sleep_ratio, stat.sleep_efficiency) == (1080, 0.86, 0.3)
    assert {stat.time_in_light, stat.deep_ratio, stat.rem_latency, stat.time_in_snoring, stat.snoring_ratio} == {None}


def test_breath_figures() -> None:
    """Unstable blocks are counted inside the sleep period; the index is blocks per hour of sleep."""
    stages = runs((WAKE, 20), (LIGHT, 240), (WAKE, 20))
    unstable = runs((0, 40), (1, 2), (0, 50), (1, 1), (0, 187))
    stat = measure(stages, [0] * 280, unstable, 8400)
    assert (stat.time_in_unstable_breath, stat.time_in_stable_breath) == (90, 7110)
    assert (stat.unstable_breath_count, stat.breathing_index) == (2, 1.0)
    assert (stat.unstable_breath_ratio, stat.stable_breath_ratio) == (0.01, 0.99)


def test_snoring_blocks() -> None:
    """Each unbroken stretch of snoring counts once."""
    stages = runs((LIGHT, 100))
    stat = measure(stages, runs((1, 10), (0, 10), (1, 5), (0, 75)), None, 3000)
    assert (stat.time_in_snoring, stat.time_in_no_snoring, stat.snoring_count) == (450, 2550, 2)
    assert (stat.snoring_ratio, stat.no_snoring_ratio) == (0.15, 0.85)


@given(st.tuples(*[st.integers(0, 700)] * 4))
@settings(deadline=None)
def test_stage_fractions_add_up_to_one(epochs: tuple[int, int, int, int]) -> None:
    """The four fractions add up to 1.00, none is negative, and none is more than 0.02 off."""
    assume(sum(epochs[1:]))
    ratios = stage_ratios(*(30 * count for count in epochs))
    assert sum(ratios) == 100
    assert all(
        ratio >= 0 and abs(ratio / 100 - count / sum(epochs)) <= 0.02
        for ratio, count in zip(ratios, epochs, strict=True)
    )


def test_light_takes_the_rounding_error() -> None:
    """Where rounded fractions do not add up, light is corrected."""
    assert stage_ratios(30, 30, 30, 0) == [33, 34, 33, 0]
    assert stage_ratios(30, 0, 30, 30) == [33, 0, 34, 33]


@given(st.lists(st.integers(0, 86_399), min_size=1, max_size=30), st.integers(0, 86_399))
@settings(deadline=None)
def test_clock_means_do_not_care_where_the_day_begins(spread: list[int], shift: int) -> None:
    """Times within four hours have the mean of their distances, wherever on the clock they lie, across midnight too."""
    near = [second % 14_400 for second in spread]
    expected = (shift + mean_clock(near)) % 86_400
    found = mean_clock((shift + second) % 86_400 for second in near)
    assert min((found - expected) % 86_400, (expected - found) % 86_400) <= 1


def test_the_mean_of_late_and_early_is_midnight() -> None:
    """23:00 and 01:00 average to midnight."""
    assert mean_clock([23 * 3600, 1 * 3600]) == 0


def test_averages_of_two_sessions() -> None:
    """Seconds are means in whole seconds, counts have one decimal, fractions are of the mean seconds with three."""
    one = measure(hour_of_light(), [0] * 120, None, 3600)
    means = averages([one, replace(one, time_in_bed=3701, time_in_sleep=1380, waso_count=2, longest_waso=240)])
    assert (means["time_in_bed"], means["time_in_sleep"], means["longest_waso"]) == (3651, 1230, 210)
    assert means["sleep_efficiency"] == 0.337
    assert means["waso_count"] == 1.5
    assert (means["sleep_cycle"], means["time_in_stable_breath"], means["stable_breath_ratio"]) == (None, None, None)
