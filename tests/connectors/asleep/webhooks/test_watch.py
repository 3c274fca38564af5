"""Looking at the home: not more often than need be, without making anything, and nobody waits for ever."""

import asyncio
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from threading import Event

import pytest

from connectors.asleep.webhooks.health import Figures
from connectors.asleep.webhooks.inbox import Attempt, Backlog, Delivery, Inbox, Outcome, Status
from connectors.asleep.webhooks.watch import NotSeen, Watch
from connectors.home import Home
from connectors.state.ledger import COMPLETE, PENDING, LedgerSession, put_sessions
from connectors.state.vendor import VendorAccount, remember_complete_pull, remember_vendor

NOW = datetime(2026, 10, 27, 9, 0, tzinfo=UTC)
PULLED = datetime(2026, 10, 27, 4, 0, tzinfo=UTC)
ANOTHER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
print(*connection.execute("SELECT count(*) FROM events"))
connection.close()
"""


def counted(root: Path, answer: Callable[[], datetime]) -> tuple[Home, list[int]]:
    """A home, and how often it was looked at."""
    looks: list[int] = []

    def clock() -> datetime:
        looks.append(1)
        return answer()

    return Home(root, clock=clock), looks


def nothing(_: float) -> None:
    """Nobody wants to know."""


def events(inbox: Inbox, *bodies: bytes, at: datetime = NOW) -> list[int]:
    """Put events into the inbox; the ids of all that are new."""
    given = [Delivery("asleep", "E", "u", "s", Status.NEW, "", "quarantine", body) for body in bodies]
    inbox.record([Attempt(at, Outcome.ACCEPTED, 1, each) for each in given])
    return [each.id for each in inbox.events_after(0, 100)]


def with_state(home: Home) -> None:
    """A state with two complete sessions and a pending one, after a complete pull."""

    def session(number: int, verdict: str) -> LedgerSession:
        return LedgerSession(
            "asleep", "u", str(number), "org", date(2026, 10, 26), "f", verdict, None, 1, PULLED, PULLED
        )

    with home.state.write() as connection:
        remember_vendor(connection, VendorAccount("asleep", "http://loopback", "f"))
        put_sessions(connection, [session(1, COMPLETE), session(2, COMPLETE), session(3, PENDING)])
    remember_complete_pull(home.state, "asleep", PULLED)
    home.state.close()


def test_a_whole_home_is_seen(tmp_path: Path) -> None:
    """Room, what waits, the last complete pull, sessions by verdict."""
    home = Home(tmp_path, clock=lambda: NOW)
    with_state(home)
    inbox = Inbox(tmp_path / "inbox.db")
    events(inbox, b"1", b"2", at=NOW - timedelta(minutes=2))
    inbox.close()
    seen = asyncio.run(Watch(home, nothing).figures())
    assert seen.free_bytes is not None
    assert seen.free_bytes > 0
    sessions = {"complete": 2, "pending": 1, "deleted": 0}
    assert seen == Figures(NOW, seen.free_bytes, Backlog(2, 120.0), True, PULLED, sessions)


def test_a_state_that_is_missing_is_not_made(tmp_path: Path) -> None:
    """That it is gone is news, and an empty one in its place would hide that."""
    assert asyncio.run(Watch(Home(tmp_path, clock=lambda: NOW), nothing).figures()).has_state is False
    assert not (tmp_path / "state.db").exists()


def test_what_is_broken_is_told_apart_from_what_is_not(tmp_path: Path) -> None:
    """A state and an inbox that are no databases: the rest is seen all the same."""
    for name in ("state.db", "inbox.db"):
        (tmp_path / name).write_bytes(b"no database" * 1_000)
    seen = asyncio.run(Watch(Home(tmp_path, clock=lambda: NOW), nothing).figures())
    assert (seen.has_state, seen.backlog, seen.last_run_at) == (None, None, None)
    assert seen.free_bytes is not None


def test_many_who_ask_share_a_look(tmp_path: Path) -> None:
    """At once and for a while after; then the next one looks again."""
    home, looks = counted(tmp_path, lambda: NOW)

    async def ask(kept_s: float) -> None:
        watch = Watch(home, nothing, kept_s=kept_s)
        await asyncio.gather(*(watch.figures() for _ in range(50)))
        await watch.figures()

    asyncio.run(ask(kept_s=3_600))
    assert len(looks) == 1
    asyncio.run(ask(kept_s=0))
    assert len(looks) == 3


def test_nobody_waits_for_ever(tmp_path: Path) -> None:
    """While a look is held up those who ask are told so, no second look begins, and its result is then there."""
    let_go = Event()

    def held_up() -> datetime:
        let_go.wait(60)
        return NOW

    home, looks = counted(tmp_path, held_up)

    async def ask() -> Figures:
        impatient = Watch(home, nothing, waits_s=0.01, kept_s=3_600)
        for _ in range(3):
            with pytest.raises(NotSeen):
                await impatient.figures()
        assert len(looks) == 1
        let_go.set()
        while True:
            try:
                return await impatient.figures()
            except NotSeen:
                continue

    assert asyncio.run(ask()).at == NOW
    assert len(looks) == 1


def test_what_nobody_foresaw_is_told_by_its_kind(tmp_path: Path) -> None:
    """Without its words, which could quote anything; the next look is another one."""
    answers = iter([ZeroDivisionError("canary"), None])

    def answer() -> datetime:
        if error := next(answers):
            raise error
        return NOW

    async def ask() -> Figures:
        watch = Watch(Home(tmp_path, clock=answer), nothing, kept_s=0)
        with pytest.raises(NotSeen) as not_seen:
            await watch.figures()
        assert str(not_seen.value) == "The home cannot be looked at (unexpected ZeroDivisionError)."
        return await watch.figures()

    assert asyncio.run(ask()).at == NOW


def test_processing_is_followed_from_the_first_look_on(tmp_path: Path) -> None:
    """Each event counts once, when it is done, however long it waited and however its neighbours ended."""
    inbox, told = Inbox(tmp_path / "inbox.db"), list[float]()
    watch = Watch(Home(tmp_path, clock=lambda: NOW), told.append, kept_s=0)

    def look() -> list[float]:
        told.clear()
        asyncio.run(watch.figures())
        return told.copy()

    before, waits, stays = events(inbox, b"before", b"waits", b"stays")
    inbox.mark([before], Status.DONE, NOW + timedelta(seconds=1))
    assert look() == []
    events(inbox, b"quick", b"dead", b"late")
    quick, dead, late = [each.id for each in inbox.events_after(stays, 10)]
    inbox.mark([waits], Status.DONE, NOW + timedelta(seconds=20))
    inbox.mark([quick], Status.DONE, NOW + timedelta(seconds=3))
    inbox.mark([dead], Status.DEAD_LETTER, NOW + timedelta(seconds=4), "bad_time")
    assert sorted(look()) == [3, 20]
    assert look() == []
    inbox.mark([stays, late], Status.DONE, NOW + timedelta(seconds=50))
    assert look() == [50, 50]
    assert look() == []
    inbox.close()


def test_following_writes_nothing(tmp_path: Path) -> None:
    """Even while another holds the inbox for writing it is seen."""
    inbox = Inbox(tmp_path / "inbox.db")
    events(inbox, b"1")
    holder = sqlite3.connect(tmp_path / "inbox.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    seen = asyncio.run(Watch(Home(tmp_path, clock=lambda: NOW), nothing).figures())
    holder.close()
    inbox.close()
    assert seen.backlog == Backlog(1, 0.0)


def test_looking_does_not_cost_the_receiver_its_hold_on_the_file(tmp_path: Path) -> None:
    """Another process that opens and closes the inbox after a look does not take the log away from under its writer."""
    inbox = Inbox(tmp_path / "inbox.db")
    events(inbox, b"1")
    asyncio.run(Watch(Home(tmp_path, clock=lambda: NOW), nothing).figures())
    command = [sys.executable, "-c", ANOTHER, str(tmp_path / "inbox.db")]
    subprocess.run(command, check=True, capture_output=True)
    events(inbox, b"2")
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == "(2,)\n"
    inbox.close()
