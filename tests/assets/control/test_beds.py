"""Commands to beds: each bed once however many accounts have it, within limits in the vendor's own count."""

import asyncio
from collections import Counter
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from assets.control.beds import Bed, open_beds
from connectors.eight_sleep.connection import EightSleepConnection
from connectors.eight_sleep.login import Credentials
from connectors.eight_sleep.sandbox import Fault
from connectors.errors import VendorError, WrongUsage
from tests.connectors.eight_sleep.rig import Rig


def partners(rig: Rig) -> list[EightSleepConnection]:
    """The accounts of both sleepers of the first bed."""
    return [
        rig.connection(credentials=Credentials(sleeper.email, sleeper.password))
        for sleeper in rig.world.beds()[0].sleepers()
    ]


def test_a_bed_of_two_accounts_is_one_bed(rig: Rig) -> None:
    """Found at the first account; every account's other beds are there, too."""
    left, right = partners(rig)
    rig.world.share(rig.world.beds()[1], rig.world.beds()[0].sides["right"].sleeper)

    async def main() -> list[tuple[int, str]]:
        async with open_beds([left, right]) as beds:
            assert beds.failures == []
            return [(bed.account, bed.name) for bed in beds.found]

    assert asyncio.run(main()) == [(1, rig.world.beds()[0].device_id), (2, rig.world.beds()[1].device_id)]


def test_one_account_that_fails_does_not_hide_the_others(rig: Rig) -> None:
    """It is told beside what was found; when the bed is not found, it may be there."""
    left, _ = partners(rig)
    wrong = rig.connection(credentials=Credentials("nobody@example.com", "wrong"))

    async def main() -> None:
        async with open_beds([wrong, left]) as beds:
            assert [bed.account for bed in beds.found] == [2]
            assert [error.kind for error in beds.failures if isinstance(error, VendorError)] == ["key_refused"]
            assert beds.only(rig.world.beds()[0].id).account == 2
            with pytest.raises(VendorError):
                beds.only("POD-of-the-other")

    asyncio.run(main())


def test_the_limits_hold_in_the_vendors_count(rig: Rig) -> None:
    """Fifty commands of both partners in turn: within every group's limit, 3 s apart at the bed, none refused."""
    accounts = partners(rig)
    bed = rig.world.beds()[0]

    async def tell(connection: EightSleepConnection, levels: range) -> None:
        async with open_beds([connection]) as beds:
            for level in levels:
                await beds.only(None).tell(level, level, 60)

    for number in range(25):  # each a run of its own, as commands are
        asyncio.run(tell(accounts[number % 2], range(2 * number, 2 * number + 2)))
    times = sorted(moment for moment, group, _ in rig.limits.arrivals if group == "temperature")
    assert len(times) == rig.calls["temperature"] == 50
    assert min(later - earlier for earlier, later in pairwise(times)) >= 3.0
    assert rig.limits.most_in_a_window("temperature") <= 20
    assert rig.limits.most_in_a_window("devices") <= 10
    assert rig.limits.most_in_a_window("auth") <= 5
    assert rig.limits.refused == 0
    assert bed.sides["left"].target == bed.sides["right"].target == 49


def test_a_command_that_is_retried_keeps_its_turn(rig: Rig) -> None:
    """Attempts of one run and the command of the partner after it are 3 s apart at the bed."""
    rig.faults.set(Fault("failed", "temperature", 2))

    async def tell(connection: EightSleepConnection) -> None:
        async with open_beds([connection]) as beds:
            await beds.only(None).tell(10, None, 0)

    for connection in partners(rig):
        asyncio.run(tell(connection))
    times = sorted(moment for moment, group, _ in rig.limits.arrivals if group == "temperature")
    assert len(times) == 4
    assert min(later - earlier for earlier, later in pairwise(times)) >= 3.0


@pytest.mark.parametrize(
    "command", [(101, None, 0), (None, -101, 0), (None, None, 0), (1, 1, -1), (1, 1, 10**9)], ids=str
)
def test_what_is_out_of_range_is_refused_before_any_call(rig: Rig, command: tuple[Any, Any, int]) -> None:
    """Neither sent nor waited for."""

    async def main() -> Counter[str]:
        async with open_beds([rig.connection()]) as beds:
            before = Counter(rig.calls)
            with pytest.raises(WrongUsage, match="Nothing was sent"):
                await beds.only(None).tell(*command)
            return before

    assert asyncio.run(main()) == rig.calls


def test_the_file_of_a_bed_does_not_name_it(rig: Rig) -> None:
    """Its mark is of the home's secret; nothing below the home holds the bed's id or name, and no repr shows it."""

    async def main() -> Bed:
        async with open_beds([rig.connection()]) as beds:
            bed = beds.only(None)
            await bed.tell(1, None, 60)
            return bed

    bed = asyncio.run(main())
    files = [path for path in rig.root.rglob("*") if path.is_file()]
    assert any(bed.mark in path.name for path in files)
    shown = "".join(f"{path} {path.read_bytes()!r}" for path in files) + repr(bed)
    assert bed.device.id not in shown
    assert bed.name not in shown


def test_what_is_over_when_its_turn_comes_is_not_sent(rig: Rig) -> None:
    """A duration of 0 would hold for ever."""

    async def main() -> None:
        async with open_beds([rig.connection()]) as beds:
            bed = beds.only(None)
            await bed.tell(5, 5, 60)
            await bed.tell_until(50, 50, rig.clock.now + timedelta(seconds=3))
            assert rig.calls["temperature"] == 1
            await bed.tell_until(50, None, rig.clock.now + timedelta(seconds=4.5))

    asyncio.run(main())
    left = rig.world.beds()[0].sides["left"]
    assert (rig.calls["temperature"], left.target) == (2, 50)
    assert left.until is not None
    assert left.until - rig.clock.now == timedelta(seconds=2)
