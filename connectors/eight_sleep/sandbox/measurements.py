"""What the bed measures during a stay, with the documented units and steps: floats of two decimals, or nothing."""

import math
from collections.abc import Iterable
from datetime import datetime, timedelta
from random import Random

from connectors.eight_sleep.sandbox.seeding import stream
from connectors.eight_sleep.sandbox.stays import EPOCH_S, Stay, Stretch, merged

_QUARTER, _HOUR = timedelta(minutes=15), timedelta(hours=1)


def instant(moment: datetime) -> str:
    """A time as the vendor writes it."""
    return f"{moment:%Y-%m-%dT%H:%M:%S}.000Z"


def timeseries(seed: int, stay: Stay, *, zeros: bool = False, newer: bool = False) -> dict[str, list[list[object]]]:
    """Everything by its key; ``zeros`` puts lost heart beats in as 0, ``newer`` adds the keys of 2026."""
    chance = stream(seed, "measured", stay.user_id, stay.start)
    usual = stream(seed, "usual", stay.user_id)
    pulse, breath = usual.uniform(48, 64), usual.uniform(12, 17)
    measured: dict[str, list[list[object]]] = {
        "tnt": [[instant(moment), count] for moment, count in tosses(seed, stay)],
        "tempRoomC": _points(chance, _steps(stay.start, stay.end, _HOUR), 20.3, 0.5),
        "tempBedC": _points(chance, _steps(stay.start, stay.end, _HOUR), 31.2, 1.0),
        "respiratoryRate": _points(chance, _asleep(stay, _HOUR), breath, 0.8),
        "heartRate": _points(chance, _asleep(stay, _QUARTER), pulse, 4.0),
        "heating": [],
        "hrv": _points(chance, _asleep(stay, _QUARTER), 46.0, 9.0),
    }
    measured["rmssd"] = [[at, round(float(str(value)) * 1.25, 2)] for at, value in measured["hrv"]]
    if newer:
        measured["nemeanRespiratoryRate"] = _points(chance, _asleep(stay, _HOUR), breath, 0.3)
        measured["nemeanRespiratoryRateNightly"] = _points(chance, _asleep(stay, 8 * _HOUR), breath, 0.1)
        measured["shortAwakes"] = [[at, 1] for at, _ in measured["tnt"][::3]]
    if zeros:
        measured["heartRate"] = [
            [at, 0 if n % 4 == 0 else value] for n, (at, value) in enumerate(measured["heartRate"])
        ]
    return measured


def mean(points: Iterable[list[object]]) -> float | None:
    """The mean of what was measured, without zeros; None of nothing."""
    values = [float(str(value)) for _, value in points if value]
    return round(sum(values) / len(values), 1) if values else None


def tosses(seed: int, stay: Stay) -> list[tuple[datetime, int]]:
    """When the sleeper turned, and how often, while asleep."""
    chance = stream(seed, "tosses", stay.user_id, stay.start)
    turned = []
    for moment in _asleep(stay, _QUARTER):
        count = chance.choice((0, 0, 0, 1, 1, 2))
        if count:
            turned.append((moment + timedelta(minutes=chance.randrange(10)), count))
    return turned


def snoring(seed: int, stay: Stay) -> tuple[Stretch, ...]:
    """Stretches of intensities from the start to the end of the stay."""
    chance = stream(seed, "snoring", stay.user_id, stay.start)
    left = stay.total_s // EPOCH_S
    stretches = [("none", min(left, chance.randrange(60, 240)))]
    left -= stretches[0][1]
    while left > 0:
        length = min(left, chance.randrange(2, 12))
        stretches.append((chance.choice(("light", "light", "medium", "heavy")), length))
        left -= length
        quiet = min(left, chance.randrange(60, 400))
        stretches.append(("none", quiet))
        left -= quiet
    return merged((intensity, EPOCH_S * length) for intensity, length in stretches)


def _steps(first: datetime, last: datetime, step: timedelta) -> list[datetime]:
    """Full steps from the one that holds ``first`` to the last one before ``last``."""
    width = step.total_seconds()
    begun = first - timedelta(seconds=math.fmod(first.timestamp(), width))
    return [begun + number * step for number in range(math.ceil((last - begun) / step))]


def _asleep(stay: Stay, step: timedelta) -> list[datetime]:
    """Full steps within the sleep."""
    if stay.sleep_start is None or stay.sleep_end is None:
        return []
    return [moment for moment in _steps(stay.sleep_start, stay.sleep_end, step) if moment >= stay.sleep_start]


def _points(chance: Random, moments: list[datetime], around: float, within: float) -> list[list[object]]:
    return [[instant(moment), round(around + chance.uniform(-within, within), 2)] for moment in moments]
