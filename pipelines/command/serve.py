"""``nightshift serve``: the receiver of Asleep's webhooks."""

import resource
from typing import TYPE_CHECKING, Annotated

import typer

from connectors.errors import WrongUsage
from pipelines.command.console import open_settings_and_home, say

if TYPE_CHECKING:
    from connectors.home import Home
    from pipelines.settings import Settings

_FILES_WANTED = 65_536


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on; a reverse proxy adds HTTPS.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port to listen on; 0 takes a free one.")] = 8787,
) -> None:
    """Receive Asleep's webhooks into the inbox until stopped. How to switch them on: docs/webhooks.md."""
    settings, home = open_settings_and_home()
    if not settings.asleep_webhook_keys:
        raise WrongUsage(
            "ASLEEP_WEBHOOK_KEYS is not set: give the key that Asleep sends with webhooks, see docs/webhooks.md."
        )
    _allow_many_connections()
    _receive(settings, home, host, port)


def _receive(settings: "Settings", home: "Home", host: str, port: int) -> None:
    from connectors.asleep.webhooks.health import Expected
    from connectors.asleep.webhooks.inbox import FILE_NAME, Inbox
    from connectors.asleep.webhooks.metrics import Metrics
    from connectors.asleep.webhooks.operations import Operations
    from connectors.asleep.webhooks.receiver import PATH, Receiver, receiver_app
    from connectors.asleep.webhooks.server import serve as listen
    from connectors.asleep.webhooks.watch import Watch
    from connectors.asleep.webhooks.writer import Writer
    from connectors.logs import open_log
    from pipelines.command.doctor.cron import last_tick
    from pipelines.command.doctor.folder import ENOUGH_DISK_BYTES
    from pipelines.command.doctor.schedule import PULL_TAKES

    log = open_log(home.logs)
    keys = [key.get_secret_value() for key in settings.asleep_webhook_keys or ()]
    metrics = Metrics()
    expected = Expected(
        due=lambda now: last_tick(settings.nightshift_schedule, now - PULL_TAKES), free_bytes=ENOUGH_DISK_BYTES
    )
    operations = Operations(Watch(home, metrics.processed), metrics, expected)
    with Writer(Inbox(home.root / FILE_NAME), log) as writer:
        receiver = Receiver(
            writer,
            keys,
            clock=home.clock,
            unknown_users=settings.nightshift_webhook_unknown_users,
            log=log,
            metrics=metrics,
        )
        app = receiver_app(receiver, writer, operations.routes())
        try:
            listen(app, host, port, lambda base_url: say(f"Receiving Asleep's webhooks at {base_url}{PATH}"))
        except OSError as error:
            reason = (error.strerror or type(error).__name__).partition(" (")[0]  # Python adds the address
        else:
            return
    raise WrongUsage(f"Cannot listen on port {port} of that host ({reason}): choose others with --host and --port.")


def _allow_many_connections() -> None:
    """Use all the open files that this process may have: every slow sender holds one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES_WANTED if hard == resource.RLIM_INFINITY else min(hard, _FILES_WANTED)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
