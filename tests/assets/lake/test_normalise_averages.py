"""Average statistics and users: the samples become the row written out here, and null stays null."""

from datetime import date, time
from typing import Any

import pytest

from assets.lake.normalise_averages import normalise_average_stats
from assets.sources.asleep_documents import decode_average_stats, decode_user
from tests.assets.lake.documents import MONTH_STATS, USER_ID, current, stats_document, user_document
from tests.schemas.samples import ABSENT, USER, changed

ROSTER_ZONE = "America/New_York"

MONTH_ROW: dict[str, Any] = {
    "org_id": "clinic",
    "source": "asleep",
    "user_id": USER_ID,
    "period_start": date(2025, 1, 1),
    "period_end": date(2025, 1, 19),
    "timezone": "UTC",
    "bedtime": time(22, 47, 58),
    "sleep_onset": time(23, 3, 17),
    "final_wake": time(4, 49, 29),
    "out_of_bed": time(5, 0, 29),
    "time_in_bed_s": 22351.0,
    "sleep_period_s": 20760.0,
    "total_sleep_time_s": 20490.0,
    "wake_after_sleep_onset_s": 270.0,
    "sleep_onset_latency_s": 920.0,
    "wakeup_latency_s": 660.0,
    "light_sleep_s": 14130.0,
    "deep_sleep_s": 2860.0,
    "rem_sleep_s": 3500.0,
    "snoring_s": 400.0,
    "sleep_efficiency": 20490 / 22351,
    "sleep_maintenance_efficiency": 20490 / 20760,
    "awakenings": 1.7,
    "longest_awakening_s": 200.0,
    "sleep_cycles": 3.0,
    "sleep_cycle_mean_s": 6097.0,
    "snoring_episodes": 2.0,
    "stable_breath_s": None,
    "unstable_breath_s": None,
    "unstable_breath_episodes": None,
    "slept_sessions": 3,
    "never_slept_sessions": 1,
    "slept_session_ids": ["20250115223011_a1b2c", "20250116230540_d3e4f", "20250117224802_g5h6j"],
    "provider_agreement": None,
    "provider_differences": None,
}


def month_row(changes: dict[str, Any] | None = None) -> dict[str, Any]:
    """The row of the sample month with changes below ``result``."""
    body = changed(MONTH_STATS, {f"result.{path}": value for path, value in (changes or {}).items()})
    return normalise_average_stats(decode_average_stats(current(stats_document(body))), "clinic", ROSTER_ZONE)


def test_the_sample_averages_become_the_row_of_the_contract() -> None:
    """Clock times, averages as decimals, recomputed ratios, counts and ids."""
    assert month_row() == MONTH_ROW


def test_a_month_without_sleep_has_counts_and_no_averages() -> None:
    """Averages are null, not zero."""
    row = month_row({"average_stats": None, "slept_sessions": []})
    known = ("org_id", "source", "user_id", "period_start", "period_end", "timezone")
    assert {name: value for name, value in row.items() if value is not None and name not in known} == {
        "slept_sessions": 0,
        "never_slept_sessions": 1,
        "slept_session_ids": [],
    }


@pytest.mark.parametrize("missing", [None, ABSENT], ids=["null", "absent"])
def test_lists_that_were_not_sent_are_not_empty_lists(missing: Any) -> None:
    """How many sessions there were is unknown then."""
    row = month_row({"slept_sessions": missing, "never_slept_sessions": missing})
    assert (row["slept_sessions"], row["never_slept_sessions"], row["slept_session_ids"]) == (None, None, None)
    assert row["total_sleep_time_s"] == 20490.0


def test_sessions_of_averages_may_be_named_either_way() -> None:
    """``id`` or ``session_id``; one without a name still counts."""
    row = month_row({"slept_sessions": [{"session_id": "a"}, {"id": "b"}, {}]})
    assert (row["slept_sessions"], row["slept_session_ids"]) == (3, ["a", "b", None])


@pytest.mark.parametrize("zone", ["Mars/Olympus", None, ABSENT])
def test_averages_without_a_usable_zone_are_those_of_the_roster(zone: Any) -> None:
    """That is the zone they were asked for in."""
    assert month_row({"period.timezone": zone})["timezone"] == "America/New_York"


def test_a_user_is_typed() -> None:
    """Unknown members do not matter."""
    user = decode_user(current(user_document(changed(USER, {"result.a_field_of_tomorrow": 1})))).content
    assert user.metadata is not None
    assert (user.metadata.birth_year, user.metadata.weight) == (1990, 61.2)
