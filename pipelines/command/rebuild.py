"""``nightshift rebuild``: lake, FHIR and warehouse once more from raw and roster, through the same queue and jobs.

The vendor is not asked and need not be there. What comes out is what was there before, byte by byte; files that
are the same are not touched. Fetching what raw itself has lost is ``nightshift repair``.
"""

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import typer

from connectors.errors import NightshiftError
from pipelines.command.console import EXIT_INCOMPLETE, check_range, note, open_settings_and_home, parse_date, say
from pipelines.command.sync import From, Json, To
from schemas.asleep import ASLEEP
from schemas.documents import AVERAGE_STATS, SESSION
from schemas.nights import FIRST_DAY, utc_date

DAY = timedelta(days=1)

if TYPE_CHECKING:
    from pathlib import Path

    from connectors.home import Home
    from connectors.lake.damage import DamagedFile
    from pipelines.dirty_runs import BuildRun
    from pipelines.settings import Settings


class StillDamaged(NightshiftError):
    """Everything was built but what damaged raw files hold."""


@dataclass(slots=True)
class Extent:
    """What is to be built again: UTC dates of sessions and of what beds tell, nights, months (first days).

    ``stale`` dates have nothing in raw.
    """

    days: set[date] = field(default_factory=set)
    beds: set[date] = field(default_factory=set)
    nights: set[date] = field(default_factory=set)
    months: set[date] = field(default_factory=set)
    stale: set[date] = field(default_factory=set)


def rebuild(first: From = None, last: To = None, as_json: Json = False) -> None:
    """Make lake, FHIR and warehouse again from raw, without a call: all of it, or these UTC dates."""
    settings, home = open_settings_and_home()
    start = parse_date(first, "--from") or FIRST_DAY
    end = parse_date(last, "--to") or utc_date(home.clock())
    check_range(start, end)
    summary = run_rebuild(settings, home, start, end)
    damaged = summary["damaged"]
    if as_json:
        say(json.dumps(summary))
    else:
        for line in _lines(summary):
            say(line)
    if damaged:
        raise StillDamaged(
            f"{len(damaged)} raw file(s) are damaged, and the tables of their dates are as they were: run "
            "`nightshift repair`, or restore the files from a copy."
        )
    if summary["quarantined"]:
        raise typer.Exit(EXIT_INCOMPLETE)


def run_rebuild(settings: "Settings", home: "Home", first: date, last: date) -> dict[str, Any]:
    """Build these inclusive UTC dates again, with their months and all users; the summary of ``rebuild --json``.

    Damaged raw files are in the summary. Raises: NightshiftError for everything else that cannot be built.
    """
    from assets.builds import (
        mark_bed_days_dirty,
        mark_days_dirty,
        mark_months_dirty,
        mark_nights_dirty,
        mark_users_dirty,
    )
    from assets.raw.documents import Unwatched
    from connectors.lake.damage import find_damaged
    from connectors.lake.raw import RawDamaged
    from connectors.state.quarantine import count_quarantined
    from pipelines.resources import asleep_connection
    from pipelines.runs import open_runner

    began = time.monotonic()
    extent = extent_of(home, first, last)
    note(
        f"Building {len(extent.days | extent.beds)} date(s), {len(extent.months)} month(s) and the users from raw; "
        "the vendor is not asked."
    )
    with home.state.write() as connection:
        mark_days_dirty(connection, (day.isoformat() for day in extent.days))
        mark_bed_days_dirty(connection, (day.isoformat() for day in extent.beds))
        mark_nights_dirty(connection, extent.nights)
        mark_months_dirty(connection, (f"{month:%Y-%m}" for month in extent.months))
        mark_users_dirty(connection)
    _see_to_the_warehouse(settings, home)
    damaged: list[DamagedFile] = []
    with open_runner(home, settings, Unwatched(), asleep_connection(settings, home)) as runner:
        try:
            runner.drain(_tell)
        except RawDamaged:
            damaged = find_damaged(home.raw, date.min, date.max)
    with home.state.read() as connection:
        quarantined = count_quarantined(connection)
    return {
        "dates": len(extent.days | extent.beds),
        "months": len(extent.months),
        "dates_without_raw": len(extent.stale),
        "partitions_written": runner.files,
        "quarantined": quarantined,
        "damaged": [as_row(file) for file in damaged],
        "seconds": round(time.monotonic() - began, 3),
    }


