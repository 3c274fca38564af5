"""``nightshift export``: what the home holds, sent to a FHIR server or written for a bulk import."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from connectors.errors import WrongUsage
from pipelines.command.console import (
    EXIT_INCOMPLETE,
    check_can_ask,
    check_range,
    confirm,
    given_id,
    open_settings_and_home,
    parse_date,
    say,
)
from pipelines.command.sync import Json

if TYPE_CHECKING:
    from datetime import date

    from assets.exports.fhir_report import ExportReport
    from connectors.home import Home
    from pipelines.settings import Settings

app = typer.Typer(help="Send what changed to other systems.", no_args_is_help=True)


@app.callback()
def export() -> None:
    """Send what changed to other systems."""


@app.command("fhir")
def fhir(
    first: Annotated[str | None, typer.Option("--from", help="First UTC start date, YYYY-MM-DD; default all.")] = None,
    last: Annotated[str | None, typer.Option("--to", help="Last UTC start date, inclusive; default all.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be sent; no call.")] = False,
    bulk: Annotated[
        Path | None, typer.Option("--bulk", help="Write NDJSON with a manifest into this folder; nothing is sent.")
    ] = None,
    erase: Annotated[
        str | None, typer.Option("--erase", help="Delete a user at the server, for good, and prove it; - reads the id.")
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Send again what the server refused before.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="With --erase: do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """Send to the FHIR server of FHIR_BASE_URL what it lacks. Run it again after any failure: nothing is sent twice."""
    settings, home = open_settings_and_home()
    start, end = parse_date(first, "--from"), parse_date(last, "--to")
    if start and end:
        check_range(start, end)
    if sum((dry_run, bulk is not None, erase is not None)) > 1:
        raise WrongUsage("--dry-run, --bulk and --erase are three different things: give one of them.")
    if bulk is not None:
        _write_bulk(home, bulk, start, end, as_json=as_json)
    elif erase is not None:
        _erase(settings, home, erase, yes=yes, as_json=as_json)
    else:
        report = _preview(settings, home, start, end) if dry_run else _send(settings, home, start, end, again=again)
        _tell(report, as_json=as_json, dry_run=dry_run)


def _send(settings: "Settings", home: "Home", first: "date | None", last: "date | None", *, again: bool) -> Any:
    from connectors.state.outbox import forget_refusals
    from pipelines.command.progress import PullProgress
    from pipelines.destinations import fhir_connection
    from pipelines.resources import asleep_connection

    destination = fhir_connection(settings, home)
    if destination is None:
        raise WrongUsage("There is no FHIR server to send to: set FHIR_BASE_URL in the environment or .env.")
    if again:
        with home.state.write() as connection:
            forget_refusals(connection)
    from pipelines.runs import open_runner

    with open_runner(home, settings, PullProgress(live=False), asleep_connection(settings, home)) as runner:
        return runner.export(destination, first, last)


def _preview(settings: "Settings", home: "Home", first: "date | None", last: "date | None") -> "ExportReport":
    from assets.exports.fhir_files import partitions
    from assets.exports.fhir_server import preview
    from pipelines.destinations import fhir_connection

    destination = fhir_connection(settings, home)
    if destination is None:
        raise WrongUsage("There is no FHIR server to send to: set FHIR_BASE_URL in the environment or .env.")
    return preview(home, destination, partitions(home, first, last))


def _tell(report: "ExportReport", *, as_json: bool, dry_run: bool) -> None:
    if as_json:
        say(json.dumps(report.counts()))
    else:
        for line in report_lines(report, dry_run=dry_run):
            say(line)
    if report.left:
        raise typer.Exit(1)
    if report.refused or report.invalid:
        raise typer.Exit(EXIT_INCOMPLETE)


def report_lines(report: "ExportReport", *, dry_run: bool = False) -> list[str]:
    """What an export came to, in words."""
    if dry_run:
        return [
            f"{report.written} of {report.wanted} resource(s) would be sent, {report.created} of them for the first "
            f"time; {report.unchanged} are there already."
        ]
    lines = [
        f"{report.written} resource(s) sent, {report.created} of them new; {report.unchanged} were there already."
        + (f" {report.retired} marked as entered in error." if report.retired else "")
    ]
    if report.erased:
        lines.append(f"{report.erased} belong to erased users and were not sent.")
    if report.refused or report.invalid:
        lines.append(
            f"{report.refused} refused by the server, {report.invalid} not valid and not sent: "
            "nightshift quarantine list; nightshift export fhir --again"
        )
    if report.left:
        lines.append(f"{report.left.total()} could not be sent: run nightshift export fhir again.")
    return lines


def _write_bulk(home: "Home", folder: Path, first: "date | None", last: "date | None", *, as_json: bool) -> None:
    from assets.exports.fhir_bulk import write_bulk

    written = write_bulk(home, folder, first, last)
    if as_json:
        say(json.dumps(written.summary()))
    else:
        say(f"{written.resources} resource(s) in {len(written.files)} file(s) with manifest.json.")
    if written.invalid:
        say(f"{written.invalid} resource(s) are not valid and were left out.")
        raise typer.Exit(EXIT_INCOMPLETE)


def _erase(settings: "Settings", home: "Home", user: str, *, yes: bool, as_json: bool) -> None:
    import asyncio

    from assets.exports.erasure import erase
    from pipelines.destinations import fhir_connection

    destination = fhir_connection(settings, home)
    if destination is None:
        raise WrongUsage("There is no FHIR server to erase at: set FHIR_BASE_URL in the environment or .env.")
    check_can_ask(yes)
    user_id = given_id(user, "user id")
    confirm("erase", yes)
    report = asyncio.run(erase(home, destination, user_id))
    if as_json:
        say(json.dumps(report.counts()))
    else:
        say(f"{report.deleted} resource(s) deleted, {report.proven} of them seen to be gone.")
        if report.left:
            say(f"{report.left} Provenance(s) that name the person could not be written: run this again later.")
    if not report.complete:
        raise typer.Exit(1)
