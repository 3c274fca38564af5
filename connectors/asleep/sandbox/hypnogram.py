"""One recording of an invented sleeper: sleep stages, snoring and unstable breathing, one value per 30 s.

Adult sleep as a sleep laboratory would draw it, and what the vendor may make of it: fewer stages, gaps, a code nobody
knows. Figures derived from the arrays are in ``statistics``; who sleeps when is in ``schedule``.
"""

from collections.abc import Callable, Sequence
from itertools import accumulate
from random import Random

EPOCH_S = 30
UNKNOWN, WAKE, LIGHT, DEEP, REM = -1, 0, 1, 2, 3

_EPOCHS_PER_HOUR = 120
_SHORTEST_NIGHT = 3 * _EPOCHS_PER_HOUR
_SHORTEST_SLEEP = 30
_LONGEST_AWAKENING = 12
_LARGEST_WAKE_SHARE = 0.09
_QUIET_START = 20

# How deep and REM sleep lean towards the start and the end of the night, by cycle; the last number holds from there on.
_DEEP_WEIGHTS = (5.0, 3.0, 1.2, 0.4, 0.1, 0.0)
_REM_WEIGHTS = (1.0, 2.0, 2.7, 3.2, 3.6)
_SHORTEST_CYCLE_WITH_REM = 100


def hypnogram(rng: Random, epochs: int) -> list[int]:
    """Sleep stages (0 wake, 1 light, 2 deep, 3 REM) of a recording of ``epochs`` x 30 s.

    From three hours on it is a night: 5-35 min of wake, NREM-REM cycles of 70-120 min, short awakenings of 0.5-6 min,
    a last wake block of 0-25 min. Below it is a nap, mostly light. Under 15 minutes nobody falls asleep.
    """
    if epochs < _SHORTEST_SLEEP:
        return [WAKE] * epochs
    if epochs < _SHORTEST_NIGHT:
        return _nap(rng, epochs)
    before = round(rng.triangular(10, 70, 24))
    after = round(rng.triangular(0, 50, 12))
    return [WAKE] * before + _night(rng, epochs - before - after) + [WAKE] * after


def snoring(rng: Random, stages: Sequence[int], share: float) -> list[int]:
    """Snoring (1) in blocks of 2-30 min inside sleep, about ``share`` of it; never during wake."""
    return _blocks(rng, stages, share * _asleep(stages), 4, 60)


def unstable_breathing(rng: Random, stages: Sequence[int], per_hour: float) -> list[int]:
    """Unstable breathing (1) in blocks of 0.5-2 min inside sleep, about ``per_hour`` blocks in an hour of sleep."""
    return _blocks(rng, stages, 2.5 * per_hour * _asleep(stages) / _EPOCHS_PER_HOUR, 1, 4)


def awake(_: Random, stages: Sequence[int]) -> list[int]:
    """The same time spent lying awake."""
    return [WAKE] * len(stages)


def in_two_stages(_: Random, stages: Sequence[int]) -> list[int]:
    """Wake and sleep only, as 0 and 1."""
    return [min(stage, LIGHT) for stage in stages]


def asleep_to_the_end(_: Random, stages: Sequence[int]) -> list[int]:
    """The last wake block slept through: a recording that breaks off in the middle of the night."""
    last = max(epoch for epoch, stage in enumerate(stages) if stage > WAKE)
    return [*stages[: last + 1], *[LIGHT] * (len(stages) - last - 1)]


