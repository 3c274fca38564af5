"""What the phone heard in one session and what the vendor made of it: an array each of stages, snoring and breathing.

The night itself is drawn in ``hypnogram``; here it meets the person's habits and contract and the session's oddity.
"""

from array import array
from collections.abc import Callable, Sequence
from datetime import timedelta
from random import Random
from typing import NamedTuple

from connectors.asleep.sandbox.hypnogram import EPOCH_S, WAKE, hypnogram, snoring, unstable_breathing
from connectors.asleep.sandbox.oddity import Oddity
from connectors.asleep.sandbox.people import Person
from connectors.asleep.sandbox.schedule import Plan

Draw = Callable[[str], Random]
"""The stream of random numbers for one part of a session."""


class Recording(NamedTuple):
    """One value per full 30 s chunk that arrived; ``snoring`` and ``breath`` are null where they are not analysed."""

    stages: Sequence[int]
    snoring: Sequence[int] | None
    breath: Sequence[int] | None


def analyses_breathing(person: Person, oddity: Oddity) -> bool:
    """Whether the contract of a session includes breathing analysis."""
    return person.breathing if oddity.breathing is None else oddity.breathing


def chunks_in_all(plan: Plan, oddity: Oddity) -> int:
    """Full chunks that have arrived once the session is over."""
    planned = (plan.end - plan.start) // timedelta(seconds=EPOCH_S)
    return max(0, planned - oddity.lost_chunks) if oddity.uploads else 0


def recorded(person: Person, plan: Plan, oddity: Oddity, draw: Draw) -> Recording:
    """All chunks up to the planned end."""
    stages = oddity.heard(draw("oddity"), _slept(plan, draw))[: chunks_in_all(plan, oddity)]
    return Recording(
        array("b", stages),
        _snored(person, stages, draw("snoring")) if oddity.snoring else None,
        _breathed(person, stages, draw("breath")) if analyses_breathing(person, oddity) else None,
    )


def _slept(plan: Plan, draw: Draw) -> list[int]:
    chunks = (plan.end - plan.start) // timedelta(seconds=EPOCH_S)
    return [WAKE] * chunks if plan.kind == "rest" else hypnogram(draw("stages"), chunks)


def _snored(person: Person, stages: Sequence[int], rng: Random) -> Sequence[int]:
    return array("b", snoring(rng, stages, person.snoring_share * rng.uniform(0.4, 1.6)))


def _breathed(person: Person, stages: Sequence[int], rng: Random) -> Sequence[int]:
    return array("b", unstable_breathing(rng, stages, person.unstable_per_hour * rng.uniform(0.5, 1.5)))
