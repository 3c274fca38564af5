"""The inbox: once each, in order, marked, from several processes; what cannot be kept is told and leaves nothing."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.asleep.webhooks import inbox as inbox_module
from connectors.asleep.webhooks.inbox import Attempt, Backlog, Delivery, Inbox, InboxUnavailable, Outcome, Status
from connectors.asleep.webhooks.inbox_tables import VERSIONS
from tests.connectors.lake.disks import full_disk, read_only_folder

NOW = datetime(2026, 10, 27, 9, 0, tzinfo=UTC)


def attempt(body: bytes = b"{}", session: str = "s_1", event: str = "SESSION_COMPLETE", **more: object) -> Attempt:
    """An accepted event."""
    delivery = Delivery("asleep", event, "canary-user", session, Status.NEW, "", "quarantine", body)
    return replace(Attempt(NOW, Outcome.ACCEPTED, len(body), delivery), **more)  # type: ignore[arg-type]


@pytest.fixture
def inbox(tmp_path: Path) -> Inbox:
    """An empty inbox."""
    return Inbox(tmp_path / "inbox.db")


def bodies(inbox: Inbox) -> list[bytes]:
    """The bodies of all new events, in order."""
    return [kept.delivery.body for kept in inbox.events_after(0, 1_000_000)]


def test_what_is_kept_is_what_came(inbox: Inbox) -> None:
    """Every part of a delivery and when it came; another object on the same file sees it."""
    given = attempt(b"\x00\xffany bytes")
    assert inbox.record([given]) == [Outcome.ACCEPTED]
    (kept,) = inbox.events_after(0, 10)
    assert (kept.delivery, kept.received_at) == (given.delivery, NOW)
    assert inbox.events_after(0, 10) == [kept]


@given(
    st.lists(
        st.lists(
            st.tuples(st.sampled_from([b"1", b"2", b"3"]), st.sampled_from("ab"), st.sampled_from(["", "E"])),
            max_size=6,
        ),
        max_size=5,
    )
)
@settings(max_examples=40)
def test_an_event_is_there_once(batches: list[list[tuple[bytes, str, str]]]) -> None:
    """However often, in one transaction or several; another event, session or body is another one."""
    with TemporaryDirectory() as folder, closing(Inbox(Path(folder) / "inbox.db")) as inbox:
        outcomes = [outcome for batch in batches for outcome in inbox.record([attempt(*each) for each in batch])]
        kept = [each.delivery for each in inbox.events_after(0, 99)]
        counted = sum(inbox.outcomes().values())
    came = [each for batch in batches for each in batch]
    assert [(each.body, each.session_id, each.event) for each in kept] == list(dict.fromkeys(came))
    expected = [Outcome.DUPLICATE if each in came[:place] else Outcome.ACCEPTED for place, each in enumerate(came)]
    assert outcomes == expected
    assert counted == len(came)


def test_a_batch_of_any_size_is_one_transaction(inbox: Inbox) -> None:
    """More rows than one statement takes, with refusals and duplicates in between."""
    batch = [attempt(str(number % 1_100).encode()) for number in range(1_300)]
    batch[7] = Attempt(NOW, Outcome.WRONG_KEY, 3)
    ended = inbox.record(batch)
    assert (ended[7], ended[8], ended[1_299]) == (Outcome.WRONG_KEY, Outcome.ACCEPTED, Outcome.DUPLICATE)
    assert inbox.outcomes() == {Outcome.ACCEPTED: 1_100, Outcome.DUPLICATE: 199, Outcome.WRONG_KEY: 1}
    assert len(bodies(inbox)) == 1_100


def test_a_cursor_reads_on_where_it_stopped(inbox: Inbox) -> None:
    """In the order of arrival, a page at a time, nothing twice, and what comes later comes after."""
    inbox.record([attempt(b"%d" % number) for number in range(5)])
    first = inbox.events_after(0, 3)
    inbox.record([attempt(b"5")])
    rest = inbox.events_after(first[-1].id, 100)
    assert [kept.delivery.body for kept in first + rest] == [b"0", b"1", b"2", b"3", b"4", b"5"]


def test_what_is_marked_is_new_no_more(inbox: Inbox) -> None:
    """It leaves the backlog and stays known as a duplicate; marked new again, it comes again."""
    inbox.record([attempt(b"1"), attempt(b"2"), attempt(b"3")])
    ids = [kept.id for kept in inbox.events_after(0, 10)]
    assert inbox.mark(ids[:1], Status.DONE, NOW) == 1
    assert inbox.mark([ids[1], 999], Status.DEAD_LETTER, NOW, "bad_time") == 1
    assert inbox.mark([], Status.DONE, NOW) == 0
    assert bodies(inbox) == [b"3"]
    assert inbox.record([attempt(b"1"), attempt(b"2")]) == [Outcome.DUPLICATE] * 2
    assert inbox.mark(ids[1:2], Status.NEW, NOW) == 1
    assert bodies(inbox) == [b"2", b"3"]


def test_depth_and_age_of_what_waits(inbox: Inbox) -> None:
    """Of new events only; an empty inbox has no age."""
    assert inbox.backlog(NOW) == Backlog(0, None)
    inbox.record([attempt(b"1", at=NOW - timedelta(minutes=9)), attempt(b"2"), attempt(b"3")])
    assert inbox.backlog(NOW + timedelta(seconds=30)) == Backlog(3, 570)
    (first, *_) = inbox.events_after(0, 1)
    inbox.mark([first.id], Status.DONE, NOW)
    assert inbox.backlog(NOW + timedelta(seconds=30)) == Backlog(2, 30)


def test_the_audit_forgets_the_oldest(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody who knocks for ever does not fill the disk; events are not forgotten."""
    monkeypatch.setattr(inbox_module, "ATTEMPTS_KEPT", 3)
    inbox.record([attempt(b"1"), attempt(b"2")])
    for _ in range(3):
        inbox.record([Attempt(NOW, Outcome.WRONG_KEY, 0)])
    assert inbox.outcomes() == {Outcome.WRONG_KEY: 3}
    assert bodies(inbox) == [b"1", b"2"]


