"""Why there is data or not, from the vendor's answers over HTTP to the calendar in the terminal: ten kinds of night."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from starlette.requests import Request
from starlette.responses import Response

from connectors.asleep.sandbox import World
from connectors.asleep.sandbox.world import User
from connectors.home import Home
from connectors.state.roster import RosterUser, list_users, put_users
from schemas.asleep import ASLEEP
from tests.system.conftest import Outcome, WarmProcess
from tests.system.faults import FaultySandbox, faulty_sandbox
from tests.system.worlds import KEY

NOW = datetime(2026, 11, 3, 6, tzinfo=UTC)
"""The night of 2 November is over in Seoul since 03:00 UTC, in Yangon since 05:30."""
TOMORROW = NOW + timedelta(days=1)
SEOUL, YANGON = "Asia/Seoul", "Asia/Yangon"
BEFORE, NIGHT, AFTER = date(2026, 11, 1), date(2026, 11, 2), date(2026, 11, 3)
NOBODY = "G-20200101000000-abcdefghijklmnopqrst"
NOTHING = "no recording: the vendor had nothing when asked at 2026-11-03 06:00 UTC"


@dataclass
class People:
    """Who had what kind of night, by what it shows, and the vendor they are at."""

    ids: dict[str, str]
    world: World
    sandbox: FaultySandbox

    def calm(self) -> None:
        """Let the vendor answer everybody as it is meant to."""
        self.sandbox.fault = None

    def user(self, kind: str) -> User:
        """A user of the world."""
        found = self.world.user(self.ids[kind])
        assert found is not None
        return found


def populate(world: World) -> dict[str, str]:
    """A person for every kind of night of 2 November."""
    people = {
        kind: world.create_user(None, YANGON if kind in ("open", "closed") else SEOUL)
        for kind in ("slept", "skipped", "nap", "awake", "short", "open", "closed", "failing", "refused")
    }
    for kind in ("slept", "nap", "failing", "refused"):
        world.add_late_session(people[kind], 1)
    nap = people["nap"]
    night = nap.sessions[0]
    world.add_late_session(nap, 1)  # the night is taken, so it is the afternoon before it
    world.delete_session(nap, night)
    world.add_case(people["awake"], "never_slept", NIGHT)
    world.add_case(people["short"], "too_short", NIGHT)
    world.add_case(people["open"], "open")  # since 09:10 in the morning in Yangon, where it is half past noon
    world.add_case(people["closed"], "closed")
    return {kind: user.user_id for kind, user in people.items()} | {"unknown": NOBODY}


@pytest.fixture
def people() -> Iterator[People]:
    """The vendor with everybody; it fails for one user and sends nonsense for another."""
    world = World(users=0, nights=1, api_key=KEY, now=NOW)
    ids = populate(world)

    def fault(request: Request) -> Response | None:
        asker, path = request.headers.get("x-user-id"), request.url.path
        if asker == ids["failing"]:
            return Response("<html>502</html>", 502)
        if asker == ids["refused"] and "/v3/sessions/" in path:
            session = {"id": "another", "state": "COMPLETE", "start_time": path.rpartition("/")[2]}
            return Response(json.dumps({"detail": "OK", "result": {"session": session}}))
        return None

    with faulty_sandbox(world) as sandbox:
        sandbox.fault = fault
        yield People(ids, world, sandbox)


@contextmanager
def opened(root: Path, now: datetime) -> Iterator[Home]:
    """The home at a time."""
    home = Home(root, clock=lambda: now)
    home.prepare()
    yield home
    home.state.close()


def follow(root: Path, people: People) -> Path:
    """A home that follows everybody from 1 November on."""
    users = [
        RosterUser(ASLEEP, user_id, timezone=YANGON if kind in ("open", "closed") else SEOUL, active_from=BEFORE)
        for kind, user_id in people.ids.items()
    ]
    with opened(root, NOW) as home, home.state.write() as connection:
        put_users(connection, users)
    return root


def sync(warm: WarmProcess, root: Path, people: People, now: datetime) -> Outcome:
    """A sync at a time."""
    return warm.sync(root, people.sandbox.base_url, now=now)


def verdicts(root: Path, people: People, night: date) -> dict[str, str]:
    """The verdict of a night in the warehouse, by kind of person; each has exactly one row."""
    kinds = {user_id: kind for kind, user_id in people.ids.items()}
    with duckdb.connect(root / "warehouse.duckdb", read_only=True) as connection:
        query = "select user_id, verdict from night_ledger where night_of = ?"
        rows = connection.execute(query, [night]).fetchall()
    assert len(rows) == len(dict(rows))
    return {kinds[user_id]: verdict for user_id, verdict in rows}


def calendar_of(warm: WarmProcess, root: Path, people: People, kind: str) -> list[str]:
    """What the command says about a user's nights, below the calendar."""
    shown = warm.nightshift(root, "nights", people.ids[kind], "--from", str(BEFORE), "--to", str(AFTER), now=TOMORROW)
    assert (shown.status, shown.err) == (0, "")
    assert shown.out.startswith("November 2026\nMo  Tu  We  Th  Fr  Sa  Su\n")
    return [line for line in shown.out.splitlines() if line.startswith("2026-")]


