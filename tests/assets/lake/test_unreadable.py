"""Values of another type or form than documented: the night stays, the value is null, and the field is named."""

from array import array
from datetime import UTC, datetime
from typing import Any

import pytest

from assets.lake.normalise_averages import normalise_average_stats
from assets.lake.users import user_row
from assets.sources.asleep import SOURCE
from assets.sources.asleep_documents import decode_average_stats, decode_session, decode_user
from schemas.quirks import Drift
from tests.assets.homes import sleeper
from tests.assets.lake.documents import (
    MONTH_STATS,
    USER_ID,
    changed_session,
    current,
    session_document,
    stats_document,
    user_document,
)
from tests.schemas.samples import USER, changed

CANARY = "canary-7351"


def session_of(changes: dict[str, Any]) -> tuple[dict[str, Any], set[Drift]]:
    """The row of the sample with changes below ``result``, and what was noted."""
    decoded = decode_session(current(changed_session(changes)))
    return SOURCE.normalise(decoded, "clinic", "UTC").row, decoded.notes.drift


USUAL = SOURCE.normalise(decode_session(current(session_document())), "clinic", "UTC").row


@pytest.mark.parametrize(
    ("changes", "column", "value", "drift"),
    [
        ({"stat.wake_ratio": CANARY}, "sleep_index", 88.0, ("unreadable_value", "$.result.stat.wake_ratio")),
        ({"stat.sleep_index": "85"}, "sleep_index", None, ("unreadable_value", "$.result.stat.sleep_index")),
        ({"stat.time_in_deep": CANARY}, "deep_sleep_s", None, ("unreadable_value", "$.result.stat.time_in_deep")),
        (
            {"stat.time_in_deep": 7351 * 10**30},
            "deep_sleep_s",
            None,
            ("impossible_value", "$.result.stat.time_in_deep"),
        ),
        ({"stat.time_in_deep": -30}, "deep_sleep_s", None, ("impossible_value", "$.result.stat.time_in_deep")),
        ({"stat.waso_count": 4.5}, "awakenings", None, ("impossible_value", "$.result.stat.waso_count")),
        ({"stat.sleep_cycle_time": [None]}, "sleep_cycles", 4, ("unreadable_value", "$.result.stat.sleep_cycle_time")),
        ({"peculiarities": [None, "X"]}, "peculiarities", ["X"], ("unreadable_value", "$.result.peculiarities")),
        ({"peculiarities": {CANARY: 1}}, "peculiarities", [], ("unreadable_value", "$.result.peculiarities")),
        (
            {"session.unexpected_end_time": ""},
            "unexpected_end_time",
            None,
            ("unreadable_value", "$.result.session.unexpected_end_time"),
        ),
        ({"stat.sleep_time": CANARY}, "sleep_onset", None, ("unreadable_value", "$.result.stat.sleep_time")),
        (
            {"stat.wake_time": "2025-03-11T06:15:51"},
            "final_wake",
            None,
            ("unreadable_value", "$.result.stat.wake_time"),
        ),
        *(
            ({"stat.sleep_time": text}, "sleep_onset", None, ("clock_time_for_instant", "$.result.stat.sleep_time"))
            for text in ("06:30:00", "06:30:00.000", "06:30:00Z", "6:30:00", "06:30")
        ),
        (
            {"stat.sleep_time": "1970-01-01T00:00:00+00:00"},
            "sleep_onset",
            None,
            ("impossible_value", "$.result.stat.sleep_time"),
        ),
        ({"missing_data_ratio": 7.3}, "missing_data_ratio", None, ("impossible_value", "$.result.missing_data_ratio")),
        ({"stat": CANARY}, "total_sleep_time_s", None, ("unreadable_value", "$.result.stat")),
        (
            {"session.created_timezone": "GMT+9"},
            "timezone",
            "UTC",
            ("unknown_code", "$.result.session.created_timezone"),
        ),
        (
            {"session.created_timezone": "", "session.timezone": "Asia/Seoul"},
            "timezone",
            "Asia/Seoul",
            ("zone_inside_session", "$.result.session.timezone"),
        ),
    ],
)
def test_the_night_stays_and_the_value_is_null(
    changes: dict[str, Any], column: str, value: Any, drift: tuple[str, str]
) -> None:
    """Only the figure itself is missing; nothing of the value is told."""
    row, noted = session_of(changes)
    assert row[column] == value
    assert Drift(*drift) in noted
    assert not any("canary" in path or "7351" in path for _, path in noted)
    assert row["start_time"] == USUAL["start_time"]


