"""``nightshift shell``: questions to the warehouse one after the other, at a prompt or from a file on stdin.

Every statement opens the warehouse anew, read-only: a night that is loaded meanwhile is in the next answer, and nobody
is held up by a shell that is left open. What was typed is remembered until the shell ends and written nowhere.
"""

import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from connectors.errors import NightshiftError, WrongUsage
from pipelines.command.console import note, open_settings_and_home, say
from pipelines.command.sql import Told, ask, print_answer, statements

if TYPE_CHECKING:
    from connectors.warehouse.loading import Warehouse
    from schemas.tables import Table

PROMPT = "nightshift> "
CONTINUED = "       ...> "
MOST_ROWS = 200
"""Rows of an answer that are shown at a terminal; a pipe gets all."""

HELP = f"""\
Statements end with a semicolon and may go over several lines.
  .tables           the tables and what one row of each is
  .describe TABLE   its columns with types, units and meanings
  .help             this
  .quit             leave (Ctrl-D does, too); Ctrl-C drops what is typed
Every statement stands alone: settings and temporary tables end with it.
At a terminal the first {MOST_ROWS} rows of an answer are shown; nightshift sql and a pipe give all."""


def shell(as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False) -> None:
    """Ask the warehouse at a prompt, read-only; or pipe statements in (exit code 1 if one of them failed)."""
    from pipelines.resources import open_warehouse

    warehouse = open_warehouse(*open_settings_and_home())
    with warehouse.read():
        pass  # so that a warehouse that cannot be read is told before anything is typed
    session = _Session(warehouse, as_csv, interactive=sys.stdin.isatty())
    session.run()
    if session.failed and not session.interactive:
        raise typer.Exit(1)


class _Session:
    def __init__(self, warehouse: "Warehouse", as_csv: bool, interactive: bool) -> None:
        self._warehouse = warehouse
        self._as_csv = as_csv
        self.interactive = interactive
        self.failed = False
        self._typed = ""

    def run(self) -> None:
        if self.interactive:
            _edit_lines()
            say("The warehouse, read-only. .help says what there is.")
        for line in _lines(self.interactive, lambda: CONTINUED if self._typed else PROMPT):
            if line is None:
                self._typed = ""
            elif line.lstrip().startswith(".") and not self._typed:
                name, *arguments = line.strip().rstrip(";").split()
                if name == ".quit":
                    return
                self._try(self._command, name, *arguments)
            else:
                whole, self._typed = statements(f"{self._typed}{line}\n")
                for statement in whole:
                    self._try(self._answer, statement)
        if self._typed and not self.interactive:
            self._try(self._answer, self._typed)

    def _try(self, step: Callable[..., None], *words: str) -> None:
        try:
            step(*words)
        except NightshiftError as error:
            self.failed = True
            note(f"nightshift: {error}")
        except KeyboardInterrupt:
            if not self.interactive:
                raise
            note("\nnightshift: dropped.")

    def _answer(self, statement: str) -> None:
        self._print(ask(self._warehouse, statement))

    def _print(self, told: Told) -> None:
        shown = told.rows[:MOST_ROWS] if self.interactive else told.rows
        print_answer(Told(told.columns, shown), self._as_csv)
        if len(shown) < len(told.rows):
            note(f"The first {len(shown)} of {len(told.rows)} rows.")
        sys.stdout.flush()

    def _command(self, name: str, *arguments: str) -> None:
        match name, arguments:
            case ".tables", ():
                self._print(Told(("table", "one row is"), [(t.name, t.row) for t in _tables()]))
            case ".describe", (table,):
                self._print(_description(table))
            case ".help", ():
                say(HELP)
            case _:
                raise WrongUsage("There is no such command: .help says what there is.")


def _tables() -> "tuple[Table, ...]":
    from schemas.marts import MART_TABLES
    from schemas.tables import LAKE_TABLES

    return (*MART_TABLES, *LAKE_TABLES)


def _description(name: str) -> Told:
    table = next((table for table in _tables() if table.name == name.lower()), None)
    if table is None:
        raise WrongUsage("There is no table of that name: .tables lists them.")
    rows = [(field.name, field.type, table.unit(field.name), table.description(field.name)) for field in table.schema]
    return Told(("column", "type", "unit", "meaning"), rows)


def _lines(interactive: bool, prompt: Callable[[], str]) -> Iterator[str | None]:
    """Each line that comes in; None where a line was dropped with Ctrl-C."""
    if not interactive:
        yield from (line.rstrip("\n") for line in sys.stdin)
        return
    while True:
        try:
            yield input(prompt())
        except KeyboardInterrupt:
            say()
            yield None
        except EOFError:
            say()
            return


def _edit_lines() -> None:
    """Arrow keys, Ctrl-R and Tab for names of tables and columns; without readline, lines are typed as they come."""
    try:
        import readline
    except ImportError:
        return
    names = sorted({name for table in _tables() for name in (table.name, *table.schema.names)})

    def complete(begun: str, number: int) -> str | None:
        fitting = [name for name in names if name.startswith(begun)]
        return fitting[number] if number < len(fitting) else None

    readline.set_completer(complete)
    readline.set_completer_delims(" \t\n(),;.=<>+-*/")
    readline.parse_and_bind("tab: complete")
