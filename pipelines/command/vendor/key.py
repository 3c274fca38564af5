"""``nightshift vendor rotate-key``: a new key of the same account, taken only after the vendor has shown that it is."""

from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.command.console import open_settings_and_home, say
from pipelines.command.vendor.account import ask, has_moved
from schemas.asleep import ASLEEP

if TYPE_CHECKING:
    from connectors.asleep.client import AsleepClient
    from connectors.home import Home

ASKED_FOR = 3
"""So many users of the roster are asked for at most."""

Yes = Annotated[bool, typer.Option("--yes", help="Take the key although the vendor knows nobody of the roster by it.")]


def rotate_key(yes: Yes = False) -> None:
    """Accept the key that is now in ASLEEP_API_KEY as a new key of the same account, after asking Asleep."""
    from connectors.errors import NightshiftError, VendorError
    from connectors.state.vendor import accept_key, check_vendor
    from pipelines.resources import asleep_connection

    settings, home = open_settings_and_home()
    connection = asleep_connection(settings, home)
    account = connection.account()
    if has_moved(home.state, account):
        check_vendor(home.state, account)
    user_ids = _some_users(home)
    try:
        is_ours = ask(connection, lambda client: _knows_any(client, user_ids))
        if not is_ours and user_ids and not yes:
            raise NightshiftError(
                f"Asleep takes the key but knows none of the {len(user_ids)} user(s) asked for, so it may "
                "be the key of another account: nothing was changed. Check ASLEEP_API_KEY, or add --yes if they were "
                "deleted there."
            )
        if not is_ours:
            ask(connection, _check_accepted)
    except VendorError as error:
        raise NightshiftError(f"{error} Nothing was changed.") from None
    accept_key(home.state, account)
    check_vendor(home.state, account)
    say("The key in ASLEEP_API_KEY is now the key of this home.")


def _some_users(home: "Home") -> list[str]:
    """Users whom the vendor should know, those who are followed longest first."""
    from datetime import date

    from connectors.state.roster import users_to_ask

    with home.state.read() as reading:
        users = [user for user in users_to_ask(reading, ASLEEP) if not user.gone]
    users.sort(key=lambda user: user.active_to or date.max, reverse=True)
    return [user.user_id for user in users[:ASKED_FOR]]


async def _knows_any(client: "AsleepClient", user_ids: list[str]) -> bool:
    """Whether the vendor knows one of these users. Raises: VendorError, if it says anything else of one."""
    from connectors.errors import InvalidUserId, UserNotFound

    for user_id in user_ids:
        try:
            (await client.get_user(user_id)).result()
        except (UserNotFound, InvalidUserId):
            continue
        return True
    return False


async def _check_accepted(client: "AsleepClient") -> None:
    """Ask for an invented user; any answer will do that comes after the key was looked at. Raises: VendorError."""
    from connectors.errors import PlanExpired, VendorError
    from pipelines.command.doctor.vendor import KEY_ACCEPTED, NOBODY

    try:
        await client.get_user(NOBODY)
    except VendorError as error:
        if isinstance(error, PlanExpired) or not isinstance(error, KEY_ACCEPTED):
            raise
