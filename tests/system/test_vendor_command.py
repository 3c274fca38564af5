"""``nightshift vendor user`` and ``vendor session``: what changes at the vendor, and how roster and tables follow."""

import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from starlette.requests import Request
from starlette.responses import Response
from typer.testing import CliRunner

from connectors.asleep.sandbox import World
from connectors.errors import NightshiftError
from connectors.home import Home
from connectors.state.roster import RosterUser, end_user, list_users, put_users
from pipelines.command.main import app
from schemas.asleep import ASLEEP
from tests.system.conftest import NEUTRAL, WarmProcess, new_home, session_rows
from tests.system.faults import FaultySandbox, answer, faulty_sandbox
from tests.system.held import HeldAnswer
from tests.system.test_bad_input import said
from tests.system.worlds import KEY, NOW, control, eventually, hear_ctrl_c

ID = re.compile(r"G-\d{14}-[A-Za-z]{20}")


def world() -> World:
    """The same small world every time."""
    return World(users=2, nights=3, api_key=KEY, now=NOW)


@pytest.fixture(scope="module")
def served() -> Iterator[FaultySandbox]:
    """Where the worlds of the tests are served, one after the other."""
    with faulty_sandbox(world()) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(served: FaultySandbox) -> FaultySandbox:
    """A small world of this test alone."""
    served.begin_again(world())
    return served


@pytest.fixture
def root(sandbox: FaultySandbox, tmp_path: Path) -> Path:
    """A home whose roster is everybody in the world; nothing is pulled yet."""
    return new_home(tmp_path / "home", sandbox.base_url, org="clinic")


