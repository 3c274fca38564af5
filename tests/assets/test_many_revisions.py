"""Thousands of sessions that are revised, deleted and late, over many syncs: the tables are the truth, nothing is lost.

Every version that a sync could see is in the history, and once nothing more happens a run writes nothing.
"""

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest

from assets.raw.user_pull import SWEEP_AGE
from connectors.home import Home
from connectors.state.roster import RosterUser
from schemas.asleep import ASLEEP
from schemas.tables import SESSION_HISTORY, SLEEP_SESSIONS
from tests.assets.draining import drain
from tests.assets.engine.disk import unawaited_disk
from tests.assets.engine.findings import broken_order, histories
from tests.assets.engine.pictures import Pictures, marks_of
from tests.assets.engine.short_nights import LATEST, MOST_REVISIONS, ZONE, ShortNight, ShortNights, draw_nights
from tests.assets.homes import StandingClock, follow, new_home
from tests.assets.raw.pulls import Puller

FIRST = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
LOOK_BACK = timedelta(days=35)

Versions = dict[ShortNight, list[int | None]]
"""What a sync saw of every session, oldest first; None is its deletion."""


class Story:
    """A home that lives through what happens at a vendor."""

    def __init__(self, home: Home, clock: StandingClock, nights: list[ShortNight], pauses: tuple[int, int]) -> None:
        self.home, self.clock, self.nights, self.pause_days = home, clock, nights, pauses
        self.vendor = ShortNights(nights, clock)
        self.puller = Puller(home, transport=self.vendor.transport)
        self.seen: Versions = defaultdict(list)
        follow(home, *(RosterUser(ASLEEP, user_id, timezone=ZONE.key) for user_id in self.vendor.user_ids))

    def pull(self, *, accept_deletions: bool = False) -> None:
        """A nightly pull; what it could see is noted from the dates that the vendor was asked for."""
        today = self.clock.now.date()
        self.vendor.lists.clear()
        report = self.puller.pull(today - LOOK_BACK, today, accept_deletions=accept_deletions)
        assert report.complete
        asked = {(user_id, first, last) for user_id, first, last in self.vendor.lists}  # every page names them
        assert len(asked) == len(self.vendor.user_ids)
        for user_id, first, last in asked:
            for night, version in self.vendor.listed(user_id, first, last):
                if version != (self.seen[night][-1] if self.seen[night] else None):
                    self.seen[night].append(version)

    def live(self, rng: Random, until: datetime, drains: int) -> None:
        """Pull every few days until a time, and build now and then."""
        span = until - self.clock.now
        build_at = [self.clock.now + span * number / drains for number in range(1, drains)]
        while self.clock.now < until:
            self.clock.advance(days=rng.randint(*self.pause_days), minutes=rng.randrange(600))
            self.pull()
            if build_at and self.clock.now >= build_at[0]:
                build_at.pop(0)
                drain(self.home)

    def settle(self) -> None:
        """A month in which nothing happens, and a sync that looks through everything."""
        self.clock.advance(days=SWEEP_AGE.days)
        self.pull(accept_deletions=True)
        drain(self.home)


def live_through(tmp_path: Path, *, users: int, nights: int, pauses: tuple[int, int], drains: int) -> None:
    """Let a home live through the revisions of so many sessions, then compare everything."""
    rng = Random(7)  # noqa: S311 - no secret
    clock = StandingClock(FIRST)
    with unawaited_disk(), new_home(tmp_path / "home", clock) as home:
        story = Story(home, clock, draw_nights(rng, users, nights, FIRST), pauses)
        last = max(
            moment for n in story.nights for moment in (n.arrives, *n.revised, *([n.deleted] if n.deleted else []))
        )
        story.live(rng, last, drains)
        story.settle()
        assert_all_is_true(story)
        before = marks_of(home.root)
        clock.advance(minutes=1)
        story.pull()
        assert dict(story.puller.calls) == {"list": users}
        assert drain(home) == 0
        assert marks_of(home.root) == before


def assert_all_is_true(story: Story) -> None:
    """Sessions, history and warehouse are what the vendor has and what the syncs could see."""
    now = story.clock.now
    pictures = Pictures(story.home.root)
    truth = {
        (n.user_id, n.session_id): (n.start, n.end(v), v) for n in story.nights if (v := n.version(now)) is not None
    }
    rows = pictures.rows(SLEEP_SESSIONS)
    assert len(rows) == len(truth)
    assert truth == {
        (row["user_id"], row["session_id"]): (row["start_time"], row["end_time"], row["snoring_episodes"])
        for row in rows
    }
    held = histories(pictures.rows(SESSION_HISTORY))
    assert not [wrong for versions in held.values() for wrong in broken_order(versions)]
    told = {key: [version["end_time"] for version in versions] for key, versions in held.items()}
    assert told == {
        (night.user_id, night.session_id): [None if version is None else night.end(version) for version in versions]
        for night, versions in story.seen.items()
        if versions
    }
    assert pictures.warehouse_differences() == []
    assert_much_happened(story, truth)


def assert_much_happened(story: Story, truth: dict[tuple[str, str], tuple[datetime, datetime, int]]) -> None:
    """What was drawn has everything that this is about."""
    versions = [sum(version is not None for version in seen) for seen in story.seen.values()]
    assert set(range(2, MOST_REVISIONS + 1)) <= set(versions)
    assert any(None in seen for seen in story.seen.values())
    assert len(truth) < len(story.nights)
    assert max(night.arrives - night.start for night in story.nights) > LATEST * 0.8


def test_hundreds_of_sessions_end_as_the_truth_with_every_version(tmp_path: Path) -> None:
    """A hundred and sixty sessions, some of each kind."""
    live_through(tmp_path, users=8, nights=20, pauses=(2, 9), drains=2)


@pytest.mark.soak
def test_ten_thousand_sessions_end_as_the_truth_with_every_version(tmp_path: Path) -> None:
    """A hundred users over a hundred nights."""
    live_through(tmp_path, users=100, nights=100, pauses=(1, 4), drains=3)
