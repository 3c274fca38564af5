"""A schedule put into force: each entry once, at its local time, through failures, kills and a person's own wishes."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from assets.control import beds
from assets.control.applying import Applied, apply, due, read_memory
from connectors.eight_sleep.sandbox import Fault
from connectors.errors import DeviceOffline, HostUnreachable, VendorError, WrongUsage
from pipelines.bed_schedule_file import parsed
from tests.connectors.eight_sleep.rig import NOBODY_LISTENS, Rig

NIGHT = """\
timezone: UTC
entries:
  - {at: "22:00", left: -20, right: -30}
  - {at: "06:00", left: 10, right: 10}
  - {at: "08:00", preset: off}
"""


def at(rig: Rig, text: str) -> None:
    """Let the clock show this UTC time."""
    rig.clock.now = datetime.fromisoformat(text).replace(tzinfo=UTC)


def applied(rig: Rig, text: str = NIGHT, **options: Any) -> Applied:
    """Put the schedule into force, as a new run."""
    connection = rig.connection()
    return asyncio.run(apply(parsed(text), [connection], connection.home, **options))


def targets(rig: Rig) -> tuple[int, int]:
    """What the sides of the first bed aim at."""
    sides = rig.world.beds()[0].sides
    return sides["left"].target_at(rig.clock.now), sides["right"].target_at(rig.clock.now)


@pytest.fixture(autouse=True)
def _evening(rig: Rig) -> None:
    """Tests begin shortly after an entry."""
    at(rig, "2026-03-01 22:00:10")


def test_an_entry_is_told_once_for_as_long_as_it_lasts(rig: Rig) -> None:
    """Both sides in one call, until the next entry; a second run sends nothing and asks nothing of the bed."""
    assert applied(rig) == Applied(told=1)
    assert targets(rig) == (-20, -30)
    assert rig.world.beds()[0].sides["left"].until == datetime(2026, 3, 2, 6, tzinfo=UTC)
    assert rig.calls["temperature"] == 1
    before = rig.calls["status"]
    assert applied(rig) == Applied(left_alone=1)
    assert (rig.calls["temperature"], rig.calls["status"]) == (1, before)


def test_what_is_late_lasts_for_the_rest_and_what_is_over_is_not_told(rig: Rig) -> None:
    """After a night without a run the morning's entry alone is told."""
    applied(rig)
    at(rig, "2026-03-02 07:30:00")
    assert applied(rig).told == 1
    assert (targets(rig), rig.calls["temperature"]) == ((10, 10), 2)
    assert rig.world.beds()[0].sides["left"].until == datetime(2026, 3, 2, 8, tzinfo=UTC)
    at(rig, "2026-03-04 21:59:59")
    applied(rig)
    assert (targets(rig), rig.calls["temperature"]) == ((0, 0), 3)


def test_a_person_wins_until_the_next_entry(rig: Rig) -> None:
    """Who turns the bed warmer by hand is not turned back."""
    applied(rig)
    rig.world.beds()[0].sides["left"].set(40, 0, rig.clock.now)
    at(rig, "2026-03-02 05:00:00")
    applied(rig)
    assert targets(rig) == (40, -30)
    at(rig, "2026-03-02 06:00:30")
    applied(rig)
    assert targets(rig) == (10, 10)


def test_again_sends_only_what_the_bed_does_not_show(rig: Rig) -> None:
    """The command's way: twice in a row is once, and what a person changed is changed back, on that side alone."""
    assert applied(rig, again=True).told == 1
    assert applied(rig, again=True) == Applied(left_alone=1)
    rig.world.beds()[0].sides["right"].set(40, 0, rig.clock.now)
    left_since = rig.world.beds()[0].sides["left"].until
    assert applied(rig, again=True).told == 1
    assert (targets(rig), rig.calls["temperature"]) == ((-20, -30), 2)
    assert rig.world.beds()[0].sides["left"].until == left_since


def test_the_same_level_again_is_told_again(rig: Rig) -> None:
    """The bed may still show the entry before when the next one comes, and be neutral a moment later."""
    twice = 'timezone: UTC\nentries: [{at: "22:00", left: -20, right: -20}, {at: "23:00", left: -20, right: -20}]'
    applied(rig, twice)
    at(rig, "2026-03-01 23:00:00")
    rig.world.beds()[0].sides["left"].set(-20, 5, rig.clock.now)
    applied(rig, twice)
    rig.clock.forward(60)
    assert targets(rig) == (-20, -20)


def test_sides_that_last_unequally_are_told_apart(rig: Rig) -> None:
    """Each until its own next entry; a side whose entry was told before is left alone."""
    entries = "{at: 22:00, left: -20, right: -20}, {at: 23:00, left: -40}, {at: 7:00, right: 1}"
    text = f"timezone: UTC\nentries: [{entries}]"
    applied(rig, text)
    sides = rig.world.beds()[0].sides
    assert (sides["left"].until, sides["right"].until) == (
        datetime(2026, 3, 1, 23, tzinfo=UTC),
        datetime(2026, 3, 2, 7, tzinfo=UTC),
    )
    at(rig, "2026-03-01 23:00:05")
    sides["right"].set(33, 0, rig.clock.now)
    applied(rig, text)
    assert targets(rig) == (-40, 33)


