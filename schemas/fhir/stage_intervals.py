"""Unbroken stages as one Observation each, in HL7's sleep-analysis codes: the form that phones and health apps use.

Off unless the setting asks for it: a night has some thirty of them, and the hypnogram says the same in one.
"""

from collections.abc import Mapping
from typing import Any

from schemas.fhir.codes import Resource
from schemas.fhir.context import FhirContext
from schemas.fhir.observation import Status, beginning, session_name
from schemas.fhir.times import instant, period

PGHD = "http://hl7.org/fhir/uv/phr/CodeSystem/observation-pghd-codes"
SLEEP_ANALYSIS = "http://hl7.org/fhir/uv/phr/CodeSystem/sleep-analysis-codes"
"""Code systems of the HL7 Personal Health Records guide (ballot)."""

SNOMED = "http://snomed.info/sct"

_CODE: Resource = {"coding": [{"system": PGHD, "code": "sleepAnalysis", "display": "Sleep analysis"}]}

_NREM = ("60984000", "Non-rapid eye movement sleep")

_STAGES: dict[str, tuple[tuple[str, str], tuple[str, str]]] = {
    "wake": (("awake", "Awake"), ("248218005", "Awake")),
    "light": (("asleepCore", "Asleep core"), _NREM),
    "deep": (("asleepDeep", "Asleep deep"), _NREM),
    "rem": (("asleepREM", "Asleep REM"), ("89129007", "Rapid eye movement sleep")),
    "asleep": (("asleepUnspecified", "Asleep unspecified"), ("248220008", "Asleep")),
}
"""HL7's and SNOMED CT's code of a stage of the lake. An unknown stage, and being out of bed, have none."""

_VALUES: dict[str, Resource] = {
    stage: {
        "coding": [
            {"system": SLEEP_ANALYSIS, "code": hl7[0], "display": hl7[1]},
            {"system": SNOMED, "code": snomed[0], "display": snomed[1]},
        ]
    }
    for stage, (hl7, snomed) in _STAGES.items()
}


def has_stage_code(interval: Mapping[str, Any]) -> bool:
    """Whether a row of ``sleep_stage_intervals`` has a code, and so an Observation."""
    return interval["stage"] in _STAGES


def stage_interval_observation(
    context: FhirContext, session: Mapping[str, Any], interval: Mapping[str, Any], status: Status = "final"
) -> Resource:
    """The Observation of a row of ``sleep_stage_intervals``; KeyError for a stage without a code."""
    return {
        **beginning(context, "stage-interval", session, interval_id(session, interval), _CODE, status),
        "effectivePeriod": period(interval["start_time"], interval["end_time"], session["timezone"]),
        "issued": instant(session["fetched_at"]),
        "valueCodeableConcept": _VALUES[interval["stage"]],
    }


def interval_id(session: Mapping[str, Any], interval: Mapping[str, Any]) -> str:
    """What the pseudonym of an interval is made of: the session and the index of the first epoch."""
    return f"{session_name(session)}/{interval['first_epoch']}"
