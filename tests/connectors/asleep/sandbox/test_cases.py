"""Every special session as a client sees it: its state, its arrays, its figures, and which identities it keeps."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.asleep.sandbox import World
from connectors.asleep.sandbox.answers import list_row, session_detail
from connectors.asleep.sandbox.cases import CASES
from tests.connectors.asleep.sandbox.clients import MOMENTS, NOW, listed, shown, vendor_of
from tests.connectors.asleep.sandbox.identities import BREATH_FIELDS, IDENTITIES, Result
from tests.connectors.asleep.sandbox.showcase import ARRAYS, UTC_ZONE, Seen, at, only

DEPTH_FIELDS = [f"{stage}_{what}" for stage in ("light", "deep", "rem") for what in ("latency", "ratio")]
DEPTH_FIELDS += ["time_in_light", "time_in_deep", "time_in_rem"]
SNORING_FIELDS = ["time_in_snoring", "time_in_no_snoring", "snoring_ratio", "no_snoring_ratio", "snoring_count"]

WITH_STAT = {
    *(
        "unexpected_end",
        "unknown_epochs",
        "long_unknown_gap",
        "onset_at_unknown",
        "short_arrays",
        "short_arrays_by_two",
    ),
    *("two_stage", "two_stage_never_slept", "no_breathing", "breathing", "no_snoring", "never_slept", "too_long"),
    *("overlapping", "same_start", "at_utc_midnight", "at_local_midnight", "abroad", "unknown_peculiarity"),
    *("unknown_stage_code", "unknown_breathing_pattern"),
}
BREAKS = {
    "unknown_epochs": {"sleep_and_wake_fill_the_period"},
    "unknown_stage_code": {"sleep_and_wake_fill_the_period"},
    "long_unknown_gap": {"sleep_and_wake_fill_the_period", "ratios_add_up"},
    "onset_at_unknown": {"sleep_and_wake_fill_the_period", "some_stage_comes_at_onset"},
    "short_arrays_by_two": {"parts_fill_time_in_bed"},
}
"""What a case is meant to break; every other identity holds."""


def broken(result: Result) -> set[str]:
    """Names of the identities that do not hold."""
    return {identity.__name__ for identity in IDENTITIES if not identity(result)}


@pytest.mark.parametrize("case", CASES)
def test_a_case_has_a_stat_or_none(case: str) -> None:
    """Which cases have figures is known; each has a sentence about it."""
    assert {detail["stat"] is not None for detail in Seen(case).details} == {case in WITH_STAT}
    assert CASES[case].endswith(".")


@pytest.mark.parametrize("case", sorted(WITH_STAT))
def test_a_case_breaks_what_it_is_meant_to_break(case: str) -> None:
    """All identities hold but for the ones the case is there to show."""
    for detail in Seen(case).details:
        assert broken(detail) == BREAKS.get(case, set())


@given(st.sampled_from(sorted(WITH_STAT)), st.integers(0, 10**6), MOMENTS)
@settings(deadline=None, max_examples=60)
def test_no_seed_breaks_more(case: str, seed: int, now: datetime) -> None:
    """Whatever the seed and the hour, a case breaks no identity it is not meant to."""
    for detail in Seen(case, seed, now).details:
        assert broken(detail) <= BREAKS.get(case, set())


@given(st.integers(0, 10**6), MOMENTS)
@settings(deadline=None, max_examples=10)
def test_all_cases_fit_into_a_world(seed: int, now: datetime) -> None:
    """At any hour every case is there once, on users of its own, and the clock has not moved."""
    world = World(2, 1, seed, now=now)
    added = world.add_all_cases()
    assert world.now == now
    assert [session.case for session in added if session.part == 1] == list(CASES)
    assert len({session.id for session in added}) == len(added)
    assert sum(1 for _ in world.users()) == 2 + len(CASES)
    assert {session.state(now) for session in added} == {"OPEN", "CLOSED", "COMPLETE", "ANALYSING"}
    again = World(2, 1, seed, now=now).add_all_cases()
    assert [session_detail(s, now, UTC_ZONE) for s in added] == [session_detail(s, now, UTC_ZONE) for s in again]


def test_all_cases_over_http() -> None:
    """Every endpoint answers for every case, and the list agrees with the session's answer and with the truth."""
    world = World(1, 1, now=NOW)
    world.add_all_cases()
    with vendor_of(world) as vendor:
        truth = vendor.get("/_control/truth").raise_for_status().json()
        true = {session["id"]: session for user in truth["users"] for session in user["sessions"]}
        for user in world.users():
            rows = listed(vendor, user.user_id)
            assert {row["session_id"] for row in rows} == {session.id for session in user.sessions}
            last = vendor.get(f"/ai/v1/users/{user.user_id}").raise_for_status().json()["result"]["last_session_info"]
            assert last["session_id"] in {row["session_id"] for row in rows}
            days = {"start_date": "2026-11-01", "end_date": "2026-11-22"}
            vendor.get(f"/data/v1/users/{user.user_id}/average-stats", params=days).raise_for_status()
            for row in rows:
                detail = shown(vendor, user.user_id, row["session_id"])
                assert detail["session"]["state"] == row["state"]
                assert detail["session"]["unexpected_end_time"] == row["unexpected_end_time"]
                assert true[row["session_id"]]["stat"] == detail["stat"]
                assert true[row["session_id"]]["peculiarities"] == detail["peculiarities"]


