"""An unbroken stay in bed as one Observation. Off unless the setting asks for what beds measured."""

from collections.abc import Mapping
from typing import Any

from schemas.fhir.codes import Resource
from schemas.fhir.context import FhirContext
from schemas.fhir.observation import beginning
from schemas.fhir.times import instant, period


def presence_observation(context: FhirContext, stay: Mapping[str, Any]) -> Resource:
    """The Observation of a row of ``bed_presence`` that has a user; preliminary where nobody saw the stay end.

    Its ``issued`` is its end as far as it is known.
    """
    id = f"{stay['bed_id']}/{stay['side']}/{stay['start_time'].isoformat()}"
    code = context.local_codes["bed-presence"]
    return {
        **beginning(context, "bed-presence", stay, id, code, "preliminary" if stay["ends_unseen"] else "final"),
        "effectivePeriod": period(stay["start_time"], stay["end_time"], stay["timezone"]),
        "issued": instant(stay["end_time"]),
        "valueBoolean": True,
    }
