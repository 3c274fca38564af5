"""The documented limits as budgets: never passed in anybody's minute, no wait before they are, answers believed."""

import asyncio
import tempfile
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.eight_sleep.budget import AUTH, DEVICES, STATUS, TEMPERATURE, Group, GroupBudget
from connectors.eight_sleep.client import EightSleepClient
from connectors.eight_sleep.sandbox import Fault
from connectors.errors import RateLimited
from tests.connectors.eight_sleep.rig import Clock, Rig

PAUSES_S = (2.0, 60.0)


def budget(folder: Path, clock: Clock, group: Group = STATUS) -> GroupBudget:
    """A process's view of the budget in ``folder``."""
    return GroupBudget(folder / group.name, group, clock=clock.seconds, sleep=clock.sleep)


def test_the_groups_have_the_documented_limits() -> None:
    """Calls a minute, and three seconds between two commands."""
    assert [(group.name, group.per_minute) for group in (AUTH, STATUS, TEMPERATURE, DEVICES)] == [
        ("auth", 5),
        ("status", 30),
        ("temperature", 20),
        ("devices", 10),
    ]
    assert TEMPERATURE.gap_s == 3.0


@settings(max_examples=40, deadline=None)
@given(
    silences=st.lists(st.sampled_from([0.0, 0.0, 0.0, 0.5, 7.0, 30.0, 59.0, 90.0]), min_size=1, max_size=60),
    most=st.integers(1, 12),
)
def test_no_minute_ever_holds_more_than_the_limit(silences: list[float], most: int) -> None:
    """Wherever the minute begins, over two processes that take turns; and a call waits only when the minute is full."""

    async def main(folder: Path) -> None:
        clock = Clock()
        group = Group("any", most)
        processes = [budget(folder, clock, group), budget(folder, clock, group)]
        left: list[float] = []
        for number, silence in enumerate(silences):
            clock.forward(silence)
            asked = clock.seconds()
            moment = (await processes[number % 2].acquire()).at
            if sum(asked - 61.0 < one for one in left) < most:
                assert moment == asked
            left.append(moment)
        assert all(later - one >= 60.0 for one, later in zip(left, left[most:], strict=False))

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(main(Path(folder)))


def test_commands_keep_their_distance(tmp_path: Path) -> None:
    """Three seconds between two, the first at once."""

    async def main() -> None:
        clock = Clock()
        commands = budget(tmp_path, clock, TEMPERATURE)
        left = [(await commands.acquire()).at for _ in range(5)]
        assert [later - one for one, later in pairwise(left)] == pytest.approx([3.0] * 4)

    asyncio.run(main())


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({"x-ratelimit-limit": "30", "x-ratelimit-remaining": "29"}, 0),
        ({"x-ratelimit-limit": "30", "x-ratelimit-remaining": "0"}, 61),
        ({"x-ratelimit-limit": "1", "x-ratelimit-remaining": "0"}, 61),
        ({"x-ratelimit-limit": "2", "x-ratelimit-remaining": "1"}, 0),
        ({"x-ratelimit-limit": "0", "x-ratelimit-remaining": "nonsense"}, 0),
        ({"x-ratelimit-limit": "9" * 30, "x-ratelimit-remaining": "-1"}, 0),
        ({}, 0),
    ],
)
def test_what_the_answer_says_of_the_limit_is_believed(
    tmp_path: Path, headers: Mapping[str, str], wait_s: float
) -> None:
    """Less than we thought: the next call waits for the minute to end. More, or nonsense: nothing changes."""

    async def main() -> None:
        clock = Clock()
        first = budget(tmp_path, clock)
        before = (await first.acquire()).at
        await first.told(headers)
        assert (await budget(tmp_path, clock).acquire()).at - before == pytest.approx(wait_s)

    asyncio.run(main())