def with_short_gaps(rng: Random, stages: Sequence[int]) -> list[int]:
    """A gap of 2 min before sleep and three of 1 min inside it, under 1.4 % of the sleep period of a night."""
    heard = list(stages)
    heard[3:7] = [UNKNOWN] * 4
    period = range(stages.index(LIGHT) + _QUIET_START, len(stages) - 3 * _QUIET_START)
    for part in range(3):
        at = period[len(period) * part // 3] + rng.randrange(len(period) // 6)
        heard[at : at + 2] = [UNKNOWN] * 2
    return heard


def with_a_long_gap(rng: Random, stages: Sequence[int]) -> list[int]:
    """An hour to an hour and a half unknown in the middle of the night."""
    epochs = rng.randint(_EPOCHS_PER_HOUR, _EPOCHS_PER_HOUR * 3 // 2)
    return _replaced(stages, len(stages) // 2 - epochs // 2, epochs, UNKNOWN)


def with_a_gap_before_sleep(_: Random, stages: Sequence[int]) -> list[int]:
    """The last 2 min of wake before sleep unknown."""
    return _replaced(stages, stages.index(LIGHT) - 4, 4, UNKNOWN)


def mostly_unknown(rng: Random, stages: Sequence[int]) -> list[int]:
    """At least 60 % unknown, in stretches of 10-30 min."""
    heard = list(stages)
    while heard.count(UNKNOWN) < 0.6 * len(stages):
        heard = _replaced(heard, rng.randrange(len(stages)), rng.randint(20, 60), UNKNOWN)
    return heard


def with_code(code: int) -> Callable[[Random, Sequence[int]], list[int]]:
    """Two minutes of light sleep in the first half of the night under a code of its own."""

    def heard(_: Random, stages: Sequence[int]) -> list[int]:
        places = range(stages.index(LIGHT) + 1, len(stages) - 6)
        at = next(place for place in places if set(stages[place : place + 6]) == {LIGHT})
        return _replaced(stages, at, 4, code)

    return heard


def _replaced(stages: Sequence[int], at: int, epochs: int, code: int) -> list[int]:
    """``epochs`` values from ``at`` on (fewer at the end) turned into ``code``."""
    return [code if at <= epoch < at + epochs else stage for epoch, stage in enumerate(stages)]


def _night(rng: Random, epochs: int) -> list[int]:
    """A sleep period: it starts in light sleep and ends asleep."""
    awakenings = _awakening_lengths(rng, epochs)
    asleep = epochs - sum(awakenings)
    cycles = _cycle_lengths(rng, epochs)
    not_light = 1 - rng.uniform(0.52, 0.62)
    deep_part = rng.uniform(0.36, 0.48)
    deep = _spread(asleep * not_light * deep_part, cycles, _DEEP_WEIGHTS, 0)
    rem = _spread(asleep * min(not_light * (1 - deep_part), 0.27), cycles, _REM_WEIGHTS, _SHORTEST_CYCLE_WITH_REM)
    stages = [stage for shape in zip(cycles, deep, rem, strict=True) for stage in _cycle(rng, *shape)]
    _wake_up(rng, stages, awakenings, list(accumulate(cycles))[:-1])
    return stages


def _awakening_lengths(rng: Random, epochs: int) -> list[int]:
    """Epochs of each awakening: mostly a minute or two, all together never more than 9 % of the sleep period."""
    lengths: list[int] = []
    for _ in range(round(epochs / _EPOCHS_PER_HOUR * rng.uniform(0.6, 1.8))):
        length = min(_LONGEST_AWAKENING, 1 + int(rng.expovariate(1 / 3.5)))
        if sum(lengths) + length <= _LARGEST_WAKE_SHARE * epochs:
            lengths.append(length)
    return lengths


def _cycle_lengths(rng: Random, epochs: int) -> list[int]:
    """Cycles of 70-120 min until the period is full; the last one is cut off by the morning."""
    lengths: list[int] = []
    while (left := epochs - sum(lengths)) > 0:
        lengths.append(min(left, round(min(240.0, max(140.0, rng.gauss(184, 20))))))
    return lengths


def _spread(total: float, cycles: Sequence[int], weights: Sequence[float], shortest: int) -> list[int]:
    """``total`` epochs of a stage shared out over the cycles that are at least ``shortest`` long."""
    pull = [
        length * weights[min(number, len(weights) - 1)] if length >= shortest else 0.0
        for number, length in enumerate(cycles)
    ]
    amounts = [
        min(total * part / sum(pull), 0.45 * length) if part else 0.0 for part, length in zip(pull, cycles, strict=True)
    ]
    return [round(amount) if amount >= 4 else 0 for amount in amounts]


def _cycle(rng: Random, length: int, deep: int, rem: int) -> list[int]:
    """Light, deep, light, REM; long deep and REM blocks are broken once by a short stretch of light sleep."""
    light = length - deep - rem
    deep_break = rng.randint(2, 7) if deep >= 40 and light >= 24 and rng.random() < 0.6 else 0
    rem_break = rng.randint(2, 7) if rem >= 24 and light >= 24 and rng.random() < 0.5 else 0
    light -= deep_break + rem_break
    descent = min(light, max(6, round(light * rng.uniform(0.25, 0.45))))
    return [
        *[LIGHT] * descent,
        *_broken(rng, DEEP, deep, deep_break),
        *[LIGHT] * (light - descent),
        *_broken(rng, REM, rem, rem_break),
    ]


def _broken(rng: Random, stage: int, epochs: int, gap: int) -> list[int]:
    first = round(epochs * rng.uniform(0.3, 0.7))
    return [stage] * first + [LIGHT] * gap + [stage] * (epochs - first)


def _wake_up(rng: Random, stages: list[int], awakenings: Sequence[int], boundaries: Sequence[int]) -> None:
    """Put each awakening into light sleep, often between two cycles; one that finds no room is slept through."""
    for length in awakenings:
        for _ in range(24):
            between = boundaries and rng.random() < 0.4
            at = rng.choice(boundaries) if between else rng.randrange(_QUIET_START, len(stages) - length - 1)
            if stages[at - 1] != WAKE and stages[at : at + length + 1] == [LIGHT] * (length + 1):
                stages[at : at + length] = [WAKE] * length
                break


def _nap(rng: Random, epochs: int) -> list[int]:
    """Mostly light; some deep sleep in a longer nap, seldom REM, and REM only after 70 minutes of sleep."""
    before = min(round(rng.triangular(10, 40, 16)), epochs // 3)
    after = min(round(rng.triangular(0, 16, 4)), epochs // 6)
    asleep = epochs - before - after
    stages = [LIGHT] * asleep
    if asleep >= 80 and rng.random() < 0.4:
        first = round(asleep * rng.uniform(0.3, 0.5))
        stages[first : first + asleep // 8] = [DEEP] * (asleep // 8)
    if asleep >= 160 and rng.random() < 0.2:
        stages[-18:-6] = [REM] * 12
    if asleep >= 60 and rng.random() < 0.3:
        _wake_up(rng, stages, [rng.randint(1, 6)], [])
    return [WAKE] * before + stages + [WAKE] * after


def _asleep(stages: Sequence[int]) -> int:
    return sum(stage > WAKE for stage in stages)


def _blocks(rng: Random, stages: Sequence[int], wanted: float, shortest: int, longest: int) -> list[int]:
    """About ``wanted`` marked epochs (at most 60 % of sleep), in blocks that wake cuts short."""
    marks = [0] * len(stages)
    marked, enough = 0, min(wanted, 0.6 * _asleep(stages))
    while marked < enough:
        at = rng.randrange(len(stages))
        for epoch in range(at, min(len(stages), at + rng.randint(shortest, longest))):
            if stages[epoch] > WAKE and not marks[epoch]:
                marks[epoch] = 1
                marked += 1
    return marks
