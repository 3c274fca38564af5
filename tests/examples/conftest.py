"""A small world for the examples: pulled twice, with marts, and what is true in it."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

import pytest

from assets.marts.loading import load_marts
from connectors.asleep.sandbox import World
from connectors.home import Home
from connectors.state.roster import RosterUser
from connectors.warehouse.duckdb import DuckDbWarehouse
from schemas.asleep import ASLEEP
from tests.assets.engine.disk import unawaited_disk
from tests.assets.engine.rig import Rig, empty_home
from tests.assets.homes import follow
from tests.examples.answers import Changed, Lived, People
from tests.examples.truth import DAY, people_of

NOW = datetime(2026, 11, 5, 6, 0, tzinfo=UTC)
NIGHTS = 30


class Pulled(NamedTuple):
    """What is true, the simulator that knows it, and a home with its warehouse."""

    truth: Lived
    world: World
    home: Home


@pytest.fixture(scope="session")
def pulled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pulled]:
    """Eight people around the end of summer time, one of whom slept little of late; some nights change after a pull."""
    folder = tmp_path_factory.mktemp("examples")
    rig = Rig(World(users=8, nights=NIGHTS, seed=3, now=NOW), folder, empty_home(folder / "empty"))
    try:
        with unawaited_disk():
            truth = pull(rig)
        yield Pulled(truth, rig.world, rig.home)
    finally:
        rig.close()


def pull(rig: Rig) -> Lived:
    """Pull everybody's last four weeks, change some nights, pull again and make the marts; what is then true."""
    first = rig.today - (NIGHTS - 2) * DAY
    zones = {user.user_id: user.person.timezone for user in rig.world.users()}
    orgs = {user_id: "ab"[number % 2] for number, user_id in enumerate(zones)}
    follow(rig.home, *(RosterUser(ASLEEP, user, orgs[user], zone, first) for user, zone in zones.items()))
    sleep_little(rig.world)
    rig.move_on(DAY)
    rig.run(first - DAY, rig.today)
    before = since(first, people_of(rig.world))
    change_some(rig.world)
    rig.world.add_nights(1)
    rig.keep_up()
    rig.run(first - DAY, rig.today)
    load_marts(rig.home, DuckDbWarehouse(rig.root / "warehouse.duckdb"))
    people = since(first, people_of(rig.world))
    return Lived(people, differences(before, people), zones, orgs, first, rig.world.now)


def sleep_little(world: World) -> None:
    """Let four of the fifth person's last nights begin so late that little sleep is in them."""
    user = list(world.users())[4]
    for session in [session for session in user.sessions if session.plan.kind == "main"][-6:-2]:
        world.move_start(user, session, session.start + timedelta(hours=3.5))


def change_some(world: World) -> None:
    """New analyses of three main sleeps of the month, and one deleted.

    The vendor's list says nothing of an analysis; the statistics that are asked for with the next night do.
    """
    mains = [[session for session in user.sessions if session.plan.kind == "main"] for user in world.users()]
    users = list(world.users())
    for number in range(3):
        world.reanalyse(users[number], mains[number][-3])
    world.delete_session(users[6], mains[6][-3])


def since(first: date, people: People) -> People:
    """The nights in which people are followed."""
    return {user: {night: told for night, told in nights.items() if night >= first} for user, nights in people.items()}


def differences(before: People, now: People) -> list[Changed]:
    """The main sleeps that are others than they were, or no more."""
    found = []
    for user, nights in before.items():
        for night, recorded in nights.items():
            today = now[user].get(night)
            if recorded.main and recorded.main != (today and today.main):
                found.append(Changed(user, recorded.main, today.main if today else None))
    return found
