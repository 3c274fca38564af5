"""The 23 identities every complete session of the vendor keeps, written against the answer alone.

Each takes the ``result`` of GET /data/v3/sessions/{id} and says whether it holds; one about figures the contract leaves
out (stages in the two-stage plan, snoring, breathing) holds without them. Nothing here uses the sandbox's code: the
table is the documentation in executable form.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

Result = dict[str, Any]

DURATIONS = (
    "sleep_latency",
    "wakeup_latency",
    "light_latency",
    "deep_latency",
    "rem_latency",
    "time_in_sleep_period",
    "time_in_sleep",
    "time_in_wake",
    "time_in_light",
    "time_in_deep",
    "time_in_rem",
    "time_in_stable_breath",
    "time_in_unstable_breath",
    "time_in_snoring",
    "time_in_no_snoring",
    "longest_waso",
)
"""Durations made of whole epochs; ``sleep_cycle`` is a mean and need not be one."""

BREATH_FIELDS = (
    "time_in_stable_breath",
    "time_in_unstable_breath",
    "stable_breath_ratio",
    "unstable_breath_ratio",
    "breathing_index",
    "breathing_pattern",
    "unstable_breath_count",
)


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _s(seconds: int) -> timedelta:
    return timedelta(seconds=seconds)


def _near(value: float, expected: float, tolerance: float) -> bool:
    return abs(value - expected) <= tolerance + 1e-9


def _of_period(stat: Result, seconds: str, ratio: str, tolerance: float) -> bool:
    period = stat["time_in_sleep_period"]
    return stat[ratio] == 0 if period == 0 else _near(stat[ratio], stat[seconds] / period, tolerance)


def _period(result: Result) -> list[int]:
    """Stages from the first to the last epoch of sleep."""
    stages: list[int] = result["session"]["sleep_stages"]
    asleep = [epoch for epoch, stage in enumerate(stages) if stage > 0]
    return stages[asleep[0] : asleep[-1] + 1] if asleep else []


def _has_depth(r: Result) -> bool:
    """Whether sleep is told apart by depth: not in the two-stage plan."""
    return r["stat"]["time_in_light"] is not None


def time_in_bed_is_end_minus_start(r: Result) -> bool:
    return _at(r["session"]["end_time"]) - _at(r["session"]["start_time"]) == _s(r["stat"]["time_in_bed"])


def onset_is_start_plus_latency(r: Result) -> bool:
    return _at(r["session"]["start_time"]) + _s(r["stat"]["sleep_latency"]) == _at(r["stat"]["sleep_time"])


def final_wake_is_end_minus_latency(r: Result) -> bool:
    return _at(r["session"]["end_time"]) - _s(r["stat"]["wakeup_latency"]) == _at(r["stat"]["wake_time"])


def parts_fill_time_in_bed(r: Result) -> bool:
    stat = r["stat"]
    parts = stat["sleep_latency"] + stat["time_in_sleep_period"] + stat["wakeup_latency"]
    return bool(0 <= stat["time_in_bed"] - parts < 60)


def sleep_and_wake_fill_the_period(r: Result) -> bool:
    stat = r["stat"]
    return bool(stat["time_in_sleep"] + stat["time_in_wake"] == stat["time_in_sleep_period"])


def stages_fill_sleep(r: Result) -> bool:
    stat = r["stat"]
    if not _has_depth(r):
        return True
    return bool(stat["time_in_light"] + stat["time_in_deep"] + stat["time_in_rem"] == stat["time_in_sleep"])


def efficiency_is_sleep_over_bed(r: Result) -> bool:
    stat = r["stat"]
    return _near(stat["sleep_efficiency"], stat["time_in_sleep"] / stat["time_in_bed"], 0.005)


def sleep_ratio_is_of_the_period(r: Result) -> bool:
    return _of_period(r["stat"], "time_in_sleep", "sleep_ratio", 0.01)


def wake_ratio_is_of_the_period(r: Result) -> bool:
    return _of_period(r["stat"], "time_in_wake", "wake_ratio", 0.01)


def stage_ratios_are_of_the_period(r: Result) -> bool:
    stages = ("light", "deep", "rem") if _has_depth(r) else ()
    return all(_of_period(r["stat"], f"time_in_{stage}", f"{stage}_ratio", 0.02) for stage in stages)


def ratios_add_up(r: Result) -> bool:
    stat = r["stat"]
    if stat["time_in_sleep_period"] == 0:
        return True
    stages = stat["light_ratio"] + stat["deep_ratio"] + stat["rem_ratio"] if _has_depth(r) else stat["sleep_ratio"]
    return _near(stat["sleep_ratio"] + stat["wake_ratio"], 1, 0.01) and _near(stages, stat["sleep_ratio"], 0.01)


def snoring_fills_the_period(r: Result) -> bool:
    stat = r["stat"]
    if stat["time_in_snoring"] is None:
        return True
    return bool(stat["time_in_snoring"] + stat["time_in_no_snoring"] == stat["time_in_sleep_period"])


def snoring_ratios_add_up(r: Result) -> bool:
    stat = r["stat"]
    if stat["time_in_sleep_period"] == 0 or stat["snoring_ratio"] is None:
        return True
    return _near(stat["snoring_ratio"] + stat["no_snoring_ratio"], 1, 0.01)


def breath_fills_the_period_and_ratios_add_up(r: Result) -> bool:
    stat = r["stat"]
    if stat["time_in_stable_breath"] is None:
        return True
    filled = stat["time_in_stable_breath"] + stat["time_in_unstable_breath"] == stat["time_in_sleep_period"]
    ratios = stat["stable_breath_ratio"] + stat["unstable_breath_ratio"]
    return bool(filled) and (stat["time_in_sleep_period"] == 0 or _near(ratios, 1, 0.01))


def durations_are_whole_epochs(r: Result) -> bool:
    return all(r["stat"][name] % 30 == 0 for name in DURATIONS if r["stat"][name] is not None)


def stage_totals_are_epoch_counts(r: Result) -> bool:
    period = _period(r)
    names = [
        "time_in_wake",
        *(["time_in_light", "time_in_deep", "time_in_rem"] if _has_depth(r) else ["time_in_sleep"]),
    ]
    return all(30 * period.count(code) == r["stat"][name] for code, name in enumerate(names))


def awakenings_are_wake_blocks(r: Result) -> bool:
    stat = r["stat"]
    blocks = [30 * len(list(group)) for stage, group in groupby(_period(r)) if stage == 0]
    counted = stat["waso_count"] == len(blocks) and stat["longest_waso"] == max(blocks, default=0)
    within = stat["longest_waso"] <= stat["time_in_wake"]
    return bool(counted and within) and (stat["waso_count"] >= 1) == (stat["time_in_wake"] > 0)


def some_stage_comes_at_onset(r: Result) -> bool:
    latencies = [r["stat"][f"{stage}_latency"] for stage in ("light", "deep", "rem")]
    known = [latency for latency in latencies if latency is not None]
    return bool(min(known) == 0 if known else r["stat"]["time_in_sleep"] == 0 or not _has_depth(r))


def cycle_times_are_one_more_than_cycles(r: Result) -> bool:
    count = r["stat"]["sleep_cycle_count"]
    return len(r["stat"]["sleep_cycle_time"]) == (int(count) + 1 if count else 0)


def cycle_length_is_null_without_cycles(r: Result) -> bool:
    return (r["stat"]["sleep_cycle"] is None) is (r["stat"]["sleep_cycle_count"] == 0)


def moments_are_in_order(r: Result) -> bool:
    session, stat = r["session"], r["stat"]
    moments = [session["start_time"], stat["sleep_time"], stat["wake_time"], session["end_time"]]
    return sorted(moments, key=_at) == moments


def breath_is_null_exactly_without_analysis(r: Result) -> bool:
    nulls = [r["stat"][name] is None for name in BREATH_FIELDS] + [r["session"]["breath_stages"] is None]
    without = "NO_BREATHING_STABILITY" in r["peculiarities"]
    return all(nulls) if without else not any(nulls)


def arrays_have_one_length(r: Result) -> bool:
    names = ("sleep_stages", "snoring_stages", "breath_stages")
    lengths = {len(r["session"][name]) for name in names if r["session"][name] is not None}
    return len(lengths) == 1


IDENTITIES: tuple[Callable[[Result], bool], ...] = (
    time_in_bed_is_end_minus_start,
    onset_is_start_plus_latency,
    final_wake_is_end_minus_latency,
    parts_fill_time_in_bed,
    sleep_and_wake_fill_the_period,
    stages_fill_sleep,
    efficiency_is_sleep_over_bed,
    sleep_ratio_is_of_the_period,
    wake_ratio_is_of_the_period,
    stage_ratios_are_of_the_period,
    ratios_add_up,
    snoring_fills_the_period,
    snoring_ratios_add_up,
    breath_fills_the_period_and_ratios_add_up,
    durations_are_whole_epochs,
    stage_totals_are_epoch_counts,
    awakenings_are_wake_blocks,
    some_stage_comes_at_onset,
    cycle_times_are_one_more_than_cycles,
    cycle_length_is_null_without_cycles,
    moments_are_in_order,
    breath_is_null_exactly_without_analysis,
    arrays_have_one_length,
)
"""In the order of the documentation, 1 to 23."""
