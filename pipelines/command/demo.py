"""``nightshift demo``: from nothing to a night's sleep in every layer, against the simulators, in a home of its own.

One of the users also sleeps in a bed that tells of the nights, with a partner who has no phone.
"""

import json
import os
import shutil
import time
import urllib.request
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from connectors.errors import NightshiftError, WrongUsage
from pipelines.command.console import print_table, say
from pipelines.command.sandbox import DEFAULT_KEY
from pipelines.command.serving import serving
from schemas.asleep import ASLEEP
from schemas.eight_sleep import EIGHT_SLEEP

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from connectors.home import Clock, Home
    from pipelines.settings import Settings

MARKER = ".nightshift-demo"
REQUESTS_PER_SECOND = 1_000
QUESTION = """\
select stage, round(sum(epochs) * 30 / 3600.0, 1) as hours, count(distinct session_id) as sessions
from sleep_stage_intervals group by stage order by hours desc"""

AGREEMENT = """\
select metric, nights, kappa, bias_s, lower_limit_s, upper_limit_s from source_agreement where user_id = ''"""


class SandboxFailed(NightshiftError):
    """The simulator did not start, or its truth is not what the pipeline made."""


def demo(
    users: Annotated[int, typer.Option(min=1, max=1_000, help="Users in the simulated world.")] = 24,
    nights: Annotated[int, typer.Option(min=1, max=365, help="Nights each of them has slept.")] = 30,
    seed: Annotated[int, typer.Option(help="Same seed, same world.")] = 1,
    live: Annotated[bool, typer.Option("--live", help="Then let a night arrive by webhook, in fast motion.")] = False,
) -> None:
    """Run the whole pipeline over HTTP against the simulators and show what came out. Needs no key."""
    began = time.monotonic()
    root = fresh_demo_home()
    with sandbox_process(users, nights, seed) as base_url:
        say(f"Sandbox: {users} users × {nights} nights at {base_url}, one of them also in a bed, beside a partner")
        settings, home = _open(root, base_url)
        _import_roster(home, base_url)
        summary = _sync(settings, home, nights)
        sessions_equal = check_truth(settings, home, base_url)
        if live:
            _show_live(root, base_url)
            return
    _show(settings, home, summary)
    shown = _shown(root)
    say(f"Everything equals the sandbox's truth: {sessions_equal} sessions, every figure.")
    say(f"That took {time.monotonic() - began:.0f} s. What next:")
    say(f"  files  {shown}/lake (Parquet), {shown}/fhir (NDJSON), {shown}/warehouse.duckdb")
    say(f"  ask    NIGHTSHIFT_HOME={shown} .venv/bin/nightshift sql 'from nights limit 5'")
    say(f"  look   NIGHTSHIFT_HOME={shown} make dev    (the Dagster UI, http://127.0.0.1:3000)")


def _show_live(root: Path, base_url: str) -> None:
    from pipelines.command.live_demo import WorldClock, show_a_night

    clock = WorldClock(base_url)
    settings, home = _open(root, base_url, clock)
    show_a_night(settings, home, clock, DEFAULT_KEY, lambda: _import_roster(home, base_url))


def fresh_demo_home() -> Path:
    """An empty demo home; what a former demo left there is removed, anything else is not touched.

    Raises: WrongUsage.
    """
    home = os.environ.get("NIGHTSHIFT_HOME")
    root = Path(home) / "demo" if home else Path("data-demo")
    if root.exists() and any(root.iterdir()):
        if not (root / MARKER).exists():
            raise WrongUsage(f"{_shown(root)} holds something else than a demo: move it away, or set NIGHTSHIFT_HOME.")
        shutil.rmtree(root)
    return root.resolve()


def sandbox_process(users: int, nights: int, seed: int) -> AbstractContextManager[str]:
    """The simulator in a process of its own; gives its base URL. Raises: SandboxFailed."""
    from connectors.home import utc_now

    world = ["--users", str(users), "--nights", str(nights), "--seed", str(seed), "--key", DEFAULT_KEY]
    world += ["--now", utc_now().isoformat()]  # told, it stands still, in the bed too, so that there is one truth
    failed = SandboxFailed("The sandbox did not start: run `nightshift sandbox` to see why.")
    return serving("sandbox", "--port", "0", *world, unserved=failed)


def check_truth(settings: "Settings", home: "Home", base_url: str) -> int:
    """Compare the warehouse with what the simulators know; gives the number of sessions compared.

    Raises: SandboxFailed if a session is missing, doubled or different.
    """
    from connectors.state.roster import list_users
    from pipelines.command.truth import differences, expected_sessions, expected_stays, stay_differences
    from pipelines.resources import open_warehouse

    with home.state.read() as connection:
        user_ids = {user.asked_as: user.user_id for user in list_users(connection, EIGHT_SLEEP)}
    sessions = expected_sessions(fetch_json(f"{base_url}/_control/truth"))
    stays = expected_stays(fetch_json(f"{base_url}/_control/bed/truth"), user_ids)
    with open_warehouse(settings, home).read() as connection:
        relation = connection.execute("select * from sleep_sessions")
        names = [column[0] for column in relation.description or []]
        found = [dict(zip(names, row, strict=True)) for row in relation.fetchall()]
    of_phones, of_beds = ([row for row in found if row["source"] == source] for source in (ASLEEP, EIGHT_SLEEP))
    wrong = differences(sessions, of_phones) + stay_differences(stays, of_beds)
    if wrong:
        raise SandboxFailed(f"{len(wrong)} figure(s) differ from the sandbox's truth, first in {wrong[0]}.")
    return len(found)


