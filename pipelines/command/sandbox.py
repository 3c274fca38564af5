"""``nightshift sandbox``: the vendor simulator on its own."""

from datetime import datetime
from typing import Annotated

import typer

from connectors.errors import WrongUsage
from pipelines.command.console import say

DEFAULT_KEY = "sandbox-key"


def sandbox(
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port on 127.0.0.1; 0 takes a free one.")] = 8765,
    users: Annotated[int, typer.Option(min=0, max=100_000, help="Users in the world.")] = 24,
    nights: Annotated[int, typer.Option(min=1, max=3_660, help="Nights each user has slept, ending now.")] = 30,
    seed: Annotated[int, typer.Option(help="Same seed, same world.")] = 1,
    key: Annotated[str, typer.Option(help="The API key the simulator accepts.")] = DEFAULT_KEY,
    now: Annotated[
        str | None, typer.Option(help="The world's time, such as 2026-11-22T06:00:00Z; default now.")
    ] = None,
) -> None:
    """Run the Asleep simulator until interrupted. No data of real people, no key of a real account."""
    from connectors.asleep.sandbox.server import serve
    from connectors.asleep.sandbox.world import World

    moment = _moment(now) if now else None

    def ready(base_url: str) -> None:
        say(f"Asleep sandbox at {base_url}")
        say(f"  export ASLEEP_BASE_URL={base_url} ASLEEP_API_KEY={key}")
        say(f"  roster:   {base_url}/_control/users.csv")
        say(f"  controls: {base_url}/_control")

    world = World(users=users, nights=nights, seed=seed, api_key=key, now=moment)
    try:
        serve(world, "127.0.0.1", port, ready)
    except OSError as error:
        reason = error.strerror or type(error).__name__
    else:
        return
    raise WrongUsage(f"Port {port} cannot be used ({reason}): choose another with --port.")


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise WrongUsage("--now: not a time with an offset, such as 2026-11-22T06:00:00Z.")
    return moment
