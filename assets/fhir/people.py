"""Patients and devices that the Observations point to, made from the lake's users."""

import dagster as dg

from assets.builds import ALL_USERS, Built, build_partitions
from assets.fhir.sleep_observations import fhir_context
from assets.lake.users import KEY as USERS_KEY
from assets.results import OWNERS, built
from connectors.home import Home
from connectors.state.outbox import note_orgs, noted_orgs
from schemas.fhir import FhirContext, device, ndjson, patient
from schemas.tables import USERS

NAME = "fhir_people"
KEY = dg.AssetKey(["fhir", "people"])


def build_people(home: Home, context: FhirContext) -> Built:
    """Build Patient.ndjson and Device.ndjson; the organisations in them are noted before anybody can be sent."""
    rows = home.lake.read(USERS, "").to_pylist()
    _note_orgs(home, {row["org_id"] for row in rows})
    people = {(row["org_id"], row["user_id"]): row for row in rows}
    patients = [patient(context, row) for row in people.values()]
    devices = [device(context, source) for source in sorted({row["source"] for row in rows})]
    files = home.fhir.replace("Patient.ndjson", ndjson(patients)) + home.fhir.replace("Device.ndjson", ndjson(devices))
    return Built(documents=len(rows), rows=len(rows), files=files)


def _note_orgs(home: Home, orgs: set[str]) -> None:
    with home.state.read() as state:
        new = orgs - noted_orgs(state)
    if new:
        with home.state.write() as state:
            note_orgs(state, new)


@dg.asset(key=KEY, deps=[USERS_KEY], group_name="fhir", kinds={"fhir", "json"}, owners=OWNERS)
def people(home: dg.ResourceParam[Home]) -> dg.MaterializeResult:
    """FHIR R4 Patients, pseudonymous and with nothing else, and the Device of each source, as NDJSON."""
    mapping = fhir_context(home)
    return built(build_partitions(home, NAME, [ALL_USERS], lambda _: build_people(home, mapping)))
