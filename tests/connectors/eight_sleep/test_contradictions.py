"""Where the SmartBedAPI reference and the community clients contradict each other: what the client makes of both.

One test for each contradiction that is about calls or payloads. That the expiry stands under three names, that bad
credentials are 401 or 400, and that a token's life is believed is in ``test_tokens`` and ``test_oauth``; how errors are
told apart in ``test_refusals``; limits in ``test_budget``; fields and names of stages in
``tests.schemas.test_eight_sleep``.
"""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import connectors.eight_sleep
from connectors.eight_sleep.client import EightSleepClient
from connectors.eight_sleep.login import Credentials
from connectors.errors import DeviceOffline
from schemas.eight_sleep import Interval, TrendDay, decoded
from tests.connectors.eight_sleep.rig import NOON, Rig

TODAY = NOON.date()


def oauth(rig: Rig) -> Credentials:
    """With an application."""
    return Credentials(rig.sleeper.email, rig.sleeper.password, "c", "s")


def test_beds_are_found_by_either_adapter(rig: Rig) -> None:
    """The list of objects of the reference, or the ids of the user and the details of each."""

    async def talk(client: EightSleepClient) -> None:
        [listed] = await client.get_devices()
        user = (await client.get_me()).result()
        assert user.devices == (listed.id,)
        detail = (await client.get_bed(listed.id)).result()
        assert (detail.device_id, detail.firmware_version) == (listed.id, listed.firmware_version)

    rig.converse(talk)


@pytest.mark.parametrize("variants", [(), ("wrapped",)])
def test_an_answer_is_unwrapped_only_from_an_envelope(rig: Rig, variants: tuple[str, ...]) -> None:
    """``user``, ``result`` and ``days`` are no envelopes; ``data`` is one only beside ``success``."""
    rig.world.set_variants(*variants)
    bed = rig.world.beds()[0]

    async def talk(client: EightSleepClient) -> None:
        assert (await client.get_me()).result().user_id == rig.sleeper.user_id
        assert (await client.get_bed(bed.id)).result().device_id == bed.id
        page = (await client.intervals_page(rig.sleeper.user_id)).result()
        newest = decoded(page.intervals[0], Interval)
        assert (await client.get_interval(rig.sleeper.user_id, newest.id)).result() == newest
        assert len((await client.trends(rig.sleeper.user_id, TODAY, TODAY, "UTC")).result().days) == 1

    rig.converse(talk)


def test_levels_stay_levels(rig: Rig) -> None:
    """What the bed is set to is never called °C; only measured temperatures of a night are."""
    bed = rig.world.beds()[0]
    bed.sides["left"].set(-50, 0, rig.clock.now)

    async def talk(client: EightSleepClient) -> None:
        status = await client.get_status()
        detail = (await client.get_bed(bed.id)).result()
        assert status.left.temp_target == detail.left_target_heating_level == -50
        page = (await client.intervals_page(rig.sleeper.user_id)).result()
        measured = decoded(page.intervals[0], Interval).timeseries.temp_bed_c
        assert all(20 < value < 40 for _, value in measured if value is not None)

    rig.converse(talk)


def test_neutral_and_off_are_seen_alike(rig: Rig) -> None:
    """The reference switches a side on and off by the same level."""

    async def talk(client: EightSleepClient) -> None:
        await client.turn_on()
        on = await client.get_status()
        await client.turn_off()
        assert await client.get_status() == on

    rig.converse(talk)


def test_the_status_tells_whose_side_it_is(rig: Rig) -> None:
    """One speaks of sides, the other of users: status and bed map one to the other in the same way."""
    bed = rig.world.beds()[0]

    async def talk(client: EightSleepClient) -> None:
        status = await client.get_status()
        detail = (await client.get_bed(bed.id)).result()
        assert (status.left.user_id, status.right.user_id) == (detail.left_user_id, detail.right_user_id)
        for user_id, side in ((status.left.user_id, "left"), (status.right.user_id, "right")):
            assert user_id
            place = (await client.get_user(user_id)).result().current_device
            assert place
            assert (place.id, place.side) == (bed.id, side)

    rig.converse(talk)


