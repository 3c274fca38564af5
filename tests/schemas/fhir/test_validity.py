"""What may not leave the house is told by rule and path, never by value."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from schemas.fhir import (
    Resource,
    average_stats_observation,
    complaints,
    device,
    patient,
    retracted_observations,
    session_observations,
)
from schemas.fhir.validity import UNITS, broken_rules, structure_complaints
from tests.schemas.fhir.rows import CONTEXT, epochs, month, night, user
from tests.schemas.fhir.test_retracted import DELETED_AT

CANARY = "canary value of somebody"


def _summary() -> Resource:
    return deepcopy(session_observations(CONTEXT, night(), epochs())[0])


def _set(*path: Any) -> Callable[[Resource], None]:
    def change(resource: Any) -> None:
        *way, last, value = path
        for step in way:
            resource = resource[step]
        resource[last] = value

    return change


def _twin_component(observation: Resource) -> None:
    observation["component"].append({"code": observation["code"], "valueString": "again"})


def _absent_beside_value(observation: Resource) -> None:
    observation["component"][0]["dataAbsentReason"] = {"text": "unknown"}


def _remove(key: str) -> Callable[[Resource], None]:
    def change(resource: Resource) -> None:
        del resource[key]

    return change


BROKEN: list[tuple[str, Callable[[Resource], None]]] = [
    ("observation-status", _set("status", "registered")),
    ("observation-category", _set("category", 0, "coding", 0, "code", "social")),
    ("observation-category", _remove("category")),
    ("not exactly one identifier", lambda o: o["identifier"].append(o["identifier"][0])),
    ("not exactly one identifier", _remove("identifier")),
    ("obs-6", _absent_beside_value),
    ("obs-7", _twin_component),
    ("per-1", _set("effectivePeriod", "end", "2025-03-10T23:12:07+09:00")),
    ("start has the wrong form", _set("effectivePeriod", "start", "2025-03-10T23:12:08")),
    ("issued has the wrong form", _set("issued", "2025-03-11")),
    ("id has the wrong form", _set("id", f"{CANARY}/1")),
    ("reference has the wrong form", _set("subject", "reference", f"Patient/{CANARY}")),
    ("valueQuantity is in a unit not listed", _set("valueQuantity", "code", "h")),
    ("note is empty", _set("note", [])),
    ("valueQuantity.value: value_error", _set("valueQuantity", "value", CANARY)),
    ("oddity: extra_forbidden", _set("oddity", CANARY)),
]


@pytest.mark.parametrize(("complaint", "damage"), BROKEN, ids=[f"{n}-{name}" for n, (name, _) in enumerate(BROKEN)])
def test_what_is_wrong_is_named_by_its_rule(complaint: str, damage: Callable[[Resource], None]) -> None:
    """The complaint is there for the damaged resource only, and quotes nothing of it."""
    observation = _summary()
    assert complaints(observation) == []
    damage(observation)
    assert complaints(observation)
    found = [*structure_complaints(observation), *broken_rules(observation)]
    assert complaint in found
    assert CANARY not in " ".join(found)


def test_everything_made_here_is_fit_to_be_sent() -> None:
    """Patients, devices, averages, and what is taken back."""
    made = [
        patient(CONTEXT, user()),
        device(CONTEXT, "asleep"),
        average_stats_observation(CONTEXT, month()),
        *retracted_observations(CONTEXT, night(), DELETED_AT),
    ]
    assert [complaints(resource) for resource in made] == [[]] * len(made)


def test_the_units_are_those_of_the_mapping() -> None:
    """The whole list of UCUM codes that may be written."""
    assert {"min", "%", "1", "{#}", "{count}", "{events}/h", "{score}", "{stage}", "/min", "ms", "Cel"} == UNITS
