"""Chance that repeats itself: a stream of its own for every name, drawn from the world's seed alone."""

from random import Random


def stream(seed: int, *name: object) -> Random:
    """The stream of this name; the same seed and name give the same numbers on every machine."""
    return Random("/".join(map(str, (seed, *name))))  # noqa: S311


def hexadecimal(seed: int, digits: int, *name: object) -> str:
    """An invented id of so many hex digits."""
    return f"{stream(seed, *name).getrandbits(4 * digits):0{digits}x}"