def test_the_audit_tells_of_nobody(inbox: Inbox, tmp_path: Path) -> None:
    """A time, a word and a size."""
    inbox.record([attempt(b"canary")])
    with sqlite3.connect(tmp_path / "inbox.db") as connection:
        assert connection.execute("SELECT * FROM attempts").fetchall() == [
            (1, "2026-10-27T09:00:00.000000+00:00", "accepted", 6)
        ]
    connection.close()


def test_only_its_owner_may_read_it(inbox: Inbox, tmp_path: Path) -> None:
    """The file and those beside it."""
    inbox.record([attempt()])
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}


def test_another_process_holds_the_file(inbox: Inbox, tmp_path: Path) -> None:
    """Waited for, then told without a value; nothing of the batch is there, and it can be given again."""
    inbox.record([])
    impatient = Inbox(tmp_path / "inbox.db", busy_s=0.05)
    holder = sqlite3.connect(tmp_path / "inbox.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(InboxUnavailable, match="SQLITE_BUSY") as refused:
        impatient.record([attempt(b"canary")])
    assert "canary" not in str(refused.value)
    assert refused.value.__suppress_context__
    holder.execute("ROLLBACK")
    holder.close()
    assert impatient.record([attempt(b"canary")]) == [Outcome.ACCEPTED]
    impatient.close()


def test_a_full_disk_keeps_all_or_nothing(inbox: Inbox) -> None:
    """The batch is refused as a whole; with room again the inbox goes on with the same object."""
    inbox.record([attempt(b"1")])
    with full_disk(200_000), pytest.raises(InboxUnavailable, match="free space"):
        inbox.record([attempt(b"2"), attempt(b"3" * 500_000)])
    assert bodies(inbox) == [b"1"]
    assert inbox.record([attempt(b"2")]) == [Outcome.ACCEPTED]


def test_a_folder_that_cannot_be_written() -> None:
    """Told in a sentence that names neither the place nor the file."""
    with read_only_folder() as folder, pytest.raises(InboxUnavailable, match="NIGHTSHIFT_HOME") as refused:
        Inbox(folder / "inbox.db").record([])
    assert str(folder) not in str(refused.value)


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    """Told, and left as it is."""
    (tmp_path / "inbox.db").write_bytes(b"canary" * 1000)
    with pytest.raises(InboxUnavailable, match="SQLITE_NOTADB"):
        Inbox(tmp_path / "inbox.db").record([])
    assert (tmp_path / "inbox.db").read_bytes() == b"canary" * 1000


def test_a_file_of_a_newer_nightshift_is_left_alone(inbox: Inbox, tmp_path: Path) -> None:
    """Who does not know its tables neither reads nor writes them."""
    inbox.record([attempt()])
    inbox.close()
    connection = sqlite3.connect(tmp_path / "inbox.db", isolation_level=None)
    connection.execute(f"PRAGMA user_version = {len(VERSIONS) + 1}")
    connection.close()
    with pytest.raises(InboxUnavailable, match="newer Nightshift"):
        inbox.events_after(0, 1)