def test_a_refusal_pauses_everybody_for_as_long_as_the_vendor_wishes(tmp_path: Path) -> None:
    """Without a wish the pause doubles as long as the vendor refuses, and begins anew once it has accepted a call."""

    async def main() -> None:
        clock = Clock()
        one, other = budget(tmp_path, clock), budget(tmp_path, clock)
        waited = []
        for wish_s in (None, None, 7.0, None):
            slot = await one.acquire()
            before = clock.seconds()
            await one.refused(slot, wish_s, PAUSES_S)
            await one.refused(slot, wish_s, PAUSES_S)  # another call that left as early says nothing new
            waited.append((await other.acquire()).at - before)
        assert waited == pytest.approx([2, 4, 7, 16])
        accepted = await one.acquire()
        await one.accepted(accepted)
        clock.forward(1)
        before = clock.seconds()
        assert await one.refused(await one.acquire(), None, PAUSES_S) == 0
        assert (await one.acquire()).at - before == pytest.approx(2)

    asyncio.run(main())


@pytest.mark.parametrize("content", [b"", b"nonsense", b'{"asked":[99999999999.0],"paused_until":99999999999.0}'])
def test_a_damaged_file_and_a_clock_that_was_set_back_cost_no_wait(tmp_path: Path, content: bytes) -> None:
    """Nothing was asked yet, as far as anybody knows."""
    (tmp_path / STATUS.name).write_bytes(content)
    clock = Clock()
    assert asyncio.run(budget(tmp_path, clock).acquire()).at == clock.seconds()


def test_the_vendor_never_counts_more_than_it_allows(rig: Rig) -> None:
    """A hundred calls at once, then commands and lists: every group fills its minutes, none is refused."""
    bed = rig.world.beds()[0].id

    async def talk(client: EightSleepClient) -> None:
        await asyncio.gather(*(client.get_status(bed) for _ in range(100)))
        await asyncio.gather(*(client.set_temperature(5, device_id=bed) for _ in range(25)))
        await asyncio.gather(*(client.get_devices() for _ in range(12)))

    # One at a time, because a clock that jumps while a call is under way makes it arrive a minute late.
    rig.converse(talk, concurrency=1)
    assert rig.calls == {"auth_login": 1, "status": 100, "temperature": 25, "devices": 12}
    assert rig.limits.refused == 0
    assert rig.limits.most_in_a_window("status") <= 30
    assert rig.limits.most_in_a_window("temperature") <= 20
    assert rig.limits.most_in_a_window("devices") <= 10


def test_what_the_phone_app_has_used_is_seen_and_left_alone(rig: Rig) -> None:
    """It uses most of a minute; we notice by the headers, and are not refused."""
    bed = rig.world.beds()[0].id
    rig.limits.spend("status", rig.sleeper.user_id, 28)

    async def talk(client: EightSleepClient) -> None:
        for _ in range(4):
            await client.get_status(bed)

    rig.converse(talk)
    assert rig.limits.refused == 0


def test_a_refusal_is_waited_out_for_as_long_as_the_vendor_wishes(rig: Rig) -> None:
    """The call then succeeds, although the minute was full before anybody asked."""
    bed = rig.world.beds()[0].id
    rig.limits.spend("status", rig.sleeper.user_id, 30)
    before = rig.clock.now
    rig.converse(lambda client: client.get_status(bed))
    assert (rig.calls["status"], rig.limits.refused) == (2, 1)
    assert (rig.clock.now - before).total_seconds() >= 59


@pytest.mark.parametrize("kind", ["rate_limit", "throttled"])
def test_refusals_without_end_end_the_call(rig: Rig, kind: str) -> None:
    """After as many as a call may meet."""
    rig.faults.set(Fault(kind, "devices", None))
    with pytest.raises(RateLimited, match="Eight Sleep's rate limit is still exceeded after 8 attempts"):
        rig.converse(EightSleepClient.get_devices)
    assert rig.calls["devices"] == 8


def test_a_command_does_not_queue_behind_polls(rig: Rig) -> None:
    """While the minute of the status is full and many wait for the next, a bed can still be told something."""
    bed = rig.world.beds()[0].id
    waiting, minute_over = asyncio.Event(), asyncio.Event()

    async def sleep(seconds: float) -> None:
        waiting.set()
        await minute_over.wait()
        await rig.clock.sleep(seconds)

    async def talk(client: EightSleepClient) -> None:
        polls = [asyncio.create_task(client.get_status(bed)) for _ in range(40)]
        await waiting.wait()
        await client.set_temperature(3, device_id=bed)
        assert not all(poll.done() for poll in polls)
        minute_over.set()
        await asyncio.gather(*polls)

    rig.converse(talk, sleep=sleep)
    assert rig.world.beds()[0].sides["left"].target == 3
