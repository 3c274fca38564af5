"""Ours and ``fhir.resources`` by turns: what each costs, and whether both say the same, field by field."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import orjson
from fhir.resources.R4B.observation import Observation

from assets.fhir.sleep_observations import Nights, file_name, observations, read_nights
from benchmarks.fhir.agreement import Agreement
from benchmarks.fhir.nights import A_DATE
from connectors.home import Home
from schemas.fhir import FhirContext, Resource, ndjson

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Costs:
    """CPU seconds per 1,000 sessions, by what was done."""

    read_s: float
    """From Parquet to rows."""
    write_s: float
    """From rows to a durable NDJSON file."""
    map_s: float
    """From rows to structures: the first part of ``write_s``."""
    serialise_s: float
    """From structures to the bytes of the file."""
    theirs_s: float
    """From the same structures to models of ``fhir.resources``, and from those to JSON."""


def rounds(home: Home, context: FhirContext, folders: list[str], number: int, agreement: Agreement) -> Iterator[Costs]:
    """All partitions by ours, shared out over the rounds; in each round one of them by ``fhir.resources`` too."""
    share = len(folders) // number
    for first in range(0, share * number, share):
        read_s = write_s = 0.0
        for folder in folders[first : first + share]:
            costs = _ours(home, context, folder)
            read_s, write_s = read_s + costs[0] / share, write_s + costs[1] / share
        yield _compared(home, context, folders[first], agreement, read_s, write_s)


def _ours(home: Home, context: FhirContext, folder: str) -> tuple[float, float]:
    """One partition, with the functions of the asset: CPU seconds per 1,000 sessions, to rows and to the file."""
    nights, read_s = _timed(lambda: read_nights(home, context, folder))
    _, write_s = _timed(lambda: home.fhir.replace(file_name(folder), ndjson(observations(context, nights))))
    return read_s, write_s


def _compared(
    home: Home, context: FhirContext, folder: str, agreement: Agreement, read_s: float, write_s: float
) -> Costs:
    nights = read_nights(home, context, folder)
    lines = list(home.fhir.observations(folder))
    structures: list[Resource] = [orjson.loads(line) for line in lines]
    dumped, theirs_s = _timed(lambda: [_by_fhir_resources(structure) for structure in structures])
    content, serialise_s = _timed(lambda: ndjson(structures))
    assert content.splitlines() == lines
    _, map_s = _timed(lambda: _consume(context, nights))
    for ours, theirs in zip(lines, dumped, strict=True):
        agreement.compare(ours, theirs)
    return Costs(read_s, write_s, map_s, serialise_s, theirs_s)


def _by_fhir_resources(structure: Resource) -> str:
    """The same resource by way of their models; none of them is kept, as none of ours is."""
    return Observation.model_validate(structure).model_dump_json()


def _consume(context: FhirContext, nights: Nights) -> None:
    for _ in observations(context, nights):
        pass


def _timed(work: Callable[[], Result]) -> tuple[Result, float]:
    """What came of it, and the CPU seconds per 1,000 sessions that a partition of them took this process."""
    began = time.process_time()
    result = work()
    return result, (time.process_time() - began) * 1000 / A_DATE
