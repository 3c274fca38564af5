"""``nightshift bed schedule``: what the schedule says of the next hours, and putting it into force now."""

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import typer

from pipelines.command.bed.options import Account, BedName, DryRun, bed_name, end, open_accounts
from pipelines.command.bed.words import clock_words, command_words, level_words, local_words
from pipelines.command.console import EXIT_INCOMPLETE, note, open_settings_and_home, print_table, say

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from schemas.bed_schedule import Action, BedSchedule, Order

app = typer.Typer(
    help="The bed schedule: bed-schedule.yaml in the home, or NIGHTSHIFT_BED_SCHEDULE.", no_args_is_help=True
)

SHOWN = timedelta(hours=24)


@app.command("show")
def show() -> None:
    """Show what holds now and what comes in the next 24 hours, in the schedule's zone and in UTC. No call is made."""
    from pipelines.bed_schedule_file import read_schedule

    settings, home = open_settings_and_home()
    schedule = read_schedule(settings, home)
    rows = list(_rows(schedule, home.clock()))
    if not rows:
        note("The bed schedule has no entries.")
        return
    print_table(["bed", schedule.zone, "UTC", "left", "right", "lasts"], rows)


@app.command("apply")
def apply(bed: BedName = None, account: Account = None, dry_run: DryRun = False) -> None:
    """Tell the beds what holds now, for as long as it lasts; what a bed shows already is not sent again."""
    from assets.control import applying
    from assets.control.beds import chosen
    from pipelines.bed_schedule import told
    from pipelines.bed_schedule_file import read_schedule

    name = bed_name(bed)
    settings, home, accounts = open_accounts()
    schedule = read_schedule(settings, home)
    chosen(accounts, account)
    if dry_run:
        _forecast(schedule, name, home.clock())
        return
    with home.lock(applying.LOCK):
        applied = asyncio.run(applying.apply(schedule, accounts, home, name=name, account=account, again=True))
    if applied.told + applied.left_alone:
        say(told(applied))
    end(applied.failures, applied.told + applied.left_alone)
    if applied.unknown:
        raise typer.Exit(EXIT_INCOMPLETE)


def _rows(schedule: "BedSchedule", now: "datetime") -> "Iterator[list[object]]":
    from schemas.bed_schedule import actions_between, in_force

    for name, plan in _plans(schedule):
        left, right = in_force(plan, now)
        begun = [order.since for order in (left, right) if order]
        if begun:
            yield [name, "now", "", _words(left), _words(right), _lasts(left, right, now)]
        for action in actions_between(plan, now + timedelta(microseconds=1), now + SHOWN):
            yield [name, local_words(action.at, schedule.zone), f"{action.at:%Y-%m-%d %H:%M}", *_sides(action)]


def _plans(schedule: "BedSchedule") -> "Iterator[tuple[str, BedSchedule]]":
    named = schedule.named_beds()
    yield "every other bed" if named else "every bed", schedule.of_bed()
    for name in named:
        yield name, schedule.of_bed(name)


def _sides(action: "Action") -> list[object]:
    return [_words(action.left), _words(action.right), _lasts(action.left, action.right, action.at)]


def _words(order: "Order | None") -> str:
    return level_words(order.level) if order else ""


def _lasts(left: "Order | None", right: "Order | None", moment: "datetime") -> str:
    durations = [clock_words(order.seconds_from(moment)) for order in (left, right) if order]
    return " / ".join(dict.fromkeys(durations))


def _forecast(schedule: "BedSchedule", name: str | None, now: "datetime") -> None:
    from assets.control.applying import commands
    from schemas.bed_schedule import in_force, seconds_between

    plans = [(name, schedule.of_bed(name))] if name else list(_plans(schedule))
    for bed, plan in plans:
        for left, right, until in commands(in_force(plan, now)):
            words = command_words(left, right, seconds_between(now, until))
            say(f"{bed}: would be told {words}, unless it shows that already; no call was made.")
