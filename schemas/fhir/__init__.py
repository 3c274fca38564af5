"""FHIR R4: from rows of the lake to resources, as pure functions.

A row comes in as a dict with the columns of ``schemas.tables``; a resource goes out as a plain dict ready for JSON.
Writing files and talking to servers do not live here.
"""

from schemas.fhir.average_stats import average_stats_observation
from schemas.fhir.bed_nights import bed_night_observation, retracted_bed_night
from schemas.fhir.bed_presence import presence_observation
from schemas.fhir.codes import Resource, code_system
from schemas.fhir.context import FhirContext
from schemas.fhir.hypnograms import hypnogram_observation
from schemas.fhir.ndjson import ndjson
from schemas.fhir.observation import Status
from schemas.fhir.people import device, patient
from schemas.fhir.provenance import provenance
from schemas.fhir.pseudonyms import PERSON, Kind, Pseudonymizer
from schemas.fhir.sessions import retracted_observations, session_observation, session_observations
from schemas.fhir.stage_intervals import stage_interval_observation
from schemas.fhir.validity import complaints

__all__ = [
    "PERSON",
    "FhirContext",
    "Kind",
    "Pseudonymizer",
    "Resource",
    "Status",
    "average_stats_observation",
    "bed_night_observation",
    "code_system",
    "complaints",
    "device",
    "hypnogram_observation",
    "ndjson",
    "patient",
    "presence_observation",
    "provenance",
    "retracted_bed_night",
    "retracted_observations",
    "session_observation",
    "session_observations",
    "stage_interval_observation",
]
