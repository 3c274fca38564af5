"""What every mapping needs besides its row: the pseudonyms, the base of local URIs, the codes ready made.

No mapping of a row lives here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from typing import Any

from schemas.fhir.codes import LOCAL_CONCEPTS, Resource, codeable_concept
from schemas.fhir.pseudonyms import Kind, Pseudonymizer
from schemas.fhir.quantities import metric_value
from schemas.metrics import DEFAULT_BASE, METRICS, Coding, Metric

_RESOURCE_TYPES: dict[Kind, str] = {
    "patient": "Patient",
    "device": "Device",
    "session": "Observation",
    "hypnogram": "Observation",
    "stage-interval": "Observation",
    "average-stats": "Observation",
    "bed-night": "Observation",
    "bed-series": "Observation",
    "bed-sample": "Observation",
    "bed-presence": "Observation",
}


@dataclass(frozen=True)
class FhirContext:
    """The setting of a mapping; make one and use it for every row (codes are computed once).

    ``base`` is the base of local URIs, without a slash at its end; ValueError if it has one. ``stage_intervals`` asks
    for an Observation of each unbroken stage besides the hypnogram, ``bed_samples`` for what a bed measured and who lay
    in it.
    """

    pseudonyms: Pseudonymizer
    base: str = DEFAULT_BASE
    stage_intervals: bool = False
    bed_samples: bool = False

    def __post_init__(self) -> None:
        if self.base.endswith("/"):
            raise ValueError("the FHIR base must not end with a slash")

    @cached_property
    def metric_codes(self) -> dict[str, Resource]:
        """CodeableConcept of each metric, by the metric's name."""
        return {metric.name: codeable_concept(self.base, *metric.fhir.codings) for metric in METRICS}

    @cached_property
    def metric_components(self) -> "dict[str, Callable[[Any], Resource | None]]":
        """What makes the component of each metric from its value in the lake (None: none), by the metric's name.

        All but fractions are remembered: they count half minutes or little things, so that nights are alike in them.
        """

        def component(metric: Metric, value: Any) -> Resource | None:
            found = metric_value(metric, value)
            return {"code": self.metric_codes[metric.name], **found} if found else None

        makers = {metric: partial(component, metric) for metric in METRICS}
        return {m.name: make if m.unit == "fraction" else lru_cache(maxsize=2048)(make) for m, make in makers.items()}

    @cached_property
    def local_codes(self) -> dict[str, Resource]:
        """CodeableConcept of each local code that is no metric, by the code."""
        return {c.code: codeable_concept(self.base, Coding(c.code, c.display)) for c in LOCAL_CONCEPTS}

    def identity(self, kind: Kind, org_id: str, source: str, id: str) -> Resource:
        """How a resource begins: type, pseudonymous id, and the same pseudonym as its only identifier."""
        pseudonym = self.pseudonyms.of(kind, org_id, source, id)
        identifier = {"system": f"{self.base}/identifier/{source}-{kind}", "value": pseudonym}
        return {"resourceType": _RESOURCE_TYPES[kind], "id": pseudonym, "identifier": [identifier]}

    def reference(self, kind: Kind, org_id: str, source: str, id: str) -> Resource:
        """A literal reference to what ``identity`` names."""
        return self._references(kind, org_id, source, id)

    def device_reference(self, source: str) -> Resource:
        """A reference to the source's Device, which belongs to no organisation."""
        return self.reference("device", "", source, source)

    @cached_property
    def _references(self) -> Callable[[Kind, str, str, str], Resource]:
        """``reference``, with the latest remembered: all Observations of a night refer to one patient and device."""
        return lru_cache(maxsize=1024)(
            lambda kind, *names: {"reference": f"{_RESOURCE_TYPES[kind]}/{self.pseudonyms.of(kind, *names)}"}
        )
