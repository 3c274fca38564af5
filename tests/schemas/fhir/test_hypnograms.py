"""The hypnogram Observation: the lake's codes as SampledData, E for what is unknown."""

from typing import Any

import pytest

from schemas.fhir import hypnogram_observation, session_observation, session_observations
from schemas.fhir.hypnograms import has_epochs
from tests.schemas.fhir.rows import CONTEXT, epochs, night
from tests.schemas.fhir.rules import absent_reason, assert_valid, component, components

LOCAL = "https://example.org/fhir/CodeSystem/sleep-metric"
UCUM = "http://unitsofmeasure.org"
NO_EPOCHS = {"sleep_stages": None, "breath_stages": None, "snoring_stages": None}


def _unit(unit: str) -> dict[str, Any]:
    return {"value": 0, "unit": unit, "system": UCUM, "code": unit}


def test_a_hypnogram_is_sampled_data() -> None:
    """Period in milliseconds, integers, E for an epoch without data."""
    observation = hypnogram_observation(CONTEXT, night(), epochs())
    assert_valid(observation)
    assert observation["code"]["coding"] == [{"system": LOCAL, "code": "hypnogram", "display": "Hypnogram"}]
    assert observation["valueSampledData"] == {
        "origin": _unit("{stage}"),
        "period": 30000,
        "dimensions": 1,
        "data": "0 1 2 3 E",
    }


@pytest.mark.parametrize(
    ("code", "display", "data"),
    [
        ("snoring-epochs", "Snoring by epoch", "0 1 1 0 E"),
        ("breath-epochs", "Breathing by epoch", "0 0 1 0 E"),
    ],
)
def test_snoring_and_breathing_are_components(code: str, display: str, data: str) -> None:
    """Epoch by epoch beside the hypnogram, 0 or 1."""
    found = component(hypnogram_observation(CONTEXT, night(), epochs()), code)
    assert found == {
        "code": {"coding": [{"system": LOCAL, "code": code, "display": display}]},
        "valueSampledData": {"origin": _unit("1"), "period": 30000, "dimensions": 1, "data": data},
    }


def test_two_stages_have_a_code_of_their_own() -> None:
    """Sleep that is not told apart is 4 under another code, never light sleep."""
    observation = hypnogram_observation(CONTEXT, night(has_stages="2-stage"), epochs(sleep_stages=[0, 4, 4, -1]))
    assert_valid(observation)
    assert observation["code"]["coding"][0]["code"] == "hypnogram-2-stage"
    assert observation["valueSampledData"]["data"] == "0 4 4 E"


def test_a_hypnogram_shares_who_what_and_when_with_its_night() -> None:
    """Subject, device, period, time of issue and category are the night's own."""
    summary = session_observation(CONTEXT, night(), [hypnogram_observation(CONTEXT, night(), epochs())])
    hypnogram = hypnogram_observation(CONTEXT, night(), epochs())
    for key in ("subject", "device", "effectivePeriod", "issued", "category", "status"):
        assert hypnogram[key] == summary[key]
    assert summary["hasMember"] == [{"reference": f"Observation/{hypnogram['id']}"}]
    assert hypnogram["identifier"] == [
        {"system": "https://example.org/fhir/identifier/asleep-hypnogram", "value": hypnogram["id"]}
    ]


def test_analyses_the_contract_does_not_have_are_left_out() -> None:
    """A null or empty list is no component; without both there is no component element."""
    without = hypnogram_observation(CONTEXT, night(), epochs(breath_stages=None, snoring_stages=[]))
    assert_valid(without)
    assert "component" not in without


def test_snoring_without_stages_keeps_its_place() -> None:
    """No hypnogram, but snoring: the value is absent and the component is there."""
    observation = hypnogram_observation(CONTEXT, night(has_stages="none"), epochs(sleep_stages=None))
    assert_valid(observation)
    assert observation["code"]["coding"][0]["code"] == "hypnogram"
    assert absent_reason(observation) == "unknown"
    assert len(components(observation)) == 2


def test_an_epoch_that_is_null_is_unknown() -> None:
    """The list may hold nulls; each is an E."""
    observation = hypnogram_observation(CONTEXT, night(), epochs(sleep_stages=[None, 0, None]))
    assert observation["valueSampledData"]["data"] == "E 0 E"


@pytest.mark.parametrize(
    ("hypnogram", "count"),
    [(epochs(), 2), (epochs(**NO_EPOCHS), 1), (epochs(**NO_EPOCHS | {"snoring_stages": [0]}), 2), (None, 1)],
    ids=["stages", "all null", "snoring only", "no row"],
)
def test_a_night_names_a_hypnogram_only_when_there_is_one(hypnogram: dict[str, Any] | None, count: int) -> None:
    """No reference points at an Observation that is not made."""
    observations = session_observations(CONTEXT, night(), hypnogram)
    named = [member["reference"] for member in observations[0].get("hasMember", [])]
    assert len(observations) == count
    assert named == [f"Observation/{observation['id']}" for observation in observations[1:]]
    assert (hypnogram is not None and has_epochs(hypnogram)) == (count == 2)


def test_a_status_is_carried_by_all_observations_of_a_night() -> None:
    """A second version of the session amends the night and its hypnogram."""
    observations = session_observations(CONTEXT, night(revision=2), epochs())
    assert [observation["status"] for observation in observations] == ["amended", "amended"]
