"""Provenance: one for each bundle sent, saying which resources it brought, when, and by what software."""

from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256

import orjson

from schemas.fhir.codes import Resource
from schemas.fhir.context import FhirContext
from schemas.fhir.times import instant

_PIPELINE = "pipeline"
_ASSEMBLER = {
    "coding": [
        {
            "system": "http://terminology.hl7.org/CodeSystem/provenance-participant-type",
            "code": "assembler",
            "display": "Assembler",
        }
    ]
}


def provenance(context: FhirContext, targets: Sequence[Resource], recorded: datetime, version: str) -> Resource:
    """The Provenance of resources sent together by Nightshift ``version`` at ``recorded``.

    Its id comes from what is sent, so that the same bundle sent again is the same Provenance; the entity it was made
    from is named by the SHA-256 of the resources' bytes. That is its tag too: a Provenance has no identifier.
    """
    digest = sha256(b"\n".join(orjson.dumps(target) for target in targets)).hexdigest()
    pipeline = {
        "resourceType": "Device",
        "id": _PIPELINE,
        "deviceName": [{"name": "Nightshift", "type": "model-name"}],
        "version": [{"value": version}],
    }
    system = f"{context.base}/identifier/payload-sha256"
    return {
        "resourceType": "Provenance",
        "id": context.pseudonyms.of("provenance", "", "nightshift", digest),
        "meta": {"tag": [{"system": system, "code": digest}]},
        "contained": [pipeline],
        "target": [{"reference": f"{target['resourceType']}/{target['id']}"} for target in targets],
        "recorded": instant(recorded),
        "agent": [{"type": _ASSEMBLER, "who": {"reference": f"#{_PIPELINE}"}}],
        "entity": [{"role": "source", "what": {"identifier": {"system": system, "value": digest}}}],
    }
