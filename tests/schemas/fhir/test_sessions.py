"""The session Observation: every code and unit pinned, nulls told apart, nothing that names a person."""

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from schemas.fhir import FhirContext, Pseudonymizer, session_observation, session_observations
from schemas.metrics import METRICS
from tests.schemas.fhir.rows import CONTEXT, NEVER_SLEPT, NO_BREATHING, NO_METRICS, epochs, night
from tests.schemas.fhir.rules import absent_reason, assert_valid, component, components

LOINC = "http://loinc.org"
LOCAL = "https://example.org/fhir/CodeSystem/sleep-metric"
PHR = "http://hl7.org/fhir/uv/phr/CodeSystem/sleep-episode-codes"

Codings = list[tuple[str, str, str]]

COMPONENTS: list[tuple[str, Codings, float, str]] = [
    (
        "time_in_bed_s",
        [(LOINC, "103213-5", "Duration in bed"), (LOCAL, "time-in-bed", "Time in bed")],
        460.717,
        "min",
    ),
    ("sleep_period_s", [(LOCAL, "sleep-period", "Sleep period, sleep onset to final wake")], 411.5, "min"),
    (
        "wake_after_sleep_onset_s",
        [(LOINC, "103215-0", "Wake time after sleep onset"), (LOCAL, "waso", "Wake after sleep onset")],
        7.5,
        "min",
    ),
    ("sleep_onset_latency_s", [(LOINC, "103212-7", "Duration of falling asleep")], 12, "min"),
    (
        "wakeup_latency_s",
        [(LOCAL, "latency-to-arising", "Latency to arising, final wake to end of tracking")],
        37,
        "min",
    ),
    ("light_sleep_s", [(LOINC, "93830-8", "Light sleep duration")], 278, "min"),
    ("deep_sleep_s", [(LOINC, "93831-6", "Deep sleep duration")], 51, "min"),
    ("rem_sleep_s", [(LOINC, "93829-0", "REM sleep duration")], 75, "min"),
    ("latency_to_light_s", [(LOCAL, "latency-light", "Latency from sleep onset to light sleep")], 0, "min"),
    ("latency_to_deep_s", [(LOCAL, "latency-deep", "Latency from sleep onset to deep sleep")], 10, "min"),
    ("latency_to_rem_s", [(LOCAL, "latency-rem", "Latency from sleep onset to REM sleep")], 50, "min"),
    ("snoring_s", [(LOINC, "103220-0", "Duration of snoring")], 23.5, "min"),
    (
        "sleep_efficiency",
        [
            (LOCAL, "sleep-efficiency", "Sleep efficiency, total sleep time over time in bed"),
            (PHR, "sleepEfficiencyPercentage", "Sleep efficiency percentage"),
        ],
        87.689,
        "%",
    ),
    (
        "sleep_maintenance_efficiency",
        [
            (
                LOCAL,
                "sleep-maintenance-efficiency",
                "Sleep maintenance efficiency, total sleep time over sleep period",
            )
        ],
        98.177,
        "%",
    ),
    ("awakenings", [(LOINC, "93827-4", "Nighttime awakening")], 4, "{#}"),
    ("longest_awakening_s", [(LOCAL, "longest-waso", "Longest awakening after sleep onset")], 3, "min"),
    ("sleep_cycles", [(LOCAL, "sleep-cycle-count", "Number of sleep cycles")], 4, "{count}"),
    ("sleep_cycle_mean_s", [(LOCAL, "sleep-cycle-length", "Mean length of a sleep cycle")], 83, "min"),
    ("snoring_episodes", [(LOINC, "103221-8", "Number of snoring episodes")], 6, "{#}"),
    ("stable_breath_s", [(LOCAL, "stable-breath", "Stable breathing during the sleep period")], 406.5, "min"),
    ("unstable_breath_s", [(LOCAL, "unstable-breath", "Unstable breathing during the sleep period")], 5, "min"),
    (
        "unstable_breath_episodes",
        [(LOCAL, "unstable-breath-count", "Number of unstable breathing episodes")],
        5,
        "{count}",
    ),
    ("breathing_index", [(LOCAL, "breathing-index", "Breathing index (vendor)")], 0.74, "{events}/h"),
    ("sleep_index", [(LOCAL, "sleep-index", "Sleep index (vendor score)")], 88, "{score}"),
    ("missing_data_ratio", [(LOCAL, "missing-data-ratio", "Missing data")], 1.3, "%"),
]
LEADING_CODE = {column: codings[0][1] for column, codings, _, _ in COMPONENTS} | {
    "breathing_pattern": "breathing-pattern"
}


