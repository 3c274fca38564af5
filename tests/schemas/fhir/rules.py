"""The rules of FHIR R4 that ``fhir.resources`` does not check, as one function that every Observation must pass."""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import orjson
from fhir.resources.R4B.observation import Observation

from schemas.fhir import Resource, code_system

STATUSES = {"preliminary", "final", "amended", "corrected", "entered-in-error"}
ABSENT_REASONS = {"unknown", "not-applicable"}
UCUM_UNITS = {"min", "%", "1", "{#}", "{count}", "{events}/h", "{score}", "{stage}", "/min", "ms", "Cel"}
LOCAL_SYSTEM = "https://example.org/fhir/CodeSystem/sleep-metric"
LOCAL_CODES = {concept["code"]: concept["display"] for concept in code_system()["concept"]}

FORMATS = {
    "id": r"[A-Za-z0-9\-.]{1,64}",
    "start": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?[+-]\d\d:\d\d",
    "end": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?[+-]\d\d:\d\d",
    "valueDateTime": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?[+-]\d\d:\d\d",
    "issued": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z",
    "valueTime": r"([01]\d|2[0-3]):[0-5]\d:[0-5]\d",
    "reference": r"(Patient|Device|Observation)/[a-z][0-9a-f]{1,63}",
    "effectiveDateTime": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?[+-]\d\d:\d\d",
    "data": r"(E|-?\d+(\.\d+)?)( (E|-?\d+(\.\d+)?))*",
}


def assert_valid(observation: Resource) -> None:
    """The Observation is one for ``fhir.resources``, and keeps the rules that it does not check."""
    Observation.model_validate_json(orjson.dumps(observation))
    assert not list(broken_rules(observation))


def broken_rules(observation: Resource) -> Iterator[str]:
    """Name each rule that an Observation breaks."""
    if observation["status"] not in STATUSES:
        yield "status"
    if len(observation["identifier"]) != 1:
        yield "one identifier"
    if ("effectivePeriod" in observation) == ("effectiveDateTime" in observation):
        yield "one effective"
    within = observation.get("effectivePeriod")
    if within and datetime.fromisoformat(within["start"]) > datetime.fromisoformat(within["end"]):
        yield "per-1"
    if _has_value(observation) and any(_codings(observation) & _codings(c) for c in components(observation)):
        yield "obs-7"
    for element in (observation, *components(observation)):
        if _has_value(element) and "dataAbsentReason" in element:
            yield "obs-6"
    for key, value in _walk(observation):
        yield from _broken_by(key, value)


def components(observation: Resource) -> list[Resource]:
    """The components, none if there are none."""
    found: list[Resource] = observation.get("component", [])
    return found


def component(observation: Resource, code: str) -> Resource | None:
    """The one component whose leading code is ``code``; None without one."""
    found = [c for c in components(observation) if c["code"]["coding"][0]["code"] == code]
    assert len(found) <= 1
    return found[0] if found else None


def absent_reason(element: Resource | None) -> str | None:
    """The code of an element's ``dataAbsentReason``."""
    assert element is not None
    reason = element.get("dataAbsentReason")
    return None if reason is None else str(reason["coding"][0]["code"])


def _broken_by(key: str, value: Any) -> Iterator[str]:
    if value in (None, "", [], {}):
        yield f"{key} is empty"
    if key in FORMATS and not re.fullmatch(FORMATS[key], value):
        yield f"{key} has the wrong form"
    if not isinstance(value, dict):
        return
    if value.get("system") == LOCAL_SYSTEM and LOCAL_CODES.get(value["code"]) != value["display"]:
        yield f"{value['code']} is not in the code system"
    if value.get("system") == "http://unitsofmeasure.org" and value["code"] not in UCUM_UNITS:
        yield f"{value['code']} is no unit we know"
    if key == "dataAbsentReason" and value["coding"][0]["code"] not in ABSENT_REASONS:
        yield "data-absent-reason"


def _codings(element: Resource) -> set[tuple[str, str]]:
    return {(coding["system"], coding["code"]) for coding in element["code"]["coding"]}


def _has_value(element: Resource) -> bool:
    return any(key.startswith("value") for key in element)


def _walk(element: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    yield key, element
    if isinstance(element, dict):
        for inner, value in element.items():
            yield from _walk(value, inner)
    if isinstance(element, list):
        for value in element:
            yield from _walk(value, key)
