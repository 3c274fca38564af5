"""Whether the vendor's figures agree with the same figures computed by us: exactly, within a tolerance, or not.

Figures of one night are compared with the hypnogram's, averages of a month with the averages of our own rows. It
measures the vendor, not us: a difference is stored and reported and changes no figure.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import time
from typing import Any

from schemas.hypnogram_statistics import HypnogramStatistics
from schemas.metrics import AVERAGED_METRICS, METRICS
from schemas.stages import EPOCH_S

EXACT = "exact"
WITHIN_TOLERANCE = "within_tolerance"
DIFFERS = "differs"

LOST_CHUNKS_S = 2 * EPOCH_S
"""The vendor may not have received the last chunks, so the recording may end this much before the session (s)."""

CLOCKS = ("bedtime", "sleep_onset", "final_wake", "out_of_bed")
"""The clock times among the averages."""

_DAY_S = 86_400
_NEAR: dict[str, tuple[float, float]] = {
    "s": (1, 60),
    "count": (0.06, 0.15),
}
"""Of averages, by unit: up to which difference they are the same figure rounded, and up to which they agree."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """``verdict`` is exact, within_tolerance or differs; ``differing`` names the figures that differ."""

    verdict: str
    differing: list[str]


def night_agreement(vendor: Mapping[str, Any], hypnogram: HypnogramStatistics) -> Agreement | None:
    """Compare the vendor's metrics of a night with those of its hypnogram; None if the vendor sent no figure of it.

    A figure that the hypnogram has and the vendor does not, or whose value could not be used, differs.
    Counts must be equal, durations may differ by an epoch (30 s), and what reaches to the end of the recording by the
    chunks that were lost there (60 s).
    """
    if all(vendor[name] is None for name in _NIGHT_METRICS):
        return None
    verdicts = {
        name: _judged(
            math.inf if vendor[name] is None else abs(vendor[name] - own), 0, _night_tolerance(name, hypnogram)
        )
        for name in _NIGHT_METRICS
        if (own := getattr(hypnogram, name)) is not None
    }
    return _agreement(verdicts)


def month_agreement(vendor: Mapping[str, Any], nights: Sequence[Mapping[str, Any]]) -> Agreement | None:
    """Compare a row of ``average_stats`` with the averages over the rows of its nights; None if there are none.

    ``nights`` are the user's rows of ``sleep_sessions`` with sleep; their clock times are those of the row's zone in
    ``bedtime``, ``sleep_onset``, ``final_wake`` and ``out_of_bed`` (``datetime.time``). Clock times are averaged on
    the circle.
    """
    verdicts = {}
    for metric in _MONTH_METRICS:
        values = [night[metric.name] for night in nights if night[metric.name] is not None]
        if values and vendor[metric.name] is not None:
            difference = abs(vendor[metric.name] - sum(values) / len(values))
            verdicts[metric.name] = _judged(difference, *_NEAR[metric.unit])
    for name in CLOCKS:
        own = mean_clock_s(night[name] for night in nights if night[name] is not None)
        if own is not None and vendor[name] is not None:
            verdicts[name] = _judged(_apart_s(_second_of_day(vendor[name]), own), *_NEAR["s"])
    return _agreement(verdicts)


def mean_clock_s(clocks: Iterable[time]) -> float | None:
    """The circular mean of clock times in seconds of the day: of 23:00 and 01:00 it is midnight, not noon.

    None if there are none, or if they cancel each other out (06:00 and 18:00).
    """
    angles = [2 * math.pi * _second_of_day(clock) / _DAY_S for clock in clocks]
    x, y = sum(map(math.cos, angles)), sum(map(math.sin, angles))
    if math.hypot(x, y) < 1e-9:
        return None
    return math.atan2(y, x) / (2 * math.pi) * _DAY_S % _DAY_S


def _apart_s(one: float, other: float) -> float:
    apart = abs(one - other) % _DAY_S
    return min(apart, _DAY_S - apart)


def _second_of_day(clock: time) -> float:
    return clock.hour * 3600 + clock.minute * 60 + clock.second + clock.microsecond / 1e6


def _judged(difference: float, same: float, agrees: float) -> str:
    if difference <= same:
        return EXACT
    return WITHIN_TOLERANCE if difference <= agrees else DIFFERS


def _night_tolerance(name: str, hypnogram: HypnogramStatistics) -> float:
    if name not in _DURATIONS:
        return 0
    never_slept = hypnogram.onset_epoch is None
    reaches_the_end = name == "wakeup_latency_s" or (never_slept and name == "sleep_onset_latency_s")
    return LOST_CHUNKS_S if reaches_the_end else EPOCH_S


def _agreement(verdicts: Mapping[str, str]) -> Agreement | None:
    if not verdicts:
        return None
    differing = [name for name, verdict in verdicts.items() if verdict == DIFFERS]
    all_exact = all(verdict == EXACT for verdict in verdicts.values())
    return Agreement(DIFFERS if differing else EXACT if all_exact else WITHIN_TOLERANCE, differing)


_NIGHT_METRICS = tuple(metric.name for metric in METRICS if metric.name in HypnogramStatistics.__slots__)
_DURATIONS = frozenset(metric.name for metric in METRICS if metric.unit == "s")
_MONTH_METRICS = tuple(metric for metric in AVERAGED_METRICS if metric.asleep_field is not None)