@pytest.fixture(scope="module")
def filled(warm: WarmProcess, served: FaultySandbox, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home into which the world was pulled; tests must not change it."""
    served.begin_again(world())
    root = new_home(tmp_path_factory.mktemp("filled") / "home", served.base_url, org="clinic")
    assert warm.sync(root, served.base_url).status == 0
    return root


@pytest.fixture
def synced(filled: Path, sandbox: FaultySandbox, tmp_path: Path) -> Path:
    """A copy of the home into which the world was pulled."""
    return shutil.copytree(filled, tmp_path / "synced")


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


def vendor(sandbox: FaultySandbox, root: Path, *arguments: str, stdin: str = "", key: str = KEY) -> Ended:
    """Run ``nightshift vendor`` in this process, with something on stdin, which is no terminal."""
    settings = {"ASLEEP_BASE_URL": sandbox.base_url, "ASLEEP_API_KEY": key, "ASLEEP_REQUESTS_PER_SECOND": "500"}
    run = CliRunner().invoke(app, ["vendor", *arguments], input=stdin, env={"NIGHTSHIFT_HOME": str(root), **settings})
    if isinstance(run.exception, NightshiftError):
        # As main() tells it: the test of the command itself is in test_bad_input.
        return Ended(run.exception.exit_code, run.stdout, f"{run.stderr}nightshift: {run.exception}")
    assert run.exception is None or isinstance(run.exception, SystemExit), run.exception
    return Ended(run.exit_code, run.stdout, run.stderr)


def typed(sandbox: FaultySandbox, root: Path, *arguments: str, answer: str) -> tuple[int, str]:
    """Run ``nightshift vendor`` at a terminal at which somebody types; the exit code and all that was shown."""
    settings = {"ASLEEP_BASE_URL": sandbox.base_url, "ASLEEP_API_KEY": KEY}
    ours, theirs = pty.openpty()
    os.write(ours, f"{answer}\n".encode())
    ended = subprocess.run(
        [sys.executable, "-m", "pipelines.command.main", "vendor", *arguments],
        env={**NEUTRAL, "NIGHTSHIFT_HOME": str(root), **settings},
        stdin=theirs,
        capture_output=True,
        text=True,
        check=False,
    )
    os.close(theirs)
    os.close(ours)
    return ended.returncode, ended.stdout + ended.stderr


def rostered(root: Path) -> dict[str, RosterUser]:
    """The roster by user id."""
    home = Home(root)
    with home.state.read() as connection:
        users = {user.user_id: user for user in list_users(connection, ASLEEP)}
    home.state.close()
    return users


def somebody(sandbox: FaultySandbox) -> dict[str, Any]:
    """A user of the world with all sessions, as the vendor has them now."""
    user: dict[str, Any] = control(sandbox.base_url, "truth")["users"][0]
    return user


def complete(user: dict[str, Any]) -> list[str]:
    """The ids of a user's complete sessions."""
    return [session["id"] for session in user["sessions"] if session["state"] == "COMPLETE"]


def lake_sessions(root: Path) -> set[str]:
    """The session ids in the lake's tables, which must agree."""
    found = [
        {
            session_id
            for file in (root / "lake" / table).rglob("*.parquet")
            for session_id in pq.ParquetFile(file).read(["session_id"]).column("session_id").to_pylist()
        }
        for table in ("sleep_sessions", "sleep_hypnograms")
    ]
    assert found[1] <= found[0]
    return found[0]


def test_a_user_from_creation_to_deletion(sandbox: FaultySandbox, root: Path) -> None:
    """The id alone on stdout; shown as stored; changed without losing the rest; deleted, and ended on the roster."""
    options = ["--birth-year", "1980", "--height-cm", "170.5", "--timezone", "Asia/Seoul", "--org", "clinic"]
    made = vendor(sandbox, root, "user", "create", *options)
    user_id = made.stdout.strip()
    assert (made.returncode, ID.fullmatch(user_id) is not None) == (0, True), made.stderr
    assert user_id not in made.stderr
    assert rostered(root)[user_id] == RosterUser(ASLEEP, user_id, "clinic", "Asia/Seoul")

    shown = json.loads(vendor(sandbox, root, "user", "show", "-", "--json", stdin=f"{user_id}\n").stdout)
    assert (shown["user_id"], shown["metadata"]["birth_year"], shown["metadata"]["height"]) == (user_id, 1980, 170.5)
    changing = ["--weight-kg", "60.5", "--clear", "height-cm", "--yes"]
    changed = vendor(sandbox, root, "user", "update", user_id, *changing)
    assert "height-cm: 170.5 cm → not set\nweight-kg: not set → 60.5 kg\n" in changed.stderr
    words = vendor(sandbox, root, "user", "show", user_id).stdout
    assert re.search("birth year +1980\n", words)
    assert re.search("height +not set\n", words)
    assert re.search("weight +60.5 kg\n", words)
    assert "never tracked" in words
    assert "not marked for deletion" in words

    deleted = vendor(sandbox, root, "user", "delete", user_id, "--yes")
    assert (deleted.returncode, deleted.stdout.startswith("Deleted at Asleep")) == (0, True), deleted.stderr
    assert vendor(sandbox, root, "user", "show", user_id).returncode == 1
    ended = rostered(root)[user_id]
    assert (ended.org_id, ended.timezone, ended.gone) == ("clinic", "Asia/Seoul", True)
    assert ended.active_to is not None
    again = vendor(sandbox, root, "user", "delete", user_id, "--yes")
    assert (again.returncode, "counts as deleted" in again.stdout) == (0, True)
    assert rostered(root)[user_id] == ended


def test_a_change_reaches_the_table_with_the_next_sync(warm: WarmProcess, sandbox: FaultySandbox, synced: Path) -> None:
    """Although the users' documents are fetched once a week only; of nobody else one is fetched."""
    user_id = somebody(sandbox)["user_id"]
    assert vendor(sandbox, synced, "user", "update", user_id, "--height-cm", "150.5", "--yes").returncode == 0
    outcome = warm.sync(synced, sandbox.base_url)
    assert (outcome.status, outcome.summary["calls"]["user"]) == (0, 1), outcome.err
    (file,) = (synced / "lake" / "users").rglob("*.parquet")
    (row,) = (row for row in pq.ParquetFile(file).read().to_pylist() if row["user_id"] == user_id)
    assert row["height_cm"] == 150.5


def test_deleting_a_user_leaves_past_rows_and_the_next_sync_green(
    warm: WarmProcess, sandbox: FaultySandbox, synced: Path
) -> None:
    """Rows keep organisation and zone, the words say how many sessions, and no later pull fails for the user."""
    before = session_rows(synced)
    user = somebody(sandbox)
    known = len(user["sessions"])
    told = vendor(sandbox, synced, "user", "delete", user["user_id"], "--yes").stderr
    assert f"This home knows {known} session(s) of the user" in told
    after = warm.sync(synced, sandbox.base_url)
    assert (after.status, after.summary["failed_users"], after.summary["sessions"]["deleted"]) == (0, 0, 0), after.err
    assert session_rows(synced) == before
    assert {row["org_id"] for row in before} == {"clinic"}


def test_a_deleted_session_leaves_lake_and_warehouse_with_the_next_sync(
    warm: WarmProcess, sandbox: FaultySandbox, synced: Path
) -> None:
    """Also when its date is beyond the look-back; all others stay, and a later sync changes nothing more."""
    user = somebody(sandbox)
    kept, doomed = lake_sessions(synced), complete(user)[0]
    words = vendor(sandbox, synced, "session", "show", doomed, "--user", user["user_id"]).stdout
    assert re.search("state +COMPLETE", words)
    assert re.search(r"in bed +\d+ h \d\d min\n", words)
    assert re.search("in this home +complete, revision 1\n", words)

    ids = f"{doomed}\n{user['user_id']}\n"
    deleted = vendor(sandbox, synced, "session", "delete", "-", "--user", "-", "--yes", stdin=ids)
    assert (deleted.returncode, "nightshift sync" in deleted.stdout) == (0, True), deleted.stderr
    assert doomed not in deleted.stdout + deleted.stderr
    later = NOW + timedelta(days=60)
    outcome = warm.sync(synced, sandbox.base_url, now=later)
    assert (outcome.status, outcome.summary["sessions"]["deleted"]) == (0, 1), outcome.err
    assert lake_sessions(synced) == kept - {doomed}
    assert {row["session_id"] for row in session_rows(synced)} == kept - {doomed}
    assert warm.sync(synced, sandbox.base_url, now=later).summary["partitions_written"] == 0
    again = vendor(sandbox, synced, "session", "delete", doomed, "--user", user["user_id"], "--yes")
    assert "no row of it" in again.stdout


def test_a_crash_after_the_vendor_has_deleted_is_made_up_for(
    warm: WarmProcess, sandbox: FaultySandbox, synced: Path
) -> None:
    """The ledger owes the session before the vendor is asked: a sync finds it gone whatever became of the command."""
    user = somebody(sandbox)
    kept, doomed = lake_sessions(synced), complete(user)[0]

    def delete_and_break(request: Request) -> Response | None:
        owner = sandbox.world.user(user["user_id"])
        session = owner.session(doomed) if owner else None
        if request.method != "DELETE" or owner is None or session is None:
            return None
        sandbox.world.delete_session(owner, session)
        return Response('{"detail": "forbidden"}', 403)

    sandbox.fault = delete_and_break
    broken = vendor(sandbox, synced, "session", "delete", doomed, "--user", user["user_id"], "--yes")
    sandbox.fault = None
    assert (broken.returncode, broken.stdout) == (1, "")
    assert warm.sync(synced, sandbox.base_url).summary["sessions"]["deleted"] == 1
    assert lake_sessions(synced) == kept - {doomed}


@pytest.mark.parametrize(
    "arguments",
    [
        ("user", "delete", "{user}"),
        ("user", "update", "{user}", "--height-cm", "150.5"),
        ("session", "delete", "{session}", "--user", "{user}"),
    ],
    ids=["user delete", "user update", "session delete"],
)
def test_nothing_is_changed_without_a_yes(sandbox: FaultySandbox, root: Path, arguments: tuple[str, ...]) -> None:
    """Nobody there: one sentence, exit code 2, not one call. Somebody who types anything else: exit code 1."""
    user = somebody(sandbox)
    ids = {"user": user["user_id"], "session": complete(user)[0]}
    words = [argument.format(**ids) for argument in arguments]
    sandbox.fault = lambda request: sandbox.requests.append(request.method)
    unasked = vendor(sandbox, root, *words)
    assert (unasked.returncode, "add --yes" in unasked.stderr, sandbox.requests) == (2, True, [])
    status, shown = typed(sandbox, root, *words, answer="perhaps")
    assert (status, "nothing was changed" in shown, "Traceback" in shown) == (1, True, False)
    assert not {"DELETE", "PUT"} & set(sandbox.requests)
    agreed = "yes" if "update" in words else "delete"
    status, shown = typed(sandbox, root, *words, answer=agreed)
    assert (status, bool({"DELETE", "PUT"} & set(sandbox.requests))) == (0, True), shown


def test_a_user_who_is_about_to_go_is_shown_as_such(sandbox: FaultySandbox, root: Path) -> None:
    """The vendor may delete later than it answers; until then the last session is shown."""
    user = somebody(sandbox)
    known = sandbox.world.user(user["user_id"])
    assert known is not None
    sandbox.world.mark_to_be_deleted(known)
    words = vendor(sandbox, root, "user", "show", user["user_id"]).stdout
    assert re.search("deletion +marked for deletion\n", words)
    assert f"last session  {user['sessions'][-1]['id']}: {user['sessions'][-1]['state']}" in words
    assert re.search("roster +followed, zone .*, organisation clinic\n", words)


def test_another_account_is_asked_nothing(sandbox: FaultySandbox, root: Path) -> None:
    """There every user looks deleted. The home of the account in which a user was made never believes another."""
    user_id = vendor(sandbox, root, "user", "create").stdout.strip()
    before = rostered(root)
    sandbox.fault = answer(404, '{"detail": "user does not exist"}')
    refused = vendor(sandbox, root, "user", "delete", user_id, "--yes", key="another-key")
    assert (refused.returncode, "another API key" in refused.stderr) == (2, True)
    assert rostered(root) == before


def test_a_session_of_somebody_not_on_the_roster_is_not_deleted(
    warm: WarmProcess, sandbox: FaultySandbox, synced: Path
) -> None:
    """No sync would ever take its row away: refused, with the way out, which then works."""
    user = somebody(sandbox)
    doomed = complete(user)[0]
    words = ("session", "delete", doomed, "--user", user["user_id"], "--yes")
    assert warm.nightshift(synced, "users", "remove", user["user_id"]).status == 0
    refused = vendor(sandbox, synced, *words)
    assert (refused.returncode, "not on the roster" in refused.stderr) == (2, True)
    assert warm.nightshift(synced, "users", "add", user["user_id"], "--active-to", "2026-10-01").status == 0
    assert vendor(sandbox, synced, *words).returncode == 0
    assert warm.sync(synced, sandbox.base_url).status == 0
    assert doomed not in lake_sessions(synced)


@pytest.mark.parametrize(
    ("status", "body", "doubt"),
    [(503, "down", True), (201, "cut", True), (403, '{"detail": "Quota exceeded"}', False), (422, "{}", False)],
)
def test_it_is_told_when_a_user_may_have_been_made(
    sandbox: FaultySandbox, root: Path, status: int, body: str, doubt: bool
) -> None:
    """After a failure of the vendor's it is not known; after a refusal it is. Either way: exit code 1, no new user."""
    before = rostered(root)
    sandbox.fault = answer(status, body)
    failed = vendor(sandbox, root, "user", "create")
    assert (failed.returncode, failed.stdout, "not known whether" in failed.stderr) == (1, "", doubt)
    assert rostered(root) == before


def test_ctrl_c_while_a_user_is_made_says_that_it_is_not_known(sandbox: FaultySandbox, root: Path) -> None:
    """Once the request is out nobody is told to run the command again: that would make a second user."""
    before = rostered(root)
    sandbox.fault = lambda request: HeldAnswer() if request.method == "POST" else None
    sandbox.requests.clear()
    settings = {"ASLEEP_BASE_URL": sandbox.base_url, "ASLEEP_API_KEY": KEY}
    with subprocess.Popen(
        [sys.executable, "-m", "pipelines.command.main", "vendor", "user", "create"],
        env={**NEUTRAL, "NIGHTSHIFT_HOME": str(root), **settings},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=hear_ctrl_c,
    ) as process:
        eventually(lambda: bool(sandbox.requests))
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    told = said(subprocess.CompletedProcess([], process.returncode, out, err))
    assert (process.returncode, out, "not known whether" in told) == (1, "", True)
    assert "run the command again" not in told
    assert rostered(root) == before


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ("connectors.asleep.connection.AsleepConnection.open", "run the command again"),
        ("connectors.state.roster.put_users", "stopped. The user was made at Asleep but is not on the roster"),
    ],
    ids=["before the request", "before the roster"],
)
def test_ctrl_c_before_and_after_the_request_is_told_as_it_is(
    sandbox: FaultySandbox, root: Path, monkeypatch: pytest.MonkeyPatch, where: str, words: str
) -> None:
    """Nothing was sent: again. Made but not followed: the id is out, and what is left to do is told."""

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(where, interrupt)
    ended = vendor(sandbox, root, "user", "create")
    assert (ended.returncode, words in ended.stderr) == (1, True), ended.stderr
    assert bool(ID.fullmatch(ended.stdout.strip())) is ("roster" in words)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["user", "create", "--height-cm", "301"], "--height-cm must be from 0 to 300."),
        (["user", "create", "--timezone", "Mars/Olympus"], "--timezone: the timezone is not an IANA name"),
        (["user", "create", "--active-from", "soon"], "--active-from: not a date"),
        (["user", "update", "G", "--yes"], "Say what to change"),
        (["user", "update", "G", "--clear", "name", "--yes"], "--clear: 1 field(s) are not known"),
        (["user", "update", "G", "--clear", "gender", "--gender", "other", "--yes"], "both set and cleared"),
        (["user", "show", "-"], "The user id is empty."),
        (["session", "show", "-", "--user", "G"], "The session id is empty."),
    ],
)
def test_a_mistake_is_one_sentence_and_no_call(
    sandbox: FaultySandbox, root: Path, arguments: list[str], sentence: str
) -> None:
    """Exit code 2 before the vendor hears of it."""
    sandbox.fault = lambda request: sandbox.requests.append(request.method)
    wrong = vendor(sandbox, root, *arguments)
    assert (wrong.returncode, sandbox.requests) == (2, [])
    assert sentence in wrong.stderr


