"""Reading CapabilityStatements and choosing the write form from them."""

from typing import Any

import pytest

from connectors.fhir_server.capability import ServerUnfit, capability_of

TYPES = ("Patient", "Device", "Observation")


def statement(version: object = "4.0.1", system: tuple[str, ...] = ("batch", "transaction"), **of_all: object) -> Any:
    """A server's statement; ``of_all`` holds for each type."""
    resources = [{"type": type, **of_all} for type in TYPES]
    rest = {"mode": "server", "interaction": [{"code": code} for code in system], "resource": resources}
    return {"fhirVersion": version, "software": {"name": "An EHR"}, "rest": [{"mode": "client"}, rest]}


@pytest.mark.parametrize("version", ["4.0.0", "4.0.1", "4.3.0"])
def test_r4_and_r4b_are_taken(version: str) -> None:
    """The version, the software and the Bundles are read from the server's part."""
    found = capability_of(statement(version))
    assert (found.fhir_version, found.software, found.batch, found.transaction) == (version, "An EHR", True, True)


@pytest.mark.parametrize("version", ["3.0.2", "4.1.0", "4.6.0", "5.0.0", "40.0", None, 4.0, "Jane Doe"])
def test_another_version_is_refused_in_one_sentence(version: object) -> None:
    """It says which one, unless that is no version at all."""
    with pytest.raises(ServerUnfit, match=r"^The FHIR server speaks FHIR .*, not R4 \(4.0 or 4.3\).*\.$") as caught:
        capability_of(statement(version))
    assert "Jane" not in str(caught.value)


def test_ids_of_ours_are_preferred_wherever_they_are_allowed_for_all() -> None:
    """One form for everything that is written to a destination."""
    both = capability_of(statement(updateCreate=True, conditionalUpdate=True))
    assert both.write_form(TYPES) == "by_id"
    some = statement(conditionalUpdate=True)
    some["rest"][1]["resource"][0]["updateCreate"] = True
    assert capability_of(some).write_form(["Patient"]) == "by_id"
    assert capability_of(some).write_form(TYPES) == "conditional"


def test_a_server_that_can_do_neither_is_refused() -> None:
    """So is one that does not know a type, or that lists the switches but not the interaction."""
    with pytest.raises(ServerUnfit, match="Device, Observation and Patient"):
        capability_of(statement(updateCreate=False)).write_form(TYPES)
    with pytest.raises(ServerUnfit, match="does not take Provenance"):
        capability_of(statement(updateCreate=True)).write_form([*TYPES, "Provenance"])
    reading = statement(updateCreate=True, conditionalUpdate=True, interaction=[{"code": "read"}])
    with pytest.raises(ServerUnfit):
        capability_of(reading).write_form(TYPES)


def test_bundles_are_of_the_kind_that_the_server_does() -> None:
    """The wanted one if it does both, the other if it does one, none if it does none."""
    assert capability_of(statement()).kind("batch") == "batch"
    assert capability_of(statement()).kind("transaction") == "transaction"
    assert capability_of(statement(system=("transaction",))).kind("batch") == "transaction"
    assert capability_of(statement(system=("batch",))).kind("transaction") == "batch"
    with pytest.raises(ServerUnfit):
        capability_of(statement(system=())).kind("batch")


@pytest.mark.parametrize(
    "rest", [None, [], "x", [None], [{"mode": "server", "resource": [None, {}], "interaction": 3}]]
)
def test_a_statement_that_says_nothing_promises_nothing(rest: object) -> None:
    """Whatever stands in it."""
    found = capability_of({"fhirVersion": "4.0.1", "rest": rest, "software": 7})
    assert (found.batch, found.transaction, found.software) == (False, False, "unknown")
    with pytest.raises(ServerUnfit):
        found.write_form(TYPES)
