"""Nights with scores, in the variants of 2022 (``v1``), ``v2`` and ``v3``: one day for each morning with a stay."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from connectors.eight_sleep.sandbox.intervals import fraction, summary
from connectors.eight_sleep.sandbox.measurements import instant, mean, snoring, timeseries, tosses
from connectors.eight_sleep.sandbox.nights import Told
from connectors.eight_sleep.sandbox.scores import Figures, fitness, quality, routine
from connectors.eight_sleep.sandbox.stays import Stay

MODELS = ("v1", "v2", "v3")


def mornings(stays: Iterable[Told], zone: ZoneInfo) -> dict[date, list[Told]]:
    """The stays by the local date on which they end, oldest first."""
    days: dict[date, list[Told]] = {}
    for told in stays:
        days.setdefault(told.whole.end.astimezone(zone).date(), []).append(told)
    return dict(sorted(days.items()))


def day_document(seed: int, day: date, told: list[Told], zone: ZoneInfo, model: str) -> dict[str, Any]:
    """One night without its sessions; scores are told once all is final, and 0 until then."""
    stays = [one.stay for one in told]
    main = max(stays, key=lambda stay: stay.asleep_s)
    final = all(one.is_final for one in told)
    figures = _figures(seed, main, stays, zone)
    score = fitness(figures)
    document: dict[str, Any] = {
        "day": day.isoformat(),
        "score": (max(0, score["total"] - (3 if model == "v1" else 0)) if final else 0),
        "presenceDuration": main.total_s + main.seconds("out"),
        "sleepDuration": main.asleep_s,
    }
    sums = summary(main)
    if model != "v1":
        document |= {name: sums[name] for name in ("lightDuration", "deepDuration", "remDuration")}
    document["deepPercent"] = sums["deepPercentOfSleep"]
    if model != "v1":
        document["remPercent"] = sums["remPercentOfSleep"]
    document |= {
        "presenceStart": instant(main.start),
        "presenceEnd": instant(main.end),
        "sleepStart": _told(main.sleep_start),
        "sleepEnd": _told(main.sleep_end),
        "tnt": sum(count for _, count in tosses(seed, main)),
        "mainSessionId": main.id,
        "sessionIds": [main.id, *(stay.id for stay in stays if stay is not main)],
        "tags": [],
    }
    if model == "v2":
        document |= {"processing": not final}
        document |= {"latencyAsleepSeconds": figures.asleep_latency_s, "latencyOutSeconds": figures.out_latency_s}
    else:
        document["incomplete"] = not final
    if model == "v3":
        document |= _snores(seed, main)
    if final:
        document |= _scores(figures, score, model)
    return document


def averages(days: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What the answer of 2022 tells beside its days."""
    if not days:
        return {}

    def average(name: str) -> float:
        return float(sum(day[name] for day in days)) / len(days)

    return {
        "avgScore": round(average("score")),
        "avgPresenceDuration": round(average("presenceDuration")),
        "avgSleepDuration": round(average("sleepDuration")),
        "avgDeepPercent": round(average("deepPercent"), 2),
        "avgTnt": round(average("tnt")),
    }


def _scores(figures: Figures, score: dict[str, Any], model: str) -> dict[str, Any]:
    if model == "v1":
        return {"sleepFitnessScore": score}
    both = {"sleepQualityScore": quality(figures), "sleepRoutineScore": routine(figures)}
    if model == "v2":
        return {**both, "sleepFitnessScore": {"total": score["total"]}}
    return {**both, "avgSleepFitnessScore": 84.6, "avgSleepQualityScore": 86.1, "avgSleepRoutineScore": 74.2}


def _snores(seed: int, stay: Stay) -> dict[str, int]:
    stretches = snoring(seed, stay)
    every = sum(length for kind, length in stretches if kind != "none")
    heavy = sum(length for kind, length in stretches if kind == "heavy")
    return {
        "snoreDuration": every,
        "heavySnoreDuration": heavy,
        "snorePercent": _percent(every, stay.asleep_s),
        "heavySnorePercent": _percent(heavy, stay.asleep_s),
    }


def _figures(seed: int, main: Stay, stays: list[Stay], zone: ZoneInfo) -> Figures:
    measured = timeseries(seed, main)
    return Figures(
        seed=seed,
        user_id=main.user_id,
        all_asleep_s=sum(stay.asleep_s for stay in stays),
        deep_s=main.seconds("deep"),
        rem_s=main.seconds("rem"),
        waso=fraction(int(summary(main)["wasoDuration"]), main.asleep_s),
        asleep_latency_s=main.before_s,
        out_latency_s=main.after_s,
        bedtime=_clock(main.start, zone),
        fell_asleep=_clock(main.sleep_start or main.start, zone),
        woke_up=_clock(main.sleep_end or main.end, zone),
        measured={name: [float(str(value)) for _, value in points if value] for name, points in measured.items()},
        means={name: mean(points) for name, points in measured.items()},
        shift=main.score_shift - 2 * main.edition,
    )


def _clock(moment: datetime, zone: ZoneInfo) -> str:
    return f"{moment.astimezone(zone):%H:%M:%S}"


def _told(moment: datetime | None) -> str | None:
    return instant(moment) if moment else None


def _percent(part: int, whole: int) -> int:
    return round(100 * part / whole) if whole else 0
