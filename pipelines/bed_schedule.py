"""The bed schedule in Dagster: a sensor that tells the beds what an entry says when its time has come. Off by default.

A sensor and not a schedule, because a cron line has no rule for entries at times that a clock skips or shows twice; and
it tells the beds itself instead of asking for a run, because runs queue: a bed would wait for a backfill to end, and a
night's pull for a bed that does not answer.
"""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import dagster as dg

from assets.control.applying import LOCK, Applied, apply, due, read_memory
from connectors.eight_sleep.connection import EightSleepConnection
from connectors.errors import NightshiftError
from connectors.home import Home
from pipelines.bed_schedule_file import read_schedule, schedule_path
from pipelines.resources import eight_sleep_accounts
from pipelines.settings import Settings
from schemas.bed_schedule import BedSchedule

NAME = "bed_schedule"

TRY_AGAIN = timedelta(minutes=2)
"""From one attempt to the next at an entry that could not be told to every bed."""

LONGEST_S = 40.0
"""Dagster gives a tick a minute."""

TOO_SLOW = "Eight Sleep did not answer in time: the beds that were not told are told later."


def bed_schedule(settings: Settings) -> dg.SensorDefinition:
    """The sensor; each entry is told once, however late, often or seldom it ticks, and none that is over."""

    @dg.sensor(
        name=NAME,
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.STOPPED,
        description="Tells the beds what the bed schedule says, when an entry's time has come.",
    )
    def tick(home: dg.ResourceParam[Home]) -> dg.SkipReason:
        return dg.SkipReason(tell_beds(settings, home))

    return tick


def tell_beds(settings: Settings, home: Home) -> str:
    """Tell the beds if something is due; what came of it, in counts. Raises: NightshiftError when a bed failed."""
    if schedule_path(settings, home) is None:
        return "There is no bed schedule."
    schedule = read_schedule(settings, home)
    with home.lock(LOCK, wait_s=0) as is_ours:
        if not is_ours:
            return "The beds are being told."
        memory, now = read_memory(home), home.clock()
        latest = due(schedule, now)
        if latest is None or (memory.done is not None and memory.done >= latest):
            return "No entry has come since the beds were told."
        if memory.tried_at is not None and latest <= memory.tried_at and now - memory.tried_at < TRY_AGAIN:
            return "It has just been tried; it is tried again soon."
        applied = asyncio.run(_in_time(schedule, eight_sleep_accounts(settings, home), home))
    if applied.failures:
        raise applied.failures[0]
    return told(applied)


async def _in_time(schedule: BedSchedule, accounts: Sequence[EightSleepConnection], home: Home) -> Applied:
    try:
        async with asyncio.timeout(LONGEST_S):
            return await apply(schedule, accounts, home)
    except TimeoutError:
        raise NightshiftError(TOO_SLOW) from None


def told(applied: Applied) -> str:
    """What came of it, in counts."""
    unknown = f", {applied.unknown} named that no account has" if applied.unknown else ""
    failed = f", {len(applied.failures)} failed" if applied.failures else ""
    return f"{applied.told} bed(s) told, {applied.left_alone} as they should be{unknown}{failed}."
