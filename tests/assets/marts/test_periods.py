"""Weeks, months and cohorts: counted by hand, on the circle where it is clock times, and nobody named."""

from datetime import date, datetime, time, timedelta
from math import cos, log, pi, sin, sqrt

import pytest

from tests.assets.marts.recordings import Row, expected_night, ledger_of, marts_of, session

MONDAY = date(2026, 12, 28)
"""The first day of ISO week 53 of 2026, which ends in 2027."""


def nights_from(clocks: list[str]) -> list[Row]:
    """A sleep of eight hours a night from these clock times on, in UTC; times before noon are the date after."""
    rows = []
    for number, clock in enumerate(clocks):
        night = MONDAY + timedelta(number)
        start = datetime.combine(night if clock > "12" else night + timedelta(1), time.fromisoformat(clock))
        end = start + timedelta(hours=8)
        rows.append(session(f"s{night}", str(start), str(end)))
    return rows


def test_a_week_is_the_iso_week_and_a_month_the_calendars() -> None:
    """By the date of the evening: a week across New Year is one, its nights are of two months."""
    rows = nights_from(["23:00"] * 8)
    marts = marts_of(rows, ledger_of(rows))
    weeks = marts.tables["user_weeks"].to_pylist()
    assert [(w["week_start"], w["iso_year"], w["iso_week"], w["nights_with_data"]) for w in weeks] == [
        (MONDAY, 2026, 53, 7),
        (date(2027, 1, 4), 2027, 1, 1),
    ]
    months = marts.tables["user_months"].to_pylist()
    assert [(month["month_start"], month["nights_with_data"]) for month in months] == [
        (date(2026, 12, 1), 4),
        (date(2027, 1, 1), 4),
    ]


@pytest.mark.parametrize("mart", ["user_weeks", "user_months"])
def test_regularity_is_taken_on_the_circle(mart: str) -> None:
    """Around midnight 23:50, 00:10 and 00:30 are as regular as any times 20 minutes apart, and their mean is 00:10."""
    clocks = ["23:50", "00:10", "00:30"]
    (row,) = marts_of(nights_from(clocks)).tables[mart].to_pylist()
    angles = [2 * pi * minute / 1440 for minute in (-10, 10, 30)]
    length = sqrt(sum(map(cos, angles)) ** 2 + sum(map(sin, angles)) ** 2) / 3
    expected = sqrt(-2 * log(length)) / (2 * pi) * 86_400
    assert row["sleep_onset_sd_s"] == pytest.approx(expected, abs=0.01)
    assert row["sleep_onset_sd_s"] == pytest.approx(sqrt(2 / 3) * 1200, rel=1e-3)
    assert (row["sleep_onset_clock_mean"], row["mid_sleep_clock_mean"]) == (time(0, 10), time(4, 10))
    assert row["final_wake_sd_s"] == pytest.approx(expected, abs=0.01)


def test_too_little_for_a_regularity_is_null() -> None:
    """One night has no spread and times that cancel out no mean; equal times have a spread of zero."""
    (one,) = marts_of(nights_from(["23:00"])).tables["user_weeks"].to_pylist()
    assert (one["sleep_onset_sd_s"], one["total_sleep_time_sd_s"], one["sleep_onset_clock_mean"]) == (
        None,
        None,
        time(23),
    )
    opposite = nights_from(["19:00", "07:00"])
    (none,) = marts_of(opposite).tables["user_weeks"].to_pylist()
    assert (none["sleep_onset_sd_s"], none["sleep_onset_clock_mean"]) == (None, None)
    (same,) = marts_of(nights_from(["23:00"] * 4)).tables["user_weeks"].to_pylist()
    assert same["sleep_onset_sd_s"] == pytest.approx(0, abs=0.01)
    assert same["total_sleep_time_sd_s"] == 0


def test_means_are_over_the_nights_that_have_the_figure() -> None:
    """Null is not zero; a forgotten recording and naps are in no mean, but what is recorded is counted."""
    rows = nights_from(["23:00"] * 4)
    for row, asleep_s, efficiency in zip(rows, (20_000, 24_000, None, 28_000), (0.5, 0.75, None, None), strict=True):
        row |= {"total_sleep_time_s": asleep_s, "sleep_efficiency": efficiency}
    rows.append(session("nap", "2026-12-28 14:00", "2026-12-28 14:30"))
    rows.append(session("forgotten", "2027-01-01 23:00", "2027-01-03 02:00"))
    ledger = [*ledger_of(rows), expected_night(date(2027, 1, 3), "not_checked")]
    marts = marts_of(rows, ledger)
    (week,) = marts.tables["user_weeks"].to_pylist()
    assert (week["nights_expected"], week["nights_complete"], week["nights_open"]) == (6, 5, 1)
    assert (week["completeness"], week["coverage"]) == (pytest.approx(5 / 6), pytest.approx(5 / 6))
    assert (week["nights_with_data"], week["nights_in_means"]) == (5, 4)
    assert (week["naps"], week["nap_tracked_s"]) == (1, 1800)
    assert (week["total_sleep_time_s_mean"], week["total_sleep_time_sd_s"]) == (24_000, 4_000)
    assert (week["sleep_efficiency_mean"], week["sleep_cycle_mean_s_mean"]) == (0.625, None)
    assert all(check.passed for check in marts.checks)


def test_a_week_that_is_not_over_has_no_shares() -> None:
    """Nothing was expected yet, so that nothing is complete or missing."""
    (week,) = marts_of(nights_from(["23:00"])).tables["user_weeks"].to_pylist()
    assert (week["nights_expected"], week["completeness"], week["coverage"]) == (0, None, None)
    assert week["nights_with_data"] == 1


def test_a_cohort_is_an_organisations_night() -> None:
    """Five users with 5 to 9 hours, one without data, one not asked for, one of a night that is not over."""
    night, rows = date(2026, 11, 3), []
    for number in range(5):
        row = session(f"s{number}", "3 23:00", "4 07:00", user_id=f"u{number}")
        rows.append(row | {"total_sleep_time_s": 3600 * (5 + number)})
    ledger = ledger_of(rows)
    ledger += [expected_night(night, "no_recording", user_id="u5"), expected_night(night, "not_checked", user_id="u6")]
    other = session("other", "3 23:00", "4 07:00", user_id="v", org_id="ward")
    unfinished = session("s7", "3 23:00", "4 07:00", user_id="u7")
    marts = marts_of(
        [*rows, other, unfinished], [*ledger, expected_night(night, main="other", user_id="v", org_id="ward")]
    )
    clinic, ward = marts.tables["cohort_days"].to_pylist()
    assert (clinic["org_id"], clinic["night_of"]) == ("clinic", night)
    assert [clinic[f"users_{name}"] for name in ("expected", "complete", "open", "in_means")] == [7, 5, 1, 5]
    hours = [clinic[f"total_sleep_time_s_p{quantile}"] / 3600 for quantile in (10, 25, 50, 75, 90)]
    assert hours == pytest.approx([5.4, 6, 7, 8, 8.6])
    assert clinic["mid_sleep_after_noon_s_p50"] == 15 * 3600
    assert clinic["sleep_efficiency_p50"] is None
    assert (ward["org_id"], ward["users_expected"], ward["total_sleep_time_s_p90"]) == ("ward", 1, 8 * 3600)
    assert "user_id" not in clinic
    assert all(check.passed for check in marts.checks)
