"""What is odd about one session, as data: nothing at all unless a case says so.

``recording`` and ``world`` read it to record and date the session, ``answers`` to say what the vendor would; which
oddities there are by name is in ``cases``.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import Literal

from connectors.asleep.sandbox.statistics import STABLE_BREATH

Heard = Callable[[Random, Sequence[int]], list[int]]
"""A change of the stages of a recording."""
Arrays = Literal["present", "empty", "null", "null until complete"]
"""What is sent of the stages, of snoring and of breathing."""


def as_slept(_: Random, stages: Sequence[int]) -> list[int]:
    """Stages as the night was."""
    return list(stages)


@dataclass(frozen=True, slots=True, kw_only=True)
class Oddity:
    """How one session differs from what its person usually sends."""

    heard: Heard = as_slept
    uploads: bool = True
    """Whether any audio reached the vendor."""
    lost_chunks: int = 0
    """Last full chunks of 30 s that never arrived."""
    closed_late: timedelta | None = None
    """Time between the last chunk and the moment the client came back and closed the session."""
    arrays: Arrays = "present"
    two_stage: bool = False
    """The basic plan: wake and sleep, sent as 0 and 1."""
    onset_at_unknown: bool = False
    """Sleep begins with the first epoch that is not wake, unknown ones included."""
    snoring: bool = True
    """Whether snoring was analysed."""
    breathing: bool | None = None
    """Whether breathing was analysed; by the person's contract if None."""
    breathing_pattern: str = STABLE_BREATH
    timezone: str | None = None
    """IANA zone of the phone; the person's if None."""
    state: str | None = None
    """What the state is called once the analysis is done, in place of COMPLETE."""
    contract: tuple[str, ...] = ()
    """Peculiarities that come from the contract, in every state."""
    found: tuple[str, ...] = ()
    """Peculiarities the analysis found, once COMPLETE."""
    sends_stat: bool = True


NOTHING_ODD = Oddity()
