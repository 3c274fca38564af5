"""Provenance: what was sent together, by what, and the same again for the same bundle."""

from datetime import UTC, datetime

from fhir.resources.R4B.provenance import Provenance

from schemas.fhir import complaints, provenance, session_observations
from tests.schemas.fhir.rows import CONTEXT, SESSION_ID, USER_ID, epochs, night

AT = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)


def test_a_provenance_names_its_targets_and_the_software() -> None:
    """Valid R4, every resource of the bundle once, the version of the pipeline."""
    sent = session_observations(CONTEXT, night(), epochs())
    resource = provenance(CONTEXT, sent, AT, "1.2.3")
    Provenance.model_validate(resource)
    assert complaints(resource) == []
    assert [target["reference"] for target in resource["target"]] == [f"Observation/{one['id']}" for one in sent]
    assert resource["recorded"] == "2026-11-22T04:00:00Z"
    assert resource["contained"][0]["version"] == [{"value": "1.2.3"}]
    assert not any(name in str(resource) for name in (USER_ID, SESSION_ID))


def test_the_same_bundle_is_the_same_provenance() -> None:
    """Sent again later it has the same id; other content has another."""
    sent = session_observations(CONTEXT, night(), epochs())
    again = provenance(CONTEXT, sent, AT.replace(hour=5), "1.2.3")
    other = provenance(CONTEXT, session_observations(CONTEXT, night(awakenings=5), epochs()), AT, "1.2.3")
    first = provenance(CONTEXT, sent, AT, "1.2.3")
    assert first["id"] == again["id"] != other["id"]
