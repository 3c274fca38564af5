"""Group commit: everything that waits goes into one transaction, and nobody is told before it is durable."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from threading import Event

import pytest

from connectors.asleep.webhooks.inbox import Attempt, Delivery, Inbox, InboxUnavailable, Outcome, Status
from connectors.asleep.webhooks.writer import LARGEST_BATCH, Writer
from connectors.logs import open_log

NOW = datetime(2026, 10, 27, 9, 0, tzinfo=UTC)


class WatchedInbox(Inbox):
    """Counts transactions, holds them back while ``open`` is not set, and fails them while ``failure`` is."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.sizes: list[int] = []
        self.open = Event()
        self.open.set()
        self.failure: Exception | None = None

    def record(self, attempts: Sequence[Attempt]) -> list[Outcome]:
        """As the inbox, when it may."""
        self.open.wait(60)
        if self.failure:
            raise self.failure
        self.sizes.append(len(attempts))
        return super().record(attempts)


@pytest.fixture
def inbox(tmp_path: Path) -> WatchedInbox:
    """An empty inbox that is watched."""
    return WatchedInbox(tmp_path / "inbox.db")


def attempt(number: int) -> Attempt:
    """An accepted event, another one for each number."""
    delivery = Delivery("asleep", "E", "u", "s", Status.NEW, "", "quarantine", str(number).encode())
    return Attempt(NOW, Outcome.ACCEPTED, 1, delivery)


def test_what_waits_is_committed_together(inbox: WatchedInbox, tmp_path: Path) -> None:
    """While the disk is busy requests gather; they share transactions of a bounded size; each has its own answer."""
    count = LARGEST_BATCH + 200

    async def post_all(writer: Writer) -> list[Outcome]:
        inbox.open.clear()
        waiting = [asyncio.ensure_future(writer.record(attempt(number % 1_000))) for number in range(count)]
        await asyncio.sleep(0)
        assert not any(each.done() for each in waiting)
        inbox.open.set()
        return await asyncio.gather(*waiting)

    with Writer(inbox, open_log(tmp_path)) as writer:
        outcomes = asyncio.run(post_all(writer))
    assert outcomes == [Outcome.ACCEPTED] * 1_000 + [Outcome.DUPLICATE] * 200
    assert max(inbox.sizes) <= LARGEST_BATCH
    assert len(inbox.sizes) <= 4


@pytest.mark.parametrize("failure", [InboxUnavailable("full"), RuntimeError("canary")], ids=["expected", "unforeseen"])
def test_a_failed_commit_is_told_to_all_and_the_next_succeeds(
    inbox: WatchedInbox, tmp_path: Path, failure: Exception
) -> None:
    """Whatever the error, the writer goes on; the failed attempts are in the audit as soon as it can be written."""

    async def post(writer: Writer) -> None:
        assert await writer.is_ready()
        inbox.failure = failure
        ended = await asyncio.gather(*(writer.record(attempt(n)) for n in range(3)), return_exceptions=True)
        assert [type(each) for each in ended] == [InboxUnavailable] * 3
        assert not await writer.is_ready()
        inbox.failure = None
        assert await writer.is_ready()
        assert await writer.record(attempt(0)) is Outcome.ACCEPTED

    with Writer(inbox, open_log(tmp_path)) as writer:
        asyncio.run(post(writer))
    assert inbox.outcomes() == {Outcome.ACCEPTED: 1, Outcome.NOT_COMMITTED: 3}
    assert len(inbox.events_after(0, 10)) == 1
    assert "canary" not in (tmp_path / "nightshift.jsonl").read_text()


def test_who_waits_no_longer_is_committed_all_the_same(inbox: WatchedInbox, tmp_path: Path) -> None:
    """A request that gives up does not take its neighbours with it."""

    async def post(writer: Writer) -> Outcome:
        inbox.open.clear()
        given_up, patient = (asyncio.ensure_future(writer.record(attempt(n))) for n in range(2))
        await asyncio.sleep(0)
        given_up.cancel()
        inbox.open.set()
        return await patient

    with Writer(inbox, open_log(tmp_path)) as writer:
        assert asyncio.run(post(writer)) is Outcome.ACCEPTED
    assert len(inbox.events_after(0, 10)) == 2


def test_what_was_handed_in_is_finished_at_the_end(inbox: WatchedInbox, tmp_path: Path) -> None:
    """Even if nobody waits for it any more; what comes later is refused."""

    async def hand_in(writer: Writer) -> None:
        inbox.open.clear()
        waiting = [asyncio.ensure_future(writer.record(attempt(number))) for number in range(50)]
        await asyncio.sleep(0)
        for each in waiting:
            each.cancel()

    with Writer(inbox, open_log(tmp_path)) as writer:
        asyncio.run(hand_in(writer))
        inbox.open.set()
    assert len(inbox.events_after(0, 100)) == 50
    with pytest.raises(InboxUnavailable):
        asyncio.run(writer.record(attempt(99)))
    assert not asyncio.run(writer.is_ready())


def test_a_home_that_cannot_be_written_is_told_at_the_start(tmp_path: Path) -> None:
    """Before the first request is accepted."""
    with pytest.raises(InboxUnavailable), Writer(Inbox(tmp_path / "gone" / "inbox.db"), open_log(tmp_path)):
        pass
