"""The NDJSON of a date follows its sessions: amended, entered in error, stage by stage when asked."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from assets.builds import mark_missing_layers_dirty
from connectors.asleep.sandbox import World, running
from connectors.home import Home
from schemas.fhir import complaints
from schemas.tables import SLEEP_STAGE_INTERVALS
from tests.assets.draining import drain
from tests.assets.homes import NOW, StandingClock, new_home
from tests.assets.raw.pulls import KEY, Puller, follow_everybody

Resource = dict[str, Any]


@pytest.fixture
def world() -> World:
    """Two users with five nights."""
    return World(users=2, nights=5, api_key=KEY, now=NOW)


@pytest.fixture
def home(tmp_path: Path, world: World) -> Iterator[Home]:
    """A home that follows them."""
    with new_home(tmp_path / "home", StandingClock(NOW)) as home:
        follow_everybody(home, world)
        yield home


def observations(home: Home) -> dict[str, Resource]:
    """Every Observation of a night, by id."""
    lines = [
        line
        for path in sorted((home.root / "fhir" / "Observation").glob("date=*/sleep.ndjson"))
        for line in path.read_bytes().splitlines()
    ]
    resources = {resource["id"]: resource for resource in map(orjson.loads, lines)}
    assert len(resources) == len(lines)
    return resources


def statuses(before: dict[str, Resource], after: dict[str, Resource]) -> dict[str, int]:
    """How many Observations have which status, of those that are not as before."""
    changed = [resource for id, resource in after.items() if resource != before.get(id)]
    return {status: [r["status"] for r in changed].count(status) for status in {r["status"] for r in changed}}


def test_observations_follow_what_becomes_of_a_session(home: Home, world: World) -> None:
    """Final first; a re-analysis amends the night and its hypnogram, a deletion marks both as errors, ids stay."""
    with running(world) as base_url:
        puller = Puller(home, base_url)
        puller.pull()
        drain(home)
        first = observations(home)
        assert {resource["status"] for resource in first.values()} == {"final"}
        user = next(world.users())
        revised, deleted = user.sessions[1:3]
        world.reanalyse(user, revised)
        world.delete_session(user, deleted)
        puller.pull()
        drain(home)
    second = observations(home)
    assert second.keys() == first.keys()
    assert statuses(first, second) == {"amended": 2, "entered-in-error": 2}
    assert [complaints(resource) for resource in second.values()] == [[]] * len(second)


def test_stage_intervals_come_and_go_with_their_setting(home: Home, world: World) -> None:
    """One Observation for each known stage of each night; without the setting the bytes are those of before."""
    with running(world) as base_url:
        Puller(home, base_url).pull()
    drain(home)
    plain = observations(home)
    asked = replace(home, fhir_stage_intervals=True)
    mark_missing_layers_dirty(asked, warehouse_exists=True)
    drain(asked)
    more = observations(asked)
    rows = [
        row
        for path in sorted((home.root / "lake" / SLEEP_STAGE_INTERVALS.name).glob("date=*"))
        for row in home.lake.read(SLEEP_STAGE_INTERVALS, path.name).to_pylist()
    ]
    coded = [row for row in rows if row["stage"] != "unknown"]
    assert len(more) - len(plain) == len(coded) > 0
    assert [complaints(resource) for resource in more.values() if resource["id"] not in plain] == [[]] * len(coded)
    mark_missing_layers_dirty(home, warehouse_exists=True)
    drain(home)
    assert observations(home) == plain
