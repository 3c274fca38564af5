"""The ``nightshift`` command: its parts put together, and errors told in one sentence with the contract's exit code."""

import os
import sys
import traceback
from pathlib import Path

import typer

from connectors.errors import NightshiftError
from pipelines.command import demo, dev, doctor, quarantine, sandbox, sql, sync, users, vendor

app = typer.Typer(
    name="nightshift",
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
app.add_typer(quarantine.app, name="quarantine")
app.command("sql")(sql.sql)
app.command("doctor")(doctor.doctor)
app.command("dev")(dev.dev)
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
        return "stopped. What was written before is kept: run the command again."
    # The text of an unforeseen error may hold anything, so only its kind and place are told.
    place = traceback.extract_tb(error.__traceback__)[-1]
    return (
        f"unexpected {type(error).__name__} in {Path(place.filename).name}, line {place.lineno}. "
        "What was written before is kept: run the command again, and report this line if it comes back."
    )


if __name__ == "__main__":
    main()
