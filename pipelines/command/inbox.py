"""``nightshift inbox``: what came by webhook and could not be taken in, and why."""

from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from connectors.errors import WrongUsage
from pipelines.command.console import EXIT_INCOMPLETE, open_settings_and_home, print_table, say

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connectors.asleep.webhooks.inbox import Inbox
    from connectors.home import Home

app = typer.Typer(help="Webhooks that could not be taken in: see why, try again.", no_args_is_help=True)

EventId = Annotated[int, typer.Argument(help="The id from `inbox list`.", min=1)]


@app.command("list")
def list_events() -> None:
    """List the dead letters, and count all that is in the inbox."""
    from connectors.asleep.webhooks.inbox import Status

    _, home = open_settings_and_home()
    with _inbox(home) as inbox:
        dead, counts = inbox.listed(Status.DEAD_LETTER), inbox.counts()
    if dead:
        print_table(
            ["id", "received", "event", "reason", "bytes"],
            [(each.id, each.received_at.isoformat(), _name(each.event), each.reason, each.body_bytes) for each in dead],
        )
    else:
        say("There are no dead letters.")
    for (status, reason), count in counts.items():
        if status is not Status.DEAD_LETTER:
            say(f"{count} event(s) {status}{f' ({reason})' if reason else ''}")


@app.command("show")
def show(
    event_id: EventId,
    body: Annotated[bool, typer.Option("--body", help="Print the body instead. It is personal health data.")] = False,
) -> None:
    """Show one event: when it came, what became of it, and why."""
    _, home = open_settings_and_home()
    with _inbox(home) as inbox:
        event = inbox.event(event_id)
    if event is None:
        raise WrongUsage("There is no event with this id: see `nightshift inbox list`.")
    told = event.delivery
    if body:
        say(told.body.decode(errors="replace"))
        return
    print_table(
        ["what", "value"],
        [
            ("id", event.id),
            ("event", _name(told.event)),
            ("received", event.received_at.isoformat()),
            ("status", told.status),
            ("reason", told.reason),
            ("unknown users", told.unknown_users),
            ("sha256", told.sha256),
            ("bytes", len(told.body)),
        ],
    )


@app.command("retry")
def retry(event_id: Annotated[int | None, typer.Argument(help="One id; all dead letters without it.")] = None) -> None:
    """Take dead letters in again, and build what that changes; no call is made."""
    settings, home = open_settings_and_home()
    with _inbox(home) as inbox:
        again = set(inbox.retry(event_id))
    if not again:
        if event_id is not None:
            raise WrongUsage("There is no dead letter with this id: see `nightshift inbox list`.")
        say("There are no dead letters.")
        return
    from assets.raw.intake import take_in
    from connectors.asleep.webhooks.inbox import Status
    from pipelines.command.progress import PullProgress
    from pipelines.resources import asleep_connection
    from pipelines.runs import open_runner

    with _inbox(home) as inbox:
        take_in(home, inbox, settings.nightshift_webhook_retention_days)
        left = again & {each.id for each in inbox.listed(Status.DEAD_LETTER)}
    with open_runner(home, settings, PullProgress(live=False), asleep_connection(settings, home)) as runner:
        runner.drain()
    say(f"{len(again) - len(left)} of {len(again)} event(s) taken in, {len(left)} still dead letters.")
    if left:
        raise typer.Exit(EXIT_INCOMPLETE)


@contextmanager
def _inbox(home: "Home") -> "Iterator[Inbox]":
    """The inbox of a home. Raises: WrongUsage if nothing was ever received."""
    from connectors.asleep.webhooks.inbox import FILE_NAME, Inbox

    path = home.root / FILE_NAME
    if not path.exists():
        raise WrongUsage("This home has no inbox: nothing was ever received, see docs/webhooks.md.")
    with closing(Inbox(path)) as inbox:
        yield inbox


def _name(event: str) -> str:
    """The name of an event that is documented; any other is the sender's text, and stays in its body."""
    from schemas.asleep_webhook import INFERENCE_COMPLETE, SESSION_COMPLETE

    return event if event in (SESSION_COMPLETE, INFERENCE_COMPLETE) else "other"
