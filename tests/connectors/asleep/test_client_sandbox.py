"""The client in conversation with the sandbox over real HTTP: every method, on answers nobody wrote for this test."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from datetime import date
from typing import Any, TypeVar

import pytest

from connectors.asleep.client import AsleepClient
from connectors.asleep.sandbox import World, running
from connectors.errors import InvalidRequest, KeyRefused, SessionNotFound, UserNotFound
from schemas.asleep import COMPLETE, UserMetadata
from tests.connectors.asleep.client_fixture import NOW, opened

T = TypeVar("T")

NIGHTS = 120


@pytest.fixture
def world() -> World:
    """Two sleepers with more nights than fit on a page."""
    return World(users=2, nights=NIGHTS, now=NOW)


@pytest.fixture
def base_url(world: World) -> Iterator[str]:
    """The sandbox's address."""
    with running(world) as address:
        yield address


def converse(base_url: str, world: World, talk: Callable[[AsleepClient], Coroutine[Any, Any, T]]) -> T:
    async def main() -> T:
        async with opened(base_url, key=world.api_key) as client:
            return await talk(client)

    return asyncio.run(main())


def test_every_session_of_a_user_is_listed_and_read(world: World, base_url: str) -> None:
    """List and detail agree with each other and with what the sandbox knows."""
    user = next(iter(world.users()))

    async def talk(client: AsleepClient) -> None:
        rows = [row async for row in client.iterate_sessions(user.user_id, date_gte=None, date_lte=None)]
        assert [row.session_id for row in rows] == [session.id for session in user.sessions]
        assert len(rows) > 100
        assert client.calls.by_endpoint == {"list": 2}
        detail = (await client.get_session(user.user_id, rows[0].session_id)).result()
        assert (detail.session.id, detail.session.state) == (rows[0].session_id, COMPLETE)
        assert detail.session.start_time == rows[0].session_start_time

    converse(base_url, world, talk)


def test_a_users_life(world: World, base_url: str) -> None:
    """Made, read, changed, deleted, and deleted again without complaint."""

    async def talk(client: AsleepClient) -> None:
        user_id = await client.create_user(UserMetadata(height=180.5))
        assert (await client.get_user(user_id)).result().metadata == UserMetadata(height=180.5)
        await client.update_user(user_id, UserMetadata(weight=70.0))
        assert (await client.get_user(user_id)).result().metadata == UserMetadata(weight=70.0)
        assert await client.delete_user(user_id)
        assert not await client.delete_user(user_id)
        with pytest.raises(UserNotFound):
            await client.get_user(user_id)

    converse(base_url, world, talk)


def test_a_deleted_session_is_gone(world: World, base_url: str) -> None:
    """Deleting works once, and then the session is not found, with the answer kept."""
    user = next(iter(world.users()))
    session_id = user.sessions[0].id

    async def talk(client: AsleepClient) -> None:
        assert await client.delete_session(user.user_id, session_id)
        assert not await client.delete_session(user.user_id, session_id)
        with pytest.raises(SessionNotFound) as caught:
            await client.get_session(user.user_id, session_id)
        assert b"detail" in caught.value.body

    converse(base_url, world, talk)


def test_average_stats_of_a_month(world: World, base_url: str) -> None:
    """A month with nights has averages; the period asked for comes back."""
    user = next(iter(world.users()))

    async def talk(client: AsleepClient) -> None:
        first, last = date(2026, 2, 1), date(2026, 2, 28)
        stats = (await client.average_stats(user.user_id, first, last, zone="Asia/Seoul")).result()
        assert (stats.period.start_date, stats.period.end_date) == (str(first), str(last))
        assert stats.average_stats is not None
        assert stats.slept_sessions

    converse(base_url, world, talk)


def test_refusals_of_the_sandbox_are_understood(world: World, base_url: str) -> None:
    """A wrong zone and a wrong key come out as what they are."""
    user = next(iter(world.users()))

    async def talk(client: AsleepClient) -> None:
        with pytest.raises(InvalidRequest):
            await client.list_sessions(user.user_id, date_gte=None, date_lte=None, zone="Atlantis/Center")

    async def with_a_wrong_key() -> None:
        async with opened(base_url, key="not-the-key") as client:
            with pytest.raises(KeyRefused):
                await client.get_user(user.user_id)

    converse(base_url, world, talk)
    asyncio.run(with_a_wrong_key())
