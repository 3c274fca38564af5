"""``nightshift bed watch``: a line whenever somebody goes to bed or rises, until Ctrl-C."""

from typing import Annotated

import typer

from pipelines.command.bed.options import Account, BedName, bed_name, open_accounts
from pipelines.command.console import note, say


def watch(
    bed: BedName = None,
    account: Account = None,
    every: Annotated[float, typer.Option(help="Seconds between two looks.")] = 30,
) -> None:
    """Print changes of presence on stdout, times in UTC; what else is to be known goes to stderr."""
    from assets.control.watching import watch as run

    name = bed_name(bed)
    _, _, accounts = open_accounts()
    try:
        run(accounts, say, note, every_s=every, name=name, account=account)
    except KeyboardInterrupt:
        note("Not watching any more.")
