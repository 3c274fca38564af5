"""``nightshift sync`` and ``nightshift backfill``: pull, then build what changed."""

import json
import time
from dataclasses import replace
from datetime import date, timedelta
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from connectors.errors import NightshiftError, WrongUsage
from pipelines.command.console import (
    EXIT_INCOMPLETE,
    check_range,
    note,
    open_settings_and_home,
    parse_date,
    say,
)
from schemas.asleep import ASLEEP
from schemas.eight_sleep import EIGHT_SLEEP
from schemas.nights import utc_date

if TYPE_CHECKING:
    from collections.abc import Callable

    from connectors.home import Home
    from connectors.patience import Patience
    from pipelines.runs import Runner
    from pipelines.settings import Settings

ASLEEP_CALLS = ("list", "detail", "stats", "user")
"""Endpoints of the contract's summary; what else is asked is asked of beds."""

From = Annotated[str | None, typer.Option("--from", help="First UTC start date, YYYY-MM-DD.")]
To = Annotated[str | None, typer.Option("--to", help="Last UTC start date, inclusive; default today.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
NewVendor = Annotated[
    bool, typer.Option("--new-vendor", help="Accept another address or key of the same Asleep account.")
]


def sync(
    first: From = None,
    last: To = None,
    as_json: Json = False,
    new_vendor: NewVendor = False,
    unfinished: Annotated[
        bool, typer.Option("--unfinished", help="Ask only the users whom the last pull did not get.")
    ] = False,
    accept_deletions: Annotated[
        bool, typer.Option("--accept-deletions", help="Delete what the vendor no longer has, however much that is.")
    ] = False,
) -> None:
    """Pull what is new or changed and build it. Run it again after any failure: nothing is lost or doubled."""
    settings, home = open_settings_and_home()
    today = utc_date(home.clock())
    end = parse_date(last, "--to") or today
    start = parse_date(first, "--from") or min(end, today - timedelta(days=settings.nightshift_lookback_days))
    check_range(start, end)

    # Who names dates or looks for deletions means everybody.
    every_days = 1 if first or last or accept_deletions else settings.reconcile_days

    def pull(runner: "Runner") -> None:
        runner.pull(start, end, only_unpulled=unfinished, accept_deletions=accept_deletions, reconcile_days=every_days)

    summary = run_sync(settings, home, pull, new_vendor=new_vendor)
    report_and_exit(summary, as_json)


def backfill(
    first: Annotated[str, typer.Option("--from", help="First UTC start date, YYYY-MM-DD.")],
    last: Annotated[str, typer.Option("--to", help="Last UTC start date, inclusive.")],
    as_json: Json = False,
    new_vendor: NewVendor = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what it would cost; no call, nothing written.")
    ] = False,
    with_lists: Annotated[bool, typer.Option("--list", help="With --dry-run: make the list calls, be exact.")] = False,
) -> None:
    """Pull and build a range of dates, in runs of up to 90 days, as the UI does it."""
    settings, home = open_settings_and_home()
    start, end = _required_date(first, "--from"), _required_date(last, "--to")
    check_range(start, end)
    if with_lists and not dry_run:
        raise WrongUsage("--list goes with --dry-run.")
    if dry_run:
        from pipelines.command.forecast import forecast

        expected = forecast(home, settings, start, end, with_lists=with_lists)
        for line in [json.dumps(expected.summary())] if as_json else expected.lines():
            say(line)
        return
    summary = run_sync(settings, home, lambda runner: runner.backfill(start, end), new_vendor=new_vendor)
    report_and_exit(summary, as_json)


def run_sync(
    settings: "Settings",
    home: "Home",
    pull: "Callable[[Runner], None]",
    *,
    new_vendor: bool = False,
    patience: "Patience | None" = None,
) -> dict[str, Any]:
    """Take the inbox in, pull as told, build what is dirty, export it where a destination is set.

    Gives the summary of ``sync --json``. ``patience`` is how long to bear with the vendor, as usual unless told.

    Raises: NightshiftError; InboxUnavailable only when all else is done, because a pull brings what webhooks bring.
    """
    from assets.raw.webhook_events import take_in_if_any
    from connectors.asleep.webhooks.inbox import InboxUnavailable
    from connectors.logs import open_log
    from connectors.state.quarantine import count_quarantined
    from connectors.state.roster import users_to_ask
    from connectors.state.vendor import check_vendor
    from pipelines.command.progress import PullProgress
    from pipelines.destinations import fhir_connection
    from pipelines.resources import asleep_connection, eight_sleep_accounts

    began = time.monotonic()
    asleep = replace(asleep_connection(settings, home), new_vendor=new_vendor)
    if patience is not None:
        asleep = replace(asleep, patience=patience)
    destination = fhir_connection(settings, home)
    sources = _sources_to_pull(settings, home)
    from assets.raw.eight_sleep_vendor import EightSleepAccounts

    eight_sleep = EightSleepAccounts(partial(eight_sleep_accounts, settings, home), new_vendor)
    for source in sources:
        check_vendor(home.state, (eight_sleep if source == EIGHT_SLEEP else asleep).account())
    with home.state.read() as connection:
        if not users_to_ask(connection):
            note("The roster is empty, so there is nobody to pull: nightshift users import FILE.csv")
    from pipelines.runs import open_runner

    known = _known_drift(home)
    unusable, taken_in = None, None
    with (
        PullProgress() as progress,
        open_runner(home, settings, progress, asleep, sources, eight_sleep=eight_sleep) as runner,
    ):
        try:
            taken_in = take_in_if_any(home, settings.nightshift_webhook_retention_days)
        except InboxUnavailable as error:
            unusable = error
        try:
            pull(runner)
        except NightshiftError:
            runner.drain()  # what was pulled before the stop is good
            raise
        runner.drain()
        exported = runner.export(destination) if destination else None
    if unusable:
        raise unusable
    for news in sorted(_known_drift(home) - known):
        note(f"New in the vendor's answers: {news}. Nothing is lost by it; see docs/vendor-quirks.md.")
    with home.state.read() as connection:
        quarantined = count_quarantined(connection)
    calls, counts = runner.watched.calls, runner.watched.report.counts
    bed_calls = sum(count for endpoint, count in calls.by_endpoint.items() if endpoint not in ASLEEP_CALLS)
    summary: dict[str, Any] = {
        "calls": {
            **{endpoint: calls.by_endpoint[endpoint] for endpoint in ASLEEP_CALLS},
            **({"beds": bed_calls} if EIGHT_SLEEP in sources else {}),
            "retries": calls.retries,
        },
        "sessions": {name: getattr(counts, name) for name in counts.__slots__},
        "partitions_written": runner.files,
        "quarantined": quarantined,
        "failed_users": runner.watched.report.failed.total(),
        "seconds": round(time.monotonic() - began, 3),
        **({"webhooks": taken_in.summary()} if taken_in else {}),
        **({"fhir_server": exported.counts()} if exported else {}),
    }
    open_log(home.logs).info(
        "sync.ended",
        calls=sum(calls.by_endpoint.values()),
        retries=calls.retries,
        files=runner.files,
        quarantined=quarantined,
        failed_users=summary["failed_users"],
        seconds=summary["seconds"],
        **summary["sessions"],
    )
    return summary


def _sources_to_pull(settings: "Settings", home: "Home") -> list[str]:
    """The sources at which somebody is rostered; Asleep also when nobody is, unless there are only beds."""
    from connectors.state.roster import users_to_ask

    with home.state.read() as connection:
        rostered = {user.source for user in users_to_ask(connection)}
    only_beds = ASLEEP not in rostered and settings.has_beds and not settings.asleep_api_key
    return [*([] if only_beds else [ASLEEP]), *([EIGHT_SLEEP] if EIGHT_SLEEP in rostered else [])]


def _known_drift(home: "Home") -> set[str]:
    from connectors.state.drift import list_drift

    with home.state.read() as connection:
        return {f"{drift.kind} {drift.path} ({drift.document})" for drift in list_drift(connection)}


def report_and_exit(summary: dict[str, Any], as_json: bool) -> None:
    """Print the summary and leave with 0, or with 3 if something is quarantined or a user failed."""
    if as_json:
        say(json.dumps(summary))
    else:
        for line in summary_lines(summary):
            say(line)
    if summary.get("fhir_server", {}).get("left"):
        raise typer.Exit(1)
    if summary["quarantined"] or summary["failed_users"]:
        raise typer.Exit(EXIT_INCOMPLETE)


def summary_lines(summary: dict[str, Any]) -> list[str]:
    """The summary in words."""
    sessions, calls = summary["sessions"], summary["calls"]
    lines = [
        "Sessions: " + ", ".join(f"{count} {name}" for name, count in sessions.items()) + ".",
        f"Calls: {calls['list']} list, {calls['detail']} detail, {calls['stats']} stats, {calls['user']} user"
        f"{_calls_of_beds(calls)} ({calls['retries']} retries). Lake files written: {summary['partitions_written']}. "
        f"{summary['seconds']:.1f} s.",
    ]
    if came := summary.get("webhooks"):
        lines.insert(0, f"Webhooks: {came['events']} event(s) taken in, {came['sessions']} new session(s).")
        if came["dead_letters"]:
            lines.append(f"{came['dead_letters']} event(s) are dead letters: nightshift inbox list")
    if sent := summary.get("fhir_server"):
        lines.append(f"FHIR server: {sent['written']} resource(s) sent, {sent['unchanged']} there already.")
        if sent["left"]:
            lines.append(f"{sent['left']} resource(s) could not be sent: nightshift export fhir")
    if summary["quarantined"]:
        lines.append(f"{summary['quarantined']} document(s) in quarantine: nightshift quarantine list")
    if summary["failed_users"]:
        lines.append(f"{summary['failed_users']} user(s) could not be pulled: nightshift sync --unfinished")
    return lines


def _calls_of_beds(calls: dict[str, int]) -> str:
    return f", {calls['beds']} of beds" if "beds" in calls else ""


def _required_date(text: str, option: str) -> date:
    parsed = parse_date(text, option)
    if parsed is None:
        raise WrongUsage(f"{option} is missing.")
    return parsed
