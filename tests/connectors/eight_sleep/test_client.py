"""The client in conversation with the sandbox over real HTTP: every method, every field, every range."""

import asyncio
from datetime import timedelta
from typing import Any, Literal

import pytest

from connectors.eight_sleep.client import EightSleepClient
from connectors.eight_sleep.login import Credentials
from connectors.errors import DeviceNotFound, WrongUsage
from tests.connectors.eight_sleep.rig import Rig


def test_the_beds_of_the_account_are_listed_with_every_field(rig: Rig) -> None:
    """Those of others are not; calls are counted by endpoint."""

    async def talk(client: EightSleepClient) -> None:
        [bed] = await client.get_devices()
        known = rig.world.beds()[0]
        assert (bed.id, bed.device_id, bed.model) == (known.id, known.device_id, known.model)
        assert (bed.firmware_version, bed.sides) == (known.firmware, ("left", "right"))
        assert client.calls.by_endpoint == {"login": 1, "devices": 1}
        await client.get_status()  # of the only bed, which is known by now

    rig.converse(talk)
    assert rig.calls == {"auth_login": 1, "devices": 1, "status": 1}


def test_a_status_tells_everything_of_both_sides(rig: Rig) -> None:
    """Whose they are, who lies there, what is aimed at and what is reached: as levels."""
    bed = rig.world.beds()[0]
    bed.sides["right"].presence = True
    bed.sides["right"].set(-40, 0, rig.clock.now)
    rig.clock.forward(60)

    async def talk(client: EightSleepClient) -> None:
        status = await client.get_status()
        assert (status.device_id, status.online) == (bed.id, True)
        assert (status.left.side, status.left.is_owner, status.left.user_id) == ("left", True, rig.sleeper.user_id)
        assert (status.left.presence, status.left.temp_target, status.left.temp_bed) == (False, 0, 0)
        assert (status.right.side, status.right.is_owner) == ("right", False)
        assert status.right.user_id == bed.sides["right"].sleeper.user_id
        assert (status.right.presence, status.right.temp_target, status.right.temp_bed) == (True, -40, -10)

    rig.converse(talk)


def test_the_bed_follows_what_it_is_told_for_as_long_as_it_is_told(rig: Rig) -> None:
    """One call for both sides; an absent side stays as it is; after the duration the bed goes back to neutral."""

    async def talk(client: EightSleepClient) -> None:
        await client.set_temperature(left=-50, right=25, duration=3600)
        await client.set_temperature(left=100)
        rig.clock.forward(300)
        status = await client.get_status()
        assert (status.left.temp_target, status.right.temp_target) == (100, 25)
        assert (status.left.temp_bed, status.right.temp_bed) == (50, 25)
        rig.clock.forward(3600)
        status = await client.get_status()
        assert (status.left.temp_target, status.right.temp_target) == (100, 0)
        assert (status.left.temp_bed, status.right.temp_bed) == (100, 0)
        assert client.calls.by_endpoint == {"login": 1, "devices": 1, "temperature": 2, "status": 2}

    rig.converse(talk)


@pytest.mark.parametrize("method", ["turn_on", "turn_off"])
@pytest.mark.parametrize("side", ["left", "right", "both"])
def test_on_and_off_are_neutral(rig: Rig, method: str, side: Literal["left", "right", "both"]) -> None:
    """Both set the named side, or both sides, to level 0 and leave the other alone."""
    sides = rig.world.beds()[0].sides
    for one in sides.values():
        one.set(30, 0, rig.clock.now)
    rig.converse(lambda client: getattr(client, method)(side))
    left, right = (sides[name].target_at(rig.clock.now) for name in ("left", "right"))
    assert (left, right) == {"left": (0, 30), "right": (30, 0), "both": (0, 0)}[side]


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        ({"left": 101}, "A level is not a whole number from -100 to 100: correct it."),
        ({"left": 0, "right": -101}, "A level is not a whole number from -100 to 100: correct it."),
        ({"left": 1.5}, "A level is not a whole number from -100 to 100: correct it."),
        ({"left": True}, "A level is not a whole number from -100 to 100: correct it."),
        ({"left": 1, "duration": -1}, "The duration is not a whole number of seconds, 0 or more: correct it."),
        ({"left": 1, "duration": 0.5}, "The duration is not a whole number of seconds, 0 or more: correct it."),
        ({"duration": 5}, "No side of the bed is given a level: name left, right or both."),
        ({"left": 1, "device_id": ".."}, "The id of the bed cannot be sent to Eight Sleep: list the beds to see "),
        ({"left": 1, "device_id": "a b"}, "The id of the bed cannot be sent to Eight Sleep: list the beds to see "),
    ],
)
def test_what_is_out_of_range_is_refused_before_any_call(rig: Rig, told: dict[str, Any], sentence: str) -> None:
    """Wrong usage, in one sentence, and nobody was asked, not even to log in."""

    async def talk(client: EightSleepClient) -> None:
        with pytest.raises(WrongUsage) as refused:
            await client.set_temperature(**told)
        assert str(refused.value).startswith(sentence)

    rig.converse(talk)
    assert rig.calls == {}


