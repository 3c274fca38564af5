"""``nightshift bed``: what the beds say, what they are told, and when."""

import typer

from pipelines.command.bed.control import off, on, preset, set_levels
from pipelines.command.bed.schedule import app as schedule
from pipelines.command.bed.status import status
from pipelines.command.bed.users import users
from pipelines.command.bed.watch import watch

app = typer.Typer(help="Eight Sleep beds: status, levels, schedule. Levels are -100 to 100.", no_args_is_help=True)
app.command("status")(status)
app.command("on")(on)
app.command("off")(off)
app.command("set")(set_levels)
app.command("preset")(preset)
app.add_typer(schedule, name="schedule")
app.command("watch")(watch)
app.command("users")(users)
