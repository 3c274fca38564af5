"""What the vendor deleted: the same Observations, entered in error and without a value."""

from datetime import UTC, datetime

import pytest

from schemas.fhir import retracted_observations, session_observations
from tests.schemas.fhir.rows import CONTEXT, epochs, night
from tests.schemas.fhir.rules import assert_valid

DELETED_AT = datetime(2025, 4, 1, 4, 0, tzinfo=UTC)
CONTENT = {"valueQuantity", "valueSampledData", "component", "note", "dataAbsentReason"}


def test_a_deleted_session_keeps_its_ids_and_loses_its_content() -> None:
    """Who knows the night finds it under the same id and identifier, with no figure left."""
    sent = session_observations(CONTEXT, night(peculiarities=["IN_PROGRESS"]), epochs())
    retracted = retracted_observations(CONTEXT, night(), DELETED_AT)
    assert [resource["id"] for resource in retracted] == [resource["id"] for resource in sent]
    for before, after in zip(sent, retracted, strict=True):
        assert_valid(after)
        assert after["status"] == "entered-in-error"
        assert after["issued"] == "2025-04-01T04:00:00Z"
        assert set(before) & CONTENT
        assert not set(after) & CONTENT
        for key in ("identifier", "code", "subject", "device", "effectivePeriod", "category"):
            assert after[key] == before[key]
    assert retracted[0]["hasMember"] == sent[0]["hasMember"]


@pytest.mark.parametrize(("has_stages", "count"), [("4-stage", 2), ("2-stage", 2), ("none", 1)])
def test_a_session_without_stages_had_no_hypnogram_to_take_back(has_stages: str, count: int) -> None:
    """Nothing is made up that was never there."""
    retracted = retracted_observations(CONTEXT, night(has_stages=has_stages), DELETED_AT)
    assert len(retracted) == count
    assert ("hasMember" in retracted[0]) == (count == 2)
