"""The rarer special sessions as a client sees them: defects, contracts, clocks, and words nobody knows."""

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from connectors.asleep.sandbox import World
from connectors.asleep.sandbox.answers import list_row, session_detail, user_detail
from tests.connectors.asleep.sandbox.clients import NOW
from tests.connectors.asleep.sandbox.showcase import ARRAYS, UTC_ZONE, Seen, at, only


def test_too_many_defects() -> None:
    """Most epochs are -1, which is said, and there are no figures."""
    _, detail, _ = only("too_many_defects")
    stages = detail["session"]["sleep_stages"]
    assert detail["peculiarities"] == ["TOO_MANY_DEFECTS_IN_SLEEP_STAGES"]
    assert detail["missing_data_ratio"] >= 0.6
    assert stages.count(-1) >= 0.6 * len(stages)
    assert set(stages) > {-1}


def test_no_realtime_polling() -> None:
    """Arrays are null until the session is COMPLETE; figures never come."""
    seen = Seen("no_realtime_polling")
    session = seen.sessions[0]
    closed = session_detail(session, session.closed, UTC_ZONE)
    assert [closed["session"][name] for name in ARRAYS] == [None] * 3
    assert (closed["peculiarities"], closed["stat"]) == (["IN_PROGRESS", "NO_REALTIME_POLLING"], None)
    assert len(seen.details[0]["session"]["sleep_stages"]) == seen.rows[0]["time_in_bed"] // 30
    assert (seen.details[0]["peculiarities"], seen.details[0]["stat"]) == (["NO_REALTIME_POLLING"], None)


def test_no_realtime_polling_closed() -> None:
    """The same contract while the analysis runs."""
    row, detail, _ = only("no_realtime_polling_closed")
    assert (row["state"], detail["session"]["sleep_stages"]) == ("CLOSED", None)


def test_overlapping() -> None:
    """The second session starts and ends during and after the first."""
    first, second = Seen("overlapping").rows
    assert first["session_start_time"] < second["session_start_time"] < first["session_end_time"]
    assert first["session_end_time"] < second["session_end_time"]
    assert first["session_id"] != second["session_id"]


def test_same_start() -> None:
    """Two sessions begin in one second and are two sessions all the same."""
    first, second = Seen("same_start").rows
    assert first["session_start_time"] == second["session_start_time"]
    assert first["session_end_time"] > second["session_end_time"]
    assert first["session_id"][:15] == second["session_id"][:15]
    assert first["session_id"] != second["session_id"]


@pytest.mark.parametrize(("case", "zone"), [("at_utc_midnight", "UTC"), ("at_local_midnight", "Asia/Kathmandu")])
def test_around_midnight(case: str, zone: str) -> None:
    """One session starts in the last minute of a day, one in the first minute of the day after the next midnight."""
    before, after = (session.start.astimezone(ZoneInfo(zone)) for session in Seen(case).sessions)
    assert (before.hour, before.minute) == (23, 59)
    assert (after.hour, after.minute) == (0, 0)
    assert timedelta(days=1) < after - before < timedelta(days=1, minutes=2)


def test_midnight_moves_the_date() -> None:
    """Within two minutes of local midnight the local dates differ by two days and the dates in UTC by one."""
    seen = Seen("at_local_midnight")
    before, after = (session.start for session in seen.sessions)
    home = ZoneInfo("Asia/Kathmandu")
    assert (after.astimezone(home).date() - before.astimezone(home).date()).days == 2
    assert (after.date() - before.date()).days == 1


def test_every_case_has_its_midnight_away_from_utc() -> None:
    """Among all cases local midnight is not midnight UTC, whoever is there before."""
    for users in range(10):
        added = World(users, 1, now=NOW).add_all_cases()
        starts = {session.start.hour for session in added if session.case == "at_local_midnight"}
        assert starts == {18}


def test_abroad() -> None:
    """The zone of creation is not the one the user usually sends."""
    row, detail, _ = only("abroad")
    assert row["created_timezone"] == detail["session"]["created_timezone"] == "Pacific/Kiritimati"


@pytest.mark.parametrize(("case", "state"), [("no_audio", "OPEN"), ("no_audio_closed", "CLOSED")])
def test_no_audio(case: str, state: str) -> None:
    """For hours nothing was uploaded: no last chunk, no stages, everything missing."""
    seen = Seen(case)
    (row,), (detail,) = seen.rows, seen.details
    assert (row["state"], row["last_received_seq_num"]) == (state, None)
    assert seen.world.now - at(row["session_start_time"]) > timedelta(hours=3)
    assert (detail["session"]["sleep_stages"], detail["missing_data_ratio"]) == ([], 1.0)


def test_no_audio_is_never_judged() -> None:
    """Once COMPLETE it was too short for an analysis."""
    seen = Seen("no_audio")
    session = seen.sessions[0]
    detail = session_detail(session, session.completes, UTC_ZONE)
    assert (detail["session"]["state"], detail["stat"]) == ("COMPLETE", None)
    assert detail["peculiarities"] == ["TOO_SHORT_FOR_ANALYSIS"]
    assert list_row(session, session.completes, UTC_ZONE)["time_in_bed"] > 20 * 60


def test_empty() -> None:
    """COMPLETE with no time in bed at all."""
    row, detail, _ = only("empty")
    assert (row["state"], row["time_in_bed"], row["last_received_seq_num"]) == ("COMPLETE", 0, None)
    assert row["session_start_time"] == row["session_end_time"]
    assert (detail["session"]["sleep_stages"], detail["stat"]) == ([], None)


def test_several_peculiarities() -> None:
    """Three at once, of which one stands against figures."""
    _, detail, _ = only("several_peculiarities")
    too_long, defects, breathing = detail["peculiarities"]
    assert too_long == "TOO_LONG_FOR_ANALYSIS"
    assert defects == "TOO_MANY_DEFECTS_IN_SLEEP_STAGES"
    assert breathing == "NO_BREATHING_STABILITY"
    assert detail["session"]["breath_stages"] is None


def test_unknown_peculiarity() -> None:
    """A word that is not documented, and figures beside it."""
    _, detail, stat = only("unknown_peculiarity")
    assert detail["peculiarities"] == ["LOW_SIGNAL_QUALITY"]
    assert stat["time_in_sleep"] > 0


def test_unknown_stage_code() -> None:
    """Four epochs are 7, inside sleep, and in no sum."""
    _, detail, stat = only("unknown_stage_code")
    stages = detail["session"]["sleep_stages"]
    assert set(stages) == {0, 1, 2, 3, 7}
    assert stages.count(7) == 4
    assert stat["time_in_sleep_period"] - stat["time_in_sleep"] - stat["time_in_wake"] == 120
    assert detail["missing_data_ratio"] == 0.0


def test_unknown_breathing_pattern() -> None:
    """A pattern that is not documented, on a session with breathing analysis."""
    _, detail, stat = only("unknown_breathing_pattern")
    assert (stat["breathing_pattern"], detail["peculiarities"]) == ("PERIODIC_BREATH", [])


def test_unknown_state() -> None:
    """A state that is not documented, in the list, in the session and as the user's last; it is in no average."""
    seen = Seen("unknown_state")
    (row,), (detail,) = seen.rows, seen.details
    last = user_detail(seen.user, seen.world.now)["last_session_info"]
    assert row["state"] == detail["session"]["state"] == last["state"] == "ANALYSING"
    assert (detail["stat"], detail["peculiarities"], last["complete_time"]) == (None, ["IN_PROGRESS"], None)
    assert row["session_end_time"] is not None
    assert seen.averages["slept_sessions"] == []
