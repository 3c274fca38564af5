"""Where all chance in the sandbox comes from: named streams of random numbers, and identifiers drawn from them.

What is drawn for whom is decided by the callers. A stream depends on its name only, never on what was drawn before
elsewhere: that is what keeps a night the same when a world gets more users or more nights.
"""

import random
import string

SESSION_ID_CHARACTERS = string.ascii_lowercase + string.digits


def stream(*name: object) -> random.Random:
    """A generator that gives the same numbers for the same name, in every process."""
    return random.Random("/".join(map(str, name)))  # noqa: S311 (invented sleepers, no secrets)


def word(rng: random.Random, characters: str, length: int) -> str:
    """``length`` random characters."""
    return "".join(rng.choice(characters) for _ in range(length))


def odd_second(rng: random.Random) -> int:
    """An odd number of seconds, 1-59: phones start to record whenever the thumb comes down."""
    return rng.randrange(1, 60, 2)
