"""Settling events: all or none, once done they go after their time, dead letters stay and can be made new again."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from connectors.asleep.webhooks import inbox as inbox_module
from connectors.asleep.webhooks.inbox import Attempt, Delivery, Inbox, InboxUnavailable, Outcome, Settled, Status
from connectors.asleep.webhooks.inbox_tables import VERSIONS
from connectors.asleep.webhooks.live_sessions import LiveBatch, SessionKey

NOW = datetime(2026, 10, 27, 9, 0, tzinfo=UTC)
KEY = SessionKey("asleep", "canary-user", "s_1")
LIVE = LiveBatch(KEY, NOW, 0, 0, [1] * 10, None, None)


@pytest.fixture
def inbox(tmp_path: Path) -> Inbox:
    """An inbox with three new events."""
    inbox = Inbox(tmp_path / "inbox.db")
    plain = Delivery("asleep", "SESSION_COMPLETE", "canary-user", "s_1", Status.NEW, "", "quarantine", b"")
    bodies = (b"first", b"second", b"third")
    inbox.record([Attempt(NOW, Outcome.ACCEPTED, len(body), replace(plain, body=body)) for body in bodies])
    return inbox


def new(inbox: Inbox) -> list[int]:
    """The ids of what is new."""
    return [event.id for event in inbox.events_after(0, 10)]


def test_what_is_settled_is_new_no_more(inbox: Inbox) -> None:
    """It has its status and reason; of what is forgotten the body is gone, and it is still known as a duplicate."""
    inbox.settle([Settled(1, Status.DONE, "kept"), Settled(2, Status.DONE, "not_followed", forgotten=True)], NOW)
    assert new(inbox) == [3]
    assert inbox.newest() == 3
    assert inbox.counts() == {(Status.DONE, "kept"): 1, (Status.DONE, "not_followed"): 1, (Status.NEW, ""): 1}
    first, second = inbox.event(1), inbox.event(2)
    assert first is not None
    assert second is not None
    assert (first.delivery.body, second.delivery.body) == (b"first", b"")
    assert inbox.event(4) is None
    again = replace(first.delivery, body=b"second")
    assert inbox.record([Attempt(NOW, Outcome.ACCEPTED, 6, again)]) == [Outcome.DUPLICATE]


def test_events_and_running_sessions_are_settled_together_or_not_at_all(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failure before the commit leaves both as they were."""

    def fail(name: str) -> None:
        if name == "inbox.settling":
            raise sqlite3.OperationalError("disk I/O error")

    with monkeypatch.context() as patched:
        patched.setattr(inbox_module, "failpoint", fail)
        with pytest.raises(InboxUnavailable):
            inbox.settle([Settled(1, Status.DONE, "live")], NOW, [LIVE])
    assert (new(inbox), inbox.live_sessions()) == ([1, 2, 3], [])
    inbox.settle([Settled(1, Status.DONE, "live")], NOW, [LIVE])
    assert (new(inbox), len(inbox.live_sessions())) == ([2, 3], 1)


def test_dead_letters_are_made_new_one_or_all(inbox: Inbox) -> None:
    """Nothing else is; they are listed in order, with the size of their bodies."""
    inbox.settle([Settled(number, Status.DEAD_LETTER, "unknown_user") for number in (1, 3)], NOW)
    inbox.settle([Settled(2, Status.DONE, "kept")], NOW)
    assert [(each.id, each.reason, each.body_bytes) for each in inbox.listed(Status.DEAD_LETTER)] == [
        (1, "unknown_user", 5),
        (3, "unknown_user", 5),
    ]
    assert inbox.retry(2) == []
    assert inbox.retry(3) == [3]
    assert new(inbox) == [3]
    assert inbox.retry() == [1]
    assert new(inbox) == [1, 3]


def test_only_what_was_done_long_ago_is_deleted(inbox: Inbox) -> None:
    """Dead letters and what is new stay."""
    inbox.settle([Settled(1, Status.DONE, "kept"), Settled(2, Status.DEAD_LETTER, "unknown_user")], NOW)
    assert inbox.forget_done(NOW) == 0
    assert inbox.forget_done(NOW + timedelta(seconds=1)) == 1
    assert [inbox.event(number) is None for number in (1, 2, 3)] == [True, False, False]


def test_long_events_are_read_a_few_at_a_time(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """No more than fits into memory, and always one."""
    monkeypatch.setattr(inbox_module, "_READ_AT_ONCE_BYTES", 6)
    assert [event.id for event in inbox.events_after(0, 10)] == [1, 2]
    assert [event.id for event in inbox.events_after(2, 10)] == [3]


def test_an_inbox_of_the_first_version_is_brought_to_the_newest(tmp_path: Path) -> None:
    """Its events stay."""
    with closing(sqlite3.connect(tmp_path / "inbox.db")) as older:
        for statement in VERSIONS[0]:
            older.execute(statement)
        older.execute("PRAGMA user_version = 1")
        older.execute(
            "INSERT INTO events VALUES (1, ?, 'asleep', 'E', 'u', 's', 'h', 'new', '', 'quarantine', NULL, x'00')",
            (NOW.isoformat(timespec="microseconds"),),
        )
        older.commit()
    with closing(Inbox(tmp_path / "inbox.db")) as inbox:
        assert new(inbox) == [1]
        inbox.settle([], NOW, [LIVE])
        assert len(inbox.live_sessions()) == 1