def test_open() -> None:
    """No end, no time in bed, no stat, and stages up to the last batch."""
    row, detail, _ = only("open")
    assert (row["state"], row["session_end_time"], row["time_in_bed"]) == ("OPEN", None, None)
    assert (detail["peculiarities"], detail["session"]["end_time"]) == (["IN_PROGRESS"], None)
    assert len(detail["session"]["sleep_stages"]) == (row["last_received_seq_num"] + 1) // 10 * 10 > 0


def test_closed() -> None:
    """End and time in bed are known, the figures are not."""
    row, detail, _ = only("closed")
    assert (row["state"], detail["peculiarities"]) == ("CLOSED", ["IN_PROGRESS"])
    assert at(row["session_end_time"]) - at(row["session_start_time"]) == timedelta(seconds=row["time_in_bed"])


def test_unexpected_end() -> None:
    """The end follows the last chunk, the unexpected end is hours later; nobody woke up before the app died."""
    row, detail, stat = only("unexpected_end")
    recorded = 30 * (row["last_received_seq_num"] + 1)
    assert at(row["session_end_time"]) == at(row["session_start_time"]) + timedelta(seconds=recorded)
    assert at(row["unexpected_end_time"]) - at(row["session_end_time"]) > timedelta(hours=5)
    assert detail["session"]["unexpected_end_time"] == row["unexpected_end_time"]
    assert (stat["wakeup_latency"], stat["time_in_bed"]) == (0, recorded)


def test_before_an_unexpected_end_the_session_is_open() -> None:
    """Until the client comes back the vendor takes the session for OPEN, with the chunks it got."""
    seen = Seen("unexpected_end")
    session = seen.sessions[0]
    row = list_row(session, session.closed - timedelta(seconds=1), UTC_ZONE)
    assert (row["state"], row["session_end_time"], row["unexpected_end_time"]) == ("OPEN", None, None)
    assert row["last_received_seq_num"] == seen.rows[0]["last_received_seq_num"]


@pytest.mark.parametrize(("case", "least"), [("unknown_epochs", 0.005), ("long_unknown_gap", 0.08)])
def test_unknown_epochs_are_in_no_sum(case: str, least: float) -> None:
    """The share of -1 is the missing data; known epochs alone make up sleep and wake."""
    _, detail, stat = only(case)
    stages = detail["session"]["sleep_stages"]
    assert least < detail["missing_data_ratio"] == round(stages.count(-1) / len(stages), 3)
    asleep = [epoch for epoch, stage in enumerate(stages) if stage > 0]
    period = stages[asleep[0] : asleep[-1] + 1]
    assert stat["time_in_sleep"] == 30 * sum(stage > 0 for stage in period)
    assert stat["time_in_sleep_period"] - stat["time_in_sleep"] - stat["time_in_wake"] == 30 * period.count(-1) > 0
    assert -1 not in detail["session"]["snoring_stages"]


def test_onset_at_unknown() -> None:
    """Sleep is said to begin with the first -1, two minutes before the first epoch of sleep."""
    _, detail, stat = only("onset_at_unknown")
    stages = detail["session"]["sleep_stages"]
    assert stat["sleep_latency"] == 30 * stages.index(-1) == 30 * (stages.index(1) - 4)
    assert stat["light_latency"] == 120


