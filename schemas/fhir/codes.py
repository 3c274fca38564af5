"""Codes: the project's own FHIR code system, and the code systems of HL7 that the Observations use.

The codes of metrics live in ``schemas.metrics``; here are the codes that are no metric, and the CodeSystem resource
made of both. LOINC (http://loinc.org) is copyright Regenstrief Institute, Inc. and the LOINC Committee and is available
at no cost under the license at http://loinc.org/license; only its codes and names are used.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from schemas.metrics import DEFAULT_BASE, METRICS, Coding

Resource = dict[str, Any]
"""A FHIR resource, or an element of one, as a plain dict ready for JSON. Parts are shared: read it, never change it."""

OBSERVATION_CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
OBSERVATION_STATISTICS = "http://terminology.hl7.org/CodeSystem/observation-statistics"
DATA_ABSENT_REASON = "http://terminology.hl7.org/CodeSystem/data-absent-reason"

_DISPLAYS = {"unknown": "Unknown", "not-applicable": "Not Applicable"}

ACTIVITY: Resource = {"coding": [{"system": OBSERVATION_CATEGORY, "code": "activity", "display": "Activity"}]}
VITAL_SIGNS: Resource = {"coding": [{"system": OBSERVATION_CATEGORY, "code": "vital-signs", "display": "Vital Signs"}]}
AVERAGE: Resource = {"coding": [{"system": OBSERVATION_STATISTICS, "code": "average", "display": "Average"}]}
ABSENT: dict[str, Resource] = {
    reason: {"coding": [{"system": DATA_ABSENT_REASON, "code": reason, "display": display}]}
    for reason, display in _DISPLAYS.items()
}
"""``dataAbsentReason`` by its code."""


class LocalConcept(NamedTuple):
    """A code of the project's own code system."""

    code: str
    display: str
    definition: str


_STAGES = "0 awake, 1 light, 2 deep, 3 REM, 4 asleep (stage not told apart), 5 out of bed, E unknown"

LOCAL_CONCEPTS: tuple[LocalConcept, ...] = (
    LocalConcept("sleep-onset-time", "Sleep onset time", "Start of the first epoch that is not wake."),
    LocalConcept("final-wake-time", "Final wake time", "Start of the final wake."),
    LocalConcept("missing-data-ratio", "Missing data", "Share of the recording that is missing."),
    LocalConcept(
        "hypnogram",
        "Hypnogram",
        f"Sleep stages, one integer an epoch from the start of effectivePeriod: {_STAGES}.",
    ),
    LocalConcept(
        "hypnogram-2-stage",
        "Hypnogram, sleep and wake only",
        f"A hypnogram of a source that tells sleep from wake but not its stages; the integers are the same: {_STAGES}.",
    ),
    LocalConcept(
        "snoring-epochs",
        "Snoring by epoch",
        "One integer an epoch from the start of effectivePeriod: 0 no snoring, 1 snoring, E unknown.",
    ),
    LocalConcept(
        "breath-epochs",
        "Breathing by epoch",
        "One integer an epoch from the start of effectivePeriod: 0 stable, 1 unstable breathing, E unknown.",
    ),
    LocalConcept(
        "sleep-average-stats",
        "Average sleep statistics",
        "Averages over the slept sessions of effectivePeriod, as the source computed them.",
    ),
    LocalConcept("session-count", "Number of slept sessions", "Sessions with sleep that the averages are over."),
    LocalConcept(
        "never-slept-count", "Number of sessions without sleep", "Sessions without sleep, left out of the averages."
    ),
    LocalConcept("average-bedtime", "Average bedtime", "Average clock time of the start of tracking."),
    LocalConcept("average-sleep-onset", "Average sleep onset", "Average clock time of sleep onset."),
    LocalConcept("average-final-wake", "Average final wake", "Average clock time of the final wake."),
    LocalConcept("average-out-of-bed", "Average end of tracking", "Average clock time of the end of tracking."),
    LocalConcept(
        "hrv", "Heart rate variability", "Heart rate variability by an algorithm that the source does not state."
    ),
    LocalConcept("hrv-rmssd", "Heart rate variability (RMSSD)", "Root mean square of successive differences."),
    LocalConcept("bed-temperature", "Bed temperature", "Temperature of the bed's surface; not of the body."),
    LocalConcept(
        "bed-presence", "In bed", "Whether the person lay in bed during effectivePeriod, as the bed was polled."
    ),
    LocalConcept("movement-count", "Tosses and turns", "How often the sleeper tossed or turned."),
    LocalConcept("bed-night", "Night scored by a bed", "What the source of a bed says of a whole night."),
    LocalConcept("sleep-fitness-score", "Sleep fitness score", "A score of the bed's vendor."),
    LocalConcept("sleep-quality-score", "Sleep quality score", "A score of the bed's vendor."),
    LocalConcept("sleep-routine-score", "Sleep routine score", "A score of the bed's vendor."),
)
"""The local codes that are no metric."""


def local_system(base: str) -> str:
    """URI of the project's own code system."""
    return f"{base}/CodeSystem/sleep-metric"


def codeable_concept(base: str, *codings: Coding) -> Resource:
    """A CodeableConcept of codings, the leading one first."""
    local = local_system(base)
    return {"coding": [{"system": c.system or local, "code": c.code, "display": c.display} for c in codings]}


def code_system(base: str = DEFAULT_BASE) -> Resource:
    """The CodeSystem resource that tells receivers what every local code means."""
    concepts = [concept._asdict() for concept in (*_metric_concepts(), *LOCAL_CONCEPTS)]
    return {
        "resourceType": "CodeSystem",
        "id": "sleep-metric",
        "url": local_system(base),
        "name": "SleepMetric",
        "title": "Sleep metrics",
        "status": "active",
        "description": "Codes for metrics of a night's sleep for which no LOINC term was found.",
        "caseSensitive": True,
        "content": "complete",
        "count": len(concepts),
        "concept": concepts,
    }


def _metric_concepts() -> Iterator[LocalConcept]:
    for metric in METRICS:
        for coding in metric.fhir.codings:
            if coding.system is None:
                yield LocalConcept(coding.code, coding.display, metric.description)
