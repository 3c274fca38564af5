"""Average stats are the means of the rows they come with."""

import math
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from connectors.asleep.sandbox import World
from connectors.asleep.sandbox.world import User
from tests.connectors.asleep.sandbox.clients import shown

MONTH = {"start_date": "2026-11-01", "end_date": "2026-11-22"}
CLOCKS = ("start_time", "end_time", "sleep_time", "wake_time")
COUNTS = ("waso_count", "sleep_cycle_count", "snoring_count", "unstable_breath_count")
PERIOD = "time_in_sleep_period"
FRACTIONS = {
    "sleep_efficiency": ("time_in_sleep", "time_in_bed"),
    "sleep_ratio": ("time_in_sleep", PERIOD),
    "wake_ratio": ("time_in_wake", PERIOD),
    "light_ratio": ("time_in_light", PERIOD),
    "deep_ratio": ("time_in_deep", PERIOD),
    "rem_ratio": ("time_in_rem", PERIOD),
    "snoring_ratio": ("time_in_snoring", PERIOD),
    "no_snoring_ratio": ("time_in_no_snoring", PERIOD),
    "stable_breath_ratio": ("time_in_stable_breath", PERIOD),
    "unstable_breath_ratio": ("time_in_unstable_breath", PERIOD),
}


def averages(vendor: httpx.Client, user: User, zone: str = "UTC", **days: str) -> dict[str, Any]:
    """Result of the average-stats endpoint."""
    path = f"/data/v1/users/{user.user_id}/average-stats"
    body = vendor.get(path, params=days or MONTH, headers={"timezone": zone}).raise_for_status().json()
    assert body["detail"] == "OK"
    result: dict[str, Any] = body["result"]
    return result


def mean(rows: list[dict[str, Any]], name: str) -> float | None:
    """Mean of a figure over the rows that have it."""
    values = [row[name] for row in rows if row[name] is not None]
    return sum(values) / len(values) if values else None


@pytest.mark.parametrize("index", range(8))
def test_averages_are_the_means_of_the_rows(vendor: httpx.Client, world: World, index: int) -> None:
    """Seconds to the second, counts to a tenth, fractions as the quotient of the mean seconds to a thousandth."""
    result = averages(vendor, [*world.users()][index])
    rows, means = result["slept_sessions"], result["average_stats"]
    assert len(rows) > 15
    for name in sorted(set(means) - set(CLOCKS)):
        expected = mean(rows, name)
        if expected is None:
            assert means[name] is None
        elif name in COUNTS:
            assert abs(means[name] - expected) <= 0.05 + 1e-9
        elif name in FRACTIONS:
            part, whole = FRACTIONS[name]
            assert abs(means[name] - sum(row[part] for row in rows) / sum(row[whole] for row in rows)) <= 0.0005 + 1e-9
        else:
            assert isinstance(means[name], int)
            assert abs(means[name] - expected) <= 0.5


@pytest.mark.parametrize("zone", ["UTC", "Asia/Seoul", "Europe/Berlin"])
def test_clock_times_are_circular_means_in_the_zone(vendor: httpx.Client, world: World, zone: str) -> None:
    """Bedtimes around midnight average to a bedtime around midnight, on the asked-for zone's clock."""
    user = [*world.users()][2]
    result = averages(vendor, user, zone)
    assert result["period"] == {"timezone": zone} | MONTH
    for name in CLOCKS:
        clocks = [datetime.fromisoformat(row[name]).astimezone(ZoneInfo(zone)) for row in result["slept_sessions"]]
        seconds = [clock.hour * 3600 + clock.minute * 60 + clock.second for clock in clocks]
        turns = [2 * math.pi * second / 86_400 for second in seconds]
        expected = math.atan2(sum(map(math.sin, turns)), sum(map(math.cos, turns))) / (2 * math.pi) * 86_400
        hours, minutes, rest = map(int, result["average_stats"][name].split(":"))
        difference = (3600 * hours + 60 * minutes + rest - expected) % 86_400
        assert min(difference, 86_400 - difference) <= 1


def test_rows_are_the_sessions_figures(vendor: httpx.Client, world: World) -> None:
    """A slept row has the session's times, its completion and the figures of its stat, flat and without a state."""
    user = next(world.users())
    for row in averages(vendor, user, "Asia/Seoul")["slept_sessions"][:5]:
        detail = shown(vendor, user.user_id, row["id"], "Asia/Seoul")
        stat = detail["stat"] | {"created_timezone": "Asia/Seoul", "id": row["id"]}
        stat |= {name: detail["session"][name] for name in ("start_time", "end_time")}
        assert {name: value for name, value in row.items() if name != "completed_time"} == {
            name: value for name, value in stat.items() if name not in ("sleep_index", "sleep_cycle_time")
        }
        completed = datetime.fromisoformat(row["completed_time"]) - datetime.fromisoformat(row["end_time"])
        assert completed == timedelta(seconds=60)


def test_only_complete_sessions_of_the_period_count(vendor: httpx.Client, world: World) -> None:
    """Rows are the COMPLETE sessions that start within the dates of the zone; OPEN and CLOSED ones wait."""
    for user in [*world.users()][:4]:
        result = averages(vendor, user, "Asia/Kathmandu", start_date="2026-11-10", end_date="2026-11-22")
        found = {row["id"] for row in result["slept_sessions"] + result["never_slept_sessions"]}
        dates = {
            session.id: f"{session.start.astimezone(ZoneInfo('Asia/Kathmandu')):%Y-%m-%d}" for session in user.sessions
        }
        states = {session.id: session.state(world.now) for session in user.sessions}
        assert found == {
            session_id
            for session_id, day in dates.items()
            if "2026-11-10" <= day <= "2026-11-22" and states[session_id] == "COMPLETE"
        }


def test_sessions_without_sleep_are_named_apart(vendor: httpx.Client, world: World) -> None:
    """A NEVER_SLEPT session is in its own list and in no average."""
    user, session = next((u, s) for u in world.users() for s in u.sessions if s.plan.kind == "rest")
    day = f"{session.start:%Y-%m-%d}"
    result = averages(vendor, user, start_date=day, end_date=day)
    assert [row["id"] for row in result["never_slept_sessions"]] == [session.id]
    assert set(result["never_slept_sessions"][0]) == {"id", "start_time", "end_time", "completed_time"}
    assert session.id not in {row["id"] for row in result["slept_sessions"]}
    assert result["average_stats"] is None or result["average_stats"]["time_in_sleep"] > 0


def test_a_period_without_sleep_has_no_averages(vendor: httpx.Client, world: World) -> None:
    """Without a slept session the averages are null and both lists are empty."""
    result = averages(vendor, next(world.users()), start_date="2020-01-01", end_date="2020-01-31")
    assert result["average_stats"] is None
    assert (result["slept_sessions"], result["never_slept_sessions"]) == ([], [])


def test_no_breathing_analysis_means_no_breath_averages(vendor: httpx.Client, world: World) -> None:
    """Users without breathing analysis are marked, and every breath figure of theirs is null."""
    for user in [*world.users()][:6]:
        result = averages(vendor, user)
        breath = [value for name, value in result["average_stats"].items() if "stable_breath" in name]
        assert result["peculiarities"] == ([] if user.person.breathing else ["NO_BREATHING_STABILITY"])
        assert [value is None for value in breath] == [not user.person.breathing] * 5
