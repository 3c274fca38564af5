"""Nights nobody slept: plausible stages for any sleeper and evening, drawn from the world's seed alone."""

from datetime import UTC, date, datetime, time, timedelta
from random import Random
from zoneinfo import ZoneInfo

from connectors.eight_sleep.sandbox.seeding import stream
from connectors.eight_sleep.sandbox.stays import EPOCH_S, SLEEP, Stretch, merged

ABSENT = 0.04
"""The share of nights somebody sleeps elsewhere."""

NAPS = 0.07
"""The share of afternoons with a nap."""

Planned = tuple[datetime, tuple[Stretch, ...]]
"""When a stay begins (UTC), and its stages."""


def evening_and_night(seed: int, user_id: str, zone: str, evening: date) -> list[Planned]:
    """The stays that begin from noon of ``evening`` to the next noon, in order: maybe a nap, mostly a night."""
    chance = stream(seed, "night", user_id, evening)
    planned = []
    is_away, naps = chance.random() < ABSENT, chance.random() < NAPS
    if naps:
        planned.append((_local(evening, zone, 14 * 120 + chance.randrange(180)), nap(chance)))
    if not is_away:
        planned.append((_local(evening, zone, 22 * 120 + chance.randrange(280)), night(chance)))
    return planned


def night(chance: Random) -> tuple[Stretch, ...]:
    """Six to nearly nine hours: cycles with less deep sleep and more rem towards the morning."""
    asleep = chance.randrange(6 * 120, 17 * 60)
    stretches = [("awake", chance.randrange(8, 70))]
    number = 0
    while asleep > 0:
        for stage, length in _cycle(chance, number):
            stretches.append((stage, length))
            asleep -= length
        if asleep > 0:
            stretches += _pause(chance)
        number += 1
    stretches += [("light", chance.randrange(4, 20)), ("awake", chance.randrange(4, 40))]
    return _in_seconds(stretches)


def nap(chance: Random) -> tuple[Stretch, ...]:
    """Half an hour to an hour and a half, mostly light."""
    return _in_seconds(
        [
            ("awake", chance.randrange(6, 30)),
            ("light", chance.randrange(30, 120)),
            (chance.choice(SLEEP), chance.randrange(10, 50)),
            ("awake", chance.randrange(2, 16)),
        ]
    )


def analysed_again(
    seed: int, user_id: str, start: datetime, stages: tuple[Stretch, ...], edition: int
) -> tuple[Stretch, ...]:
    """The same bounds with other stages of sleep between them.

    Raises:
        ValueError: there is no sleep to be seen otherwise.
    """
    if not any(stage in SLEEP for stage, _ in stages):
        raise ValueError("A stay without sleep looks the same however often it is analysed.")
    chance = stream(seed, "again", user_id, start, edition)
    while True:
        again = merged(
            (chance.choice(SLEEP) if stage in SLEEP and chance.random() < 1 / 3 else stage, length)
            for stage, length in stages
        )
        if again != stages:
            return again


def _cycle(chance: Random, number: int) -> list[Stretch]:
    deep = max(0, chance.randrange(40, 90) - 18 * number)
    rem = chance.randrange(8, 24) + 14 * min(number, 3)
    return [
        ("light", chance.randrange(14, 50)),
        ("deep", deep),
        ("light", chance.randrange(20, 70)),
        ("rem", rem),
    ]


def _pause(chance: Random) -> list[Stretch]:
    """Between two cycles: nothing, a while awake, or up and back again."""
    drawn = chance.random()
    if drawn < 0.4:
        return []
    if drawn < 0.85:
        return [("awake", chance.randrange(1, 18))]
    return [("awake", chance.randrange(1, 6)), ("out", chance.randrange(4, 24)), ("awake", chance.randrange(1, 10))]


def _in_seconds(stretches: list[Stretch]) -> tuple[Stretch, ...]:
    return merged((stage, EPOCH_S * length) for stage, length in stretches)


def _local(day: date, zone: str, half_minutes: int) -> datetime:
    midnight = datetime.combine(day, time.min)
    return (midnight + timedelta(seconds=EPOCH_S * half_minutes)).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
