"""The vendor's figures: one session's ``stat`` from its arrays, and average stats from many sessions.

Definitions and rounding are those of the vendor's documentation. Nothing here knows about zones or JSON: moments are
seconds after the start of the session, clock times are seconds of a day.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

from connectors.asleep.sandbox.hypnogram import DEEP, EPOCH_S, LIGHT, REM, WAKE

DAY_S = 86_400
STABLE_BREATH = "STABLE_BREATH"
"""The only breathing pattern the vendor documents."""

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
    time_in_light: int
    time_in_deep: int
    time_in_rem: int
    time_in_stable_breath: int | None
    time_in_unstable_breath: int | None
    time_in_snoring: int
    time_in_no_snoring: int
    sleep_efficiency: float
    sleep_ratio: float
    wake_ratio: float
    light_ratio: float
    deep_ratio: float
    rem_ratio: float
    stable_breath_ratio: float | None
    unstable_breath_ratio: float | None
    snoring_ratio: float
    no_snoring_ratio: float
    breathing_index: float | None
    breathing_pattern: str | None
    waso_count: int
    longest_waso: int
    sleep_cycle_count: int
    sleep_cycle: int | None
    sleep_cycle_time: tuple[int, ...]
    unstable_breath_count: int | None
    snoring_count: int

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


class Breath(NamedTuple):
    """The breath figures, all of them null without breathing analysis."""

    time_in_stable_breath: int | None = None
    time_in_unstable_breath: int | None = None
    stable_breath_ratio: float | None = None
    unstable_breath_ratio: float | None = None
    breathing_index: float | None = None
    breathing_pattern: str | None = None
    unstable_breath_count: int | None = None


def measure(stages: Sequence[int], snoring: Sequence[int], breath: Sequence[int] | None, time_in_bed_s: int) -> Stat:
    """The ``stat`` of a session of ``time_in_bed_s`` seconds whose arrays hold one value per 30 s."""
    asleep = [epoch for epoch, stage in enumerate(stages) if stage != WAKE]
    if not asleep:
        return _never_slept(time_in_bed_s, breath is not None)
    first, end = asleep[0], asleep[-1] + 1
    runs = _runs(stages[first:end])
    totals = {stage: EPOCH_S * sum(run.epochs for run in runs if run.value == stage) for stage in (0, 1, 2, 3)}
    wakes = [EPOCH_S * run.epochs for run in runs if run.value == WAKE]
    sleep_s, period_s = totals[LIGHT] + totals[DEEP] + totals[REM], EPOCH_S * (end - first)
    wake_ratio, light_ratio, deep_ratio, rem_ratio = stage_ratios(
        totals[WAKE], totals[LIGHT], totals[DEEP], totals[REM]
    )
    snored = _share(snoring[first:end])
    cycle_ends = _cycle_ends(runs)
    wakeup_latency = EPOCH_S * (len(stages) - end)
    breathing = _breath(breath[first:end], sleep_s) if breath is not None else Breath()
    return Stat(
        sleep_time=EPOCH_S * first,
        wake_time=time_in_bed_s - wakeup_latency,
        sleep_index=_sleep_index(sleep_s, time_in_bed_s, len(wakes)),
        sleep_latency=EPOCH_S * first,
        wakeup_latency=wakeup_latency,
        light_latency=_latency(runs, LIGHT),
        deep_latency=_latency(runs, DEEP),
        rem_latency=_latency(runs, REM),
        time_in_bed=time_in_bed_s,
        time_in_sleep_period=period_s,
        time_in_sleep=sleep_s,
        time_in_wake=totals[WAKE],
        time_in_light=totals[LIGHT],
        time_in_deep=totals[DEEP],
        time_in_rem=totals[REM],
        time_in_snoring=snored.marked_s,
        time_in_no_snoring=snored.unmarked_s,
        sleep_efficiency=_rounded(sleep_s, time_in_bed_s) / 100,
        sleep_ratio=(100 - wake_ratio) / 100,
        wake_ratio=wake_ratio / 100,
        light_ratio=light_ratio / 100,
        deep_ratio=deep_ratio / 100,
        rem_ratio=rem_ratio / 100,
        snoring_ratio=snored.marked_ratio,
        no_snoring_ratio=snored.unmarked_ratio,
        waso_count=len(wakes),
        longest_waso=max(wakes, default=0),
        sleep_cycle_count=len(cycle_ends),
        sleep_cycle=_quotient(EPOCH_S * cycle_ends[-1], len(cycle_ends)) if cycle_ends else None,
        sleep_cycle_time=tuple(EPOCH_S * (first + epoch) for epoch in [0, *cycle_ends]) if cycle_ends else (),
        snoring_count=snored.blocks,
        **breathing._asdict(),
    )


def stage_ratios(*seconds: int) -> list[int]:
    """Hundredths of the sum for wake, light, deep, REM seconds; they add up to 100.

    Each is rounded on its own; what is then missing or too much goes to light, or to the next stage that can take it.
    """
    total = sum(seconds)
    ratios = [_rounded(part, total) for part in seconds]
    missing = 100 - sum(ratios)
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


def _never_slept(time_in_bed_s: int, breathing: bool) -> Stat:
    breath = Breath(0, 0, 0.0, 0.0, 0.0, STABLE_BREATH, 0) if breathing else Breath()
    return Stat(
        sleep_time=time_in_bed_s,
        wake_time=time_in_bed_s,
        sleep_index=50,
        sleep_latency=time_in_bed_s,
        wakeup_latency=0,
        light_latency=None,
        deep_latency=None,
        rem_latency=None,
        time_in_bed=time_in_bed_s,
        time_in_sleep_period=0,
        time_in_sleep=0,
        time_in_wake=0,
        time_in_light=0,
        time_in_deep=0,
        time_in_rem=0,
        time_in_snoring=0,
        time_in_no_snoring=0,
        sleep_efficiency=0.0,
        sleep_ratio=0.0,
        wake_ratio=0.0,
        light_ratio=0.0,
        deep_ratio=0.0,
        rem_ratio=0.0,
        snoring_ratio=0.0,
        no_snoring_ratio=0.0,
        waso_count=0,
        longest_waso=0,
        sleep_cycle_count=0,
        sleep_cycle=None,
        sleep_cycle_time=(),
        snoring_count=0,
        **breath._asdict(),
    )


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
    ratio = _rounded(sum(blocks), len(marks))
    marked_s = EPOCH_S * sum(blocks)
    return Share(marked_s, EPOCH_S * len(marks) - marked_s, ratio / 100, (100 - ratio) / 100, len(blocks))


def _breath(marks: Sequence[int], sleep_s: int) -> Breath:
    unstable = _share(marks)
    return Breath(
        time_in_stable_breath=unstable.unmarked_s,
        time_in_unstable_breath=unstable.marked_s,
        stable_breath_ratio=unstable.unmarked_ratio,
        unstable_breath_ratio=unstable.marked_ratio,
        breathing_index=_rounded(unstable.blocks * 3600, sleep_s) / 100,
        breathing_pattern=STABLE_BREATH,
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
    """Hundredths of ``part / whole``, rounded half up."""
    return _quotient(100 * part, whole)


def _present(stats: Sequence[Stat], name: str) -> list[int]:
    return [value for stat in stats if (value := getattr(stat, name)) is not None]


def _mean_seconds(stats: Sequence[Stat], name: str) -> int | None:
    values = _present(stats, name)
    return _quotient(sum(values), len(values)) if values else None


def _mean_count(stats: Sequence[Stat], name: str) -> float | None:
    values = _present(stats, name)
    return _quotient(10 * sum(values), len(values)) / 10 if values else None


def _mean_ratio(stats: Sequence[Stat], part: str, whole: str) -> float | None:
    parts, wholes = _present(stats, part), _present(stats, whole)
    return _quotient(1000 * sum(parts), sum(wholes)) / 1000 if parts else None
