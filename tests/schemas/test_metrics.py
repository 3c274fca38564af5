"""The table of metrics: names, units, where the vendor sends each, and the codes."""

import pytest

from schemas.asleep import AverageStat, Stat
from schemas.metrics import AVERAGED_METRICS, METRICS, Metric

CONTRACT = [
    "time_in_bed_s",
    "sleep_period_s",
    "total_sleep_time_s",
    "wake_after_sleep_onset_s",
    "sleep_onset_latency_s",
    "wakeup_latency_s",
    "light_sleep_s",
    "deep_sleep_s",
    "rem_sleep_s",
    "latency_to_light_s",
    "latency_to_deep_s",
    "latency_to_rem_s",
    "snoring_s",
    "sleep_efficiency",
    "sleep_maintenance_efficiency",
    "awakenings",
    "longest_awakening_s",
    "sleep_cycles",
    "sleep_cycle_mean_s",
    "snoring_episodes",
    "stable_breath_s",
    "unstable_breath_s",
    "unstable_breath_episodes",
    "breathing_index",
    "breathing_pattern",
    "sleep_index",
]

CLOCK_TIMES = {"start_time", "end_time", "sleep_time", "wake_time"}
COMPARED_BUT_NOT_STORED = {"sleep_efficiency"}
NOT_METRICS = {"time_in_no_snoring"}
"""What snoring leaves of the sleep period; not a column of the contract."""

each = pytest.mark.parametrize("metric", METRICS, ids=[metric.name for metric in METRICS])


def test_the_metrics_are_those_of_the_contract_in_its_order() -> None:
    """Names that users outside rely on."""
    assert [metric.name for metric in METRICS] == CONTRACT


@each
def test_the_unit_stands_in_the_name(metric: Metric) -> None:
    """Seconds end in _s and nothing else does; fractions, counts and scores are named as what they are."""
    assert metric.name.endswith("_s") == (metric.unit == "s")
    assert metric.unit in ("s", "fraction", "count", "events/h", "score", "")
    assert (metric.unit == "") == (metric.kind == "text")


@each
def test_the_meaning_is_a_sentence(metric: Metric) -> None:
    """What stands in the documentation and in the database."""
    assert metric.description.endswith(".")
    assert metric.description[0].isupper()


@each
def test_it_is_a_field_of_the_vendor_or_recomputed(metric: Metric) -> None:
    """Only the two ratios are ours, because the vendor scales them differently from version to version."""
    recomputed = metric.name in ("sleep_efficiency", "sleep_maintenance_efficiency")
    assert (metric.asleep_field is None) == recomputed
    assert recomputed or metric.asleep_field in Stat.__struct_fields__


def test_no_field_of_the_vendor_and_no_code_stands_twice() -> None:
    """Two columns with one meaning would be one too many."""
    fields = [metric.asleep_field for metric in METRICS if metric.asleep_field]
    codes = [coding for metric in METRICS for coding in metric.fhir.codings]
    assert len(set(fields)) == len(fields)
    assert len({(coding.system, coding.code) for coding in codes}) == len(codes)


def test_every_average_the_vendor_sends_has_its_column() -> None:
    """All fields of ``average_stats`` that are neither clock times nor ratios."""
    sent = set(AverageStat.__struct_fields__) - CLOCK_TIMES - COMPARED_BUT_NOT_STORED - NOT_METRICS
    assert {metric.asleep_field for metric in AVERAGED_METRICS if metric.asleep_field} == sent


def test_what_is_not_averaged_is_in_no_average() -> None:
    """Stage latencies, breathing index and pattern, sleep index: the vendor averages none of them."""
    assert [metric.name for metric in METRICS if not metric.averaged] == [
        "latency_to_light_s",
        "latency_to_deep_s",
        "latency_to_rem_s",
        "breathing_index",
        "breathing_pattern",
        "sleep_index",
    ]