def _observation(**changes: Any) -> dict[str, Any]:
    observation = session_observation(CONTEXT, night(**changes))
    assert_valid(observation)
    return observation


def _component_of(column: str, observation: dict[str, Any]) -> dict[str, Any] | None:
    return component(observation, LEADING_CODE[column])


@pytest.mark.parametrize(("column", "codings", "value", "unit"), COMPONENTS, ids=[row[0] for row in COMPONENTS])
def test_each_metric_is_a_component_with_its_code_and_unit(
    column: str, codings: Codings, value: float, unit: str
) -> None:
    """Codes, names, units and scale are those of the mapping's reference, written out here and not derived."""
    assert _component_of(column, _observation()) == {
        "code": {"coding": [{"system": system, "code": code, "display": name} for system, code, name in codings]},
        "valueQuantity": {"value": value, "unit": unit, "system": "http://unitsofmeasure.org", "code": unit},
    }


@pytest.mark.parametrize(
    ("code", "display", "value"),
    [
        ("breathing-pattern", "Breathing pattern (vendor)", {"valueString": "STABLE_BREATH"}),
        ("sleep-onset-time", "Sleep onset time", {"valueDateTime": "2025-03-10T23:24:08+09:00"}),
        ("final-wake-time", "Final wake time", {"valueDateTime": "2025-03-11T06:15:51+09:00"}),
    ],
)
def test_what_is_no_number_is_a_component_too(code: str, display: str, value: dict[str, str]) -> None:
    """A text as it was sent, a time on the zone's clock."""
    coding = {"system": LOCAL, "code": code, "display": display}
    assert component(_observation(), code) == {"code": {"coding": [coding]}, **value}


def test_every_metric_is_pinned_above() -> None:
    """A new metric needs a new line in the table."""
    assert set(LEADING_CODE) == {metric.name for metric in METRICS} - {"total_sleep_time_s"} | {"missing_data_ratio"}
    assert len(components(_observation())) == len(LEADING_CODE) + 2


def test_total_sleep_time_is_the_value() -> None:
    """24240 s are exactly 404 min; category, code, times and who it is about are those of the row."""
    observation = _observation()
    assert observation["status"] == "final"
    assert observation["category"] == [
        {
            "coding": [
                {
                    "system": "http://terminology.hl7.org/CodeSystem/observation-category",
                    "code": "activity",
                    "display": "Activity",
                }
            ]
        }
    ]
    assert observation["code"] == {"coding": [{"system": LOINC, "code": "93832-4", "display": "Sleep duration"}]}
    assert observation["valueQuantity"] == {
        "value": 404,
        "unit": "min",
        "system": "http://unitsofmeasure.org",
        "code": "min",
    }
    assert observation["effectivePeriod"] == {
        "start": "2025-03-10T23:12:08+09:00",
        "end": "2025-03-11T06:52:51+09:00",
    }
    assert observation["issued"] == "2025-03-11T04:00:00.250000Z"
    assert "hasMember" not in observation
    assert "note" not in observation


def test_whole_minutes_have_no_fraction_in_the_bytes() -> None:
    """404 and 1.667, never 404.0 or 1.6666666666666667."""
    assert b'"value":404,' in orjson.dumps(_observation())
    assert b'"value":1.667,' in orjson.dumps(_observation(total_sleep_time_s=100))


