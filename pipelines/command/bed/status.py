"""``nightshift bed status``: each side of each bed as it is now."""

import asyncio
import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipelines.command.bed.options import Account, BedName, bed_name, end, open_accounts
from pipelines.command.bed.words import level_words
from pipelines.command.console import print_table, say
from schemas.eight_sleep import EIGHT_SLEEP

if TYPE_CHECKING:
    from collections.abc import Sequence

    from assets.control.beds import Bed
    from connectors.eight_sleep.connection import EightSleepConnection
    from connectors.errors import NightshiftError
    from connectors.home import Home
    from connectors.state.roster import RosterUser
    from schemas.eight_sleep import BedStatus, SideStatus


@dataclass(frozen=True)
class _Seen:
    """A bed and what it says; None when it is offline, however the vendor puts that."""

    bed: "Bed"
    status: "BedStatus | None"


def status(
    bed: BedName = None,
    account: Account = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
) -> None:
    """Show who is in bed, what each side aims at and where it is. Levels are -100 to 100, not degrees."""
    name = bed_name(bed)
    _, home, accounts = open_accounts()
    seen, failures = asyncio.run(_look(accounts, account, name))
    users = _rostered(home)
    sides = [side for each in seen for side in _sides(each, users)]
    if as_json:
        say(json.dumps({"beds": [_plain(each, users) for each in seen], "failed": len(failures)}))
    elif sides:
        print_table(["account", "bed", "side", "hub", "presence", "target level", "level now", "roster"], sides)
    end(failures, len(seen))


async def _look(
    accounts: "Sequence[EightSleepConnection]", account: int | None, name: str | None
) -> "tuple[list[_Seen], list[NightshiftError]]":
    from assets.control.beds import open_beds
    from connectors.errors import DeviceOffline, NightshiftError

    seen: list[_Seen] = []
    async with open_beds(accounts, account) as beds:
        failures = list(beds.failures)
        for bed in beds.named(name):
            try:
                told = await bed.status()
                seen.append(_Seen(bed, told if told.online else None))
            except DeviceOffline:
                seen.append(_Seen(bed, None))
            except NightshiftError as error:
                failures.append(error)
    return seen, failures


def _rostered(home: "Home") -> "dict[str, RosterUser]":
    from connectors.state.roster import list_users

    with home.state.read() as connection:
        return {user.asked_as: user for user in list_users(connection, EIGHT_SLEEP)}


def _sides(seen: _Seen, users: "dict[str, RosterUser]") -> list[list[object]]:
    """A row for each side; of a bed that is offline nothing else is known."""
    bed = [seen.bed.account, seen.bed.name]
    if seen.status is None:
        return [[*bed, side, "offline", "", "", "", ""] for side in ("left", "right")]
    return [
        [
            *bed,
            side.side,
            "online",
            "in bed" if side.presence else "out of bed",
            level_words(side.temp_target),
            level_words(side.temp_bed),
            _roster_words(side, users),
        ]
        for side in (seen.status.left, seen.status.right)
    ]


def _roster_words(side: "SideStatus", users: "dict[str, RosterUser]") -> str:
    user = users.get(side.user_id or "")
    if user is None:
        return "not on the roster"
    # A pipe may end in a log, where no user is named.
    return user.user_id if sys.stdout.isatty() else "on the roster"


def _plain(seen: _Seen, users: "dict[str, RosterUser]") -> dict[str, Any]:
    status = seen.status
    bed: dict[str, Any] = {"account": seen.bed.account, "bed": seen.bed.name, "online": status is not None}
    if status is None:
        return {**bed, "sides": []}
    sides = [
        {
            "side": side.side,
            "presence": side.presence,
            "target_level": side.temp_target,
            "level_now": side.temp_bed,
            "on_roster": side.user_id in users,
        }
        for side in (status.left, status.right)
    ]
    return {**bed, "sides": sides}
