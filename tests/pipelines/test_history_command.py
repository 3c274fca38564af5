"""``nightshift history``: what it prints of one session and of a range, as JSON and as it was known at a time."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from assets.lake.session_history import build_session_history
from connectors.errors import NightshiftError
from connectors.home import Home
from connectors.lake.raw import RawDocument
from connectors.state.ledger import COMPLETE, LedgerSession, put_sessions
from pipelines.command.main import app
from schemas.asleep import ASLEEP
from schemas.tables import SESSION_HISTORY
from tests.assets.homes import follow, sleeper
from tests.assets.lake.documents import DAY, FETCHED, SESSION_ID, USER_ID, changed_session, tombstone

NAP, OTHER_USER = "20250310060000_napnp", "G-other"
RANGE = ("--from", "2025-03-09", "--to", "2025-03-11")
REVISED = {
    "stat.time_in_deep": 3780,
    "stat.sleep_efficiency": 0.86,
    "stat.time_in_sleep": 23_700,
    "stat.wake_time": "2025-03-11T06:06:51+09:00",
}
BEFORE_THE_REVISION = "2025-03-11T04:59:59Z"


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    status: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        """What was printed, without empty lines."""
        return [line for line in self.out.splitlines() if line]

    @property
    def sessions(self) -> list[dict[str, Any]]:
        """The sessions of the JSON object."""
        found: list[dict[str, Any]] = json.loads(self.out)["sessions"]
        return found


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """A home with a session that was revised, deleted and restored, and two that have one version."""
    home = Home(tmp_path / "home")
    home.prepare()
    follow(home, sleeper(USER_ID), sleeper(OTHER_USER))
    pulled(
        home,
        changed_session({}),
        changed_session(REVISED, after_h=1),
        tombstone(after_h=2),
        changed_session(REVISED, after_h=3),
        changed_session({}, session_id=NAP),
        changed_session({}, user_id=OTHER_USER),
    )
    yield home
    home.state.close()


def pulled(home: Home, *documents: RawDocument) -> None:
    """Have raw, ledger and history as after a pull and a build."""
    home.raw.append(documents)
    with home.state.write() as connection:
        put_sessions(
            connection,
            {
                (document.user_id, document.document_id): LedgerSession(
                    source=ASLEEP,
                    user_id=document.user_id,
                    session_id=document.document_id,
                    org_id="clinic",
                    partition=DAY,
                    fingerprint="",
                    verdict=COMPLETE,
                    content_hash="h",
                    revision=1,
                    first_seen_at=FETCHED,
                    changed_at=FETCHED,
                )
                for document in documents
            }.values(),
        )
    build_session_history(home, DAY.isoformat())


def history(home: Home, *arguments: str, stdin: str = "") -> Ended:
    """Run the command in this process."""
    run = CliRunner().invoke(app, ["history", *arguments], input=stdin, env={"NIGHTSHIFT_HOME": str(home.root)})
    if isinstance(run.exception, NightshiftError):
        return Ended(run.exception.exit_code, run.stdout, str(run.exception))
    assert run.exception is None or isinstance(run.exception, SystemExit), run.exception
    return Ended(run.exit_code, run.stdout, run.stderr)


CHANGES = (
    "total sleep -9 min, deep +12 min, efficiency -2 points, maintenance efficiency -2.2 points, wake 06:15 -> 06:06, "
    "agreement with the stages exact -> differs, "
    "figures that disagree with the stages none -> total_sleep_time_s, deep_sleep_s"
)


def test_all_versions_of_a_session_with_what_each_changed(home: Home) -> None:
    """A line a version: revision, when it was seen, why it is there, and the difference in words."""
    ended = history(home, SESSION_ID, "--user", USER_ID)
    assert ended.status == 0
    assert ended.lines == [
        "All versions. Times are UTC.",
        f"{SESSION_ID} of {USER_ID}, asleep",
        "   1  2025-03-11 04:00  first_seen",
        f"   2  2025-03-11 05:00  re_analysed {CHANGES}",
        "   3  2025-03-11 06:00  deleted",
        "   4  2025-03-11 07:00  restored    times and figures as before",
    ]


def test_a_range_shows_only_sessions_with_more_than_one_version(home: Home) -> None:
    """And says how many there are in all; a session of another user with the same id is another session."""
    ended = history(home, *RANGE)
    assert ended.lines[0] == (
        "3 session(s) from 2025-03-09 to 2025-03-11, 1 of them with more than one version. Times are UTC."
    )
    assert ended.lines[1:] == history(home, SESSION_ID, "--user", USER_ID).lines[1:]
    assert history(home, "--from", "2025-03-11").lines[0].startswith("0 session(s)")


def test_a_range_may_be_of_one_user(home: Home) -> None:
    """The other users are neither shown nor counted."""
    pulled(home, changed_session(REVISED, user_id=OTHER_USER, after_h=9))
    shown = {user: history(home, *RANGE, "--user", user).lines for user in (USER_ID, OTHER_USER)}
    assert [lines[0].split(", ")[1][:12] for lines in shown.values()] == ["1 of them wi"] * 2
    assert [lines[1] for lines in shown.values()] == [f"{SESSION_ID} of {user}, asleep" for user in shown]
    assert len(history(home, *RANGE, "--json").sessions) == 2


@pytest.mark.parametrize(
    ("as_of", "revisions"),
    [
        ("2025-03-11T04:00:00.25Z", [1]),
        (BEFORE_THE_REVISION, [1]),
        ("2025-03-11T05:00:01", [1, 2]),
        ("2025-03-11T14:00:01+09:00", [1, 2]),
        ("2025-03-11 06:30", [1, 2, 3]),
        ("2025-03-12", [1, 2, 3, 4]),
    ],
)
def test_what_was_seen_later_was_not_known(home: Home, as_of: str, revisions: list[int]) -> None:
    """A time is UTC unless it has an offset, a date is its first moment; the last version then counted."""
    session_of_then = history(home, SESSION_ID, "--user", USER_ID, "--as-of", as_of, "--json").sessions[0]
    assert [version["revision"] for version in session_of_then["versions"]] == revisions
    assert [version["valid_to"] is None for version in session_of_then["versions"]] == [
        *[False] * (len(revisions) - 1),
        True,
    ]


def test_a_range_as_of_a_time_knows_no_later_change(home: Home) -> None:
    """Before the revision no session had more than one version, and before all none was known."""
    ended = history(home, *RANGE, "--as-of", BEFORE_THE_REVISION)
    assert ended.lines == [
        "3 session(s) from 2025-03-09 to 2025-03-11, 0 of them with more than one version, "
        "as known at 2025-03-11 04:59:59 UTC. Times are UTC."
    ]
    assert history(home, *RANGE, "--as-of", "2025-03-11").lines[0].startswith("0 session(s)")


def test_json_has_the_rows_of_the_lake_with_their_differences(home: Home) -> None:
    """One object; every column of the table, with times as ISO 8601."""
    ended = history(home, SESSION_ID, "--user", USER_ID, "--json")
    [session] = ended.sessions
    assert json.loads(ended.out)["as_of"] is None
    assert {name: session[name] for name in ("source", "user_id", "session_id", "org_id")} == {
        "source": "asleep",
        "user_id": USER_ID,
        "session_id": SESSION_ID,
        "org_id": "clinic",
    }
    first, second, gone, _ = session["versions"]
    assert set(session) | set(first) == {*SESSION_HISTORY.schema.names, "differences", "versions"}
    assert (first["seen_at"], first["valid_to"]) == ("2025-03-11T04:00:00.250000+00:00", second["valid_from"])
    assert (first["deep_sleep_s"], second["deep_sleep_s"], gone["deep_sleep_s"]) == (3060, 3780, None)
    assert ", ".join(second["differences"]) == CHANGES
    assert first["differences"] == gone["differences"] == []


def test_a_session_whose_newest_version_is_in_no_table_says_so(home: Home) -> None:
    """Otherwise its last line would look like the present."""
    pulled(home, changed_session({"session.end_time": "whenever"}, after_h=4))
    ended = history(home, SESSION_ID, "--user", USER_ID)
    assert ended.lines[-1] == "      2025-03-11 08:00  a version that is in no table: nightshift quarantine list"
    then = history(home, SESSION_ID, "--user", USER_ID, "--as-of", "2025-03-11T07:59Z")
    assert then.lines[-1].endswith("restored    times and figures as before")


def test_ids_may_come_from_stdin(home: Home) -> None:
    """So that they are not in the shell's history: the session's first."""
    given = history(home, "-", "--user", "-", "--json", stdin=f"{SESSION_ID}\n{USER_ID}\n")
    assert given.out == history(home, SESSION_ID, "--user", USER_ID, "--json").out
    assert given.status == 0


def test_what_the_vendor_sends_is_only_printed(home: Home) -> None:
    """Neither control characters nor markup do anything at the terminal."""
    odd = {"stat.breathing_pattern": "[/red]\x1b[31m"}
    pulled(home, changed_session(odd, user_id=OTHER_USER, after_h=5))
    assert (
        history(home, *RANGE, "--user", OTHER_USER).lines[-1].endswith("breathing pattern STABLE_BREATH -> [/red]?[31m")
    )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((SESSION_ID,), "A session is named with its user (--user ID) and without a range (--from, --to)."),
        ((SESSION_ID, "--user", USER_ID, *RANGE), "A session is named with its user (--user ID) and without a range"),
        ((SESSION_ID, "--user", OTHER_USER + "x"), "No version of this session is known"),
        (("canary", "--user", USER_ID), "No version of this session is known"),
        ((SESSION_ID, "--user", USER_ID, "--as-of", "2025-03-10"), "No version of this session is known"),
        (("--user", " "), "The user id is empty."),
        (("--as-of", "yesterday"), "--as-of: not a time like 2026-11-22T04:00:00Z."),
        (("--as-of", "0001-01-01T00:00:00+14:00"), "--as-of: not a time like 2026-11-22T04:00:00Z."),
        (("--from", "2025-13-01"), "--from: not a date like 2026-11-22."),
        (("--from", "2025-03-11", "--to", "2025-03-10"), "swap them"),
    ],
)
def test_wrong_usage_is_one_sentence_without_an_id(home: Home, arguments: tuple[str, ...], sentence: str) -> None:
    """Exit code 2, nothing on stdout, and no id in the words."""
    ended = history(home, *arguments)
    assert (ended.status, ended.out) == (2, "")
    assert sentence in ended.err
    assert not any(name in ended.err for name in (SESSION_ID, USER_ID, OTHER_USER, "canary"))


def test_a_home_without_data_has_no_history(tmp_path: Path) -> None:
    """A range is empty, which is no mistake."""
    home = Home(tmp_path / "empty")
    home.prepare()
    ended = history(home)
    assert (ended.status, ended.lines[0].split(" from ")[0]) == (0, "0 session(s)")
    home.state.close()


def test_a_reason_of_a_webhook_is_told(home: Home) -> None:
    """The word that raw was kept with."""
    pulled(home, replace(changed_session(REVISED, session_id=NAP, after_h=1), reason="webhook"))
    assert "  webhook     total sleep" in history(home, NAP, "--user", USER_ID).out
