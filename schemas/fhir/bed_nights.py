"""A night as the vendor of a bed scores it, as one Observation: a local panel with scores, means of the night, tosses.

What a session's Observation says already (durations of stages) is not said again. A null is left out: variants of the
vendor's answer differ in what they have.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from schemas.fhir.bed_samples import BED_TEMPERATURE, HRV, RESPIRATORY_RATE, ROOM_TEMPERATURE, BedSeries
from schemas.fhir.codes import Resource
from schemas.fhir.context import FhirContext
from schemas.fhir.observation import Status, absent, beginning
from schemas.fhir.quantities import quantity
from schemas.fhir.times import instant, period, whole_days
from schemas.metrics import LOINC

_SCORES = {
    "sleep_fitness_score": "sleep-fitness-score",
    "sleep_quality_score": "sleep-quality-score",
    "sleep_routine_score": "sleep-routine-score",
}
_MEANS: dict[str, BedSeries] = {
    "heart_rate_bpm": BedSeries("103205-1", "Mean heart rate", "/min", LOINC),
    "hrv_ms": HRV,
    "respiratory_rate_bpm": RESPIRATORY_RATE,
    "bed_temperature_c": BED_TEMPERATURE,
    "room_temperature_c": ROOM_TEMPERATURE,
}


def bed_night_observation(context: FhirContext, night: Mapping[str, Any]) -> Resource:
    """The Observation of a row of ``bed_nights``: preliminary and without scores until the night is final."""
    status: Status = "preliminary"
    if night["is_final"]:
        status = "amended" if night["final_versions"] > 1 else "final"
    components = list(_components(context, night))
    return {
        **_beginning(context, night, status, night["fetched_at"]),
        **({"component": components} if components else absent("unknown")),
    }


def retracted_bed_night(context: FhirContext, night: Mapping[str, Any], deleted_at: datetime) -> Resource:
    """The Observation of a night that the vendor does not have any more; ``night`` is its last row."""
    return _beginning(context, night, "entered-in-error", deleted_at)


def _beginning(context: FhirContext, night: Mapping[str, Any], status: Status, issued: datetime) -> Resource:
    start, end, zone = night["presence_start"], night["presence_end"], night["timezone"]
    id = f"{night['user_id']}/{night['day'].isoformat()}"
    return {
        **beginning(context, "bed-night", night, id, context.local_codes["bed-night"], status),
        "effectivePeriod": (
            period(start, end, zone) if start and end and start <= end else whole_days(night["day"], night["day"], zone)
        ),
        "issued": instant(issued),
    }


def _components(context: FhirContext, night: Mapping[str, Any]) -> Iterator[Resource]:
    for column, code in _SCORES.items():
        if night[column] is not None:
            yield {"code": context.local_codes[code], "valueQuantity": quantity(night[column], "{score}")}
    for column, mean in _MEANS.items():
        if night[column] is not None:
            yield {"code": mean.codeable(context), "valueQuantity": quantity(night[column], mean.unit)}
    if night["toss_and_turns"] is not None:
        tosses = quantity(night["toss_and_turns"], "{count}")
        yield {"code": context.local_codes["movement-count"], "valueQuantity": tosses}
