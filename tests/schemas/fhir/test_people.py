"""Patient and Device: opaque, valid, and nothing else in them."""

import orjson
from fhir.resources.R4B.device import Device
from fhir.resources.R4B.patient import Patient

from schemas.fhir import device, patient, session_observation
from tests.schemas.fhir.rows import CONTEXT, night, user


def test_a_patient_is_a_pseudonym_and_nothing_else() -> None:
    """No birth date, gender or measure, though the row has them all; exactly one identifier, the same as the id."""
    resource = patient(CONTEXT, user())
    Patient.model_validate_json(orjson.dumps(resource))
    assert set(resource) == {"resourceType", "id", "identifier"}
    assert resource["resourceType"] == "Patient"
    assert resource["identifier"] == [
        {"system": "https://example.org/fhir/identifier/asleep-patient", "value": resource["id"]}
    ]


def test_a_night_points_at_its_patient_and_device() -> None:
    """The references of an Observation are the ids of the Patient and the Device."""
    observation = session_observation(CONTEXT, night())
    assert observation["subject"] == {"reference": f"Patient/{patient(CONTEXT, user())['id']}"}
    assert observation["device"] == {"reference": f"Device/{device(CONTEXT, 'asleep')['id']}"}


def test_who_sleeps_with_phone_and_bed_is_one_patient() -> None:
    """A person is a person to whoever gets the nights; the nights of either device are Observations of their own."""
    phone, bed = session_observation(CONTEXT, night()), session_observation(CONTEXT, night(source="eight_sleep"))
    assert patient(CONTEXT, user(source="eight_sleep")) == patient(CONTEXT, user())
    assert bed["subject"] == phone["subject"]
    assert bed["id"] != phone["id"]
    assert bed["device"] != phone["device"]


def test_patients_of_two_organisations_differ() -> None:
    """The same id at two organisations is two patients."""
    assert patient(CONTEXT, user())["id"] != patient(CONTEXT, user(org_id="another"))["id"]


def test_the_device_is_the_asleep_service() -> None:
    """It is a valid R4 Device with a name and its maker."""
    resource = device(CONTEXT, "asleep")
    Device.model_validate_json(orjson.dumps(resource))
    assert resource["manufacturer"] == "Asleep"
    assert resource["deviceName"] == [{"name": "AsleepTrack sleep analysis service", "type": "user-friendly-name"}]
    assert resource["identifier"] == [
        {"system": "https://example.org/fhir/identifier/asleep-device", "value": resource["id"]}
    ]