def test_a_night_over_the_end_of_summer_time_has_two_offsets() -> None:
    """Each time has the offset that held then."""
    observation = _observation(
        timezone="Europe/Berlin",
        start_time=datetime(2026, 10, 24, 21, 10, tzinfo=UTC),
        sleep_onset=datetime(2026, 10, 25, 0, 30, tzinfo=UTC),
        final_wake=datetime(2026, 10, 25, 1, 30, tzinfo=UTC),
        end_time=datetime(2026, 10, 25, 6, 0, tzinfo=UTC),
    )
    onset, wake = (component(observation, code) or {} for code in ("sleep-onset-time", "final-wake-time"))
    assert observation["effectivePeriod"] == {"start": "2026-10-24T23:10:00+02:00", "end": "2026-10-25T07:00:00+01:00"}
    assert (onset["valueDateTime"], wake["valueDateTime"]) == ("2026-10-25T02:30:00+02:00", "2026-10-25T02:30:00+01:00")


@pytest.mark.parametrize("has_stages", ["2-stage", "none"])
def test_stages_that_are_not_told_apart_are_left_out(has_stages: str) -> None:
    """The source does not have them: no component, not even one without a value."""
    columns = [metric.name for metric in METRICS if metric.needs == "stages"]
    observation = _observation(has_stages=has_stages, **dict.fromkeys(columns, None))
    assert len(columns) == 6
    assert [_component_of(column, observation) for column in columns] == [None] * 6


def test_breathing_that_is_not_in_the_contract_is_left_out() -> None:
    """With the vendor's remark that the contract has no breathing analysis."""
    observation = _observation(peculiarities=["NO_BREATHING_STABILITY"], **NO_BREATHING)
    assert [_component_of(column, observation) for column in NO_BREATHING] == [None] * 5


def test_breathing_that_is_null_without_a_remark_is_unknown() -> None:
    """The source has the fields and sent null."""
    observation = _observation(**NO_BREATHING)
    assert [absent_reason(_component_of(column, observation)) for column in NO_BREATHING] == ["unknown"] * 5


def test_snoring_without_analysis_is_left_out() -> None:
    """Both snoring metrics null: there was no snoring analysis. Only one null: that one is unknown."""
    neither = _observation(snoring_s=None, snoring_episodes=None)
    assert (_component_of("snoring_s", neither), _component_of("snoring_episodes", neither)) == (None, None)
    assert absent_reason(_component_of("snoring_s", _observation(snoring_s=None))) == "unknown"
    assert absent_reason(_component_of("snoring_episodes", _observation(snoring_episodes=None))) == "unknown"


@pytest.mark.parametrize(("sleep_cycles", "reason"), [(0, None), (3, "unknown"), (None, "unknown")])
def test_the_length_of_no_cycle_is_left_out(sleep_cycles: int | None, reason: str | None) -> None:
    """Without a cycle it has no length; with cycles, a null length is unknown."""
    found = _component_of("sleep_cycle_mean_s", _observation(sleep_cycles=sleep_cycles, sleep_cycle_mean_s=None))
    assert (absent_reason(found) if found else None) == reason


@pytest.mark.parametrize("stage", ["light", "deep", "rem"])
@pytest.mark.parametrize(("seconds", "reason"), [(0, "not-applicable"), (600, "unknown"), (None, "unknown")])
def test_the_latency_of_a_stage_that_never_came_is_not_applicable(stage: str, seconds: int | None, reason: str) -> None:
    """A null latency of a stage that did come, or may have come, is unknown."""
    column = f"latency_to_{stage}_s"
    observation = _observation(**{column: None, f"{stage}_sleep_s": seconds})
    assert absent_reason(_component_of(column, observation)) == reason


def test_a_night_without_sleep_has_no_onset() -> None:
    """What needs sleep to exist is not applicable; the durations are a true 0."""
    observation = _observation(**NEVER_SLEPT)
    codes = ("sleep-onset-time", "final-wake-time", "latency-rem", "sleep-maintenance-efficiency")
    assert [absent_reason(component(observation, code)) for code in codes] == ["not-applicable"] * 4
    assert observation["valueQuantity"]["value"] == 0
    assert component(observation, "sleep-cycle-length") is None
    assert observation["note"] == [{"text": "NEVER_SLEPT"}]


