"""The average-stats Observation: a panel of its own, the metrics' codes as components."""

import re
from typing import Any

import orjson
import pytest

from schemas.fhir import average_stats_observation
from schemas.metrics import AVERAGED_METRICS
from tests.schemas.fhir.rows import CONTEXT, ORG_ID, SESSION_ID, USER_ID, month
from tests.schemas.fhir.rules import absent_reason, assert_valid, component, components

LOCAL = "https://example.org/fhir/CodeSystem/sleep-metric"
UCUM = "http://unitsofmeasure.org"
BREATHS = {"stable_breath_s": 20400.0, "unstable_breath_s": 360.0, "unstable_breath_episodes": 2.5}
NO_AVERAGES = dict.fromkeys(
    ("bedtime", "sleep_onset", "final_wake", "out_of_bed", *(metric.name for metric in AVERAGED_METRICS)), None
)
EMPTY = NO_AVERAGES | {"slept_sessions": 0, "never_slept_sessions": 2, "slept_session_ids": []}


def test_the_panel_is_an_average_over_the_days_asked_for() -> None:
    """A local code, so that a search for sleep duration finds nights only; whole days on the user's clock."""
    observation = average_stats_observation(CONTEXT, month())
    assert_valid(observation)
    assert observation["code"]["coding"] == [
        {"system": LOCAL, "code": "sleep-average-stats", "display": "Average sleep statistics"}
    ]
    assert observation["method"]["coding"] == [
        {
            "system": "http://terminology.hl7.org/CodeSystem/observation-statistics",
            "code": "average",
            "display": "Average",
        }
    ]
    assert observation["effectivePeriod"] == {"start": "2026-10-01T00:00:00+02:00", "end": "2026-10-31T23:59:59+01:00"}
    assert observation["status"] == "final"
    assert not [key for key in observation if key.startswith("value")]


@pytest.mark.parametrize(
    ("code", "value", "unit"),
    [
        ("103213-5", 372.517, "min"),
        ("sleep-period", 346, "min"),
        ("93832-4", 341.5, "min"),
        ("103215-0", 4.5, "min"),
        ("103212-7", 15.333, "min"),
        ("latency-to-arising", 11, "min"),
        ("93830-8", 235.5, "min"),
        ("93831-6", 47.667, "min"),
        ("93829-0", 58.333, "min"),
        ("103220-0", 6.667, "min"),
        ("sleep-efficiency", 91.7, "%"),
        ("sleep-maintenance-efficiency", 98.7, "%"),
        ("93827-4", 1.7, "{#}"),
        ("longest-waso", 3.333, "min"),
        ("sleep-cycle-count", 3, "{count}"),
        ("sleep-cycle-length", 101.617, "min"),
        ("103221-8", 2, "{#}"),
        ("stable-breath", 340, "min"),
        ("unstable-breath", 6, "min"),
        ("unstable-breath-count", 2.5, "{count}"),
        ("session-count", 3, "{count}"),
        ("never-slept-count", 1, "{count}"),
    ],
)
def test_each_average_is_a_component(code: str, value: float, unit: str) -> None:
    """Under the metric's own code, in its unit."""
    found = component(average_stats_observation(CONTEXT, month(**BREATHS)), code)
    assert found is not None
    assert found["valueQuantity"] == {"value": value, "unit": unit, "system": UCUM, "code": unit}


@pytest.mark.parametrize(
    ("code", "clock_time"),
    [
        ("average-bedtime", "22:47:58"),
        ("average-sleep-onset", "23:03:17"),
        ("average-final-wake", "04:49:29"),
        ("average-out-of-bed", "05:00:00"),
    ],
)
def test_each_clock_time_is_a_component(code: str, clock_time: str) -> None:
    """A time of day without a date or zone."""
    found = component(average_stats_observation(CONTEXT, month()), code)
    assert found is not None
    assert found["valueTime"] == clock_time


def test_the_components_are_all_pinned_above() -> None:
    """22 quantities and 4 clock times, and nothing besides."""
    assert len(components(average_stats_observation(CONTEXT, month(**BREATHS)))) == 26


def test_an_average_that_is_null_is_left_out() -> None:
    """Null is never zero; the rest stays."""
    observation = average_stats_observation(CONTEXT, month(bedtime=None))
    assert_valid(observation)
    assert component(observation, "stable-breath") is None
    assert component(observation, "average-bedtime") is None
    assert len(components(observation)) == 22


def test_a_month_without_averages_says_so() -> None:
    """The value is absent, the counts are there: nobody slept is not slept for 0 minutes."""
    observation = average_stats_observation(CONTEXT, month(**EMPTY))
    assert_valid(observation)
    assert absent_reason(observation) == "unknown"
    assert [(c["code"]["coding"][0]["code"], c["valueQuantity"]["value"]) for c in components(observation)] == [
        ("session-count", 0),
        ("never-slept-count", 2),
    ]


def test_without_averages_and_counts_no_component_is_left() -> None:
    """Still a valid Observation."""
    observation = average_stats_observation(
        CONTEXT, month(**NO_AVERAGES, slept_sessions=None, never_slept_sessions=None)
    )
    assert_valid(observation)
    assert "component" not in observation


@pytest.mark.parametrize(
    "changes", [{"user_id": "G-2"}, {"org_id": "another"}, {"period_start": month()["period_end"]}]
)
def test_each_user_and_month_has_an_id_of_its_own(changes: dict[str, Any]) -> None:
    """And the same row always has the same one, in its only identifier too."""
    plain, other = (average_stats_observation(CONTEXT, row) for row in (month(), month(**changes)))
    assert plain == average_stats_observation(CONTEXT, month())
    assert plain["id"] != other["id"]
    assert plain["identifier"] == [
        {"system": "https://example.org/fhir/identifier/asleep-average-stats", "value": plain["id"]}
    ]


def test_a_later_day_of_the_same_month_keeps_the_id() -> None:
    """The running month is updated, not added to."""
    shorter = month(period_end=month()["period_start"])
    assert average_stats_observation(CONTEXT, shorter)["id"] == average_stats_observation(CONTEXT, month())["id"]


def test_no_source_id_leaves_with_the_averages() -> None:
    """Neither user, organisation nor the sessions averaged are named."""
    text = orjson.dumps(average_stats_observation(CONTEXT, month())).decode()
    assert not re.search("|".join(map(re.escape, (USER_ID, SESSION_ID, ORG_ID, "canary"))), text, re.IGNORECASE)
