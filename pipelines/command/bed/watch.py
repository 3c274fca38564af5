"""``nightshift bed watch``: a line whenever somebody goes to bed or rises, until Ctrl-C."""

from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.command.bed.options import Account, BedName, bed_name, open_accounts
from pipelines.command.console import note, say

if TYPE_CHECKING:
    from assets.raw.bed_status import Polled
    from connectors.home import Home
    from schemas.eight_sleep import BedStatus

LOOKS_AT_ONCE = 10
"""Looks that are kept together; so many may be lost when the process is killed."""


def watch(
    bed: BedName = None,
    account: Account = None,
    every: Annotated[float, typer.Option(help="Seconds between two looks.")] = 30,
    record: Annotated[bool, typer.Option("--record", help="Keep every look for the tables of beds.")] = False,
) -> None:
    """Print changes of presence on stdout, times in UTC; what else is to be known goes to stderr."""
    from assets.control.watching import keep_nothing
    from assets.control.watching import watch as run

    name = bed_name(bed)
    _, home, accounts = open_accounts()
    recorder = _Recorder(home)
    try:
        run(accounts, say, note, every_s=every, name=name, account=account, keep=recorder if record else keep_nothing)
    except KeyboardInterrupt:
        note("Not watching any more.")
    finally:
        recorder.write()


class _Recorder:
    """Keeps looks for the tables of beds, some at a time: each time makes a file."""

    def __init__(self, home: "Home") -> None:
        self._home = home
        self._polls: list[Polled] = []

    def __call__(self, status: "BedStatus") -> None:
        from assets.raw.bed_status import Polled

        self._polls.append(Polled(status, self._home.clock()))
        if len(self._polls) >= LOOKS_AT_ONCE:
            self.write()

    def write(self) -> None:
        """Make what there is durable. Raises: DiskUnavailable, StateUnavailable."""
        if self._polls:
            from assets.raw.bed_status import record_status

            record_status(self._home, self._polls)
            self._polls.clear()
