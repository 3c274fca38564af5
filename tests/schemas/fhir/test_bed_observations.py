"""What beds tell as FHIR: codes, units and categories of the mapping, sampled data, statuses, pseudonyms."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import orjson
import pytest

from schemas.fhir import (
    Resource,
    bed_night_observation,
    complaints,
    device,
    presence_observation,
    retracted_bed_night,
    session_observations,
)
from schemas.fhir.bed_samples import BED_SERIES, sample_observations
from tests.schemas.fhir.bed_rows import END, START, bed_night, sample, stay
from tests.schemas.fhir.rows import CONTEXT, USER_ID, night
from tests.schemas.fhir.rules import assert_valid, component

LOINC, LOCAL = "http://loinc.org", "https://example.org/fhir/CodeSystem/sleep-metric"
STEP = timedelta(minutes=15)
NOTHING = dict.fromkeys((*BED_SERIES, "toss_and_turns"))
BED = night(source="eight_sleep", session_id="1741748640")


def of_series(column: str, values: Sequence[float | None], step: timedelta = STEP) -> list[Resource]:
    """The Observations of a series with a value at each step."""
    rows = [
        sample(**NOTHING | {"time": START + number * step, column: value})
        for number, value in enumerate(values)
        if value is not None
    ]
    return list(sample_observations(CONTEXT, BED, rows))


@pytest.mark.parametrize(
    ("column", "system", "code", "unit", "category"),
    [
        ("heart_rate_bpm", LOINC, "8867-4", "/min", "vital-signs"),
        ("respiratory_rate_bpm", LOINC, "9279-1", "/min", "vital-signs"),
        ("nemean_respiratory_rate_bpm", LOINC, "9279-1", "/min", "vital-signs"),
        ("nemean_respiratory_rate_nightly_bpm", LOINC, "9279-1", "/min", "vital-signs"),
        ("hrv_ms", LOCAL, "hrv", "ms", "activity"),
        ("rmssd_ms", LOCAL, "hrv-rmssd", "ms", "activity"),
        ("bed_temperature_c", LOCAL, "bed-temperature", "Cel", "activity"),
        ("room_temperature_c", LOINC, "60832-3", "Cel", "activity"),
    ],
)
def test_each_series_has_its_code_unit_and_category(
    column: str, system: str, code: str, unit: str, category: str
) -> None:
    """As one Observation with sampled data, and as single values."""
    for values in ([47.25, 48], [47.25]):
        (one,) = of_series(column, values)
        assert_valid(one)
        assert complaints(one) == []
        (coding,) = one["code"]["coding"]
        assert (coding["system"], coding["code"]) == (system, code)
        assert [c["coding"][0]["code"] for c in one["category"]] == [category]
        assert "meta" not in one
        value = one.get("valueQuantity") or one["valueSampledData"]["origin"]
        assert (value["code"], value["system"]) == (unit, "http://unitsofmeasure.org")


def test_an_even_series_is_sampled_data() -> None:
    """From the first sample to the last, milliseconds apart, a lost one as E."""
    (one,) = of_series("heart_rate_bpm", [57.25, None, 58, 59.5])
    assert one["valueSampledData"] == {
        "origin": {"value": 0, "unit": "/min", "system": "http://unitsofmeasure.org", "code": "/min"},
        "period": 900_000,
        "dimensions": 1,
        "data": "57.25 E 58 59.5",
    }
    assert one["effectivePeriod"] == {"start": "2025-03-10T23:00:00+09:00", "end": "2025-03-10T23:45:00+09:00"}


def test_an_uneven_series_is_an_observation_a_sample() -> None:
    """Each at its moment, under an id of its own."""
    times = [START, START + STEP, START + STEP * 1.3]
    rows = [sample(**NOTHING | {"time": time, "hrv_ms": 40.0}) for time in times]
    found = list(sample_observations(CONTEXT, BED, rows))
    assert [one["effectiveDateTime"] for one in found] == [
        "2025-03-10T23:00:00+09:00",
        "2025-03-10T23:15:00+09:00",
        "2025-03-10T23:19:30+09:00",
    ]
    assert len({one["id"] for one in found}) == 3
    for one in found:
        assert_valid(one)


def test_a_sparse_grid_is_not_filled_with_nothing() -> None:
    """Two samples a second apart and one hours later would be ten thousand places."""
    found = of_series("hrv_ms", [40, 41, *[None] * 50, 42], timedelta(seconds=1))
    assert [one["valueQuantity"]["value"] for one in found] == [40, 41, 42]


def test_samples_are_members_of_the_night_on_request_only() -> None:
    """Whoever deletes the night finds them."""
    rows = [sample(time=START + number * STEP) for number in range(3)]
    assert len(session_observations(CONTEXT, BED, samples=rows)) == 1
    session, *members = session_observations(replace(CONTEXT, bed_samples=True), BED, samples=rows)
    assert len(members) == len(BED_SERIES)
    assert [one["reference"] for one in session["hasMember"]] == [f"Observation/{one['id']}" for one in members]
    assert len({one["id"] for one in members}) == len(members)


def test_two_people_with_one_session_id_have_two_observations() -> None:
    """The ids of Asleep's sessions are as they have always been."""
    (mine,), (theirs,) = (session_observations(CONTEXT, {**BED, "user_id": name}) for name in ("anna", "bert"))
    assert mine["id"] != theirs["id"]
    (before,) = session_observations(CONTEXT, night())
    assert before["id"] == CONTEXT.pseudonyms.of("session", night()["org_id"], "asleep", night()["session_id"])