def test_every_kind_of_night_has_its_verdict_and_heals(warm: WarmProcess, people: People, tmp_path: Path) -> None:
    """On the first day each gap for its own reason, on the next what time and a good vendor have made of it."""
    root = follow(tmp_path / "home", people)
    assert sync(warm, root, people, NOW).status == 3
    assert verdicts(root, people, NIGHT) == {
        "slept": "complete",
        "skipped": "no_recording",
        "nap": "nap_only",
        "awake": "never_slept",
        "short": "too_short",
        "open": "pending",
        "closed": "pending",
        "failing": "provider_error",
        "refused": "quarantined",
        "unknown": "user_gone",
    }
    assert set(verdicts(root, people, BEFORE)) == set(people.ids)
    assert verdicts(root, people, AFTER) == {}
    assert calendar_of(warm, root, people, "slept") == [f"2026-11-01 {NOTHING}"]
    assert calendar_of(warm, root, people, "skipped") == [f"2026-11-01 {NOTHING}", f"2026-11-02 {NOTHING}"]
    assert calendar_of(warm, root, people, "failing")[1] == (
        "2026-11-02 provider error: the vendor failed for this user (server_failed), "
        "asked again with nightshift sync --unfinished"
    )
    assert "nightshift quarantine list" in calendar_of(warm, root, people, "refused")[1]
    unknown = calendar_of(warm, root, people, "unknown")[1]
    assert unknown.startswith("2026-11-02 user gone: the vendor knows the user no more")

    people.calm()
    closed = people.user("closed")
    people.world.delete_session(closed, closed.sessions[0])
    people.world.advance_to(TOMORROW)
    sync(warm, root, people, TOMORROW)
    assert verdicts(root, people, NIGHT) == {
        "slept": "complete",
        "skipped": "no_recording",
        "nap": "nap_only",
        "awake": "never_slept",
        "short": "too_short",
        "open": "complete",
        "closed": "deleted",
        "failing": "complete",
        "refused": "complete",
        "unknown": "user_gone",
    }
    assert set(verdicts(root, people, AFTER)) == set(people.ids)
    check_cohort(warm, root, people)


def check_cohort(warm: WarmProcess, root: Path, people: People) -> None:
    """The cohort's calendar counts the same nights, in words and as JSON, and names nobody."""
    days = ("--from", str(BEFORE), "--to", str(AFTER))
    told: dict[str, Any] = json.loads(warm.nightshift(root, "nights", *days, "--json", now=TOMORROW).out)
    assert (told["from"], told["to"]) == (str(BEFORE), str(AFTER))
    by_night = {night["night_of"]: night for night in told["nights"]}
    assert list(by_night) == [str(BEFORE), str(NIGHT), str(AFTER)]
    counts = {"complete": 4, "user_gone": 1, "never_slept": 1, "nap_only": 1, "too_short": 1, "deleted": 1}
    assert by_night[str(NIGHT)] == {
        "night_of": str(NIGHT),
        "expected": 10,
        "completeness": 1.0,
        "verdicts": counts | {"no_recording": 1},
    }
    table = warm.nightshift(root, "nights", *days, now=TOMORROW)
    assert (table.status, "never slept" in table.out, "100 %" in table.out) == (0, True, True)
    assert not [user_id for user_id in people.ids.values() if user_id in table.out + json.dumps(told)]


def test_a_users_nights_as_json_and_by_stdin(warm: WarmProcess, people: People, tmp_path: Path) -> None:
    """One object with a row a night; somebody who is not followed is a mistake told in a sentence."""
    root = follow(tmp_path / "home", people)
    empty = warm.nightshift(root, "nights", people.ids["slept"], now=TOMORROW)
    assert (empty.status, empty.out, empty.said) == (
        0,
        "",
        "No night of this range is accounted for yet: nightshift sync",
    )
    sync(warm, root, people, NOW)
    days = ("--from", str(BEFORE), "--to", str(AFTER))
    told = json.loads(warm.nightshift(root, "nights", people.ids["slept"], *days, "--json", now=TOMORROW).out)
    (session,) = people.user("slept").sessions
    assert [night["verdict"] for night in told["nights"]] == ["no_recording", "complete"]
    assert told["nights"][1] == {
        "night_of": str(NIGHT),
        "source": "asleep",
        "verdict": "complete",
        "reason": None,
        "session_ids": [session.id],
        "main_session_id": session.id,
        "late_days": 0,
        "revised": False,
        "path": "poll",
        "first_seen_at": NOW.isoformat(),
        "checked_at": NOW.isoformat(),
    }
    wrong = warm.nightshift(root, "nights", "somebody", now=TOMORROW)
    assert (wrong.status, "not on the roster" in wrong.said) == (2, True)
    assert warm.nightshift(root, "nights", "--from", "2026-11-03", "--to", "2026-11-01", now=TOMORROW).status == 2


def test_a_second_night_without_news_touches_no_row_that_was_there(
    warm: WarmProcess, people: People, tmp_path: Path
) -> None:
    """A sync a day later writes the night that is over now, and leaves those before it as they were."""
    root = follow(tmp_path / "home", people)
    people.calm()
    for kind in ("open", "closed"):
        people.world.delete_user(people.ids.pop(kind))
    with opened(root, NOW) as home, home.state.write() as connection:
        put_users(connection, [replace(user, timezone=SEOUL) for user in list_users(connection, ASLEEP)])
    sync(warm, root, people, NOW)
    before = {path: path.stat().st_ino for path in (root / "lake" / "night_ledger").rglob("*.parquet")}
    people.world.advance_to(TOMORROW)
    sync(warm, root, people, TOMORROW)
    after = {path: path.stat().st_ino for path in (root / "lake" / "night_ledger").rglob("*.parquet")}
    assert len(before) == 2
    assert {path.parent.name for path in after.keys() - before.keys()} == {f"date={AFTER}"}
    assert {path: after[path] for path in before} == before
