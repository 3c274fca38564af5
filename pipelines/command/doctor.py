"""``nightshift doctor``: is this deployment healthy, in words."""

import asyncio
import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import typer

from connectors.errors import NightshiftError, UserNotFound
from pipelines.command.console import open_settings_and_home, print_table, say
from schemas.asleep import ASLEEP

if TYPE_CHECKING:
    from connectors.home import Home
    from pipelines.settings import Settings

ENOUGH_DISK_BYTES = 1_000_000_000


class Finding(NamedTuple):
    """One thing looked at: is it fine, and what to know or do."""

    what: str
    fine: bool
    words: str


def doctor() -> None:
    """Look at settings, disk, state, roster and vendor, and say what is wrong."""
    settings, home = open_settings_and_home()
    findings = [*_disk(home), *_state(home), *_vendor(settings, home)]
    print_table(["", "what", ""], [("ok" if f.fine else "!!", f.what, f.words) for f in findings])
    if not all(finding.fine for finding in findings):
        raise typer.Exit(1)
    say("All is well.")


def _disk(home: "Home") -> Iterator[Finding]:
    free = shutil.disk_usage(home.root).free
    yield Finding("home", True, "can be written")
    yield Finding("disk", free >= ENOUGH_DISK_BYTES, f"{free / 1e9:.1f} GB free")


def _state(home: "Home") -> Iterator[Finding]:
    from connectors.state.dirty import list_dirty
    from connectors.state.ledger import unpulled
    from connectors.state.quarantine import count_quarantined
    from connectors.state.roster import list_users
    from connectors.state.vendor import last_complete_pull

    with home.state.read() as connection:
        users = list_users(connection, ASLEEP)
        left = unpulled(connection, ASLEEP)
        quarantined = count_quarantined(connection)
        dirty = sum(len(partitions) for partitions in list_dirty(connection).values())
    pulled_at = last_complete_pull(home.state, ASLEEP)
    yield Finding("roster", bool(users), f"{len(users)} users" if users else "empty: nightshift users import FILE.csv")
    yield Finding(
        "last complete pull", pulled_at is not None, f"{pulled_at:%Y-%m-%d %H:%M} UTC" if pulled_at else "never"
    )
    yield Finding("users not pulled", not left, f"{len(left)}" + (": nightshift sync --unfinished" if left else ""))
    yield Finding("quarantine", not quarantined, f"{quarantined} documents")
    yield Finding("dirty partitions", True, f"{dirty} waiting to be built")


def _vendor(settings: "Settings", home: "Home") -> Iterator[Finding]:
    from connectors.state.vendor import check_vendor
    from pipelines.resources import asleep_connection

    connection = asleep_connection(settings, home)
    try:
        check_vendor(home.state, connection.account())
        words = asyncio.run(_ask(home, settings))
    except NightshiftError as error:
        yield Finding("asleep", False, str(error))
    else:
        yield Finding("asleep", True, words)


async def _ask(home: "Home", settings: "Settings") -> str:
    from connectors.state.roster import list_users
    from pipelines.resources import asleep_connection

    with home.state.read() as connection:
        users = list_users(connection, ASLEEP)
    if not users:
        return "not asked: no user to ask for"
    async with asleep_connection(settings, home).open() as client:
        try:
            await client.get_user(users[0].user_id)
        except UserNotFound:
            return "answers, and accepts the key"
    return "answers, and accepts the key"