def test_a_bed_that_is_offline_is_told_by_an_error_or_by_a_word(rig: Rig) -> None:
    """503 to a command; ``online`` false in both kinds of status."""
    bed = rig.world.beds()[0]
    bed.online = False

    async def talk(client: EightSleepClient) -> None:
        with pytest.raises(DeviceOffline):
            await client.set_temperature(left=1)
        assert not (await client.get_status()).online
        assert not (await client.get_bed(bed.id)).result().online

    rig.converse(talk)


@pytest.mark.parametrize(("model", "asked"), [("v2", 1), ("v3", 2)])
def test_scores_that_went_missing_are_asked_for_again(rig: Rig, model: Any, asked: int) -> None:
    """In v3 the answer with sessions tells no scores: it is asked again without, and the scores are kept."""

    async def talk(client: EightSleepClient) -> None:
        week = (rig.sleeper.user_id, TODAY - timedelta(days=6), TODAY, "UTC")
        answer = await client.trends(*week, model=model, sessions=True)
        days = [decoded(raw, TrendDay) for raw in answer.result().days]
        assert len(days) > 4
        assert all(day.fitness_score and day.sleep_quality_score.total for day in days)
        assert all(bool(day.sessions) == (model == "v2") for day in days)

    rig.converse(talk)
    assert rig.calls["trends"] == asked


def test_an_answer_that_has_its_scores_is_asked_for_once(rig: Rig) -> None:
    """Also when the only night is not final yet, or there is none."""
    rig.clock.forward(timedelta(hours=13.5).total_seconds())
    user_id = rig.sleeper.user_id

    async def talk(client: EightSleepClient) -> None:
        tomorrow = TODAY + timedelta(days=1)
        for day in (TODAY, tomorrow, tomorrow + timedelta(days=9)):
            await client.trends(user_id, day, day, "UTC")
        running = await client.trends(user_id, tomorrow, tomorrow, "UTC", sessions=True)
        [day_in_progress] = running.result().days
        assert not decoded(day_in_progress, TrendDay).is_final

    rig.converse(talk)
    assert rig.calls["trends"] == 4


def test_who_sleeps_alone_stands_on_the_left(rig: Rig) -> None:
    """``solo`` is both sides; both users of the bed are the same."""
    bed = rig.world.beds()[0]
    rig.world.make_solo(bed)

    async def talk(client: EightSleepClient) -> None:
        detail = (await client.get_bed(bed.id)).result()
        assert detail.left_user_id == detail.right_user_id == rig.sleeper.user_id
        place = (await client.get_me()).result().current_device
        assert place
        assert place.side == "solo"
        page = (await client.intervals_page(rig.sleeper.user_id)).result()
        interval = decoded(page.intervals[0], Interval)
        assert (interval.device.side, interval.side) == ("solo", "left")

    rig.converse(talk)


def test_the_application_is_configuration() -> None:
    """No id and no secret of any application is in our code, because the sources name different ones."""
    folder = Path(next(iter(connectors.eight_sleep.__path__)))
    code = "".join(path.read_text() for path in folder.rglob("*.py"))
    for name in ("client_id", "client_secret"):
        assert f'{name}="' not in code
        assert f'"{name}": "' not in code


@pytest.mark.parametrize("way", ["login", "oauth"])
def test_each_way_sends_the_headers_it_should(rig: Rig, way: str) -> None:
    """The simulator refuses a login's token in one header; an access token needs no other."""
    words = {"credentials": oauth(rig)} if way == "oauth" else {}

    async def talk(client: EightSleepClient) -> None:
        await client.set_temperature(left=5)
        await client.get_me()

    rig.converse(talk, **words)