def test_a_session_without_statistics_has_no_metrics() -> None:
    """The value is absent; what does not come from the statistics stays."""
    observation = _observation(**NO_METRICS, sleep_onset=None, final_wake=None, peculiarities=["TOO_SHORT"])
    assert absent_reason(observation) == "unknown"
    assert [found["code"]["coding"][0]["code"] for found in components(observation)] == ["missing-data-ratio"]


def test_a_session_without_anything_has_no_component_element() -> None:
    """An empty list is not legal in FHIR."""
    observation = _observation(**NO_METRICS, sleep_onset=None, final_wake=None, missing_data_ratio=None)
    assert "component" not in observation


@pytest.mark.parametrize("column", [metric.name for metric in METRICS])
def test_null_is_never_zero(column: str) -> None:
    """A single null in a full night gives no value, and zero gives zero."""
    null, whole = _observation(**{column: None}), _observation()
    element = null if column == "total_sleep_time_s" else _component_of(column, null)
    assert element is None or not [key for key in element if key.startswith("value")]
    assert len(components(null)) <= len(components(whole))


@pytest.mark.parametrize("column", [metric.name for metric in METRICS if metric.kind != "text"])
def test_zero_is_zero(column: str) -> None:
    """A zero of the source is a value, not a gap."""
    observation = _observation(**{column: 0})
    element = observation if column == "total_sleep_time_s" else _component_of(column, observation)
    assert element is not None
    assert element["valueQuantity"]["value"] == 0


@pytest.mark.parametrize(
    ("remarks", "notes"),
    [
        (["NEVER_SLEPT", "NO_REALTIME_POLLING"], [{"text": "NEVER_SLEPT"}, {"text": "NO_REALTIME_POLLING"}]),
        (["Something new\n of  2027", " "], [{"text": "Something new of 2027"}]),
    ],
)
def test_remarks_are_notes(remarks: list[str], notes: list[dict[str, str]]) -> None:
    """In the vendor's order, known or not; a blank one is none."""
    assert _observation(peculiarities=remarks)["note"] == notes


def test_a_blank_pattern_is_unknown() -> None:
    """FHIR knows no empty text."""
    assert absent_reason(_component_of("breathing_pattern", _observation(breathing_pattern=" "))) == "unknown"


def test_the_id_is_a_keyed_pseudonym_in_the_only_identifier() -> None:
    """The same key gives the same ids, another key gives others, for the night and all it refers to."""
    same, other = (FhirContext(Pseudonymizer(key)) for key in (CONTEXT.pseudonyms.key, b"quite another key"))
    plain, again, different = (session_observations(c, night(), epochs())[0] for c in (CONTEXT, same, other))
    assert plain == again
    for part in ("id", "identifier", "subject", "device", "hasMember"):
        assert plain[part] != different[part]
    assert plain["identifier"] == [
        {"system": "https://example.org/fhir/identifier/asleep-session", "value": plain["id"]}
    ]


@pytest.mark.parametrize("changes", [{"session_id": "20250310141208_other"}, {"org_id": "another"}])
def test_another_session_has_another_id(changes: dict[str, str]) -> None:
    """Also one of the same name at another organisation."""
    assert _observation()["id"] != _observation(**changes)["id"]


def test_a_new_revision_keeps_the_id() -> None:
    """The night is the same, its values are not."""
    assert _observation()["id"] == _observation(revision=2, total_sleep_time_s=60, user_id="G-2")["id"]


def test_no_source_id_leaves_with_a_night() -> None:
    """Neither user, session, organisation nor content hash is named anywhere."""
    text = orjson.dumps(session_observations(CONTEXT, night(), epochs())).decode().lower()
    assert "canary" not in text
    assert "canry" not in text
