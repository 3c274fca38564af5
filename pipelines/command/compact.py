"""``nightshift compact``: one raw file a kind and date in the place of many, once the date is over."""

import json
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from connectors.errors import WrongUsage
from pipelines.command.console import EXIT_INCOMPLETE, open_settings_and_home, parse_date, say
from pipelines.command.rebuild import as_row
from pipelines.command.repair import UPKEEP, UpkeepBusy
from pipelines.command.sync import Json
from schemas.nights import utc_date

if TYPE_CHECKING:
    from datetime import date

    from connectors.home import Home

CLOSED_AFTER = timedelta(days=3)
"""A UTC date that is so long over gets few documents more."""


def compact(
    before: Annotated[
        str | None, typer.Option("--before", help="Compact UTC dates before this one; default three days ago.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it would save; nothing is written.")] = False,
    as_json: Json = False,
) -> None:
    """Merge the small raw files of closed dates, without changing a document. Stop and repeat it at any point."""
    _, home = open_settings_and_home()
    today = utc_date(home.clock())
    end = parse_date(before, "--before") or today - CLOSED_AFTER
    if end > today:
        raise WrongUsage("--before is in the future: give a date up to today.")
    summary = run_compact(home, end, dry_run=dry_run)
    if as_json:
        say(json.dumps(summary))
    else:
        for line in _lines(summary):
            say(line)
    if summary["damaged"]:
        raise typer.Exit(EXIT_INCOMPLETE)


def run_compact(home: "Home", before: "date", *, dry_run: bool) -> dict[str, Any]:
    """Compact raw's dates before this one; the summary of ``compact --json``. Raises: NightshiftError."""
    from connectors.lake.compaction import compact as merge
    from connectors.lake.publish import sweep_temporaries

    began = time.monotonic()
    with home.lock(UPKEEP, wait_s=0) as held:
        if not held:
            raise UpkeepBusy("Another repair or compaction of this home is running: wait until it has ended.")
        if not dry_run:
            sweep_temporaries(home.root / "raw")
        found = merge(home.raw, before, dry_run=dry_run)
    return {
        "before": before.isoformat(),
        "dry_run": dry_run,
        "files": {"before": found.files_before, "after": found.files_after},
        "bytes": {"before": found.bytes_before, "after": found.bytes_after},
        "damaged": [as_row(file) for file in found.damaged],
        "seconds": round(time.monotonic() - began, 3),
    }


def _lines(summary: dict[str, Any]) -> list[str]:
    files, sizes = summary["files"], summary["bytes"]
    would = "would become" if summary["dry_run"] else "became"
    lines = [
        f"Raw of dates before {summary['before']}: {files['before']} file(s), {sizes['before'] / 1e6:.1f} MB {would} "
        f"{files['after']} file(s), {sizes['after'] / 1e6:.1f} MB. {summary['seconds']:.1f} s."
    ]
    lines += [
        f"Left as it is, because a file is damaged: {row['document']}, {row['date']}, {row['file']} (nightshift repair)"
        for row in summary["damaged"]
    ]
    return lines
