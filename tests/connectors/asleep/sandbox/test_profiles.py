"""Profiles against the real client: what heals leaves it with the same data, what does not stops it with its reason."""

import asyncio
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from connectors.asleep.client import AsleepClient
from connectors.asleep.sandbox import PROFILES, Faults, World, running
from connectors.errors import Forbidden, PlanExpired, QuotaExceeded, ServerFailed, VendorError
from tests.connectors.asleep.client_fixture import opened
from tests.connectors.asleep.sandbox.clients import NOW

HEALING = [name for name, profile in PROFILES.items() if profile.heals]
STOPPING: dict[str, type[VendorError]] = {
    "quota": QuotaExceeded,
    "plan": PlanExpired,
    "outage": ServerFailed,
    "forbidden": Forbidden,
}
STALLED_S = 0.1
"""A stalled answer ends after that here, so that nobody has to wait until the client loses patience."""

Data = dict[tuple[str, ...], Any]


def world() -> World:
    """Three users with more sessions than fit on a page."""
    return World(3, 150, now=NOW)


async def everything(client: AsleepClient, user_ids: list[str]) -> Data:
    """Lists, some sessions, averages and users, as the client has received them."""
    data: Data = {}

    async def pull(user_id: str) -> None:
        rows = [row async for row in client.iterate_sessions(user_id, date_gte=None, date_lte=None)]
        data[user_id, "sessions"] = sorted(rows, key=lambda row: row.session_id)
        data[user_id, "user"] = (await client.get_user(user_id)).body
        data[user_id, "averages"] = (await client.average_stats(user_id, date(2026, 10, 1), date(2026, 11, 22))).body
        async with asyncio.TaskGroup() as details:
            for row in rows[-20:]:
                details.create_task(detail(user_id, row.session_id))

    async def detail(user_id: str, session_id: str) -> None:
        data[user_id, session_id] = (await client.get_session(user_id, session_id)).body

    async with asyncio.TaskGroup() as group:
        for user_id in user_ids:
            group.create_task(pull(user_id))
    return data


def pulled(faults: Faults | None = None) -> Data:
    """Everything, with these faults in force."""
    served = world()
    user_ids = [user.user_id for user in served.users()]

    async def main(base_url: str) -> Data:
        async with opened(base_url, key=served.api_key) as client:
            return await everything(client, user_ids)

    with running(served, faults) as base_url:
        return asyncio.run(main(base_url))


@pytest.fixture(scope="module")
def good_day() -> Data:
    """Everything, with nothing going wrong."""
    return pulled()


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("name", HEALING)
def test_what_heals_changes_no_data(good_day: Data, name: str, seed: int) -> None:
    """The client ends with the same bytes as on a good day, and something did happen where there was occasion."""
    rules = [replace(rule, delay_s=STALLED_S) if rule.kind == "stall" else rule for rule in PROFILES[name].rules]
    faults = Faults(rules, seed)
    assert pulled(faults) == good_day
    assert faults.fired or name in ("odd_texts", "stalls")


@pytest.mark.parametrize(("name", "error"), STOPPING.items())
def test_what_does_not_heal_stops_the_client(good_day: Data, name: str, error: type[VendorError]) -> None:
    """With the error of its kind; afterwards everything can be had."""
    faults = Faults(PROFILES[name].rules)
    with pytest.raises(ExceptionGroup) as caught:
        pulled(faults)
    of_its_kind, others = caught.value.split(error)
    assert of_its_kind
    assert others is None
    faults.set(())
    assert pulled(faults) == good_day


def test_every_profile_has_been_tried() -> None:
    """Those that heal and those that stop."""
    assert {*HEALING, *STOPPING} == set(PROFILES)
