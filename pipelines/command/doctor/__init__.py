"""``nightshift doctor``: is this deployment healthy, in words, with what to do about everything that is not.

It goes on whatever is broken, makes nothing (but a login, where an Eight Sleep account has none that holds) and pulls
nothing. What is looked at has a file each in this folder.
"""

import json
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.command.console import note, say
from schemas.asleep import ASLEEP
from schemas.eight_sleep import EIGHT_SLEEP
from schemas.nights import utc_date

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connectors.home import Home
    from pipelines.command.doctor.findings import Finding
    from pipelines.command.doctor.state import Known
    from pipelines.settings import Settings

MARKS = {True: "ok", False: "!!", None: "??"}
"""Fine; not fine; could not be looked at, for a reason another finding tells."""


def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False) -> None:
    """Look at key, disk, state, schedule, warehouse and vendors, and say in words what is wrong (exit code 1)."""
    from connectors.home import Home
    from pipelines.settings import load_settings

    settings = load_settings()
    secret = settings.nightshift_secret_key
    findings = examine(
        settings,
        Home(
            settings.nightshift_home.resolve(),
            state_url=settings.nightshift_state_url,
            secret_key=secret.get_secret_value().encode() if secret else None,
        ),
    )
    wrong = sum(finding.fine is False for finding in findings)
    if as_json:
        rows = [{"what": f.what, "fine": f.fine, "words": f.words, "do": f.do} for f in findings]
        say(json.dumps({"well": not wrong, "findings": rows}))
    else:
        for line in _lines(findings):
            say(line)
        note("All is well." if not wrong else f"{wrong} thing(s) to see to.")
    if wrong:
        raise typer.Exit(1)


def examine(settings: "Settings", home: "Home") -> "list[Finding]":
    """Everything that can be found out about this home with these settings; nothing that is broken stops it."""
    from pipelines.command.doctor import folder
    from pipelines.command.doctor.findings import look
    from pipelines.command.doctor.state import readable_as_it_is

    root, has_file = home.root, home.state_url is None
    writable = folder.is_writable(root)
    if has_file and not writable:
        home = readable_as_it_is(home)
    known, of_state = _look_at_state(home, has_file)
    return [
        *look("settings", lambda: [folder.settings_finding(root, settings.asleep_base_url)]),
        *look("home", lambda: folder.home_findings(root)),
        *look("disk", lambda: [folder.disk_finding(root)]),
        *of_state,
        *_look_at_work(settings, home, known, writable),
        *_look_at_warehouse(settings, home),
        *_look_at_vendor(settings, home, known, writable),
        *_look_at_beds(settings, home, known, writable),
        *_look_at_documentation(known),
    ]


def _look_at_state(home: "Home", has_file: bool) -> "tuple[Known | None, list[Finding]]":
    """What the state says, None if it cannot be read, and the findings about the database itself."""
    from connectors.errors import NightshiftError
    from pipelines.command.doctor import state
    from pipelines.command.doctor.findings import Finding, look

    file = home.root / "state.db"
    findings: list[Finding] = []
    if has_file:
        raw_exists = (home.root / "raw").is_dir() and any((home.root / "raw").iterdir())
        findings = look("state", lambda: state.file_findings(file, raw_exists=raw_exists))
        if not file.exists() or not file.stat().st_size:
            return state.Known(), findings
    try:
        known = state.read_known(home)
    except NightshiftError as error:
        wrong = [finding for finding in findings if not finding.fine]
        return None, wrong or [Finding("state", False, str(error))]
    if not has_file:
        findings.append(Finding("state", True, "The database of NIGHTSHIFT_STATE_URL can be read."))
    return known, findings


def _look_at_work(settings: "Settings", home: "Home", known: "Known | None", writable: bool) -> "Iterator[Finding]":
    """Who is followed, whether they were pulled when they should have been, and what became of it."""
    from pipelines.command.doctor import schedule, state
    from pipelines.command.doctor.findings import Finding, look

    daemon, of_daemon = schedule.find_daemon(home.dagster, writable=writable)
    if known is None:
        yield from of_daemon or schedule.daemon_findings(daemon, [ASLEEP], overdue=False)
        for what in ("roster", "schedule", "users not pulled", "quarantine", "dirty partitions"):
            yield Finding(what, None, "It stands in the state, which cannot be read.")
        return
    now = home.clock()
    timely = {
        source: schedule.schedule_finding(known, settings.nightshift_schedule, now, source) for source in known.followed
    }
    overdue = any(known.of(source).pulled_at is not None and not finding.fine for source, finding in timely.items())
    yield from look("roster", lambda: state.roster_findings(known, utc_date(now)))
    yield from timely.values()
    yield from of_daemon or schedule.daemon_findings(daemon, known.followed, overdue=overdue)
    yield from state.pull_findings(known)
    yield state.quarantine_finding(known)
    yield schedule.dirty_finding(known, daemon)


def _look_at_warehouse(settings: "Settings", home: "Home") -> "list[Finding]":
    """Whether analysts find the nights."""
    from pipelines.command.doctor.findings import look
    from pipelines.command.doctor.warehouse import warehouse_findings
    from pipelines.resources import open_warehouse

    url = settings.nightshift_warehouse_url
    return look("warehouse", lambda: warehouse_findings(open_warehouse(settings, home), home, url))


def _look_at_vendor(settings: "Settings", home: "Home", known: "Known | None", writable: bool) -> "Iterator[Finding]":
    """Whether Asleep takes our key, answers, and is the account this home was filled from, if anybody has a phone."""
    from pipelines.command.doctor import vendor
    from pipelines.command.doctor.findings import look

    phones = [user for user in known.users if user.source == ASLEEP] if known else []
    if not phones and settings.has_beds and settings.asleep_api_key is None:
        return
    asked = next((user.asked_as for user in phones if not (user.gone or user.removed)), None)
    found = look("vendor", lambda: vendor.vendor_findings(settings, home, asked, writable=writable))
    yield from found
    if known is not None and known.is_read and settings.asleep_api_key is not None:
        accepted = any(finding.what == "key" and finding.fine for finding in found)
        yield from look("account", lambda: [vendor.account_finding(settings, home, key_accepted=accepted)])


def _look_at_beds(settings: "Settings", home: "Home", known: "Known | None", writable: bool) -> "Iterator[Finding]":
    """Whether every Eight Sleep account can be used, its beds are there, and everybody rostered at one is in one."""
    sleepers = [user for user in known.users if user.source == EIGHT_SLEEP and not user.removed] if known else []
    if not (settings.has_beds or sleepers):
        return
    from pipelines.command.doctor import beds
    from pipelines.command.doctor.findings import Finding, look

    if settings.has_beds and (known is None or not known.is_read or not writable):
        yield Finding("Eight Sleep", None, "It was not asked: its token is kept in the state, which cannot be written.")
    else:
        yield from look("Eight Sleep", lambda: beds.bed_findings(settings, home, sleepers))


def _look_at_documentation(known: "Known | None") -> "Iterator[Finding]":
    """Where the vendors' answers are not as documented."""
    from pipelines.command.doctor.drift import drift_findings
    from pipelines.command.doctor.findings import look

    if known is not None:
        yield from look("documentation", lambda: drift_findings(known.drift))


def _lines(findings: "list[Finding]") -> "Iterator[str]":
    width = max(len(finding.what) for finding in findings)
    for finding in findings:
        first, *others = finding.words.split("\n")
        yield f"{MARKS[finding.fine]}  {finding.what:{width}}  {first}"
        for line in (*others, finding.do):
            if line:
                yield f"{'':{width + 6}}{line}"
