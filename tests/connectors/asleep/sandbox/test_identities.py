"""Every complete session of several worlds keeps every identity, as received over HTTP."""

from collections.abc import Callable

import pytest

from connectors.asleep.sandbox import World
from tests.connectors.asleep.sandbox.clients import NOW, vendor_of
from tests.connectors.asleep.sandbox.identities import IDENTITIES, Result

ZONES = ("UTC", "Asia/Seoul", "Australia/Lord_Howe")


@pytest.fixture(scope="module")
def complete_sessions() -> list[Result]:
    """All COMPLETE sessions of three worlds, each asked for in another zone."""
    return [result for seed, zone in enumerate(ZONES, 1) for result in _complete(World(12, 20, seed, now=NOW), zone)]


def _complete(world: World, zone: str) -> list[Result]:
    with vendor_of(world) as vendor:
        asked = [
            vendor.get(f"/data/v3/sessions/{session.id}", headers={"x-user-id": user.user_id, "timezone": zone})
            for user in world.users()
            for session in user.sessions
        ]
    results = [answer.raise_for_status().json()["result"] for answer in asked]
    return [result for result in results if result["session"]["state"] == "COMPLETE"]


@pytest.mark.parametrize("identity", IDENTITIES, ids=lambda identity: identity.__name__)
def test_every_complete_session_keeps(identity: Callable[[Result], bool], complete_sessions: list[Result]) -> None:
    """An identity of the documentation holds on every complete session."""
    assert not [result["session"]["id"] for result in complete_sessions if not identity(result)]


def test_arrays_of_ordinary_sessions_are_as_long_as_the_time_in_bed(complete_sessions: list[Result]) -> None:
    """One value for each full 30 s; nothing is lost unless it is asked for."""
    assert all(len(r["session"]["sleep_stages"]) == r["stat"]["time_in_bed"] // 30 for r in complete_sessions)


def test_the_sessions_are_worth_checking(complete_sessions: list[Result]) -> None:
    """There are hundreds, with and without breathing, with and without cycles, and some in which nobody slept."""
    assert len(complete_sessions) > 600
    peculiarities = {tuple(result["peculiarities"]) for result in complete_sessions}
    assert {(), ("NO_BREATHING_STABILITY",), ("NEVER_SLEPT",)} <= peculiarities
    assert {result["stat"]["sleep_cycle"] is None for result in complete_sessions} == {True, False}
    assert sum(result["stat"]["snoring_count"] > 0 for result in complete_sessions) > 200
    assert sum((result["stat"]["unstable_breath_count"] or 0) > 0 for result in complete_sessions) > 200


def test_an_identity_can_fail(complete_sessions: list[Result]) -> None:
    """The table is not vacuous: a session with one epoch too many breaks it."""
    result = next(result for result in complete_sessions if result["stat"]["time_in_deep"])
    spoilt = result | {"stat": result["stat"] | {"time_in_deep": result["stat"]["time_in_deep"] + 30}}
    broken = {identity.__name__ for identity in IDENTITIES if not identity(spoilt)}
    assert {"stages_fill_sleep", "stage_totals_are_epoch_counts"} <= broken
