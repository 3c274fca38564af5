"""What the bed commands share: their options, the accounts, and how several beds end in one exit code."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.command.console import EXIT_INCOMPLETE, given_id, note, open_settings_and_home

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connectors.eight_sleep.connection import EightSleepConnection
    from connectors.errors import NightshiftError
    from connectors.home import Home
    from pipelines.settings import Settings


class Side(StrEnum):
    """Which side of a bed is meant, seen from the pillow."""

    LEFT = "left"
    RIGHT = "right"
    BOTH = "both"


BedName = Annotated[
    str | None, typer.Option("--bed", help="Which bed, by the name that bed status shows; - reads it from stdin.")
]
Account = Annotated[int | None, typer.Option(help="Which account, 1 being the first; default all.")]
SideOption = Annotated[Side, typer.Option(help="left, right or both.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be sent, and make no call.")]


def bed_name(option: str | None) -> str | None:
    """The name that was given, from stdin for ``-``. Raises: WrongUsage."""
    return None if option is None else given_id(option, "bed's name")


def open_accounts() -> "tuple[Settings, Home, Sequence[EightSleepConnection]]":
    """Settings, home and the Eight Sleep accounts, of which there may be none. Raises: WrongUsage."""
    from pipelines import resources

    settings, home = open_settings_and_home()
    return settings, home, resources.eight_sleep_accounts(settings, home)


def end(failures: "Sequence[NightshiftError]", done: int) -> None:
    """Tell failures: exit code 3 if something else was ``done``. Raises: the first failure if nothing was."""
    if failures and not done:
        raise failures[0]
    for failure in failures:
        note(f"nightshift: {failure}")
    if failures:
        raise typer.Exit(EXIT_INCOMPLETE)
