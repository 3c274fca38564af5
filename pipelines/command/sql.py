"""``nightshift sql``: a question to the warehouse.

How it is asked and its answer printed is what ``nightshift shell`` does for every statement.
"""

import csv
import re
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from connectors.errors import WrongUsage
from pipelines.command.console import open_settings_and_home, print_table

if TYPE_CHECKING:
    from connectors.warehouse.loading import Warehouse


_WORDS = re.compile(
    r"""
    '(?:[^']|'')*(?:'|\Z)           # a text, perhaps not ended yet
    | "(?:[^"]|"")*(?:"|\Z)         # a name
    | \$(\w*)\$.*?(?:\$\1\$|\Z)     # a text between dollars
    | --[^\n]*                      # a comment
    | /\*.*?(?:\*/|\Z)
    | ;
    | .
    """,
    re.VERBOSE | re.DOTALL,
)
_COMMENTS = ("--", "/*")


class Told(NamedTuple):
    """The answer to a query: names of its columns, and its rows."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]


def sql(
    query: Annotated[str, typer.Argument(help='For example "select night_of, total_sleep_time_s from sleep_sessions"')],
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
) -> None:
    """Run a query on the warehouse, read-only. Tables and columns: docs/tables.md."""
    from pipelines.resources import open_warehouse

    print_answer(ask(open_warehouse(*open_settings_and_home()), query), as_csv)


def ask(warehouse: "Warehouse", query: str) -> Told:
    """The answer to a query on the present state of the warehouse. Raises: WrongUsage, WarehouseUnavailable."""
    whole, rest = statements(query)
    if len(whole) + bool(rest) > 1:
        # Some databases would end the read-only transaction at a COMMIT and go on.
        raise WrongUsage("One statement at a time: `nightshift shell` takes several.")
    with warehouse.read() as connection:
        try:
            answer = connection.execute(query)
            if answer.description:
                return Told([column[0] for column in answer.description], answer.fetchall())
            complaint = "it gives no rows, and the warehouse is only read."
        except warehouse.query_errors as error:
            complaint = str(error).strip().splitlines()[0]
    raise WrongUsage(f"The query cannot be run: {complaint}")


def statements(text: str) -> tuple[list[str], str]:
    """The statements of a text that are ended by a semicolon, without it, and what is left.

    Semicolons in texts, names and comments end nothing. Statements of nothing but comments are left out.
    """
    found, begins, is_empty = [], 0, True
    for word in _WORDS.finditer(text):
        if word[0] == ";":
            if not is_empty:
                found.append(text[begins : word.start()].strip())
            begins, is_empty = word.end(), True
        elif not word[0].isspace() and not word[0].startswith(_COMMENTS):
            is_empty = False
    rest = text[begins:]
    return found, "" if is_empty and not _is_open_comment(rest) else rest


def _is_open_comment(text: str) -> bool:
    *_, last = [word[0] for word in _WORDS.finditer(text)] or [""]
    return last.startswith("/*") and not last.endswith("*/")


def print_answer(told: Told, as_csv: bool) -> None:
    """Print an answer on stdout, as a table or as CSV with a heading."""
    if as_csv:
        writer = csv.writer(sys.stdout)
        writer.writerow(told.columns)
        writer.writerows(told.rows)
    else:
        print_table(told.columns, told.rows)