def test_an_error_of_the_vendors_names_nobody(sandbox: FaultySandbox, root: Path) -> None:
    """Answers that quote ids are not passed on, whatever was asked."""
    user = somebody(sandbox)
    user_id, session_id = user["user_id"], complete(user)[0]
    sandbox.fault = answer(401, json.dumps({"detail": f"x-user-id {user_id} is invalid, session {session_id}"}))
    for words in (
        ("user", "show", user_id),
        ("user", "update", user_id, "--height-cm", "150", "--yes"),
        ("user", "delete", user_id, "--yes"),
        ("session", "show", session_id, "--user", user_id),
        ("session", "delete", session_id, "--user", user_id, "--yes"),
    ):
        failed = vendor(sandbox, root, *words)
        assert failed.returncode == 1
        assert not {user_id, session_id} & set(re.findall(r"[\w-]+", failed.stdout + failed.stderr))
        assert "Traceback" not in failed.stderr


def test_the_id_is_told_before_the_roster_can_fail(sandbox: FaultySandbox, root: Path) -> None:
    """The vendor has no list of users: an id that is not printed is lost, so it is printed first."""
    state = root / "state.db"

    def lose_the_roster(request: Request) -> Response | None:
        if request.method == "POST":
            state.write_bytes(b"this is no database any more" * 1000)
        return None

    sandbox.fault = lose_the_roster
    made = vendor(sandbox, root, "user", "create")
    assert (made.returncode, ID.fullmatch(made.stdout.strip()) is not None) == (1, True), made.stderr
    assert "nightshift users add" in made.stderr
    assert "Traceback" not in made.stderr


def test_the_users_dates_stay_in_order_when_they_end(tmp_path: Path) -> None:
    """Who was to be followed from next week, or not any more since last week, ends as it was, but not later."""
    home, today = Home(tmp_path), date(2026, 10, 27)
    week = timedelta(days=7)
    past = RosterUser(ASLEEP, "past", active_from=today - 2 * week, active_to=today - week)
    coming = RosterUser(ASLEEP, "coming", active_from=today + week)
    with home.state.write() as connection:
        put_users(connection, [past, coming])
        assert end_user(connection, ASLEEP, "nobody", today) is None
        for user in (past, coming):
            end_user(connection, ASLEEP, user.user_id, today)
        ended = {user.user_id: (user.active_from, user.active_to) for user in list_users(connection, ASLEEP)}
    assert ended == {"past": (today - 2 * week, today - week), "coming": (today, today)}
    home.state.close()
