"""The 24 identities against the sandbox: each holds on every night it sends, and is told by name when one breaks it."""

import json
from collections.abc import Callable
from copy import deepcopy
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from assets.lake.sleep_sessions import build_sleep_sessions
from connectors.asleep.sandbox import World
from connectors.asleep.sandbox.answers import session_detail
from connectors.home import Home
from schemas.identities import IDENTITIES, SUMS_OVER_STAGES
from tests.assets.homes import NOW
from tests.assets.lake.documents import session_document

Json = dict[str, Any]
UTC_ZONE = ZoneInfo("UTC")
NAMES = {identity.number: identity.name for identity in IDENTITIES}

BREAKING_CASES = {
    "long_unknown_gap": {"sleep_ratio", "wake_ratio", "ratios_add_up", "snoring_splits_the_period"},
    "short_arrays_by_two": {"latency_period_and_wakeup_make_time_in_bed"},
    "onset_at_unknown": {"a_stage_begins_at_onset"},
}
"""What the special sessions break by their nature, if anything."""


def _answers() -> dict[str, Json]:
    """The answer for every COMPLETE session of a world with everything in it, by a name that tells what it is."""
    world = World(users=3, nights=20, now=NOW)
    plain = [session for user in world.users() for session in user.sessions]
    sessions = [*plain, *world.add_all_cases()]
    return {
        f"{session.case or 'night'} {session.part} {session.id}": session_detail(session, world.now, UTC_ZONE)
        for session in sessions
        if session.state(world.now) == "COMPLETE"
    }


ANSWERS = _answers()
NIGHT = next(
    answer
    for name, answer in ANSWERS.items()
    if name.startswith("night") and answer["session"]["breath_stages"] and answer["stat"]["sleep_cycle_count"] > 2
)


def _later(text: str, seconds: int) -> str:
    return (datetime.fromisoformat(text) + timedelta(seconds=seconds)).isoformat()


def _add(name: str, amount: float) -> Callable[[Json], None]:
    def change(answer: Json) -> None:
        answer["stat"][name] += amount

    return change


def _put(where: str, name: str, value: Any) -> Callable[[Json], None]:
    def change(answer: Json) -> None:
        (answer[where] if where else answer)[name] = value

    return change


def _all(*changes: Callable[[Json], None]) -> Callable[[Json], None]:
    def change(answer: Json) -> None:
        for one in changes:
            one(answer)

    return change


def _move(name: str, seconds: int) -> Callable[[Json], None]:
    def change(answer: Json) -> None:
        answer["stat"][name] = _later(answer["stat"][name], seconds)

    return change


def _swap_a_stage(answer: Json) -> None:
    stages = answer["session"]["sleep_stages"]
    stages[stages.index(1)] = 2


def _a_chunk_less(answer: Json) -> None:
    answer["session"]["breath_stages"].pop()


BREAKERS: dict[int, Callable[[Json], None]] = {
    1: _add("time_in_bed", 60),
    2: _move("sleep_time", 30),
    3: _move("wake_time", -30),
    4: _add("wakeup_latency", 90),
    5: _add("time_in_wake", 30),
    6: _add("time_in_rem", 30),
    7: _add("sleep_efficiency", 0.1),
    8: _add("sleep_ratio", -0.05),
    9: _add("wake_ratio", 0.05),
    10: _add("deep_ratio", 0.05),
    11: _add("light_ratio", 0.015),
    12: _add("time_in_snoring", 30),
    13: _add("snoring_ratio", 0.05),
    14: _add("time_in_stable_breath", 30),
    15: _add("deep_latency", 7),
    16: _swap_a_stage,
    17: _put("stat", "waso_count", 0),
    18: _all(_add("light_latency", 30), _add("deep_latency", 30), _add("rem_latency", 30)),
    19: lambda answer: answer["stat"]["sleep_cycle_time"].pop(),
    20: _put("stat", "sleep_cycle", None),
    21: _move("wake_time", 20 * 3600),
    22: _put("", "peculiarities", ["NO_BREATHING_STABILITY"]),
    23: _a_chunk_less,
}


def violated(home: Home, *answers: Json) -> set[str]:
    """The identities that a build of these answers finds violated; no row may be lost."""
    documents = [
        session_document(
            json.dumps({"detail": "OK", "result": answer}).encode(),
            user_id=f"G-{number}",
            session_id=answer["session"]["id"],
            day=datetime.fromisoformat(answer["session"]["start_time"]).astimezone(UTC).date(),
        )
        for number, answer in enumerate(answers)
    ]
    home.raw.append(documents)
    found: set[str] = set()
    for day in sorted({document.date for document in documents}):
        built = build_sleep_sessions(home, _partition(day))
        assert built.rows == built.documents
        found |= {name for name in NAMES.values() if built.findings.get(name)}
    return found


def _partition(day: date) -> str:
    return day.isoformat()


def test_every_ordinary_night_of_the_sandbox_keeps_all_of_them(home: Home) -> None:
    """20 nights of three people, with naps, rests without sleep, and no breathing analysis for one."""
    nights = [answer for name, answer in ANSWERS.items() if name.startswith("night")]
    assert len(nights) > 50
    assert violated(home, *nights) == set()


@pytest.mark.parametrize("name", [name for name in ANSWERS if not name.startswith("night")])
def test_a_special_session_keeps_them_but_for_its_nature(home: Home, name: str) -> None:
    """What each case breaks is written above; nothing else, and its row is there."""
    assert violated(home, ANSWERS[name]) <= BREAKING_CASES.get(name.split()[0], set())


@pytest.mark.parametrize("number", NAMES, ids=lambda number: f"identity_{number}_{NAMES[number]}")
def test_identity(home: Home, number: int) -> None:
    """Broken in an answer of the sandbox it is told by its name, and the row stays."""
    broken = deepcopy(NIGHT)
    BREAKERS[number](broken)
    assert NAMES[number] in violated(home, broken)


@pytest.mark.parametrize("case", ["unknown_epochs", "long_unknown_gap", "onset_at_unknown"])
def test_identity_24_unknown_epochs_excuse_the_sums_over_stages(home: Home, case: str) -> None:
    """Sums that do not come out are no news then; their share of all epochs is counted."""
    answer = deepcopy(next(answer for name, answer in ANSWERS.items() if name.startswith(f"{case} ")))
    answer["stat"]["time_in_light"] += 300
    sums = {NAMES[number] for number in SUMS_OVER_STAGES}
    assert violated(home, answer) & sums == set()
    unknown = answer["session"]["sleep_stages"].count(-1)
    partition = _partition(datetime.fromisoformat(answer["session"]["start_time"]).astimezone(UTC).date())
    assert build_sleep_sessions(home, partition).findings["unknown_epochs"] == unknown > 0


def test_there_are_23_and_the_one_about_unknown_epochs() -> None:
    """Every number is broken above."""
    assert list(BREAKERS) == list(NAMES) == list(range(1, 24))