def test_an_epoch_that_is_no_number_is_unknown() -> None:
    """Its place is kept, so that every other epoch stays where it was."""
    decoded = decode_session(current(changed_session({"session.sleep_stages": [0, CANARY, 1, None, 2.0]})))
    session = SOURCE.normalise(decoded, "clinic", "UTC")
    assert session.stages.sleep == array("b", [0, -1, 1, -1, 2])
    assert {path for _, path in decoded.notes.drift} == {"$.result.session.sleep_stages"}


@pytest.mark.parametrize("sent", [None, -1, 4.5, CANARY])
def test_a_figure_that_is_missing_beside_its_hypnogram_is_not_agreed_on(sent: Any) -> None:
    """Null, impossible or unreadable: the hypnogram has it and the vendor does not."""
    row, _ = session_of({"stat.waso_count": sent})
    assert (row["provider_agreement"], row["provider_differences"]) == ("differs", ["awakenings"])


@pytest.mark.parametrize(
    ("latencies", "stages"),
    [
        ({"light": 1230, "deep": 1440, "rem": 5670}, "unknown from onset"),
        ({"light": None, "deep": 720, "rem": None}, "as they are"),
    ],
)
def test_latencies_are_not_moved_without_proof(latencies: dict[str, int | None], stages: str) -> None:
    """Equal to the onset latency by chance, or with unknown epochs at onset: they are left as sent."""
    changes: dict[str, Any] = {f"stat.{stage}_latency": value for stage, value in latencies.items()}
    if stages == "unknown from onset":
        sent = [0] * 41 + [-1] * 41 + [1] * 7 + [2] * 100 + [3] * 700
        changes |= {"session.sleep_stages": sent, "stat.sleep_latency": 1230}
    row, noted = session_of(changes)
    assert {stage: row[f"latency_to_{stage}_s"] for stage in latencies} == latencies
    assert "latency_from_start" not in {kind for kind, _ in noted}


@pytest.mark.parametrize("name", ["start_time", "end_time", "sleep_time", "wake_time"])
@pytest.mark.parametrize("text", [CANARY, "24:00:00", "23:15:00+09:00"])
def test_a_clock_time_of_averages_that_cannot_be_read_is_null(name: str, text: str) -> None:
    """The averages stay."""
    body = changed(MONTH_STATS, {f"result.average_stats.{name}": text})
    decoded = decode_average_stats(current(stats_document(body)))
    row = normalise_average_stats(decoded, "clinic", "UTC")
    assert row["total_sleep_time_s"] == 20490.0
    assert decoded.notes.drift == {Drift("unreadable_value", f"$.result.average_stats.{name}")}


def test_a_user_keeps_what_can_be_read() -> None:
    """Year and mark for deletion of a wrong type are null and false; the rest is there."""
    body = changed(USER, {"result.metadata.birth_year": CANARY, "result.metadata.birth_month": 13})
    decoded = decode_user(current(user_document(body)))
    row = user_row(sleeper(USER_ID), decoded)
    assert (row["birth_year"], row["birth_month"], row["weight_kg"]) == (None, None, 61.2)
    assert {kind for kind, _ in decoded.notes.drift} == {"unreadable_value", "impossible_value"}


def test_a_moment_at_the_edge_is_possible() -> None:
    """Sleep onset at the very start, and a final wake in a chunk after the end."""
    row, noted = session_of(
        {"stat.sleep_time": "2025-03-10T23:12:08+09:00", "stat.wake_time": "2025-03-11T06:53:40+09:00"}
    )
    assert row["sleep_onset"] == datetime(2025, 3, 10, 14, 12, 8, tzinfo=UTC)
    assert row["final_wake"] is not None
    assert noted == set()
