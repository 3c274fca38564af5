"""Checks of the vendor: new differences are told once, figures are compared with ours, and no row is lost by either."""

from datetime import date, timedelta
from typing import Any

import dagster as dg
import pytest

from assets.builds import BuildReport
from assets.lake import average_stats, sleep_sessions
from assets.results import drift_result
from connectors.home import Home
from connectors.lake.raw import RawDocument
from connectors.state.dirty import list_dirty
from schemas.documents import SESSION
from schemas.identities import IDENTITIES
from schemas.tables import AVERAGE_STATS, SLEEP_SESSIONS
from tests.assets.homes import follow, sleeper
from tests.assets.lake.documents import (
    DAY,
    FETCHED,
    MONTH_STATS,
    USER_ID,
    changed_session,
    session_document,
    stats_document,
)
from tests.schemas.samples import changed

PARTITION = DAY.isoformat()
IDS = {15: "20250115223011_a1b2c", 16: "20250116230540_d3e4f", 17: "20250117224802_g5h6j"}
"""The slept sessions of the sample month, by the day of January."""


def checks_of(home: Home, asset: dg.AssetsDefinition, partition: str) -> dict[str, dg.AssetCheckEvaluation]:
    """The checks of a run of one asset, by name."""
    result = dg.materialize([asset], partition_key=partition, resources={"home": home})
    assert result.success
    return {evaluation.check_name: evaluation for evaluation in result.get_asset_check_evaluations()}


def metadata(evaluation: dg.AssetCheckEvaluation) -> dict[str, Any]:
    """What a check tells."""
    return {name: value.value for name, value in evaluation.metadata.items()}


def january_night(day: int) -> RawDocument:
    """A night of the sample month: 22:47:58 to 05:00:29 or so, with the averages of the sample as its figures."""
    figures = {
        "time_in_bed": 22351,
        "time_in_sleep_period": 20760,
        "time_in_sleep": 20490,
        "time_in_wake": 270,
        "sleep_latency": 920,
        "wakeup_latency": 660,
        "time_in_light": 14130,
        "time_in_deep": 2860,
        "time_in_rem": 3500,
    }
    start, end = f"2025-01-{day}T22:47:58+00:00", f"2025-01-{day + 1}T05:00:29+00:00"
    changes: dict[str, Any] = {
        "result.session.id": IDS[day],
        "result.session.start_time": start,
        "result.session.end_time": end,
        "result.stat": {**figures, "sleep_time": f"2025-01-{day}T23:03:17+00:00", "wake_time": end},
    }
    body = changed(changed_session({}).body, changes)
    return session_document(body, session_id=IDS[day], day=date(2025, 1, day))


