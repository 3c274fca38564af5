"""The vendor's figures: one session's ``stat`` from its arrays, and average stats from many sessions.

Definitions and rounding are those of the vendor's documentation. Nothing here knows about zones or JSON: moments are
seconds after the start of the session, clock times are seconds of a day.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

from connectors.asleep.sandbox.hypnogram import DEEP, EPOCH_S, LIGHT, REM, UNKNOWN, WAKE

DAY_S = 86_400
STABLE_BREATH = "STABLE_BREATH"
"""The only breathing pattern the vendor documents."""

_SLEEP = (LIGHT, DEEP, REM)
_CLUSTER_GAP = 20
_CLUSTER_REM = 20

_MEAN_SECONDS = (
    "sleep_latency",
    "wakeup_latency",
    "time_in_bed",
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
)
_MEAN_RATIOS = {
    "sleep_efficiency": ("time_in_sleep", "time_in_bed"),
    "wake_ratio": ("time_in_wake", "time_in_sleep_period"),
    "sleep_ratio": ("time_in_sleep", "time_in_sleep_period"),
    "light_ratio": ("time_in_light", "time_in_sleep_period"),
    "deep_ratio": ("time_in_deep", "time_in_sleep_period"),
    "rem_ratio": ("time_in_rem", "time_in_sleep_period"),
    "stable_breath_ratio": ("time_in_stable_breath", "time_in_sleep_period"),
    "unstable_breath_ratio": ("time_in_unstable_breath", "time_in_sleep_period"),
    "snoring_ratio": ("time_in_snoring", "time_in_sleep_period"),
    "no_snoring_ratio": ("time_in_no_snoring", "time_in_sleep_period"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stat:
    """Figures of a session under the vendor's names: seconds, fractions with 2 decimals, counts.

    ``sleep_time``, ``wake_time`` and ``sleep_cycle_time`` are seconds after the start of the session.
    """

    sleep_time: int
    wake_time: int
    sleep_index: int
    sleep_latency: int
    wakeup_latency: int
    light_latency: int | None
    deep_latency: int | None
    rem_latency: int | None
    time_in_bed: int
    time_in_sleep_period: int
    time_in_sleep: int
    time_in_wake: int
    time_in_light: int | None
    time_in_deep: int | None
    time_in_rem: int | None
    time_in_stable_breath: int | None
    time_in_unstable_breath: int | None
    time_in_snoring: int | None
    time_in_no_snoring: int | None
    sleep_efficiency: float
    sleep_ratio: float
    wake_ratio: float
    light_ratio: float | None
    deep_ratio: float | None
    rem_ratio: float | None
    stable_breath_ratio: float | None
    unstable_breath_ratio: float | None
    snoring_ratio: float | None
    no_snoring_ratio: float | None
    breathing_index: float | None
    breathing_pattern: str | None
    waso_count: int
    longest_waso: int
    sleep_cycle_count: int
    sleep_cycle: int | None
    sleep_cycle_time: tuple[int, ...]
    unstable_breath_count: int | None
    snoring_count: int | None

    @property
    def slept(self) -> bool:
        """Whether there was any sleep at all."""
        return self.time_in_sleep > 0


class Run(NamedTuple):
    """An unbroken stretch of one value: ``first`` epoch of the sleep period and number of ``epochs``."""

    value: int
    first: int
    epochs: int


class Share(NamedTuple):
    """How much of the sleep period is marked: seconds and fractions with and without the mark, number of blocks."""

    marked_s: int
    unmarked_s: int
    marked_ratio: float
    unmarked_ratio: float
    blocks: int


class Depth(NamedTuple):
    """The figures of light, deep and REM sleep, all of them null in the plan with two stages."""

    light_latency: int | None = None
    deep_latency: int | None = None
    rem_latency: int | None = None
    time_in_light: int | None = None
    time_in_deep: int | None = None
    time_in_rem: int | None = None
    light_ratio: float | None = None
    deep_ratio: float | None = None
    rem_ratio: float | None = None


class Snoring(NamedTuple):
    """The snoring figures, all of them null without snoring analysis."""

    time_in_snoring: int | None = None
    time_in_no_snoring: int | None = None
    snoring_ratio: float | None = None
    no_snoring_ratio: float | None = None
    snoring_count: int | None = None


class Breath(NamedTuple):
    """The breath figures, all of them null without breathing analysis."""

    time_in_stable_breath: int | None = None
    time_in_unstable_breath: int | None = None
    stable_breath_ratio: float | None = None
    unstable_breath_ratio: float | None = None
    breathing_index: float | None = None
    breathing_pattern: str | None = None
    unstable_breath_count: int | None = None


def measure(
    stages: Sequence[int],
    snoring: Sequence[int] | None,
    breath: Sequence[int] | None,
    time_in_bed_s: int,
    *,
    two_stage: bool = False,
    onset_at_unknown: bool = False,
    breathing_pattern: str = STABLE_BREATH,
) -> Stat:
    """The ``stat`` of a session of ``time_in_bed_s`` seconds whose arrays hold one value per 30 s.

    Sleep is light, deep and REM; epochs under any other code but wake are in no sum, though they are part of the sleep
    period. Without any sleep the latency is the time in bed.

    Args:
        stages: Sleep stages.
        snoring: 1 for snoring, None without snoring analysis.
        breath: 1 for unstable breathing, None without breathing analysis.
        time_in_bed_s: Whole recording, the partial last chunk included.
        two_stage: Whether 1 is sleep of any depth.
        onset_at_unknown: Whether an unknown epoch can be the onset of sleep.
        breathing_pattern: What the vendor calls the breathing.
    """
    asleep = [epoch for epoch, stage in enumerate(stages) if stage in _SLEEP]
    first = min(asleep[0], _first_unknown(stages) if onset_at_unknown else asleep[0]) if asleep else 0
    period = slice(first, asleep[-1] + 1 if asleep else 0)
    runs = _runs(stages[period])
    totals = [EPOCH_S * sum(run.epochs for run in runs if run.value == stage) for stage in (WAKE, *_SLEEP)]
    wakes = [EPOCH_S * run.epochs for run in runs if run.value == WAKE]
    sleep_s, period_s = sum(totals[LIGHT:]), EPOCH_S * len(stages[period])
    ratios = stage_ratios(*totals, unknown=period_s - sum(totals))
    cycle_ends = _cycle_ends(runs)
    latency = EPOCH_S * first if asleep else time_in_bed_s
    wakeup_latency = EPOCH_S * (len(stages) - period.stop) if asleep else 0
    depth = Depth() if two_stage else _depth(runs, totals, ratios)
    snored = _snoring(snoring[period]) if snoring is not None else Snoring()
    breathing = _breath(breath[period], sleep_s, breathing_pattern) if breath is not None else Breath()
    return Stat(
        sleep_time=latency,
        wake_time=time_in_bed_s - wakeup_latency,
        sleep_index=_sleep_index(sleep_s, time_in_bed_s, len(wakes)),
        sleep_latency=latency,
        wakeup_latency=wakeup_latency,
        time_in_bed=time_in_bed_s,
        time_in_sleep_period=period_s,
        time_in_sleep=sleep_s,
        time_in_wake=totals[WAKE],
        sleep_efficiency=_rounded(sleep_s, time_in_bed_s) / 100,
        sleep_ratio=(sum(ratios) - ratios[WAKE]) / 100,
        wake_ratio=ratios[WAKE] / 100,
        waso_count=len(wakes),
        longest_waso=max(wakes, default=0),
        sleep_cycle_count=len(cycle_ends),
        sleep_cycle=_quotient(EPOCH_S * cycle_ends[-1], len(cycle_ends)) if cycle_ends else None,
        sleep_cycle_time=tuple(EPOCH_S * (first + epoch) for epoch in [0, *cycle_ends]) if cycle_ends else (),
        **depth._asdict(),
        **snored._asdict(),
        **breathing._asdict(),
    )


def stage_ratios(*seconds: int, unknown: int = 0) -> list[int]:
    """Hundredths of the sleep period for wake, light, deep, REM seconds; with ``unknown`` seconds they are all of it.

    Each is rounded on its own; what is then missing or too much goes to light, or to the next stage that can take it.
    """
    total = sum(seconds) + unknown
    ratios = [_rounded(part, total) for part in seconds]
    missing = _rounded(sum(seconds), total) - sum(ratios)
    for stage in (LIGHT, DEEP, REM, WAKE):
        if seconds[stage] and ratios[stage] + missing >= 0:
            ratios[stage] += missing
            break
    return ratios


def averages(stats: Sequence[Stat]) -> dict[str, int | float | None]:
    """Means over slept sessions: whole seconds, counts with 1 decimal, fractions with 3.

    A fraction is the fraction of the mean seconds, as in the vendor's own answers. A figure no session has is null.
    """
    means: dict[str, int | float | None] = {name: _mean_seconds(stats, name) for name in _MEAN_SECONDS}
    means |= {name: _mean_ratio(stats, *parts) for name, parts in _MEAN_RATIOS.items()}
    means["waso_count"] = _mean_count(stats, "waso_count")
    means["longest_waso"] = _mean_seconds(stats, "longest_waso")
    means["sleep_cycle_count"] = _mean_count(stats, "sleep_cycle_count")
    means["sleep_cycle"] = _mean_seconds(stats, "sleep_cycle")
    means["unstable_breath_count"] = _mean_count(stats, "unstable_breath_count")
    means["snoring_count"] = _mean_count(stats, "snoring_count")
    return means


def mean_clock(seconds_of_day: Iterable[int]) -> int:
    """Circular mean of clock times, in seconds of the day: of 23:00 and 01:00 it is midnight, not noon."""
    angles = [2 * math.pi * second / DAY_S for second in seconds_of_day]
    mean = math.atan2(sum(map(math.sin, angles)), sum(map(math.cos, angles)))
    return round(mean / (2 * math.pi) * DAY_S) % DAY_S


def _first_unknown(stages: Sequence[int]) -> int:
    return next((epoch for epoch, stage in enumerate(stages) if stage == UNKNOWN), len(stages))


def _runs(values: Sequence[int]) -> list[Run]:
    runs: list[Run] = []
    first = 0
    for value, group in groupby(values):
        epochs = sum(1 for _ in group)
        runs.append(Run(value, first, epochs))
        first += epochs
    return runs


def _latency(runs: Sequence[Run], stage: int) -> int | None:
    return next((EPOCH_S * run.first for run in runs if run.value == stage), None)


def _share(marks: Sequence[int]) -> Share:
    blocks = [run.epochs for run in _runs(marks) if run.value]
    ratio, whole = _rounded(sum(blocks), len(marks)), 100 if marks else 0
    marked_s = EPOCH_S * sum(blocks)
    return Share(marked_s, EPOCH_S * len(marks) - marked_s, ratio / 100, (whole - ratio) / 100, len(blocks))


def _depth(runs: Sequence[Run], totals: Sequence[int], ratios: Sequence[int]) -> Depth:
    latencies = [_latency(runs, stage) for stage in _SLEEP]
    return Depth(*latencies, *totals[LIGHT:], *(ratio / 100 for ratio in ratios[LIGHT:]))


def _snoring(marks: Sequence[int]) -> Snoring:
    return Snoring(*_share(marks))


def _breath(marks: Sequence[int], sleep_s: int, pattern: str) -> Breath:
    unstable = _share(marks)
    return Breath(
        time_in_stable_breath=unstable.unmarked_s,
        time_in_unstable_breath=unstable.marked_s,
        stable_breath_ratio=unstable.unmarked_ratio,
        unstable_breath_ratio=unstable.marked_ratio,
        breathing_index=_rounded(unstable.blocks * 3600, sleep_s) / 100,
        breathing_pattern=pattern,
        unstable_breath_count=unstable.blocks,
    )


def _cycle_ends(runs: Sequence[Run]) -> list[int]:
    """The last epoch of each REM cluster: gaps of at most 20 epochs are bridged, 20 epochs of REM are needed."""
    clusters: list[tuple[int, int]] = []
    for run in runs:
        last = run.first + run.epochs - 1
        if run.value != REM:
            continue
        if clusters and run.first - clusters[-1][1] - 1 <= _CLUSTER_GAP:
            clusters[-1] = (clusters[-1][0] + run.epochs, last)
        else:
            clusters.append((run.epochs, last))
    return [last for rem, last in clusters if rem >= _CLUSTER_REM]


def _sleep_index(sleep_s: int, time_in_bed_s: int, awakenings: int) -> int:
    """50-100 from duration, efficiency and awakenings; the vendor's own formula is unpublished."""
    short = max(0.0, 7.5 - sleep_s / 3600) * 8
    inefficient = max(0.0, 0.95 - sleep_s / time_in_bed_s) * 60
    return max(50, min(100, round(100 - short - inefficient - awakenings)))


def _quotient(part: int, whole: int) -> int:
    """``part / whole`` rounded half up, for whole numbers that are not negative."""
    return (2 * part + whole) // (2 * whole)


def _rounded(part: int, whole: int) -> int:
    """Hundredths of ``part / whole``, rounded half up; 0 of nothing."""
    return _quotient(100 * part, whole) if whole else 0


def _present(stats: Sequence[Stat], name: str) -> list[int]:
    return [value for stat in stats if (value := getattr(stat, name)) is not None]


def _mean_seconds(stats: Sequence[Stat], name: str) -> int | None:
    values = _present(stats, name)
    return _quotient(sum(values), len(values)) if values else None


def _mean_count(stats: Sequence[Stat], name: str) -> float | None:
    values = _present(stats, name)
    return _quotient(10 * sum(values), len(values)) / 10 if values else None


def _mean_ratio(stats: Sequence[Stat], part: str, whole: str) -> float | None:
    measured = [stat for stat in stats if getattr(stat, part) is not None]
    if not measured:
        return None
    return _quotient(1000 * sum(_present(measured, part)), sum(_present(measured, whole))) / 1000
