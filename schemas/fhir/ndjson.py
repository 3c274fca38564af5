"""NDJSON, the file format of FHIR's bulk data: one resource a line. Where the file is written is not known here."""

from collections.abc import Iterable

import orjson

from schemas.fhir.codes import Resource


def ndjson(resources: Iterable[Resource]) -> bytes:
    """The resources in the order of their ids; the same resources in any order give the same bytes."""
    lines = sorted((resource["id"], orjson.dumps(resource, option=orjson.OPT_APPEND_NEWLINE)) for resource in resources)
    return b"".join([line for _, line in lines])
