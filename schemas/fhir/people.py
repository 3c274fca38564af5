"""Patient and Device: who slept, and what measured it.

A Patient is an opaque pseudonym and nothing else: no name, birth date, gender or body measure leaves by this way.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from schemas.asleep import ASLEEP
from schemas.eight_sleep import EIGHT_SLEEP
from schemas.fhir.codes import Resource
from schemas.fhir.context import FhirContext
from schemas.fhir.pseudonyms import PERSON


class _Service(NamedTuple):
    name: str
    manufacturer: str


_SERVICES: dict[str, _Service] = {
    ASLEEP: _Service("AsleepTrack sleep analysis service", "Asleep"),
    EIGHT_SLEEP: _Service("Eight Sleep Pod", "Eight Sleep"),
}


def patient(context: FhirContext, user: Mapping[str, Any]) -> Resource:
    """The Patient of a row of ``users``: the same one for every source that follows the person."""
    return context.identity("patient", user["org_id"], PERSON, user["user_id"])


def device(context: FhirContext, source: str) -> Resource:
    """The Device that stands for a source's analysis service; KeyError for a source that has none."""
    service = _SERVICES[source]
    return {
        **context.identity("device", "", source, source),
        "manufacturer": service.manufacturer,
        "deviceName": [{"name": service.name, "type": "user-friendly-name"}],
    }
