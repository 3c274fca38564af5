"""``nightshift quarantine``: what could not be normalised, and why."""

from typing import TYPE_CHECKING, Annotated

import typer

from connectors.errors import WrongUsage
from pipelines.command.console import EXIT_INCOMPLETE, open_settings_and_home, print_table, say

if TYPE_CHECKING:
    from connectors.home import Home
    from connectors.state.quarantine import Quarantined

app = typer.Typer(help="Documents that could not be normalised: see why, try again.", no_args_is_help=True)


@app.command("list")
def list_entries() -> None:
    """List what is in quarantine."""
    _, home = open_settings_and_home()
    entries = _entries(home)
    if not entries:
        say("Nothing is in quarantine.")
        return
    print_table(
        ["id", "source", "table", "partition", "reason", "field"],
        [
            (entry.quarantine_id, entry.source, entry.asset, entry.partition, entry.reason, entry.path)
            for entry in entries
        ],
    )


@app.command("show")
def show(
    quarantine_id: Annotated[str, typer.Argument(help="The id from `quarantine list`, or its beginning.")],
    body: Annotated[bool, typer.Option("--body", help="Print the document too. It is personal health data.")] = False,
) -> None:
    """Show one entry: the rule, the field, and where the document lies in raw."""
    _, home = open_settings_and_home()
    found = [entry for entry in _entries(home) if entry.quarantine_id.startswith(quarantine_id)]
    if len(found) != 1:
        raise WrongUsage(f"{len(found)} entries have an id that begins so: see `nightshift quarantine list`.")
    entry = found[0]
    if body:
        say(_body(home, entry))
        return
    print_table(
        ["what", "value"],
        [
            ("id", entry.quarantine_id),
            ("table", entry.asset),
            ("partition", entry.partition),
            ("reason", entry.reason),
            ("field", entry.path),
            ("explanation", entry.explanation),
            ("raw document", f"{entry.source}/{entry.document}, raw_sha256 {entry.raw_sha256}"),
            ("first seen", entry.first_seen_at.isoformat()),
        ],
    )


@app.command("retry")
def retry() -> None:
    """Build the partitions of everything in quarantine again; no call is made."""
    from assets.builds import INPUTS, family_of, mark_bed_days_dirty
    from connectors.state.dirty import mark_dirty
    from pipelines.command.progress import PullProgress
    from schemas.eight_sleep import EIGHT_SLEEP

    settings, home = open_settings_and_home()
    before = [entry for entry in _entries(home) if entry.asset in INPUTS]
    not_built = len(_entries(home)) - len(before)
    if not_built:
        say(f"{not_built} resource(s) could not be exported: nightshift export fhir --again")
    if not before:
        say("No document is in quarantine.")
        return
    from pipelines.resources import asleep_connection
    from pipelines.runs import open_runner

    with home.state.write() as connection:
        for entry in before:
            mark_dirty(connection, family_of(entry.asset), [entry.partition])
        # What a bed measured is made from the same documents as its sessions.
        mark_bed_days_dirty(connection, {entry.partition for entry in before if entry.source == EIGHT_SLEEP})
    asleep = asleep_connection(settings, home)
    with open_runner(home, settings, PullProgress(live=False), asleep) as runner:
        runner.drain()
    left = [entry for entry in _entries(home) if entry.asset in INPUTS]
    say(f"{len(before) - len(left)} of {len(before)} document(s) normalised, {len(left)} still in quarantine.")
    if left:
        raise typer.Exit(EXIT_INCOMPLETE)


def _entries(home: "Home") -> "list[Quarantined]":
    from connectors.state.quarantine import list_quarantined

    with home.state.read() as connection:
        return list_quarantined(connection)


def _body(home: "Home", entry: "Quarantined") -> str:
    for day in home.raw.dates(entry.source, entry.document):
        for current in home.raw.current(entry.source, entry.document, day):
            if current.document.raw_sha256 == entry.raw_sha256:
                return current.document.body.decode(errors="replace")
    raise WrongUsage("The document is not in raw any more.")
