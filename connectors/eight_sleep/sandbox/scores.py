"""The vendor's scores in the documented shapes and weights, from what a night was and what the sleeper's usual are."""

from dataclasses import dataclass
from typing import Any

from connectors.eight_sleep.sandbox.seeding import stream

FITNESS_WEIGHTS = {
    "sleepDurationSeconds": 0.4,
    "latencyAsleepSeconds": 0.2,
    "latencyOutSeconds": 0.1,
    "wakeupConsistency": 0.3,
}
"""What each part of the fitness score counts."""

_QUALITY_WEIGHT, _ROUTINE_WEIGHT = 0.5, 0.1
_DURATION_S, _DEEP_S, _REM_S = 24_600, 4_700, 5_600
_ASLEEP_S, _OUT_S = 1_100, 520


@dataclass(frozen=True)
class Figures:
    """What the scores are made of: seconds, local clock times, and measurements by key; scores get ``shift``."""

    seed: int
    user_id: str
    all_asleep_s: int
    deep_s: int
    rem_s: int
    waso: float
    asleep_latency_s: int
    out_latency_s: int
    bedtime: str
    fell_asleep: str
    woke_up: str
    measured: dict[str, list[float]]
    means: dict[str, float | None]
    shift: int

    def usual(self, name: str, around: int) -> int:
        """The sleeper's own average."""
        return around + stream(self.seed, "usual", self.user_id, name).randrange(-around // 10, around // 10)

    def score(self, value: float, usual: float, width: float) -> int:
        """100 at the usual value, less the further off."""
        return max(0, min(100, round(100 - 40 * abs(value - usual) / width) + self.shift))


def fitness(figures: Figures) -> dict[str, Any]:
    """``sleepFitnessScore`` of 2022; the total is the sum of the weighted parts."""
    duration = figures.usual("sleep", _DURATION_S)
    parts: dict[str, dict[str, Any]] = {
        "sleepDurationSeconds": {
            "current": figures.all_asleep_s,
            "average": duration,
            "score": figures.score(figures.all_asleep_s, duration, 9_000),
        },
        **_latencies(figures, scored=True),
        "wakeupConsistency": {
            "current": figures.woke_up,
            "average": "06:55:00",
            "score": figures.score(_minutes(figures.woke_up), 415, 90),
        },
    }
    for name, part in parts.items():
        part["weighted"] = round(part["score"] * FITNESS_WEIGHTS[name])
    return {"total": sum(part["weighted"] for part in parts.values()), **parts}


def quality(figures: Figures) -> dict[str, Any]:
    """``sleepQualityScore``: its parts, and what it counts."""
    duration, deep, rem = (
        figures.usual(name, around) for name, around in (("sleep", _DURATION_S), ("deep", _DEEP_S), ("rem", _REM_S))
    )
    parts: dict[str, Any] = {
        "sleepDurationSeconds": {
            "current": figures.all_asleep_s,
            "average": duration,
            "score": figures.score(figures.all_asleep_s, duration, 9_000),
            "weight": 0.4,
        },
        "heartRate": _range(figures, "heartRate", 57.2, 82, 0.1),
        "hrv": _range(figures, "hrv", 45.3, 0, 0),
        "respiratoryRate": _without(_range(figures, "respiratoryRate", 13.6, 0, 0), "minimum", "maximum"),
        "deep": _part(figures, figures.deep_s, deep, 3_000, 0.06),
        # More than usual is better than 100.
        "rem": _part(figures, figures.rem_s, rem, 3_000, 0.19) | ({"score": 105} if figures.rem_s > 1.3 * rem else {}),
        "waso": {
            "current": figures.waso,
            "average": 0.03,
            "score": figures.score(figures.waso, 0.03, 0.2),
            "weight": 0.15,
        },
        "tempBedC": {"average": 31.6},
        "tempRoomC": {"average": 20.7},
    }
    total = min(100, max(0, 90 + figures.shift))
    return {"total": total, "weight": _QUALITY_WEIGHT, "weighted": round(total * _QUALITY_WEIGHT), **parts}


def routine(figures: Figures) -> dict[str, Any]:
    """``sleepRoutineScore``: clock times and latencies."""
    total = min(100, max(0, 80 + figures.shift))
    return {
        "total": total,
        "weight": _ROUTINE_WEIGHT,
        "weighted": round(total * _ROUTINE_WEIGHT),
        "wakeupConsistency": {"current": figures.woke_up, "average": "06:55:00", "score": 88},
        "sleepStartConsistency": {"current": figures.fell_asleep, "average": "23:25:00", "score": 79},
        "bedtimeConsistency": {"current": figures.bedtime, "average": "23:10:00", "score": 81},
        **_latencies(figures, scored=False),
    }


def _latencies(figures: Figures, *, scored: bool) -> dict[str, dict[str, Any]]:
    asleep, out = figures.usual("latency", _ASLEEP_S), figures.usual("out", _OUT_S)
    return {
        "latencyAsleepSeconds": {
            "current": figures.asleep_latency_s,
            "average": asleep,
            "score": figures.score(figures.asleep_latency_s, asleep, 3_000) if scored else 0,
        },
        "latencyOutSeconds": {
            "current": figures.out_latency_s,
            "average": out,
            "score": figures.score(figures.out_latency_s, out, 2_000) if scored else 0,
        },
    }


def _part(figures: Figures, value: float, usual: float, width: float, weight: float) -> dict[str, Any]:
    return {"current": value, "average": usual, "score": figures.score(value, usual, width), "weight": weight}


def _range(figures: Figures, name: str, usual: float, score: int, weight: float) -> dict[str, Any]:
    values = figures.measured[name] or [usual]
    return {
        "current": figures.means[name],
        "average": usual,
        "minimum": round(min(values)),
        "maximum": round(max(values)),
        "score": score,
        "weight": weight,
        "lowerRange": round(usual * 0.9, 1),
        "upperRange": round(usual * 1.1, 1),
    }


def _without(part: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in part.items() if name not in names}


def _minutes(clock: str) -> int:
    hours, minutes, _ = clock.split(":")
    return 60 * int(hours) + int(minutes)
