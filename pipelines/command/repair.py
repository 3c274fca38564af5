"""``nightshift repair``: raw files that are damaged on disk are made good by fetching again what they held.

Apart from ``nightshift rebuild``, because it asks the vendor, which a rebuild never does.
"""

import asyncio
import json
import time
from datetime import date
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from connectors.errors import NightshiftError
from pipelines.command.console import EXIT_INCOMPLETE, check_range, note, open_settings_and_home, parse_date, say
from pipelines.command.rebuild import as_row
from pipelines.command.sync import From, Json, To
from schemas.eight_sleep import EIGHT_SLEEP
from schemas.nights import FIRST_DAY

if TYPE_CHECKING:
    from assets.raw.repair import RepairReport
    from assets.raw.vendor import Vendor, VendorConnection
    from connectors.home import Home
    from connectors.lake.damage import DamagedFile
    from pipelines.settings import Settings

UPKEEP = "raw-upkeep"
"""The lock of who moves raw files: one at a time."""


class UpkeepBusy(NightshiftError):
    """Another process is at raw's files."""


def repair(
    first: From = None,
    last: To = None,
    accept_deletions: Annotated[
        bool,
        typer.Option("--accept-deletions", help="Give up what the vendor has no longer: it is deleted here, too."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Find damaged raw files, fetch again what they held, set them aside, and build their dates."""
    settings, home = open_settings_and_home()
    start = parse_date(first, "--from") or FIRST_DAY
    end = parse_date(last, "--to") or date.max
    check_range(start, end)
    summary = run_repair(settings, home, start, end, accept_deletions=accept_deletions)
    if as_json:
        say(json.dumps(summary))
    else:
        for line in _lines(summary):
            say(line)
    if summary["left"]:
        raise typer.Exit(EXIT_INCOMPLETE)


def run_repair(
    settings: "Settings", home: "Home", first: date, last: date, *, accept_deletions: bool = False
) -> dict[str, Any]:
    """Repair the raw files of these inclusive dates; the summary of ``repair --json``. Raises: NightshiftError."""
    from connectors.lake.damage import find_damaged

    began = time.monotonic()
    with home.lock(UPKEEP, wait_s=0) as held:
        if not held:
            raise UpkeepBusy("Another repair or compaction of this home is running: wait until it has ended.")
        damaged = find_damaged(home.raw, first, last)
        for file in damaged:
            note(f"damaged: {file}")
        summary = _made_good(settings, home, damaged, accept_deletions) if damaged else _summary(None, 0, 0)
    return {"damaged": [as_row(file) for file in damaged], **summary, "seconds": round(time.monotonic() - began, 3)}


def _made_good(
    settings: "Settings", home: "Home", damaged: "list[DamagedFile]", accept_deletions: bool
) -> dict[str, Any]:
    from assets.raw.asleep_vendor import AsleepAccount
    from assets.raw.documents import Unwatched
    from assets.raw.eight_sleep_vendor import EightSleepAccounts
    from assets.raw.repair import RepairReport
    from connectors.lake.raw import RawDamaged
    from pipelines.resources import asleep_connection, eight_sleep_accounts
    from pipelines.runs import open_runner

    asleep = asleep_connection(settings, home)
    beds = EightSleepAccounts(partial(eight_sleep_accounts, settings, home))
    of_beds = [file for file in damaged if file.source == EIGHT_SLEEP]
    others = [file for file in damaged if file.source != EIGHT_SLEEP]
    report, calls = RepairReport(), 0
    stopped: list[NightshiftError] = []
    asked = [(account, files) for account, files in ((AsleepAccount(asleep), others), (beds, of_beds)) if files]
    for account, files in asked:
        try:
            found, made = asyncio.run(_ask(home, account, files, accept_deletions))
        except NightshiftError as error:
            stopped.append(error)  # one vendor that is away keeps nobody from the other
        else:
            report.add(found)
            calls += made
    if len(stopped) == len(asked):
        raise stopped[0]
    with open_runner(home, settings, Unwatched(), asleep) as runner:
        try:
            runner.drain()
        except RawDamaged:
            if not report.left and not stopped:
                raise
    if stopped:
        raise stopped[0]
    return _summary(report, calls, runner.files)


async def _ask(
    home: "Home", connection: "VendorConnection[Vendor]", damaged: "list[DamagedFile]", accept_deletions: bool
) -> "tuple[RepairReport, int]":
    """Fetch again what files of one source held; how that went, and the calls made."""
    from assets.raw.repair import repair as fetch_again

    account = connection.account()
    async with connection.open() as vendor:
        report = await fetch_again(home, vendor, account, damaged, accept_deletions=accept_deletions)
        return report, vendor.calls.by_endpoint.total()


def _summary(report: "RepairReport | None", calls: int, files: int) -> dict[str, Any]:
    counted = ("restored", "newer", "deleted", "lost", "waiting")
    return {
        "set_aside": len(report.set_aside) if report else 0,
        "left": len(report.left) if report else 0,
        "unknown": len(report.unknown) if report else 0,
        "documents": {name: getattr(report, name, 0) for name in counted},
        "versions_lost": report.versions_lost if report else 0,
        "polls": report.polls if report else 0,
        "failed": report.failed.total() if report else 0,
        "calls": calls,
        "partitions_written": files,
    }


def _lines(summary: dict[str, Any]) -> list[str]:
    if not summary["damaged"]:
        return ["No raw file is damaged."]
    found = summary["documents"]
    lines = [
        f"{summary['set_aside']} of {len(summary['damaged'])} damaged file(s) set aside; "
        f"{found['restored']} document(s) fetched again as they were, {found['newer']} in a newer version; "
        f"{summary['calls']} calls."
    ]
    if summary["polls"]:
        lines.append(
            f"{summary['polls']} of the files hold(s) what beds said when they were asked, and that cannot be "
            "asked again."
        )
    if found["deleted"]:
        lines.append(f"{found['deleted']} document(s) that the vendor has no longer are given up.")
    if found["lost"]:
        lines.append(
            f"{found['lost']} document(s) are lost: the vendor has them no longer. Their file stays and the tables of "
            "their dates are as they were. Restore the file from a copy, or give the documents up: "
            "nightshift repair --accept-deletions"
        )
    if found["waiting"]:
        lines.append(f"{found['waiting']} session(s) are being analysed at the vendor: run this again later.")
    if summary["failed"]:
        lines.append(f"{summary['failed']} document(s) could not be fetched: run this again.")
    if summary["unknown"]:
        lines.append(
            f"Of {summary['unknown']} file(s) the state does not know what they held: restore them from a copy."
        )
    if summary["versions_lost"]:
        lines.append(f"Of {summary['versions_lost']} document(s) earlier versions are lost; the vendor keeps none.")
    return lines
