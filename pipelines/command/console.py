"""What commands share at the terminal: tables, dates, ids, asking back, opening the home. No command lives here."""

import sys
from datetime import date
from typing import TYPE_CHECKING

import typer

from connectors.errors import NightshiftError, WrongUsage
from schemas.nights import FIRST_DAY

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from connectors.home import Home
    from pipelines.settings import Settings

EXIT_INCOMPLETE = 3
"""Done, but something is quarantined or a user failed."""


class NotConfirmed(NightshiftError):
    """The person was asked and did not agree; nothing was done."""


def given_id(argument: str, what: str) -> str:
    """An id from the command line, or for ``-`` a line of stdin, where it stays out of the shell's history.

    Raises: WrongUsage.
    """
    if argument == "-":
        if sys.stdin.isatty():
            note(f"{what}:")
        argument = sys.stdin.readline()
    if not argument.strip():
        raise WrongUsage(f"The {what} is empty.")
    return argument.strip()


def check_can_ask(yes: bool) -> None:
    """See, before anything is done, that the person can be asked or has agreed. Raises: WrongUsage."""
    if not yes and not sys.stdin.isatty():
        raise WrongUsage("This asks before it changes anything, and nobody is there to answer: add --yes.")


def confirm(word: str, yes: bool) -> None:
    """Go on only if the person types the word; ``yes`` is the answer given beforehand. Raises: NotConfirmed."""
    if yes:
        return
    note(f"Type {word} to go on:")
    if sys.stdin.readline().strip() != word:
        raise NotConfirmed("nothing was changed.")


def parse_date(text: str | None, option: str) -> date | None:
    """A date from the command line. Raises: WrongUsage."""
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise WrongUsage(f"{option}: not a date like 2026-11-22.") from None


def check_range(first: date, last: date) -> None:
    """Refuse reversed dates and dates before any data can be. Raises: WrongUsage."""
    if first > last:
        raise WrongUsage(f"--from {first} is after --to {last}: swap them.")
    if first < FIRST_DAY:
        raise WrongUsage(f"--from is before {FIRST_DAY}, the first day Nightshift keeps.")


def open_settings_and_home() -> "tuple[Settings, Home]":
    """The settings of the environment and their home. Raises: WrongUsage."""
    from pipelines.resources import open_home
    from pipelines.settings import load_settings

    settings = load_settings()
    return settings, open_home(settings)


def print_table(headings: "Sequence[str]", rows: "Iterable[Sequence[object]]", title: str | None = None) -> None:
    """A plain table on stdout; what stands in it is shown as it is."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for heading in headings:
        table.add_column(Text(heading))
    for row in rows:
        table.add_row(*(Text(_cell(value)) for value in row))
    console = Console()
    if not console.is_terminal:
        # A file or a pipe has no width to fit into, so nothing is cut there.
        widest = Console(width=10_000).measure(table).maximum
        console = Console(width=max(widest, 1))
    console.print(table)


def say(text: str = "") -> None:
    """A line on stdout."""
    typer.echo(text)


def note(text: str) -> None:
    """A line on stderr, for what is not the result."""
    typer.echo(text, err=True)


def _cell(value: object) -> str:
    return "" if value is None else str(value)