def test_a_side_that_no_bed_has_is_refused_before_any_call(rig: Rig) -> None:
    """On and off take left, right and both."""

    async def talk(client: EightSleepClient) -> None:
        with pytest.raises(WrongUsage, match="A bed has no such side"):
            await client.turn_on("middle")  # type: ignore[arg-type]

    rig.converse(talk)
    assert rig.calls == {}


@pytest.mark.parametrize("level", [-100, -1, 0, 1, 100])
def test_the_ends_of_the_range_are_levels(rig: Rig, level: int) -> None:
    """Documented are -100 to 100, both included."""
    rig.converse(lambda client: client.set_temperature(right=level))
    assert rig.world.beds()[0].sides["right"].target == level


def test_an_account_with_several_beds_names_the_one_it_means(rig: Rig) -> None:
    """Without a name nothing is told to any; with one it is that bed."""
    first, second = rig.world.beds()
    rig.world.share(second, rig.sleeper)

    async def talk(client: EightSleepClient) -> None:
        assert [bed.id for bed in await client.get_devices()] == [first.id, second.id]
        with pytest.raises(WrongUsage, match="has several beds"):
            await client.turn_off()
        await client.set_temperature(5, 6, device_id=second.id)
        assert (await client.get_status(second.id)).right.temp_target == 6

    rig.converse(talk)
    assert first.sides["left"].target == 0


def test_several_accounts_have_tokens_of_their_own_in_one_home(rig: Rig) -> None:
    """The two sleepers of a bed log in apart, and each owns a side."""
    connections = [rig.connection()]
    partner = list(rig.world.accounts())[1]
    connections.append(rig.connection(credentials=Credentials(partner.email, partner.password)))

    async def main() -> None:
        for _ in range(2):
            for connection, side in zip(connections, ("left", "right"), strict=True):
                async with connection.open() as client:
                    assert getattr(await client.get_status(), side).is_owner

    asyncio.run(main())
    assert rig.calls["auth_login"] == 2


def test_an_account_without_a_bed_says_so(rig: Rig) -> None:
    """Instead of asking for the status of nothing."""
    bed, partner = rig.world.beds()[0], list(rig.world.accounts())[1]

    async def talk(client: EightSleepClient) -> None:
        await client.authenticate()
        rig.world.share(bed, partner)
        with pytest.raises(DeviceNotFound, match="has no bed"):
            await client.get_status()

    rig.converse(talk)


@pytest.mark.parametrize("variant", ["wrapped", "expiration_date", "no_expiry"])
def test_the_answers_other_forms_are_read_as_well(rig: Rig, variant: str) -> None:
    """Wrapped or bare, and with the expiry under either name or none."""
    rig.world.set_variants(variant)

    async def talk(client: EightSleepClient) -> None:
        await client.set_temperature(left=7)
        assert (await client.get_status()).left.temp_target == 7
        rig.clock.forward(timedelta(hours=2).total_seconds())
        await client.get_status()

    rig.converse(talk)
    assert rig.calls["auth_login"] == (2 if variant == "no_expiry" else 1)


def test_a_bed_that_lost_its_hub_is_offline_in_a_good_answer(rig: Rig) -> None:
    """``online`` is false, and the sides say nothing."""
    rig.world.beds()[0].online = False

    async def talk(client: EightSleepClient) -> None:
        status = await client.get_status()
        assert (status.online, status.left.presence, status.left.temp_target) == (False, False, 0)

    rig.converse(talk)
