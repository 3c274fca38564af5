"""Talking to the vendor for one command: on no other account than the one this home was filled from."""

import asyncio
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from connectors.asleep.client import AsleepClient
    from connectors.asleep.connection import AsleepConnection
    from connectors.home import Home

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


def ask(connection: "AsleepConnection", exchange: "Callable[[AsleepClient], Awaitable[T]]") -> T:
    """The result of an exchange with the vendor. Raises: VendorError."""

    async def run() -> T:
        async with connection.open() as client:
            return await exchange(client)

    return asyncio.run(run())
