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

app = typer.Typer(help="The roster: who is followed, in which time zone, from when to when.", no_args_is_help=True)


@app.command("import")
def import_users(
    file: Annotated[Path, typer.Argument(help="CSV: user_id,timezone,org,active_from,active_to (first required).")],
) -> None:
    """Add or change users from a CSV file; all of it or, if a line is wrong, none."""
    from connectors.state.roster import read_roster_csv

    _, home = open_settings_and_home()
    change = _put(home, read_roster_csv(file, ASLEEP))
    say(f"{change.added} added, {change.changed} changed, {change.unchanged} unchanged.")


@app.command("add")
def add(
    user_id: Annotated[str, typer.Argument(help="The user's id at Asleep.")],
    timezone: Annotated[str, typer.Option(help="IANA zone, such as Asia/Seoul.")] = "UTC",
    org: Annotated[str, typer.Option(help="Label of the organisation.")] = "default",
    active_from: Annotated[str | None, typer.Option(help="First day to follow, YYYY-MM-DD.")] = None,
    active_to: Annotated[str | None, typer.Option(help="Last day to follow, YYYY-MM-DD.")] = None,
) -> None:
    """Add or change one user."""
    from connectors.state.roster import RosterUser, check_zone

    _, home = open_settings_and_home()
    first, last = parse_date(active_from, "--active-from"), parse_date(active_to, "--active-to")
    if first and last and first > last:
        raise WrongUsage("--active-from is after --active-to.")
    if not user_id.strip():
        raise WrongUsage("The user id is empty.")
    user = RosterUser(ASLEEP, user_id.strip(), org, check_zone("--timezone", timezone), first, last)
    change = _put(home, [user])
    say("added." if change.added else "changed." if change.changed else "unchanged.")


@app.command("list")
def list_roster() -> None:
    """Show the roster."""
    from connectors.state.roster import list_users

    _, home = open_settings_and_home()
    with home.state.read() as connection:
        users = list_users(connection)
    if not users:
        note("The roster is empty: nightshift users import FILE.csv")
        return
    print_table(
        ["user_id", "timezone", "org", "active_from", "active_to", "remark"],
        [
            (u.user_id, u.timezone, u.org_id, u.active_from, u.active_to, "unknown to the vendor" if u.gone else "")
            for u in users
        ],
    )


@app.command("remove")
def remove(user_id: Annotated[str, typer.Argument(help="The user's id at Asleep.")]) -> None:
    """Stop following a user; what was pulled stays."""
    from assets.builds import mark_data_dirty, mark_users_dirty
    from connectors.state.roster import list_users, remove_user

    _, home = open_settings_and_home()
    with home.state.write() as connection:
        user = [user for user in list_users(connection, ASLEEP) if user.user_id == user_id]
        removed = remove_user(connection, ASLEEP, user_id)
        if removed:
            mark_users_dirty(connection)
            mark_data_dirty(connection, user)
    if not removed:
        raise WrongUsage("This user is not on the roster: see `nightshift users list`.")
    say("removed from the roster; data already pulled stays.")


def _put(home: "Home", users: "Sequence[RosterUser]") -> "RosterChange":
    from assets.builds import mark_roster_dirty
    from connectors.state.roster import list_users, put_users

    with home.state.write() as connection:
        before = {user.user_id: user for user in list_users(connection, ASLEEP)}
        change = put_users(connection, users)
        mark_roster_dirty(connection, before, users)
    return change
