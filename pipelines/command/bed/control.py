"""``nightshift bed on | off | set | preset``: one command to one bed, both sides in one call."""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.command.bed.options import Account, BedName, DryRun, Side, SideOption, bed_name, open_accounts
from pipelines.command.bed.words import command_words
from pipelines.command.console import note, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connectors.eight_sleep.connection import EightSleepConnection

NEUTRAL = "Neutral and off are the same to the API: level 0."


def on(side: SideOption = Side.BOTH, bed: BedName = None, account: Account = None, dry_run: DryRun = False) -> None:
    """Set the side to neutral: the API has no other way to switch it on."""
    _tell(_of_side(side, 0, 0), 0, bed, account, dry_run)
    note(NEUTRAL)


def off(side: SideOption = Side.BOTH, bed: BedName = None, account: Account = None, dry_run: DryRun = False) -> None:
    """Stop heating and cooling of the side, until told otherwise."""
    _tell(_of_side(side, 0, 0), 0, bed, account, dry_run)
    note(NEUTRAL)


def set_levels(
    left: Annotated[int | None, typer.Option(help="Level of the left side, -100 to 100; default as it is.")] = None,
    right: Annotated[int | None, typer.Option(help="Level of the right side, -100 to 100; default as it is.")] = None,
    duration: Annotated[int, typer.Option(help="Seconds; 0 is until told otherwise.")] = 0,
    bed: BedName = None,
    account: Account = None,
    dry_run: DryRun = False,
) -> None:
    """Set levels: below 0 cools, above 0 heats."""
    _tell((left, right), duration, bed, account, dry_run)


def preset(
    name: Annotated[str, typer.Argument(help="sleep, wake, off, or one of your own in the bed schedule's file.")],
    side: SideOption = Side.BOTH,
    bed: BedName = None,
    account: Account = None,
    dry_run: DryRun = False,
) -> None:
    """Set levels and duration that have a name."""
    from pipelines.bed_schedule_file import preset_named
    from pipelines.command.console import open_settings_and_home

    found = preset_named(name, *open_settings_and_home())
    _tell(_of_side(side, found.left, found.right), found.duration_s, bed, account, dry_run)


def _of_side(side: Side, left: int | None, right: int | None) -> tuple[int | None, int | None]:
    return (None if side is Side.RIGHT else left, None if side is Side.LEFT else right)


def _tell(
    levels: tuple[int | None, int | None], duration_s: int, option: str | None, account: int | None, dry_run: bool
) -> None:
    from assets.control.beds import chosen, refuse_bad_levels

    refuse_bad_levels(*levels, duration_s)
    name = bed_name(option)
    _, _, accounts = open_accounts()
    chosen(accounts, account)
    words = command_words(*levels, duration_s)
    if dry_run:
        say(f"{name or 'the bed'}: would be told {words}; no call was made.")
        return
    say(f"{asyncio.run(_sent(accounts, account, name, levels, duration_s))}: {words}.")


async def _sent(
    accounts: "Sequence[EightSleepConnection]",
    account: int | None,
    name: str | None,
    levels: tuple[int | None, int | None],
    duration_s: int,
) -> str:
    """Send the command; the name of the bed."""
    from assets.control.beds import open_beds

    async with open_beds(accounts, account) as beds:
        bed = beds.only(name)
        await bed.tell(*levels, duration_s)
        return bed.name