def test_a_night_has_scores_means_and_tosses_as_components() -> None:
    """Each under its code and unit; the durations are in the session."""
    one = bed_night_observation(CONTEXT, bed_night())
    assert_valid(one)
    assert complaints(one) == []
    units = {
        "sleep-fitness-score": "{score}",
        "sleep-quality-score": "{score}",
        "sleep-routine-score": "{score}",
        "103205-1": "/min",
        "9279-1": "/min",
        "hrv": "ms",
        "bed-temperature": "Cel",
        "60832-3": "Cel",
        "movement-count": "{count}",
    }
    found = {part["code"]["coding"][0]["code"]: part["valueQuantity"]["code"] for part in one["component"]}
    assert found == units
    assert one["effectivePeriod"] == {"start": "2025-03-10T23:00:00+09:00", "end": "2025-03-11T07:00:00+09:00"}


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"is_final": False, "final_versions": 0}, "preliminary"),
        ({"final_versions": 1, "revision": 2}, "final"),
        ({"final_versions": 2, "revision": 3}, "amended"),
    ],
)
def test_only_what_had_been_final_is_amended(changes: dict[str, Any], status: str) -> None:
    """A first analysis is no change of mind."""
    assert bed_night_observation(CONTEXT, bed_night(**changes))["status"] == status


def test_a_null_is_left_out() -> None:
    """Never 0; a night of nothing says that it is unknown."""
    figures = [name for name, value in bed_night().items() if value in (47.5, 1)]
    one = bed_night_observation(CONTEXT, bed_night(**dict.fromkeys(figures)) | {"final_versions": 1})
    assert_valid(one)
    assert "component" not in one
    assert one["dataAbsentReason"]["coding"][0]["code"] == "unknown"
    tossed = bed_night_observation(CONTEXT, bed_night(hrv_ms=None))
    assert component(tossed, "hrv") is None


def test_a_deleted_night_is_entered_in_error_under_its_id() -> None:
    """Without what it said."""
    one = retracted_bed_night(CONTEXT, bed_night(), END)
    assert_valid(one)
    assert one["id"] == bed_night_observation(CONTEXT, bed_night())["id"]
    assert one["status"] == "entered-in-error"
    assert "component" not in one


def test_a_stay_is_true_over_its_period() -> None:
    """Preliminary where nobody saw it end."""
    one = presence_observation(CONTEXT, stay())
    assert_valid(one)
    assert complaints(one) == []
    assert one["valueBoolean"] is True
    assert one["status"] == "final"
    assert presence_observation(CONTEXT, stay(ends_unseen=True))["status"] == "preliminary"


def test_the_bed_has_a_device() -> None:
    """Named after the product, with no serial number."""
    one = device(CONTEXT, "eight_sleep")
    assert (one["deviceName"][0]["name"], one["manufacturer"]) == ("Eight Sleep Pod", "Eight Sleep")


def test_no_id_leaves_the_house() -> None:
    """Users, sessions and beds are pseudonyms."""
    rows = [sample(time=START + number * STEP) for number in range(3)]
    found = [
        *session_observations(replace(CONTEXT, bed_samples=True), BED, samples=rows),
        bed_night_observation(CONTEXT, bed_night()),
        presence_observation(CONTEXT, stay()),
    ]
    text = orjson.dumps(found).decode()
    assert not any(name in text for name in (USER_ID, "1741748640", "canary"))
