"""``nightshift sql``: a question to the warehouse."""

import csv
import sys
from typing import Annotated

import typer

from connectors.errors import WrongUsage
from pipelines.command.console import open_settings_and_home, print_table


def sql(
    query: Annotated[str, typer.Argument(help='For example "select night_of, total_sleep_time_s from sleep_sessions"')],
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
) -> None:
    """Run a query on the warehouse, read-only. Tables and columns: docs/tables.md."""
    from pipelines.resources import open_warehouse

    settings, home = open_settings_and_home()
    warehouse = open_warehouse(settings, home)
    with warehouse.read() as connection:
        try:
            answer = connection.execute(query)
            columns = [column[0] for column in answer.description or []]
            rows = answer.fetchall()
        except warehouse.query_errors as error:
            complaint = str(error).strip().splitlines()[0]
        else:
            complaint = ""
    if complaint:
        raise WrongUsage(f"The query cannot be run: {complaint}")
    if as_csv:
        writer = csv.writer(sys.stdout)
        writer.writerow(columns)
        writer.writerows(rows)
    else:
        print_table(columns, rows)
