"""Events with anything in them: each is settled with a reason, and none keeps the others from being taken in."""

import json
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.asleep.sandbox import World
from connectors.home import Home
from connectors.state.ledger import PENDING
from connectors.state.quarantine import count_quarantined
from schemas.asleep_webhook import SessionComplete, UnreadableEvent, webhook_event
from schemas.documents import SESSION
from tests.assets.draining import drain
from tests.assets.engine.disk import unawaited_disk
from tests.assets.homes import StandingClock, new_home
from tests.assets.raw.pulls import follow_everybody, kept
from tests.assets.raw.webhooks import body_of, complete_sessions, ledger_of, receive, take

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
WORLD = World(users=1, nights=2, now=NOW)
(USER, NIGHT), *_ = complete_sessions(WORLD)
EVENT: dict[str, Any] = json.loads(body_of(USER, NIGHT, NOW))

TIMES = st.sampled_from(
    ["", "soon", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "2026-11-19T22:00:00", "2999-01-01T00:00Z"]
) | st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC)).map(datetime.isoformat)  # noqa: DTZ001
VALUES: st.SearchStrategy[Any] = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | TIMES | st.just([]) | st.just({})
)
PLACES = [("session", name) for name in EVENT["data"]["session"]] + [("stat", name) for name in EVENT["data"]["stat"]]
PLACES += [("data", name) for name in EVENT["data"]]


def changed(changes: list[tuple[tuple[str, str], Any]]) -> bytes:
    """The event with other values in some places; a value of ``...`` takes the place out."""
    event = deepcopy(EVENT)
    for (part, name), value in changes:
        below = event["data"] if part == "data" else event["data"].get(part)
        if isinstance(below, dict):
            below.pop(name, None)
            below |= {} if value is ... else {name: deepcopy(value)}
    return json.dumps(event).encode()


def is_readable(body: bytes) -> bool:
    """Whether the receiver keeps it as new."""
    try:
        return isinstance(webhook_event(body), SessionComplete)
    except UnreadableEvent:
        return False


@given(
    st.lists(st.lists(st.tuples(st.sampled_from(PLACES), VALUES | st.just(...)), min_size=1, max_size=3), max_size=12)
)
@settings(max_examples=6, deadline=None)
def test_whatever_is_in_an_event_the_others_are_taken_in(variations: list[list[tuple[tuple[str, str], Any]]]) -> None:
    """Every event has a reason, the last one is good, and everything kept can be built."""
    bodies = [body for body in map(changed, variations) if is_readable(body)]
    with unawaited_disk(), TemporaryDirectory() as folder, new_home(Path(folder) / "home", StandingClock(NOW)) as home:
        follow_everybody(home, WORLD)
        user, last = complete_sessions(WORLD)[-1]
        bodies = list(dict.fromkeys([*bodies, body_of(user, last, NOW)]))
        receive(home, bodies, "enrol")
        intake = take(home)
        assert intake.events == intake.reasons.total() == len(bodies)
        assert last.id in {each.document.document_id for each in kept(home, SESSION)}
        drain(home)
        with home.state.read() as connection:
            assert count_quarantined(connection) == 0


@pytest.mark.parametrize(
    ("place", "value", "reason"),
    [
        (("session", "start_time"), (NOW + timedelta(days=1)).isoformat(), "impossible_times"),
        (("session", "start_time"), "2019-12-31T22:00:00+00:00", "impossible_times"),
        (("session", "start_time"), "2026-11-19T22:00:00", "impossible_times"),
        (("session", "state"), "CLOSED", "not_whole"),
        (("session", "end_time"), "2026-11-01T00:00:00+00:00", "not_whole"),
        (("session", "end_time"), None, "not_whole"),
        (("session", "breath_stages"), ..., "not_whole"),
        (("data", "missing_data_ratio"), ..., "not_whole"),
        (("data", "stat"), None, "not_whole"),
    ],
)
def test_what_does_not_make_a_night_is_asked_for_or_refused(
    home: Home, clock: StandingClock, place: tuple[str, str], value: Any, reason: str
) -> None:
    """Nothing of it is kept; the session waits where its date is known."""
    clock.now = NOW
    follow_everybody(home, WORLD)
    receive(home, [changed([(place, value)])])
    assert take(home).reasons == {reason: 1}
    assert kept(home, SESSION) == []
    waiting = [seen.verdict for seen in ledger_of(home, USER.user_id).values()]
    assert waiting == ([PENDING] if reason == "not_whole" else [])


def test_a_night_without_figures_is_whole_if_a_remark_says_why(home: Home, clock: StandingClock) -> None:
    """As a poll would have it."""
    clock.now = NOW
    follow_everybody(home, WORLD)
    receive(home, [changed([(("data", "stat"), None), (("data", "peculiarities"), ["TOO_SHORT_FOR_ANALYSIS"])])])
    assert take(home).reasons == {"kept": 1}
