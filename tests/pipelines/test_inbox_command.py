"""``nightshift inbox``, and what a sync makes of the inbox: real events, a real vendor on loopback, no detail call."""

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from connectors.asleep.sandbox import World, running
from connectors.asleep.webhooks.inbox import FILE_NAME, Attempt, Delivery, Inbox, Outcome, Status
from connectors.home import Home
from pipelines import resources
from pipelines.command.main import app
from schemas.asleep import ASLEEP
from schemas.documents import WEBHOOK
from schemas.tables import SESSION_HISTORY
from tests.assets.homes import StandingClock, follow, new_home, sleeper
from tests.assets.raw.webhooks import body_of, complete_sessions, receive, rows_of

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
STRANGER = "canary-stranger"


@dataclass
class Deployment:
    """A home that follows everybody of a small world, and the command line on it."""

    home: Home
    base_url: str
    bodies: list[bytes]

    def __call__(self, *words: str) -> Result:
        """Run ``nightshift`` in this process."""
        settings = {
            "NIGHTSHIFT_HOME": str(self.home.root),
            "ASLEEP_BASE_URL": self.base_url,
            "ASLEEP_API_KEY": "sandbox-key",
            "ASLEEP_REQUESTS_PER_SECOND": "2000",
        }
        return CliRunner().invoke(app, list(words), env=settings)

    def of_stranger(self) -> bytes:
        """A session of somebody whom nobody knows."""
        event = json.loads(self.bodies[0])
        event["data"]["user_id"] = STRANGER
        return json.dumps(event).encode()


@pytest.fixture
def nightshift(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployment]:
    """Two users with two nights each."""
    world = World(users=2, nights=2, now=NOW)
    with running(world) as base_url, new_home(tmp_path / "home", StandingClock(NOW)) as home:
        monkeypatch.setattr(resources, "open_home", lambda _: home)
        follow(home, *(sleeper(user.user_id, timezone=user.person.timezone) for user in world.users()))
        yield Deployment(home, base_url, [body_of(user, session, NOW) for user, session in complete_sessions(world)])


def test_a_sync_takes_the_inbox_in_before_it_pulls(nightshift: Deployment) -> None:
    """What came by webhook is in the tables and costs no detail call; a stranger's night waits until it is retried."""
    receive(nightshift.home, [*nightshift.bodies, nightshift.of_stranger()])
    synced = nightshift("sync", "--json")
    assert synced.exit_code == 0, synced.output
    summary = json.loads(synced.stdout)
    assert summary["webhooks"] == {"events": 5, "sessions": 4, "dead_letters": 1}
    assert (summary["calls"]["list"], summary["calls"]["detail"]) == (2, 0)
    assert (summary["sessions"]["new"], summary["sessions"]["unchanged"]) == (0, 4)
    assert {row["reason"] for row in rows_of(nightshift.home, SESSION_HISTORY)} == {WEBHOOK}

    follow(nightshift.home, sleeper(STRANGER))
    retried = nightshift("inbox", "retry")
    assert retried.exit_code == 0, retried.output
    assert retried.stdout == "1 of 1 event(s) taken in, 0 still dead letters.\n"
    assert STRANGER in {row["user_id"] for row in rows_of(nightshift.home, SESSION_HISTORY)}
    assert nightshift("inbox", "retry").stdout == "There are no dead letters.\n"


def test_an_inbox_that_cannot_be_used_keeps_nobody_from_being_pulled(nightshift: Deployment) -> None:
    """The pull brings everything; then the sync says what is wrong, and ends with 1."""
    (nightshift.home.root / FILE_NAME).write_bytes(b"this is no database, however long it is" * 100)
    synced = nightshift("sync", "--json")
    assert synced.exit_code == 1
    assert "inbox of webhooks cannot be used" in str(synced.exception)
    assert len(rows_of(nightshift.home, SESSION_HISTORY)) == 4


def test_dead_letters_are_listed_and_shown_without_telling_whose_they_are(nightshift: Deployment) -> None:
    """Only ``--body`` prints what came."""
    assert nightshift("inbox", "list").exit_code == 1, "nothing was ever received"
    body = nightshift.of_stranger()
    dead = Delivery(ASLEEP, "CANARY_EVENT", STRANGER, "s", Status.DEAD_LETTER, "wrong_shape", "quarantine", body)
    with closing(Inbox(nightshift.home.root / FILE_NAME)) as inbox:
        inbox.record([Attempt(NOW, Outcome.DEAD_LETTER, len(body), dead)])
    receive(nightshift.home, nightshift.bodies[:1])
    listed, shown = nightshift("inbox", "list"), nightshift("inbox", "show", "1")
    assert (listed.exit_code, shown.exit_code) == (0, 0)
    assert "1 event(s) new" in listed.stdout
    for told in (listed.stdout, shown.stdout):
        assert "wrong_shape" in told
        assert "other" in told
        assert "canary" not in told.lower()
    assert nightshift("inbox", "show", "1", "--body").stdout.encode() == body + b"\n"
    assert "no event with this id" in str(nightshift("inbox", "show", "99").exception)
    assert "no dead letter with this id" in str(nightshift("inbox", "retry", "2").exception)
