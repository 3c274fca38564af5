"""``nightshift users``: the roster."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from connectors.errors import WrongUsage
from pipelines.command.console import note, open_settings_and_home, parse_date, print_table, say
from schemas.asleep import ASLEEP

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connectors.home import Home
    from connectors.state.roster import RosterChange, RosterUser

Source = Annotated[str, typer.Option(help="Which source follows the user: asleep or eight_sleep.")]

app = typer.Typer(help="The roster: who is followed, in which time zone, from when to when.", no_args_is_help=True)


@app.command("import")
def import_users(
    file: Annotated[
        Path,
        typer.Argument(
            help="CSV: user_id,timezone,org,active_from,active_to,source,vendor_user_id (only the first required)."
        ),
    ],
) -> None:
    """Add or change users from a CSV file; all of it or, if a line is wrong, none."""
    from connectors.state.roster import read_roster_csv

    _, home = open_settings_and_home()
    change = _put(home, read_roster_csv(file, ASLEEP))
    say(f"{change.added} added, {change.changed} changed, {change.unchanged} unchanged.")


@app.command("add")
def add(
    user_id: Annotated[str, typer.Argument(help="The user's id: at Asleep, or of your own with --vendor-user-id.")],
    timezone: Annotated[
        str | None, typer.Option(help="IANA zone, such as Asia/Seoul; default as before, or UTC.")
    ] = None,
    org: Annotated[str | None, typer.Option(help="Label of the organisation; default as before, or 'default'.")] = None,
    active_from: Annotated[str | None, typer.Option(help="First night to follow, by its evening, YYYY-MM-DD.")] = None,
    active_to: Annotated[str | None, typer.Option(help="Last night to follow, by its evening, YYYY-MM-DD.")] = None,
    source: Source = ASLEEP,
    vendor_user_id: Annotated[
        str | None, typer.Option(help="The user's id at the vendor, where it is another one; default as before.")
    ] = None,
) -> None:
    """Add or change one user, or follow a removed one again."""
    from dataclasses import replace

    from connectors.state.roster import RosterUser, check_source, check_zone

    _, home = open_settings_and_home()
    first, last = parse_date(active_from, "--active-from"), parse_date(active_to, "--active-to")
    user_id = user_id.strip()
    if not user_id:
        raise WrongUsage("The user id is empty.")
    check_source("--source", source)
    known = _rostered(home, user_id)
    new = replace(known[0], source=source, vendor_user_id=None) if known else RosterUser(source, user_id)
    before = next((user for user in known if user.source == source), new)
    user = RosterUser(
        source,
        user_id,
        org or before.org_id,
        check_zone("--timezone", timezone or before.timezone),
        first or (before.active_from if before.removed else None),
        last,
        vendor_user_id=vendor_user_id or before.vendor_user_id,
    )
    if user.active_from and user.active_to and user.active_from > user.active_to:
        raise WrongUsage("--active-from is after --active-to.")
    elsewhere = [replace(other, org_id=user.org_id) for other in known if other.source != source]
    change = _put(home, [user, *elsewhere])
    if before.removed:
        say("followed again, the nights since the removal too unless --active-from says otherwise.")
    else:
        say("added." if change.added else "changed." if change.changed else "unchanged.")


@app.command("list")
def list_roster(
    everybody: Annotated[bool, typer.Option("--all", help="With those whose following has ended.")] = False,
) -> None:
    """Show the roster."""
    from connectors.state.roster import list_users
    from schemas.night_hours import last_night_over

    _, home = open_settings_and_home()
    with home.state.read() as connection:
        users = list_users(connection)
    if not users:
        note("The roster is empty: nightshift users import FILE.csv")
        return
    now = home.clock()
    shown = [user for user in users if everybody or not user.has_ended(last_night_over(now, user.timezone))]
    if shown:
        print_table(
            ["user_id", "source", "timezone", "org", "active_from", "active_to", "vendor_user_id", "remark"],
            [
                (u.user_id, u.source, u.timezone, u.org_id, u.active_from, u.active_to, u.vendor_user_id, _remark(u))
                for u in shown
            ],
        )
    if len(shown) < len(users):
        note(f"{len(users) - len(shown)} user(s) whose following has ended: nightshift users list --all")


@app.command("remove")
def remove(
    user_id: Annotated[str, typer.Argument(help="The user's id on the roster.")],
    source: Annotated[str | None, typer.Option(help="Only at this source; default at all of them.")] = None,
) -> None:
    """Stop following a user; the vendor is not asked any more, and what was pulled stays."""
    _, home = open_settings_and_home()
    followed = [user for user in _rostered(home, user_id) if not user.removed and source in (None, user.source)]
    if not followed:
        raise WrongUsage("This user is not on the roster: see `nightshift users list`.")
    had_data = [_remove(home, user) for user in followed]
    if any(had_data):
        say(
            "removed: nothing is asked for any more. What was pulled stays, with its organisation and zone; "
            "users add follows the user again."
        )
    else:
        say("removed from the roster; nothing was ever pulled.")


def _remove(home: "Home", before: "RosterUser") -> bool:
    """Take a user off the roster of a source; whether there is data."""
    from assets.builds import mark_data_dirty, mark_roster_dirty, mark_users_dirty
    from connectors.state.ledger import documents_of, sessions_of
    from connectors.state.roster import end_user, remove_user
    from schemas.night_hours import last_night_over

    source, user_id = before.key
    with home.state.write() as connection:
        has_data = (
            sessions_of(connection, source, [user_id])[user_id] or documents_of(connection, source, [user_id])[user_id]
        )
        if has_data:
            ended = end_user(connection, source, user_id, last_night_over(home.clock(), before.timezone), removed=True)
            mark_roster_dirty(connection, {before.key: before}, [ended] if ended else [])
        else:
            remove_user(connection, source, user_id)
            mark_users_dirty(connection)
            mark_data_dirty(connection, [before])
    return bool(has_data)


def _remark(user: "RosterUser") -> str:
    remarks = {"removed": user.removed, "unknown to the vendor": user.gone}
    return ", ".join(remark for remark, holds in remarks.items() if holds)


def _rostered(home: "Home", user_id: str) -> "list[RosterUser]":
    """The user at every source."""
    from connectors.state.roster import list_users

    with home.state.read() as connection:
        return [user for user in list_users(connection) if user.user_id == user_id]


def _put(home: "Home", users: "Sequence[RosterUser]") -> "RosterChange":
    from assets.builds import mark_roster_dirty
    from connectors.state.roster import list_users, put_users

    with home.state.write() as connection:
        before = {user.key: user for user in list_users(connection)}
        change = put_users(connection, users)
        mark_roster_dirty(connection, before, users)
    return change
