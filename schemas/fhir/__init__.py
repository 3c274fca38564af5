"""FHIR R4: from rows of the lake to resources, as pure functions.

A row comes in as a dict with the columns of ``schemas.tables``; a resource goes out as a plain dict ready for JSON.
Writing files and talking to servers do not live here.
"""

from schemas.fhir.average_stats import average_stats_observation
from schemas.fhir.codes import DEFAULT_BASE, Resource, code_system
from schemas.fhir.context import FhirContext
from schemas.fhir.hypnograms import hypnogram_observation
from schemas.fhir.ndjson import ndjson
from schemas.fhir.observation import Status
from schemas.fhir.people import device, patient
from schemas.fhir.pseudonyms import Kind, Pseudonymizer
from schemas.fhir.sessions import session_observation, session_observations

__all__ = [
    "DEFAULT_BASE",
    "FhirContext",
    "Kind",
    "Pseudonymizer",
    "Resource",
    "Status",
    "average_stats_observation",
    "code_system",
    "device",
    "hypnogram_observation",
    "ndjson",
    "patient",
    "session_observation",
    "session_observations",
]
