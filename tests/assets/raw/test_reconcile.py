"""With webhooks on: whom a nightly pull lists, what it fetches, and that what never came is found."""

import random
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from assets.builds import build_partitions
from assets.lake.sleep_sessions import build_sleep_sessions
from connectors.asleep.sandbox import World
from schemas.asleep import ASLEEP
from schemas.documents import SESSION
from schemas.night_hours import last_night_over
from schemas.nights import night_of
from schemas.tables import SLEEP_SESSIONS
from tests.assets.engine.disk import unawaited_disk
from tests.assets.engine.rig import Rig, empty_home
from tests.assets.raw.webhooks import body_of, complete_sessions, receive, rows_of, take

NOW = datetime(2026, 11, 3, 6, 0, tzinfo=UTC)
EVERY_DAYS = 7
LOST = 0.02


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Any]:
    """Makes a world of some users with a night each, and a home that follows them."""
    rigs: list[Rig] = []

    def make(users: int) -> Rig:
        rigs.append(Rig(World(users=users, nights=1, seed=3, now=NOW), tmp_path, empty_home(tmp_path / "empty")))
        return rigs[0]

    with unawaited_disk():
        yield make
        for rig in rigs:
            rig.close()


def nightly(rig: Rig, every_days: int = EVERY_DAYS) -> Counter[str]:
    """Take in what came and pull as every night; how many calls of each kind that took."""
    take(rig.home)
    log, report = rig.pull(rig.today - timedelta(days=35), rig.today, every_days)
    assert report.complete
    return log.calls


def without_last_night(rig: Rig, known: set[str]) -> int:
    """For how many users nothing complete is known of the last night that is over for them."""
    count = 0
    for user in rig.world.users():
        zone = user.person.timezone
        last = last_night_over(rig.world.now, zone)
        count += not any(one.id in known and night_of(one.start, zone) == last for one in user.sessions)
    return count


def days_with_lost_webhooks(rig: Rig) -> None:
    """Nights come by webhook, a few never do: a day costs no more than it must, and in the end all are there."""
    draw = random.Random(7)  # noqa: S311 - what is lost is no secret
    users = sum(1 for _ in rig.world.users())
    nightly(rig, 1)
    known = {session.id for _, session in complete_sessions(rig.world)}
    lost: set[str] = set()
    calls: Counter[str] = Counter()
    due = 0
    for _ in range(EVERY_DAYS + 1):
        before = {session.id for _, session in complete_sessions(rig.world)}
        rig.world.add_nights(1)
        rig.keep_up()
        new = [(user, one) for user, one in complete_sessions(rig.world) if one.id not in before]
        gone = {one.id for _, one in new if draw.random() < LOST}
        receive(rig.home, [body_of(user, one, rig.world.now) for user, one in new if one.id not in gone])
        lost |= gone
        known |= {one.id for _, one in new if one.id not in gone}
        due += without_last_night(rig, known)
        calls += nightly(rig)
    assert lost
    # Each user once in the seven days, and on the eighth those whose day it is again.
    assert calls["list"] <= users * (EVERY_DAYS + 1) / EVERY_DAYS * 1.2 + due
    assert calls["list"] < users * EVERY_DAYS / 2
    assert calls["detail"] <= len(lost)
    rig.move_on(timedelta(days=1))
    assert nightly(rig)["detail"] <= len(lost) - calls["detail"]  # what was lost last is missed on the day after
    days = [day.isoformat() for day in rig.home.raw.dates(ASLEEP, SESSION)]
    build_partitions(rig.home, SLEEP_SESSIONS.name, days, lambda day: build_sleep_sessions(rig.home, day))
    found = {row["session_id"]: row["total_sleep_time_s"] for row in rows_of(rig.home, SLEEP_SESSIONS)}
    assert found == {one.id: one.stat.time_in_sleep for _, one in complete_sessions(rig.world)}


def test_a_week_of_lost_webhooks(opened: Any) -> None:
    """Eighty users, of whose nights one in fifty never comes."""
    days_with_lost_webhooks(opened(80))


@pytest.mark.soak
def test_a_week_of_lost_webhooks_of_many(opened: Any) -> None:
    """The same for ten thousand."""
    days_with_lost_webhooks(opened(10_000))


def test_a_user_who_is_gone_does_not_look_like_a_vendor_that_forgot_everybody(opened: Any) -> None:
    """Although nobody else is listed on that day."""
    rig = opened(3)
    nightly(rig, 1)
    gone, *others = rig.world.users()
    rig.world.delete_user(gone.user_id)
    _, report = rig.pull(rig.today - timedelta(days=35), rig.today, 1)
    assert report.failed.total() == 1
    for _ in range(2):
        before = {session.id for user in others for session in user.sessions}
        rig.world.add_nights(1)
        rig.keep_up()
        new = [(user, one) for user, one in complete_sessions(rig.world) if one.id not in before]
        receive(rig.home, [body_of(user, one, rig.world.now) for user, one in new])
        nightly(rig, 30)


def test_without_webhooks_everybody_is_listed_every_time(opened: Any) -> None:
    """As a first pull does, and one that names its dates."""
    rig = opened(5)
    for _ in range(2):
        assert nightly(rig, 1)["list"] == 5


def test_who_was_never_listed_is_listed_whatever_came(opened: Any) -> None:
    """Webhooks tell of the nights from now on; what was before only a list does."""
    rig = opened(5)
    receive(rig.home, [body_of(user, one, rig.world.now) for user, one in complete_sessions(rig.world)])
    assert nightly(rig)["list"] == 5