def test_a_new_difference_is_yellow_once_and_names_the_field(home: Home) -> None:
    """In the run that meets it; the next run lists it, and another difference is news again.

    A name that only one user's document has may be somebody's, and is not told.
    """
    odd = {"session.body_position": "left", "stat.sleep_efficiency": 87.7}
    home.raw.append([changed_session({**odd, f"session.name_of_{user}": 1}, user_id=f"G-{user}") for user in "ab"])
    first = checks_of(home, sleep_sessions.sleep_sessions, PARTITION)["as_documented"]
    new = (
        "efficiency_in_percent $.result.stat.sleep_efficiency, "
        "unknown_field $.result.session.(a name that is not told), unknown_field $.result.session.body_position"
    )
    assert (first.passed, first.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert metadata(first) == {
        "new": new,
        "documents_by_difference": dict.fromkeys(new.split(", "), 2),
    }
    again = checks_of(home, sleep_sessions.sleep_sessions, PARTITION)["as_documented"]
    assert again.passed
    assert metadata(again)["documents_by_difference"] == dict.fromkeys(new.split(", "), 2)
    home.raw.append([changed_session({"session.state": "ANALYSING"}, session_id="20250310141208_other")])
    third = checks_of(home, sleep_sessions.sleep_sessions, PARTITION)["as_documented"]
    assert (third.passed, metadata(third)["new"]) == (False, "unknown_code $.result.session.state")


def test_documents_that_are_as_documented_are_no_news(home: Home) -> None:
    """And nothing is written to state for them."""
    assert drift_result(home, SESSION, BuildReport()).passed


def test_every_identity_is_a_check_of_its_own_name(home: Home) -> None:
    """One that is violated is yellow and counts the sessions; the row is there all the same."""
    home.raw.append([changed_session({"stat.light_latency": 30})])
    checks = checks_of(home, sleep_sessions.sleep_sessions, PARTITION)
    assert {identity.name for identity in IDENTITIES} <= set(checks)
    failed = {name for name, check in checks.items() if not check.passed}
    assert failed == {"a_stage_begins_at_onset"}
    assert checks["a_stage_begins_at_onset"].severity == dg.AssetCheckSeverity.WARN
    assert metadata(checks["a_stage_begins_at_onset"]) == {"sessions": 1, "sessions_violating": 1}
    assert home.lake.read(SLEEP_SESSIONS, f"date={PARTITION}").num_rows == 1


@pytest.mark.parametrize(
    ("changes", "agreement", "differences"),
    [
        ({}, "exact", []),
        ({"stat.time_in_deep": 3090}, "within_tolerance", []),
        ({"stat.waso_count": 5, "stat.time_in_rem": 4590}, "differs", ["rem_sleep_s", "awakenings"]),
        ({"session.sleep_stages": None}, None, None),
        ({"stat": None}, None, None),
    ],
)
def test_agreement_with_the_hypnogram_is_in_the_row(
    home: Home, changes: dict[str, Any], agreement: str | None, differences: list[str] | None
) -> None:
    """Exact, within tolerance, differs and in what; null where there is nothing to compare."""
    home.raw.append([changed_session(changes)])
    check = checks_of(home, sleep_sessions.sleep_sessions, PARTITION)["provider_agrees"]
    (row,) = home.lake.read(SLEEP_SESSIONS, f"date={PARTITION}").to_pylist()
    assert (row["provider_agreement"], row["provider_differences"]) == (agreement, differences)
    assert check.passed == (agreement != "differs")
    assert metadata(check)[agreement or "not_compared"] == 1


def test_the_share_of_unknown_epochs_is_told(home: Home) -> None:
    """As two counts, of all sessions of the run."""
    home.raw.append([changed_session({"session.sleep_stages": [-1, 7, 0, 1, 2, 1], "stat": None})])
    check = metadata(checks_of(home, sleep_sessions.sleep_sessions, PARTITION)["provider_agrees"])
    assert (check["unknown_epochs"], check["epochs"]) == (2, 6)


def averages(home: Home, *nights: RawDocument, body: bytes = MONTH_STATS) -> tuple[str | None, list[str] | None]:
    """Agreement of the sample month with these nights in the lake."""
    follow(home, sleeper(USER_ID, timezone="UTC"))
    home.raw.append([*nights, stats_document(body, fetched_at=FETCHED + timedelta(seconds=len(nights)))])
    for night in nights:
        sleep_sessions.build_sleep_sessions(home, night.date.isoformat())
    average_stats.build_average_stats(home, "2025-01")
    (row,) = home.lake.read(AVERAGE_STATS, "month=2025-01").to_pylist()
    return row["provider_agreement"], row["provider_differences"]


def test_averages_agree_with_our_own_rows(home: Home) -> None:
    """Clock times on the circle, figures as means."""
    body = changed(MONTH_STATS, {"result.average_stats.wake_time": "05:00:29"})
    assert averages(home, *(january_night(day) for day in IDS), body=body) == ("exact", [])


def test_averages_over_other_sessions_differ(home: Home) -> None:
    """One that we have and the vendor does not average differs; one that we do not have cannot be compared."""
    assert averages(home, january_night(15), january_night(16)) == (None, None)
    assert averages(home, january_night(17)) == ("differs", ["final_wake"])
    fewer = changed(MONTH_STATS, {"result.slept_sessions": [{"id": IDS[15]}]})
    home.raw.append([stats_document(fewer, fetched_at=FETCHED + timedelta(hours=1))])
    average_stats.build_average_stats(home, "2025-01")
    (row,) = home.lake.read(AVERAGE_STATS, "month=2025-01").to_pylist()
    assert row["provider_differences"] == ["slept_sessions"]


def test_averages_without_nights_are_not_compared(home: Home) -> None:
    """The vendor names no session, and we have none: nothing to say."""
    body = changed(MONTH_STATS, {"result.slept_sessions": None})
    assert averages(home, body=body) == (None, None)


def test_new_nights_have_their_averages_compared_again(home: Home) -> None:
    """The months around the day are dirty after a build; a day without documents changes nothing."""
    with home.state.read() as connection:
        assert "average_stats" not in list_dirty(connection)
    sleep_sessions.build_sleep_sessions(home, "2025-03-31")
    home.raw.append([january_night(17)])
    sleep_sessions.build_sleep_sessions(home, "2025-01-17")
    with home.state.read() as connection:
        assert set(list_dirty(connection)["average_stats"]) == {"2025-01"}


def test_a_night_at_a_months_edge_belongs_to_either(home: Home) -> None:
    """Its local date may be in the next month or the last."""
    start = {"session.start_time": "2025-03-31T14:12:08+00:00", "session.end_time": "2025-03-31T21:52:51+00:00"}
    body = changed_session({**start, "stat": None}).body
    home.raw.append([session_document(body, day=date(2025, 3, 31))])
    sleep_sessions.build_sleep_sessions(home, "2025-03-31")
    with home.state.read() as connection:
        assert set(list_dirty(connection)["average_stats"]) == {"2025-03", "2025-04"}
