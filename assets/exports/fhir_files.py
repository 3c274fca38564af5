"""What a FHIR server should have: the resources in the home's NDJSON files, partition by partition.

A partition is ``people`` (patients, devices, the code system), a UTC date of nights (``date=2026-11-22``) or a month of
averages (``month=2026-11``). Nothing here knows what was sent.
"""

from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import dataclass, replace
from datetime import date
from hashlib import sha256
from typing import Any, TypeVar

import orjson

from connectors.home import Home
from schemas.asleep import ASLEEP
from schemas.eight_sleep import EIGHT_SLEEP
from schemas.fhir import Resource, code_system
from schemas.fhir.pseudonyms import KIND_LETTERS

PEOPLE = "people"
DAYS = "date="
MONTHS = "month="

SOURCES = (ASLEEP, EIGHT_SLEEP)
"""The sources whose nights there are files of."""

Read = TypeVar("Read")

_KINDS = {letter: kind for kind, letter in KIND_LETTERS.items()}


@dataclass(frozen=True, slots=True)
class Wanted:
    """A resource that a destination should have; ``name`` is ``Type/id``, as are ``patient`` and ``part_of``."""

    name: str
    resource: Resource
    content_hash: str
    patient: str | None
    part_of: str | None

    def __repr__(self) -> str:
        return "Wanted(…)"

    @property
    def entered_in_error(self) -> bool:
        """Whether it says that what was sent before was an error; there is no use in sending it to anybody else."""
        return self.resource.get("status") == "entered-in-error"

    def without_members(self, names: Set[str]) -> "Wanted":
        """The same without references to those of its members, by name."""
        resource = without_members(self.resource, names)
        return self if resource is self.resource else replace(self, resource=resource, content_hash=hash_of(resource))


def partitions(home: Home, first: date | None = None, last: date | None = None) -> list[str]:
    """People first, then the days and the months there are files of that touch ``first``..``last`` (inclusive)."""
    lowest, highest = first or date.min, last or date.max
    folders = home.fhir.folders()
    days = [name for name in folders if name.startswith(DAYS) and lowest <= _day(name) <= highest]
    months = [name for name in folders if name.startswith(MONTHS) and lowest.replace(day=1) <= _day(name) <= highest]
    return [PEOPLE, *days, *months]


def mark_of(home: Home, partition: str) -> str:
    """A mark that changes whenever what a destination should have of the partition may have changed."""
    if partition == PEOPLE:
        return f"{home.fhir_base} {hash_of(code_system(home.fhir_base))[:8]} {_reading(home.fhir.mark_of_people)}"
    return f"{home.fhir_base} {_reading(lambda: home.fhir.mark_of_folder(partition))}"


def wanted_of(home: Home, partition: str) -> dict[str, Wanted]:
    """Everything that a destination should have of a partition, by name; members before their nights."""
    resources = _reading(lambda: list(_resources(home, partition)))
    nights = {
        member["reference"]: name_of(resource) for resource in resources for member in resource.get("hasMember", ())
    }
    found = (_wanted(resource, nights) for resource in resources)
    return {one.name: one for one in sorted(found, key=lambda one: one.part_of is None)}


def name_of(resource: Resource) -> str:
    """``Type/id``."""
    return f"{resource['resourceType']}/{resource['id']}"


def without_members(resource: Resource, names: Set[str]) -> Resource:
    """A resource without its references to members of these names; itself if it has none."""
    members = resource.get("hasMember", ())
    kept = [member for member in members if member["reference"] not in names]
    if len(kept) == len(members):
        return resource
    rest = {name: part for name, part in resource.items() if name != "hasMember"}
    return {**rest, "hasMember": kept} if kept else rest


def identified(name: str, base: str, source: str) -> Resource:
    """As much of a resource of ours as it takes to find it: type, id and identifier; ``name`` is ``Type/id``."""
    kind, _, pseudonym = name.partition("/")
    system = f"{base}/identifier/{source}-{_KINDS[pseudonym[:1]]}"
    return {"resourceType": kind, "id": pseudonym, "identifier": [{"system": system, "value": pseudonym}]}


def source_of(resource: Mapping[str, Any]) -> str:
    """The source whose identifier a resource of ours has, also as a server has it. ValueError if it has none."""
    systems = [identifier.get("system", "") for identifier in resource.get("identifier", ())]
    for source in SOURCES:
        if any(f"/identifier/{source}-" in system for system in systems):
            return source
    raise ValueError("a resource without an identifier of ours")


def hash_of(resource: Resource) -> str:
    """A hash of the resource's JSON."""
    return sha256(orjson.dumps(resource)).hexdigest()[:32]


def _wanted(resource: Resource, nights: dict[str, str]) -> Wanted:
    name = name_of(resource)
    patient = name if resource["resourceType"] == "Patient" else resource.get("subject", {}).get("reference")
    night = name if resource.get("hasMember") else nights.get(name)
    return Wanted(name, resource, hash_of(resource), patient, night if night != name else None)


def _resources(home: Home, partition: str) -> Iterator[Resource]:
    if partition == PEOPLE:
        yield code_system(home.fhir_base)
        yield from map(orjson.loads, home.fhir.people())
    else:
        yield from map(orjson.loads, home.fhir.observations(partition))


def _reading(read: Callable[[], Read]) -> Read:
    try:
        return read()
    except FileNotFoundError:  # a build has just taken back a file that was listed
        return read()


def _day(partition: str) -> date:
    text = partition.partition("=")[2]
    return date.fromisoformat(text if partition.startswith(DAYS) else f"{text}-01")
