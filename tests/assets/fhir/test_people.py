"""The Patients and Devices of a home: one Patient a person, one Device for each service somebody is followed at."""

from pathlib import Path

import orjson

from assets.fhir.people import build_people
from assets.fhir.sleep_observations import fhir_context
from assets.lake.users import build_users
from connectors.home import Home
from connectors.state.roster import RosterUser
from tests.assets.homes import follow, sleeper


def resources(path: Path) -> list[dict[str, object]]:
    """The lines of an NDJSON file."""
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]


def test_a_person_with_two_devices_is_one_patient(home: Home) -> None:
    """Two rows of the roster, one Patient; somebody with a bed alone is another one."""
    anna, bert = sleeper("anna"), RosterUser("eight_sleep", "bert", "clinic", vendor_user_id="5f1c")
    follow(home, anna, RosterUser("eight_sleep", "anna", "clinic", vendor_user_id="77aa"), bert)
    build_users(home)
    built = build_people(home, fhir_context(home))
    assert built.conserved
    patients = resources(home.root / "fhir" / "Patient.ndjson")
    assert len({patient["id"] for patient in patients}) == len(patients) == 2
    makers = [device["manufacturer"] for device in resources(home.root / "fhir" / "Device.ndjson")]
    assert sorted(map(str, makers)) == ["Asleep", "Eight Sleep"]
