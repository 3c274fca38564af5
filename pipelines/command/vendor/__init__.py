"""``nightshift vendor``: the account at the vendor, its users and sessions, one by one and by hand."""

import typer

from pipelines.command.console import open_settings_and_home, say
from pipelines.command.vendor.sessions import app as sessions
from pipelines.command.vendor.users import app as users

app = typer.Typer(help="The account at the vendor, its users and sessions.", no_args_is_help=True)
app.add_typer(users, name="user")
app.add_typer(sessions, name="session")


@app.command("rotate-key")
def rotate_key() -> None:
    """Accept the key that is now in ASLEEP_API_KEY as a new key of the same account."""
    from connectors.state.vendor import accept_key, check_vendor
    from pipelines.resources import asleep_connection

    settings, home = open_settings_and_home()
    account = asleep_connection(settings, home).account()
    accept_key(home.state, account)
    check_vendor(home.state, account)
    say("The key in ASLEEP_API_KEY is now the key of this home.")