@pytest.mark.parametrize(("case", "lost"), [("short_arrays", 1), ("short_arrays_by_two", 2)])
def test_short_arrays(case: str, lost: int) -> None:
    """Arrays and the last chunk number are short of the time in bed."""
    row, detail, _ = only(case)
    lengths = {len(detail["session"][name]) for name in ARRAYS if detail["session"][name] is not None}
    assert lengths == {row["time_in_bed"] // 30 - lost} == {row["last_received_seq_num"] + 1}


@pytest.mark.parametrize("case", ["two_stage", "two_stage_never_slept"])
def test_two_stages(case: str) -> None:
    """Stages are 0 and 1, everything about light, deep and REM is null, and there are no cycles."""
    _, detail, stat = only(case)
    slept = case == "two_stage"
    assert set(detail["session"]["sleep_stages"]) == ({0, 1} if slept else {0})
    assert {stat[name] for name in DEPTH_FIELDS} == {None}
    assert (stat["sleep_cycle_count"], stat["sleep_cycle"], stat["sleep_cycle_time"]) == (0, None, [])
    assert (stat["time_in_sleep"] > 0, "NEVER_SLEPT" in detail["peculiarities"]) == (slept, not slept)
    assert 0 <= stat["sleep_ratio"] <= 1


def test_two_stages_in_averages() -> None:
    """Means of what is never measured are null, the others are there."""
    means = Seen("two_stage").averages["average_stats"]
    assert {means[name] for name in ("time_in_light", "time_in_rem", "deep_ratio")} == {None}
    assert means["time_in_sleep"] > 0


@pytest.mark.parametrize(
    ("case", "part", "ratio"),
    [
        ("two_stage", "time_in_rem", "rem_ratio"),
        ("no_snoring", "time_in_snoring", "snoring_ratio"),
        ("no_breathing", "time_in_stable_breath", "stable_breath_ratio"),
    ],
)
def test_averages_of_nights_of_two_kinds(case: str, part: str, ratio: str) -> None:
    """What only some nights have is averaged over those, ratios of their periods too."""
    seen = Seen(case)
    seen.sessions += seen.world.add_case(seen.user, "breathing")
    rows, means = seen.averages["slept_sessions"], seen.averages["average_stats"]
    (measured,) = [row for row in rows if row[part] is not None]
    assert len(rows) == 2
    assert means[part] == measured[part]
    assert abs(means[ratio] - measured[part] / measured["time_in_sleep_period"]) <= 0.0005


@pytest.mark.parametrize("case", ["breathing", "no_breathing"])
def test_breathing_contracts(case: str) -> None:
    """With the analysis every breath field is set, without it all are null and flagged, in averages too."""
    seen = Seen(case)
    (detail,) = seen.details
    absent = [detail["stat"][name] is None for name in BREATH_FIELDS] + [detail["session"]["breath_stages"] is None]
    assert set(absent) == {case == "no_breathing"}
    flags = [] if case == "breathing" else ["NO_BREATHING_STABILITY"]
    assert detail["peculiarities"] == seen.averages["peculiarities"] == flags


def test_no_snoring() -> None:
    """Every snoring field is null, the array too."""
    _, detail, stat = only("no_snoring")
    assert {stat[name] for name in SNORING_FIELDS} == {None} == {detail["session"]["snoring_stages"]}


@pytest.mark.parametrize("case", ["never_slept", "never_slept_without_stat"])
def test_never_slept(case: str) -> None:
    """All stages are wake; with a stat the latency is the time in bed; averages name the session apart."""
    seen = Seen(case)
    (detail,) = seen.details
    assert set(detail["session"]["sleep_stages"]) == {0}
    assert "NEVER_SLEPT" in detail["peculiarities"]
    if case == "never_slept":
        assert detail["stat"]["sleep_latency"] == detail["stat"]["time_in_bed"] == seen.rows[0]["time_in_bed"]
    assert [row["id"] for row in seen.averages["never_slept_sessions"]] == [seen.sessions[0].id]
    assert (seen.averages["slept_sessions"], seen.averages["average_stats"]) == ([], None)


@pytest.mark.parametrize(
    ("case", "longest", "array"), [("too_short", 1200, []), ("too_short_without_arrays", 300, None)]
)
def test_too_short(case: str, longest: int, array: list[int] | None) -> None:
    """Under 20 or under 5 minutes: flagged and not judged, arrays empty or null, in no average."""
    seen = Seen(case)
    assert seen.rows[0]["time_in_bed"] < longest
    assert seen.details[0]["peculiarities"] == ["TOO_SHORT_FOR_ANALYSIS"]
    assert seen.details[0]["session"]["sleep_stages"] == array
    assert (seen.averages["slept_sessions"], seen.averages["never_slept_sessions"]) == ([], [])


def test_too_long() -> None:
    """More than a day, flagged, and with figures."""
    row, detail, stat = only("too_long")
    assert row["time_in_bed"] == stat["time_in_bed"] > 86_400
    assert detail["peculiarities"] == ["TOO_LONG_FOR_ANALYSIS"]
