"""Whether a resource may leave the house: what ``fhir.resources`` checks, and the rules of R4 that it does not.

Complaints name the rule and the path, never a value: they go to logs and quarantine.
"""

import re
from collections.abc import Iterator
from datetime import datetime
from importlib import import_module
from typing import Any

import orjson
from pydantic import BaseModel, ValidationError

from schemas.fhir.codes import Resource
from schemas.metrics import METRICS, UCUM

STATUSES = frozenset({"preliminary", "final", "amended", "corrected", "entered-in-error"})
"""The codes of observation-status that Nightshift may write."""

CATEGORIES = frozenset({"activity", "vital-signs"})
UNITS = frozenset(
    {metric.fhir.unit for metric in METRICS if metric.fhir.unit} | {"%", "1", "{count}", "{stage}", "/min", "ms", "Cel"}
)
"""Every UCUM unit that Nightshift may write."""

IDENTIFIED = frozenset({"Patient", "Device", "Observation"})
"""Types with exactly one business identifier; a CodeSystem has its url, a Provenance its tag."""

_OFFSET = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)"
_FORMS = {
    "id": re.compile(r"[A-Za-z0-9\-.]{1,64}"),
    "start": re.compile(_OFFSET),
    "end": re.compile(_OFFSET),
    "issued": re.compile(_OFFSET),
    "recorded": re.compile(_OFFSET),
    "valueDateTime": re.compile(_OFFSET),
    "valueTime": re.compile(r"([01]\d|2[0-3]):[0-5]\d:[0-5]\d"),
    "reference": re.compile(r"(Patient|Device|Observation)/[A-Za-z0-9\-.]{1,64}|#[a-z]+"),
    "effectiveDateTime": re.compile(_OFFSET),
    "data": re.compile(r"(E|-?\d+(\.\d+)?)( (E|-?\d+(\.\d+)?))*"),
}

_MODELS: dict[str, type[BaseModel]] = {}


def complaints(resource: Resource) -> list[str]:
    """What makes a resource unfit to be sent: its structure or, if that is sound, the rules it breaks; empty if fit."""
    return structure_complaints(resource) or broken_rules(resource)


def structure_complaints(resource: Resource) -> list[str]:
    """What ``fhir.resources`` (R4B, whose elements here are those of R4) says against a resource."""
    try:
        _model(resource["resourceType"]).model_validate_json(orjson.dumps(resource))
    except ValidationError as error:
        return [
            f"{_path(line['loc'])}: {line['type']}" for line in error.errors(include_input=False, include_url=False)
        ]
    return []


def broken_rules(resource: Resource) -> list[str]:
    """The rules of R4 that a resource breaks and ``fhir.resources`` does not know, by name."""
    broken = list(_walked(resource, ""))
    if resource["resourceType"] in IDENTIFIED and len(resource.get("identifier", ())) != 1:
        broken.append("not exactly one identifier")
    if resource["resourceType"] == "Observation":
        broken += _rules_of_observation(resource)
    return broken


def _rules_of_observation(observation: Resource) -> Iterator[str]:
    if observation.get("status") not in STATUSES:
        yield "observation-status"
    categories = [coding for category in observation.get("category", ()) for coding in category.get("coding", ())]
    if not categories or not CATEGORIES.issuperset(coding.get("code") for coding in categories):
        yield "observation-category"
    parts: list[Resource] = observation.get("component", [])
    if any(_has_value(element) and "dataAbsentReason" in element for element in (observation, *parts)):
        yield "obs-6"
    codings = _codings(observation)
    if _has_value(observation) and any(codings & _codings(part) for part in parts):
        yield "obs-7"
    times = [observation.get("effectivePeriod", {}).get(end, "") for end in ("start", "end")]
    if all(_FORMS["start"].fullmatch(time) for time in times):
        start, end = map(datetime.fromisoformat, times)
        if start > end:
            yield "per-1"


def _walked(element: Any, key: str) -> Iterator[str]:
    if element in (None, "", [], {}):
        yield f"{key} is empty"
    elif isinstance(element, dict):
        if element.get("system") == UCUM and element.get("code") not in UNITS:
            yield f"{key} is in a unit not listed"
        for name, value in element.items():
            yield from _walked(value, name)
    elif isinstance(element, list):
        for value in element:
            yield from _walked(value, key)
    elif key in _FORMS and not (isinstance(element, str) and _FORMS[key].fullmatch(element)):
        yield f"{key} has the wrong form"


def _codings(element: Resource) -> set[tuple[str | None, str | None]]:
    return {(coding.get("system"), coding.get("code")) for coding in element["code"].get("coding", ())}


def _has_value(element: Resource) -> bool:
    return any(key.startswith("value") for key in element)


def _model(resource_type: str) -> type[BaseModel]:
    # Each module of fhir.resources costs time to load, so only those that are needed are.
    if resource_type not in _MODELS:
        module = import_module(f"fhir.resources.R4B.{resource_type.lower()}")
        _MODELS[resource_type] = getattr(module, resource_type)
    return _MODELS[resource_type]


def _path(location: tuple[int | str, ...]) -> str:
    return ".".join(map(str, location)) or "resource"