def fetch_json(url: str) -> Any:
    """A JSON answer of a control of the simulators."""
    return json.loads(_fetch(url))


def _fetch(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=60) as answer:  # noqa: S310 - the simulator on loopback
        body: bytes = answer.read()
    return body


def _open(root: Path, base_url: str, clock: "Clock | None" = None) -> "tuple[Settings, Home]":
    from connectors.eight_sleep.sandbox.server import addresses_under
    from connectors.home import utc_now
    from pipelines.resources import open_home
    from pipelines.settings import load_settings

    hosts = addresses_under(base_url)
    owner = fetch_json(f"{hosts.control}/users")[0]
    settings = load_settings(
        nightshift_home=root,
        asleep_api_key=DEFAULT_KEY,
        asleep_base_url=base_url,
        asleep_requests_per_second=REQUESTS_PER_SECOND,
        eight_sleep_email=owner["email"],
        eight_sleep_password=owner["password"],
        eight_sleep_accounts_file=None,
        eight_sleep_client_id=None,
        eight_sleep_client_secret=None,
        eight_sleep_auth_url=hosts.auth,
        eight_sleep_client_url=hosts.client,
        eight_sleep_app_url=hosts.app,
        nightshift_state_url=None,
        nightshift_warehouse_url=None,
    )
    home = open_home(settings, clock or utc_now)
    (root / MARKER).touch()
    return settings, home


def _import_roster(home: "Home", base_url: str) -> None:
    from assets.builds import mark_users_dirty
    from connectors.state.roster import put_users, read_roster_csv

    with home.state.write() as connection:
        for name, path in (("roster.csv", "users.csv"), ("roster-beds.csv", "bed/users.csv")):
            file = home.root / name
            file.write_bytes(_fetch(f"{base_url}/_control/{path}"))
            put_users(connection, read_roster_csv(file, ASLEEP))
        mark_users_dirty(connection)


def _sync(settings: "Settings", home: "Home", nights: int) -> dict[str, Any]:
    from datetime import timedelta

    from pipelines.command.sync import run_sync
    from schemas.nights import utc_date

    today = utc_date(home.clock())
    first = today - timedelta(days=nights + 3)
    return run_sync(settings, home, lambda runner: runner.pull(first, today))


def _show(settings: "Settings", home: "Home", summary: dict[str, Any]) -> None:
    from pipelines.command.hypnogram import draw_hypnogram
    from pipelines.command.sync import summary_lines
    from pipelines.resources import open_warehouse

    for line in summary_lines(summary):
        say(line)
    with open_warehouse(settings, home).read() as connection:
        nights = connection.execute(
            "select h.sleep_stages, s.start_time, s.timezone, s.night_of, s.total_sleep_time_s, s.sleep_efficiency "
            "from sleep_hypnograms h join sleep_sessions s using (source, user_id, session_id) "
            "where s.sleep_cycles >= 4 order by s.start_time desc, s.session_id limit 1"
        ).fetchall()
        tables = [
            (name, connection.execute(f"select count(*) from {name}").fetchall()[0][0])  # noqa: S608 - names are ours
            for (name,) in connection.execute(
                "select table_name from information_schema.tables order by table_name"
            ).fetchall()
        ]
        answer = connection.execute(QUESTION)
        columns = [column[0] for column in answer.description or []]
        rows = answer.fetchall()
        agreement = {metric: figures for metric, *figures in connection.execute(AGREEMENT).fetchall()}
    for night in nights:
        stages, start, zone, night_of, asleep_s, efficiency = night
        hours, minutes = divmod(asleep_s // 60, 60)
        say(f"\nThe night of {night_of} in {zone}: {hours} h {minutes:02} min asleep, efficiency {efficiency:.0%}\n")
        for line in draw_hypnogram(stages, start, zone):
            say(line)
    say()
    print_table(["table", "rows"], tables, title="In the warehouse")
    say(QUESTION)
    print_table(columns, rows)
    for line in _agreement_lines(agreement):
        say(line)


def _agreement_lines(agreement: "Mapping[str, Sequence[Any]]") -> "Iterator[str]":
    """How the phone and the bed of one person tell of the same nights."""
    asleep = agreement.get("total_sleep_time_s")
    if asleep is None:
        return
    nights, _, bias_s, *limits_s = asleep
    yield f"{nights} nights were told by phone and bed: in nights each is one row, and nothing counts twice."
    kappas = [
        f"{agreement[metric][1]:.2f} {words}"
        for metric, words in (("sleep_wake", "for sleep and wake"), ("stages", "for the four stages"))
        if metric in agreement and agreement[metric][1] is not None
    ]
    limits = " and ".join(f"{limit / 60:+.0f}" for limit in limits_s if limit is not None)
    if kappas:
        yield (
            f"They agree by a kappa of {' and '.join(kappas)}; the bed's total sleep differs by {bias_s / 60:+.0f} min "
            f"on average{f', mostly between {limits} min' if limits else ''}."
        )


def _shown(root: Path) -> str:
    try:
        return str(root.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(root)
