"""Stage intervals as Observations: HL7's sleep-analysis codes, and only when they are asked for."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from schemas.fhir import session_observations
from schemas.stages import STAGE_NAMES
from tests.schemas.fhir.rows import CONTEXT, NIGHT, epochs, night
from tests.schemas.fhir.rules import assert_valid

WITH_INTERVALS = replace(CONTEXT, stage_intervals=True)
PHR = "http://hl7.org/fhir/uv/phr/CodeSystem"
SNOMED = "http://snomed.info/sct"

CODES = [
    ("wake", "awake", "Awake", "248218005", "Awake"),
    ("light", "asleepCore", "Asleep core", "60984000", "Non-rapid eye movement sleep"),
    ("deep", "asleepDeep", "Asleep deep", "60984000", "Non-rapid eye movement sleep"),
    ("rem", "asleepREM", "Asleep REM", "89129007", "Rapid eye movement sleep"),
    ("asleep", "asleepUnspecified", "Asleep unspecified", "248220008", "Asleep"),
]


def interval(stage: str, first_epoch: int = 0, epochs: int = 1) -> dict[str, Any]:
    """A row of ``sleep_stage_intervals`` of the plain night."""
    start = NIGHT["start_time"] + timedelta(seconds=30 * first_epoch)
    return {
        **{key: NIGHT[key] for key in ("source", "user_id", "session_id")},
        "stage": stage,
        "start_time": start,
        "end_time": start + timedelta(seconds=30 * epochs),
        "first_epoch": first_epoch,
        "epochs": epochs,
    }


@pytest.mark.parametrize(("stage", "code", "display", "snomed", "snomed_display"), CODES)
def test_every_stage_has_its_codes(stage: str, code: str, display: str, snomed: str, snomed_display: str) -> None:
    """HL7's code leads, SNOMED CT's stands beside it; the Observation says sleep analysis."""
    *_, observation = session_observations(WITH_INTERVALS, night(), epochs(), [interval(stage)])
    assert_valid(observation)
    assert observation["code"]["coding"] == [
        {"system": f"{PHR}/observation-pghd-codes", "code": "sleepAnalysis", "display": "Sleep analysis"}
    ]
    assert observation["valueCodeableConcept"]["coding"] == [
        {"system": f"{PHR}/sleep-analysis-codes", "code": code, "display": display},
        {"system": SNOMED, "code": snomed, "display": snomed_display},
    ]


def test_stages_without_a_code_have_no_observation() -> None:
    """What is unknown, and the time out of bed, are no kind of sleep analysis."""
    coded = {stage for stage, *_ in CODES}
    assert set(STAGE_NAMES.values()) - coded == {"unknown", "out_of_bed"}
    rows = [interval("unknown"), interval("out_of_bed", 1)]
    assert len(session_observations(WITH_INTERVALS, night(), epochs(), rows)) == 2


def test_intervals_are_members_of_their_night() -> None:
    """Each has an id of its own, the night's status, and the time on the wall where the user sleeps."""
    rows = [interval("wake", 0, 24), interval("light", 24, 2)]
    summary, hypnogram, *intervals = session_observations(WITH_INTERVALS, night(revision=3), epochs(), rows)
    members = [member["reference"] for member in summary["hasMember"]]
    assert members == [f"Observation/{resource['id']}" for resource in (hypnogram, *intervals)]
    assert len(set(members)) == 3
    assert {resource["status"] for resource in (summary, hypnogram, *intervals)} == {"amended"}
    assert intervals[1]["effectivePeriod"] == {"start": "2025-03-10T23:24:08+09:00", "end": "2025-03-10T23:25:08+09:00"}


def test_both_offsets_are_those_of_the_wall_clock() -> None:
    """Over the end of summer time the two differ."""
    start = datetime(2025, 10, 26, 0, 30, tzinfo=UTC)
    over_the_change = {**interval("light"), "start_time": start, "end_time": start + timedelta(hours=1)}
    *_, observation = session_observations(WITH_INTERVALS, night(timezone="Europe/Berlin"), None, [over_the_change])
    assert observation["effectivePeriod"] == {"start": "2025-10-26T02:30:00+02:00", "end": "2025-10-26T02:30:00+01:00"}


def test_without_the_setting_there_are_none() -> None:
    """A night is two Observations unless more are asked for."""
    assert len(session_observations(CONTEXT, night(), epochs(), [interval("light")])) == 2
