"""The ``nightshift`` command: its parts put together, and errors told in one sentence with the contract's exit code."""

import os
import sys
import traceback
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperGroup

from connectors.errors import NightshiftError
from pipelines.command import (
    bed,
    compact,
    demo,
    dev,
    doctor,
    explain,
    export,
    history,
    inbox,
    nights,
    quarantine,
    rebuild,
    repair,
    sandbox,
    serve,
    shell,
    sql,
    sync,
    users,
    vendor,
)

STOPPED = "stopped. What was written before is kept: run the command again."


class Commands(TyperGroup):
    """The group of all commands; Ctrl-C in any of them is an error with a sentence."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command. Raises: NightshiftError at Ctrl-C, which Typer would take for a silent exit code 130."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise NightshiftError(STOPPED) from None


app = typer.Typer(
    name="nightshift",
    cls=Commands,
    help="The sleep-data pipeline a digital-health team runs every night.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("demo")(demo.demo)
app.command("sandbox")(sandbox.sandbox)
app.add_typer(users.app, name="users")
app.command("sync")(sync.sync)
app.command("backfill")(sync.backfill)
app.command("nights")(nights.nights)
app.command("rebuild")(rebuild.rebuild)
app.command("repair")(repair.repair)
app.command("compact")(compact.compact)
app.add_typer(quarantine.app, name="quarantine")
app.add_typer(inbox.app, name="inbox")
app.command("history")(history.history)
app.command("explain")(explain.explain)
app.add_typer(export.app, name="export")
app.command("sql")(sql.sql)
app.command("shell")(shell.shell)
app.command("serve")(serve.serve)
app.command("doctor")(doctor.doctor)
app.command("dev")(dev.dev)
app.add_typer(bed.app, name="bed")
app.add_typer(vendor.app, name="vendor")


def main() -> None:
    """Run the command line; exits 0, 1, 2 or 3 as the contract says."""
    os.umask(0o077)  # whatever is made holds health data
    try:
        app()
    except NightshiftError as error:
        print(f"nightshift: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except (SystemExit, GeneratorExit):
        raise
    except BaseException as error:
        print(f"nightshift: {_in_words(error)}", file=sys.stderr)
        sys.exit(1)


def _in_words(error: BaseException) -> str:
    # Dagster's word for Ctrl-C is told by its name, because Dagster is not loaded here.
    if isinstance(error, KeyboardInterrupt) or type(error).__name__ == "DagsterExecutionInterruptedError":
        return STOPPED
    # The text of an unforeseen error may hold anything, so only its kind and place are told.
    place = traceback.extract_tb(error.__traceback__)[-1]
    return (
        f"unexpected {type(error).__name__} in {Path(place.filename).name}, line {place.lineno}. "
        "What was written before is kept: run the command again, and report this line if it comes back."
    )


if __name__ == "__main__":
    main()
