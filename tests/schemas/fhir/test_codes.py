"""The local code system: complete, explained, valid; and the setting that holds its base."""

import orjson
import pytest
from fhir.resources.R4B.codesystem import CodeSystem

from schemas.fhir import (
    FhirContext,
    Pseudonymizer,
    Resource,
    average_stats_observation,
    bed_night_observation,
    code_system,
    hypnogram_observation,
    presence_observation,
    session_observation,
)
from schemas.fhir.bed_samples import sample_observations
from tests.schemas.fhir.bed_rows import bed_night, sample, stay
from tests.schemas.fhir.rows import CONTEXT, epochs, month, night

BASE = "https://sleep.example.com/fhir"


def _codings(element: object) -> set[tuple[str, str, str]]:
    if isinstance(element, list):
        return {coding for value in element for coding in _codings(value)}
    if not isinstance(element, dict):
        return set()
    own = {(element["system"], element["code"], element["display"])} if "display" in element else set()
    return own | {coding for value in element.values() for coding in _codings(value)}


def _everything(context: FhirContext) -> list[Resource]:
    breaths = {"stable_breath_s": 1.0, "unstable_breath_s": 2.0, "unstable_breath_episodes": 3.0}
    return [
        session_observation(context, night()),
        hypnogram_observation(context, night(), epochs()),
        hypnogram_observation(context, night(has_stages="2-stage"), epochs()),
        average_stats_observation(context, month(**breaths)),
        bed_night_observation(context, bed_night()),
        presence_observation(context, stay()),
        *sample_observations(context, night(), [sample()]),
    ]


def test_the_code_system_is_a_valid_resource() -> None:
    """It loads as an R4 CodeSystem, its count is right and no code comes twice."""
    resource = code_system()
    CodeSystem.model_validate_json(orjson.dumps(resource))
    codes = [concept["code"] for concept in resource["concept"]]
    assert resource["count"] == len(codes) == len(set(codes))


def test_each_concept_is_named_and_explained() -> None:
    """A receiver can read what a code means."""
    for concept in code_system()["concept"]:
        assert concept["display"].strip()
        assert concept["definition"].endswith(".")


def test_local_codes_used_are_exactly_those_published() -> None:
    """Every local code in an Observation is in the code system under the same name, and none there is unused."""
    resource = code_system()
    published = {(resource["url"], concept["code"], concept["display"]) for concept in resource["concept"]}
    used = {coding for coding in _codings(_everything(CONTEXT)) if coding[0] == resource["url"]}
    assert used == published


def test_every_local_uri_hangs_under_the_base() -> None:
    """With another base nothing of the default one is left."""
    context = FhirContext(Pseudonymizer(b"k" * 16), BASE)
    text = orjson.dumps([*_everything(context), code_system(BASE)]).decode()
    assert "example.org" not in text
    assert code_system(BASE)["url"] == f"{BASE}/CodeSystem/sleep-metric"


def test_a_base_with_a_slash_at_its_end_is_refused() -> None:
    """URIs compare as strings: a doubled slash would make other codes of the same ones."""
    with pytest.raises(ValueError, match="slash"):
        FhirContext(Pseudonymizer(b"k" * 16), BASE + "/")
