"""Who writes what, and when, so that several may write at once: one writer for each patient, targets first. Pure.

Concurrent writers of one patient would race (conditional writes make doubles, servers answer 409), and a server that
checks references wants their targets before.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from zlib import crc32

from connectors.fhir_server.bundles import Write

FIRST = frozenset({"Patient", "Device"})
"""Types that the others refer to; they go first, in transactions."""

Wave = tuple[Write, ...]
"""Writes that do not refer to each other: Bundles may cut them anywhere."""


@dataclass(frozen=True)
class Plan:
    """``first`` by one writer, as transactions; then each of ``lanes`` by a writer of its own, its waves one after the
    other; when all are done ``last`` (Provenance and what else concerns no single patient), in waves, by one writer.

    No patient is in two lanes. Everything after ``first`` goes in batches.
    """

    first: Wave = field(repr=False)
    lanes: tuple[tuple[Wave, ...], ...] = field(repr=False)
    last: tuple[Wave, ...] = field(repr=False)


def plan(writes: Iterable[Write], lanes: int = 4) -> Plan:
    """Divide ``writes`` among at most ``lanes`` writers; a patient is always in the same lane. Order is kept."""
    first: list[Write] = []
    last: list[Write] = []
    by_lane: dict[int, list[Write]] = defaultdict(list)
    for write in writes:
        if write.type in FIRST:
            first.append(write)
        elif patient := patient_of(write):
            by_lane[crc32(patient.encode()) % lanes].append(write)
        else:
            last.append(write)
    return Plan(tuple(first), tuple(waves(by_lane[lane]) for lane in sorted(by_lane)), waves(last))


def patient_of(write: Write) -> str | None:
    """``Patient/id`` of whom a resource is about, or None."""
    for name in ("subject", "patient"):
        match write.resource.get(name):
            case {"reference": str(reference)} if reference.startswith("Patient/"):
                return reference
    return None


def waves(writes: Sequence[Write]) -> tuple[Wave, ...]:
    """Writes in as few waves as let each target come in an earlier one than who refers to it.

    Those that refer to each other in a circle come together at the end.
    """
    waiting = list(writes)
    found: list[Wave] = []
    while waiting:
        names = {write.name for write in waiting}
        ready = [write for write in waiting if not (write.targets - {write.name}) & names]
        ready_names = {write.name for write in ready}
        found.append(tuple(ready or waiting))
        waiting = [write for write in waiting if write.name not in ready_names] if ready else []
    return tuple(found)