def test_what_fails_is_tried_again_and_then_done(rig: Rig) -> None:
    """An entry that did not arrive is not taken for told."""
    rig.faults.set(Fault("failed", "temperature", 3))
    (failure,) = applied(rig).failures
    assert isinstance(failure, VendorError)
    assert read_memory(rig.connection().home).done is None
    assert applied(rig).told == 1
    assert targets(rig) == (-20, -30)
    assert read_memory(rig.connection().home).done == datetime(2026, 3, 1, 22, tzinfo=UTC)


def test_a_kill_between_sending_and_noting_sends_nothing_twice(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next run looks at the bed first."""
    tell_until = beds.Bed.tell_until

    async def die_afterwards(*arguments: Any) -> None:
        await tell_until(*arguments)
        raise SystemExit

    monkeypatch.setattr(beds.Bed, "tell_until", die_afterwards)
    with pytest.raises(SystemExit):
        applied(rig)
    monkeypatch.undo()
    assert applied(rig) == Applied(left_alone=1)
    assert (targets(rig), rig.calls["temperature"]) == ((-20, -30), 1)


def test_a_bed_that_is_offline_is_told_when_it_is_back(rig: Rig) -> None:
    """However the vendor says that: with 503, or in its status."""
    bed = rig.world.beds()[0]
    bed.online = False
    for _ in range(2):
        (failure,) = applied(rig).failures
        assert isinstance(failure, DeviceOffline)
        rig.clock.forward(600)
    bed.online = True
    assert applied(rig).told == 1
    assert targets(rig) == (-20, -30)


def test_an_account_that_cannot_be_asked_is_told(rig: Rig) -> None:
    """And nothing is taken for done."""
    connection = rig.connection(client_url=NOBODY_LISTENS, auth_url=NOBODY_LISTENS)
    with pytest.raises(HostUnreachable):
        asyncio.run(apply(parsed(NIGHT), [connection], connection.home))
    assert read_memory(connection.home).done is None


def test_each_bed_has_its_own_plan(rig: Rig) -> None:
    """Its own entries win; a bed that no account has is counted, without a name."""
    first, second = rig.world.beds()
    rig.world.share(second, rig.sleeper)
    text = (
        NIGHT + f'  - {{at: "22:00", left: -50, bed: {first.device_id}}}\n  - {{at: "21:00", left: 1, bed: canary}}\n'
    )
    assert applied(rig, text) == Applied(told=2, unknown=1)
    assert [bed.sides["left"].target for bed in (first, second)] == [-50, -20]
    assert [bed.sides["right"].target for bed in (first, second)] == [-30, -30]


def test_one_bed_may_be_meant(rig: Rig) -> None:
    """The others wait for their turn, so the entry is not done; a name that nobody has is refused."""
    first, second = rig.world.beds()
    rig.world.share(second, rig.sleeper)
    assert applied(rig, name=second.device_id, again=True) == Applied(told=1)
    assert (first.sides["left"].target, second.sides["left"].target) == (0, -20)
    assert applied(rig) == Applied(told=1, left_alone=1)
    with pytest.raises(WrongUsage, match="No account has a bed of this name"):
        applied(rig, name="canary")


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff", b"[]", b'{"done": "2026-03-01T22:00:00"}', b'{"done": "2999-01-01T00:00:00Z"}', b"[" * 9000],
)
def test_a_damaged_memory_is_none(rig: Rig, content: bytes) -> None:
    """What is in force is told again, unless the bed shows it; so it is when the clock was set back."""
    applied(rig)
    (rig.root / "bed-schedule.told").write_bytes(content)
    assert applied(rig) == Applied(left_alone=1)
    assert read_memory(rig.connection().home).done == datetime(2026, 3, 1, 22, tzinfo=UTC)


CHANGES = {
    "Berlin, short": ("Europe/Berlin", "2026-03-28 20:00", [(21, 0), (1, 0), (4, 0)]),
    "Berlin, long": ("Europe/Berlin", "2026-10-24 19:00", [(20, 0), (0, 30), (5, 0)]),
    "Lord Howe, short": ("Australia/Lord_Howe", "2026-10-03 11:00", [(11, 30), (15, 30), (19, 0)]),
    "Lord Howe, long": ("Australia/Lord_Howe", "2026-04-04 10:30", [(11, 0), (16, 0), (19, 30)]),
}


@pytest.mark.parametrize("name", CHANGES)
def test_over_a_clock_change_the_bed_is_told_at_the_right_times(rig: Rig, name: str) -> None:
    """Looked at every five minutes, each look doubled: one command an entry, at its time, for its time."""
    zone, begin, expected = CHANGES[name]
    text = (
        f"timezone: {zone}\nentries: [{{at: 22:00, left: -20, right: -20}}, {{at: 02:30, left: -40, right: -40}}, "
        "{at: 06:00, left: 10, right: 10}]"
    )
    at(rig, begin)
    rig.world.token_life_s = 10**6
    applied(rig, text)  # what holds already
    begun, sent = rig.calls["temperature"], []
    for number in range(0, 11 * 60, 5):
        rig.clock.now = datetime.fromisoformat(begin).replace(tzinfo=UTC) + number * timedelta(minutes=1)
        memory = read_memory(rig.connection().home)
        latest = due(parsed(text), rig.clock.now)
        if memory.done != latest:
            applied(rig, text)
            applied(rig, text)
            sent.append((rig.clock.now.hour, rig.clock.now.minute))
    assert (sent, rig.calls["temperature"] - begun) == (expected, 3)
    assert rig.limits.refused == 0