def as_row(file: "DamagedFile") -> dict[str, str]:
    """A damaged file in JSON: its name says nothing of anybody."""
    return {"document": file.document, "date": file.date.isoformat(), "file": file.path.name}


def extent_of(home: "Home", first: date, last: date) -> Extent:
    """What raw holds of these dates, and what the layers hold of them."""
    from assets.builds import BED_INPUTS, DAILY_INPUTS, MONTHLY_INPUTS, NIGHT_INPUTS, bed_days
    from assets.sources.known import SOURCES

    lake, fhir = home.root / "lake", home.root / "fhir"

    def within(days: Iterable[date]) -> set[date]:
        return {day for day in days if first <= day <= last}

    def in_lake(assets: dict[str, tuple[str, ...]], key: str) -> set[date]:
        # Tables are made from raw; what is made from tables lies in other layers.
        return {day for asset, inputs in assets.items() if not inputs for day in _dates(lake / asset, key)}

    months = {*home.raw.dates(ASLEEP, AVERAGE_STATS), *in_lake(MONTHLY_INPUTS, "month")}
    months |= {month for kind in fhir.glob("*") for month in _dates(kind, "month")}
    raw_days = within(day for source in SOURCES for day in home.raw.dates(source, SESSION))
    raw_beds, built_beds = within(bed_days(home)), within(in_lake(BED_INPUTS, "date"))
    built = within({*in_lake(DAILY_INPUTS, "date"), *(day for kind in fhir.glob("*") for day in _dates(kind, "date"))})
    return Extent(
        beds=raw_beds | built_beds,
        days=raw_days | built | _unreadable_beside(home, first, last),
        nights=within(in_lake(NIGHT_INPUTS, "date")),
        months={month for month in months if first.replace(day=1) <= month <= last},
        stale=(built | built_beds) - raw_days - raw_beds,
    )


def _unreadable_beside(home: "Home", first: date, last: date) -> set[date]:
    """Dates outside of the range that its months and nights are compared with, and whose files cannot be read."""
    from assets.builds import READ_BY_NIGHTS
    from connectors.lake.publish import DiskUnavailable
    from connectors.lake.tables import LakeDamaged
    from schemas.tables import LAKE_TABLES

    earliest, latest = first.replace(day=1) - DAY, (last.replace(day=1) + 31 * DAY).replace(day=1)
    found = set()
    for table in LAKE_TABLES:
        if table.name in READ_BY_NIGHTS:
            for day in _dates(home.root / "lake" / table.name, "date"):
                if earliest <= day <= latest and not first <= day <= last:
                    try:
                        home.lake.read(table, f"date={day}")
                    except (LakeDamaged, DiskUnavailable):
                        found.add(day)
    return found


def _dates(folder: "Path", key: str) -> list[date]:
    """The dates, or first days of months, in the names of the folders in ``folder``; other names are not ours."""
    found = []
    for path in folder.glob(f"{key}=*"):
        text = path.name.partition("=")[2]
        try:
            found.append(date.fromisoformat(text if key == "date" else f"{text}-01"))
        except ValueError:
            continue
    return found


def _see_to_the_warehouse(settings: "Settings", home: "Home") -> None:
    """Put a warehouse file aside that cannot be read, so that it is made from nothing."""
    from connectors.warehouse.inspection import is_readable, put_aside
    from pipelines.resources import warehouse_file

    path = warehouse_file(settings, home)
    with home.lock("warehouse"):
        if path and path.exists() and not is_readable(path):
            place = put_aside(path)
            note(f"The warehouse is damaged. It is kept as {place.name}, and made again from the lake.")


def _tell(run: "BuildRun") -> None:
    what = f"{run.first} to {run.last}" if run.first else "all"
    note(f"built {run.job.replace('_', ' ')}: {what}")


def _lines(summary: dict[str, Any]) -> list[str]:
    but = ", but what the damaged files hold" if summary["damaged"] else ""
    lines = [
        f"{summary['dates']} date(s), {summary['months']} month(s) and the users are built{but}. "
        f"Lake files that were missing or different: {summary['partitions_written']}. {summary['seconds']:.1f} s."
    ]
    if summary["dates_without_raw"]:
        lines.append(f"{summary['dates_without_raw']} date(s) of which raw has nothing any more were removed.")
    if summary["quarantined"]:
        lines.append(f"{summary['quarantined']} document(s) in quarantine: nightshift quarantine list")
    lines += [f"Damaged: {row['document']}, {row['date']}, {row['file']}" for row in summary["damaged"]]
    return lines
