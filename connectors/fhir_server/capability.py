"""What a FHIR server says it can do (GET /metadata), as far as writing to it goes. Pure.

The statement decides the write form once for a destination; whoever sends remembers the choice.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from connectors.errors import NightshiftError
from connectors.fhir_server.bundles import BundleKind, WriteForm


class ServerUnfit(NightshiftError):
    """The server is reached, but cannot be a destination: wrong FHIR version, or it cannot take what we write."""


@dataclass(frozen=True)
class TypeCapability:
    """What the server does with one resource type."""

    update_create: bool = False
    conditional_update: bool = False
    conditional_create: bool = False


@dataclass(frozen=True)
class Capability:
    """A server's CapabilityStatement: FHIR version, its software, whole Bundles, and the resource types it takes."""

    fhir_version: str
    software: str
    batch: bool
    transaction: bool
    types: Mapping[str, TypeCapability]

    def write_form(self, types: Iterable[str]) -> WriteForm:
        """By id where the server creates under our ids, else by condition; one form for all ``types``.

        Raises: ServerUnfit.
        """
        wanted = sorted(set(types))
        if missing := [type for type in wanted if type not in self.types]:
            raise ServerUnfit(f"The FHIR server does not take {_listed(missing)}: choose another one in FHIR_BASE_URL.")
        if all(self.types[type].update_create for type in wanted):
            return "by_id"
        if lacking := [type for type in wanted if not self.types[type].conditional_update]:
            raise ServerUnfit(
                "The FHIR server neither creates under ids of ours (updateCreate) nor updates by identifier "
                f"(conditionalUpdate) for {_listed(lacking)}: switch one of them on there."
            )
        return "conditional"

    def kind(self, wanted: BundleKind) -> BundleKind:
        """``wanted`` if the server does it, else the other one. Raises: ServerUnfit when it does neither."""
        if not (self.batch or self.transaction):
            raise ServerUnfit("The FHIR server takes neither batches nor transactions: switch one of them on there.")
        if wanted == "batch":
            return "batch" if self.batch else "transaction"
        return "transaction" if self.transaction else "batch"


def capability_of(document: Mapping[str, Any]) -> Capability:
    """Read a CapabilityStatement. Raises: ServerUnfit, when it is not of FHIR R4 (4.0) or R4B (4.3)."""
    version = document.get("fhirVersion")
    if not isinstance(version, str) or version.split(".")[:2] not in (["4", "0"], ["4", "3"]):
        shown = version if isinstance(version, str) and len(version) <= 20 and version[:1].isdigit() else "another one"
        raise ServerUnfit(f"The FHIR server speaks FHIR {shown}, not R4 (4.0 or 4.3): correct FHIR_BASE_URL.")
    rest: Mapping[str, Any] = next(
        (part for part in _objects(document.get("rest")) if part.get("mode") == "server"), {}
    )
    does = {part.get("code") for part in _objects(rest.get("interaction"))}
    software = document.get("software")
    name = software.get("name") if isinstance(software, Mapping) else None
    return Capability(
        fhir_version=version,
        software=str(name) if name else "unknown",
        batch="batch" in does,
        transaction="transaction" in does,
        types={str(part.get("type")): _type(part) for part in _objects(rest.get("resource"))},
    )


def _type(part: Mapping[str, Any]) -> TypeCapability:
    interactions = {interaction.get("code") for interaction in _objects(part.get("interaction"))}
    # Where interactions are listed, a switch on an interaction that is not there means nothing.
    updates, creates = (not interactions or word in interactions for word in ("update", "create"))
    return TypeCapability(
        update_create=updates and part.get("updateCreate") is True,
        conditional_update=updates and part.get("conditionalUpdate") is True,
        conditional_create=creates and part.get("conditionalCreate") is True,
    )


def _objects(found: object) -> list[Mapping[str, Any]]:
    return [part for part in found if isinstance(part, Mapping)] if isinstance(found, list) else []


def _listed(words: list[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
