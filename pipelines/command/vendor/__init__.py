"""``nightshift vendor``: the account at the vendor, its users and sessions, one by one and by hand."""

import typer

from pipelines.command.vendor.key import rotate_key
from pipelines.command.vendor.sessions import app as sessions
from pipelines.command.vendor.users import app as users

app = typer.Typer(help="The account at the vendor, its users and sessions.", no_args_is_help=True)
app.add_typer(users, name="user")
app.add_typer(sessions, name="session")
app.command("rotate-key")(rotate_key)
