"""``nightshift dev``: the Dagster UI on this home."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from connectors.errors import WrongUsage
from pipelines.command.console import open_settings_and_home

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipelines.settings import Settings

FILE_URLS = ("duckdb:///", "sqlite:///")


def dev(
    port: Annotated[int, typer.Option(min=1, max=65_535, help="Port of the UI on 127.0.0.1.")] = 3000,
) -> None:
    """Open Dagster on this home: look, materialise, backfill, switch the schedule on. Ends with Ctrl-C."""
    from pipelines.instance import dagster_instance, fail_unfinished_runs

    settings, home = open_settings_and_home()
    if not home.hold_until_exit("dev"):
        raise WrongUsage("The UI of this home is already running: use it, or stop it first.")
    with dagster_instance(home) as instance:
        fail_unfinished_runs(instance)
    # Dagster would read .env itself and put it over the environment, so it starts where there is none.
    os.environ.update(effective_settings(settings))
    os.chdir(home.dagster)
    dagster = Path(sys.executable).with_name("dagster")
    arguments = ["dev", "-m", "pipelines.definitions", "-h", "127.0.0.1", "-p", str(port)]
    os.execv(dagster, [str(dagster), *arguments])  # noqa: S606 - our own environment's program


def effective_settings(settings: "Settings") -> dict[str, str]:
    """Every setting that is set, as environment variables that mean the same from any folder."""
    return dict(_variables(settings))


def _variables(settings: "Settings") -> "Iterator[tuple[str, str]]":
    from pydantic import SecretStr

    for name, value in settings:
        if isinstance(value, SecretStr):
            yield name.upper(), value.get_secret_value()
        elif isinstance(value, str) and value.startswith(FILE_URLS):
            scheme, _, path = value.partition(":///")
            yield name.upper(), f"{scheme}:///{Path(path).resolve()}"
        elif isinstance(value, Path):
            yield name.upper(), str(value.resolve())
        elif value is not None:
            yield name.upper(), str(value)
