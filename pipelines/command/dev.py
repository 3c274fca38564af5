"""``nightshift dev``: the Dagster UI on this home."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from pipelines.command.console import open_settings_and_home


def dev(
    port: Annotated[int, typer.Option(help="Port of the UI on 127.0.0.1.")] = 3000,
) -> None:
    """Open Dagster on this home: look, materialise, backfill, switch the schedule on. Ends with Ctrl-C."""
    from pipelines.instance import prepare_dagster_home

    _, home = open_settings_and_home()
    prepare_dagster_home(home)
    os.environ["NIGHTSHIFT_HOME"] = str(home.root)
    dagster = Path(sys.executable).with_name("dagster")
    arguments = ["dev", "-m", "pipelines.definitions", "-h", "127.0.0.1", "-p", str(port)]
    os.execv(dagster, [str(dagster), *arguments])  # noqa: S606 - our own environment's program
