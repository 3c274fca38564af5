"""Talking to the vendor for one command: on no other account than the one this home was filled from."""

import asyncio
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from connectors.asleep.client import AsleepClient
    from connectors.asleep.connection import AsleepConnection
    from connectors.home import Home
    from connectors.state.database import State
    from connectors.state.vendor import VendorAccount

T = TypeVar("T")


def open_account() -> "tuple[Home, AsleepConnection]":
    """The home and its account at the vendor.

    Another account would call every user deleted, so it is refused before anything is asked.
    Raises: WrongUsage (OtherVendor, MissingKey).
    """
    from connectors.state.vendor import check_vendor
    from pipelines.command.console import open_settings_and_home
    from pipelines.resources import asleep_connection

    settings, home = open_settings_and_home()
    connection = asleep_connection(settings, home)
    check_vendor(home.state, connection.account())
    return home, connection


def has_moved(state: "State", account: "VendorAccount") -> bool:
    """Whether the home was filled from another address than this account's. Raises: StateUnavailable."""
    import sqlalchemy as sa

    from connectors.state.tables import vendors

    with state.read() as reading:
        query = sa.select(vendors.c.base_url).where(vendors.c.source == account.source)
        known = reading.execute(query).scalar_one_or_none()
    return known not in (None, account.base_url)


def ask(
    connection: "AsleepConnection",
    exchange: "Callable[[AsleepClient], Awaitable[T]]",
    on_call: "Callable[[str], None] | None" = None,
) -> T:
    """The result of an exchange with the vendor; ``on_call`` is told when a request is sent. Raises: VendorError."""

    async def run() -> T:
        async with connection.open(on_call) as client:
            return await exchange(client)

    return asyncio.run(run())
