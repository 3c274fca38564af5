"""What a bed measured during a session, as Observations that are members of the session's.

A series whose samples lie on an even grid is one Observation with SampledData; one that does not is an Observation a
sample. Off unless the setting asks for it. A vital sign as SampledData keeps its LOINC code, but is none of FHIR's
vital-signs profiles, which want a single value; no profile is claimed anywhere. Tosses are in the night's Observation.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, NamedTuple

from schemas.fhir.codes import ACTIVITY, VITAL_SIGNS, Resource
from schemas.fhir.context import FhirContext
from schemas.fhir.observation import Status, beginning, session_name
from schemas.fhir.quantities import ONE, quantity, scaled
from schemas.fhir.times import instant, local_time, period
from schemas.metrics import LOINC, UCUM

_MILLISECOND = timedelta(milliseconds=1)

_LEAST_FILLED = 4
"""An even grid has a sample in one of so many places at least; the others are ``E``."""

Sample = tuple[datetime, float]


class BedSeries(NamedTuple):
    """How a column of ``bed_samples`` is written: LOINC's or a local code, UCUM unit, category, method."""

    code: str
    display: str
    unit: str
    system: str | None = None
    category: Resource = ACTIVITY
    method: str | None = None

    def codeable(self, context: FhirContext) -> Resource:
        """Its CodeableConcept."""
        if self.system is None:
            return context.local_codes[self.code]
        return {"coding": [{"system": self.system, "code": self.code, "display": self.display}]}


HEART_RATE = BedSeries("8867-4", "Heart rate", "/min", LOINC, VITAL_SIGNS)
RESPIRATORY_RATE = BedSeries("9279-1", "Respiratory rate", "/min", LOINC, VITAL_SIGNS)
HRV = BedSeries("hrv", "", "ms")
RMSSD = BedSeries("hrv-rmssd", "", "ms")
BED_TEMPERATURE = BedSeries("bed-temperature", "", "Cel")
ROOM_TEMPERATURE = BedSeries("60832-3", "Room temperature", "Cel", LOINC)

BED_SERIES: dict[str, BedSeries] = {
    "heart_rate_bpm": HEART_RATE,
    "hrv_ms": HRV,
    "rmssd_ms": RMSSD,
    "respiratory_rate_bpm": RESPIRATORY_RATE,
    "nemean_respiratory_rate_bpm": RESPIRATORY_RATE._replace(method="nemeanRespiratoryRate"),
    "nemean_respiratory_rate_nightly_bpm": RESPIRATORY_RATE._replace(method="nemeanRespiratoryRateNightly"),
    "bed_temperature_c": BED_TEMPERATURE,
    "room_temperature_c": ROOM_TEMPERATURE,
}
"""Every series by its column; those of one code differ in their method."""


def sample_observations(
    context: FhirContext, session: Mapping[str, Any], samples: Sequence[Mapping[str, Any]], status: Status = "final"
) -> Iterator[Resource]:
    """The Observations of the rows of ``bed_samples`` of a session, a row of ``sleep_sessions``."""
    for column, series in BED_SERIES.items():
        values = sorted((row["time"], row[column]) for row in samples if row[column] is not None)
        if not values:
            continue
        if places := _even_places([time for time, _ in values]):
            yield _sampled(context, session, column, series, values, places, status)
        else:
            for sample in values:
                yield _single(context, session, column, series, sample, status)


def _beginning(
    context: FhirContext, session: Mapping[str, Any], series: BedSeries, name: str, status: Status, *, one: bool
) -> Resource:
    kind, id = ("bed-sample" if one else "bed-series"), f"{session_name(session)}/{name}"
    return {
        **beginning(context, kind, session, id, series.codeable(context), status),  # type: ignore[arg-type]
        "category": [series.category],
        "issued": instant(session["fetched_at"]),
        **({"method": {"text": series.method}} if series.method else {}),
    }


def _single(
    context: FhirContext, session: Mapping[str, Any], column: str, series: BedSeries, sample: Sample, status: Status
) -> Resource:
    time, value = sample
    return {
        **_beginning(context, session, series, f"{column}/{time.isoformat()}", status, one=True),
        "effectiveDateTime": local_time(time, session["timezone"]),
        "valueQuantity": quantity(value, series.unit),
    }


def _sampled(
    context: FhirContext,
    session: Mapping[str, Any],
    column: str,
    series: BedSeries,
    values: Sequence[Sample],
    places: Sequence[int],
    status: Status,
) -> Resource:
    data = ["E"] * (places[-1] + 1)
    for place, (_, value) in zip(places, values, strict=True):
        data[place] = str(scaled(value, ONE))
    first, last = values[0][0], values[-1][0]
    origin = {"value": 0, "unit": series.unit, "system": UCUM, "code": series.unit}
    step = (last - first) // places[-1] / _MILLISECOND
    return {
        **_beginning(context, session, series, column, status, one=False),
        "effectivePeriod": period(first, last, session["timezone"]),
        "valueSampledData": {"origin": origin, "period": int(step), "dimensions": 1, "data": " ".join(data)},
    }


def _even_places(times: Sequence[datetime]) -> list[int]:
    """The place of each time on the grid of the shortest gap between two; none if they do not lie on it."""
    step = min((after - before for before, after in pairwise(times)), default=timedelta(0))
    if not step or step % _MILLISECOND or any((time - times[0]) % step for time in times):
        return []
    places = [(time - times[0]) // step for time in times]
    return places if places[-1] < _LEAST_FILLED * len(times) else []
