"""A person goes to another organisation: new names at the FHIR server, and nothing counts under the former ones."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from assets.builds import mark_roster_dirty
from assets.exports.fhir_files import partitions, wanted_of
from assets.exports.fhir_server import outdated, preview
from connectors.asleep.sandbox import World, running
from connectors.fhir_server.connection import FhirConnection
from connectors.home import Home
from connectors.state.outbox import forget_refusals
from connectors.state.quarantine import list_quarantined
from connectors.state.roster import put_users
from schemas.fhir import complaints
from tests.assets.draining import drain
from tests.assets.homes import NOW, StandingClock, follow, new_home, sleeper
from tests.assets.raw.pulls import KEY, Puller, follow_everybody
from tests.exporters.driving import Task, Warm, connection_to, erase_one, export_all
from tests.exporters.fhir_exporter import NightFiles
from tests.exporters.fhir_servers import TYPES, HostileServer, Stage

NIGHTS = {"ann/1": 100, "ann/2": 200, "bob/1": 300}
OF_ANN = 1 + 2 * 2
"""Her Patient, and two nights with their hypnograms."""


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """An empty home."""
    with new_home(tmp_path / "home", StandingClock()) as home:
        yield home


@pytest.fixture
def files(home: Home) -> NightFiles:
    """A home that wants nights of two rostered people of one organisation."""
    follow(home, sleeper("user-ann"), sleeper("user-bob"))
    files = NightFiles(home)
    files.want(NIGHTS)
    return files


@pytest.fixture(params=["by id", "conditional"])
def server(request: pytest.FixtureRequest, stage: Stage) -> HostileServer:
    """A server that checks references, shows them with its address, and adds a narrative."""
    by_id = request.param == "by id"
    return stage.show(update_create=by_id, check_references=True, absolute_references=True, adds_narrative=True)


@pytest.fixture
def connection(home: Home, server: HostileServer) -> FhirConnection:
    """The way from the home to the server."""
    return connection_to(home, server.address)


def counting(server: HostileServer) -> list[dict[str, Any]]:
    """The people and nights that count."""
    everything = (one for type in ("Patient", "Observation") for one in server.current(type))
    return [one for one in everything if one.get("status") != "entered-in-error" and one.get("active", True)]


def names(resources: list[dict[str, Any]]) -> set[str]:
    """Their identifiers, each of which there must be once."""
    found = [one["identifier"][0]["value"] for one in resources]
    assert len(found) == len(set(found))
    return set(found)


def wanted(home: Home) -> set[str]:
    """The identifiers of all people and nights in the files."""
    everything = (one.resource for name in partitions(home) for one in wanted_of(home, name).values())
    return {one["id"] for one in everything if one["resourceType"] in ("Patient", "Observation")}


def assert_exact(home: Home, server: HostileServer) -> None:
    """What the files have counts at the server, and nothing else does."""
    assert names(counting(server)) == wanted(home)


def test_nothing_counts_under_the_former_name(
    files: NightFiles, server: HostileServer, connection: FhirConnection
) -> None:
    """The former nights are errors that say nothing, the former Patient is inactive, each told once; others as were."""
    export_all(files.home, connection)
    former = names(counting(server))
    files.transfer("ann", "hospital")
    told = preview(files.home, connection, partitions(files.home))
    report = export_all(files.home, connection, provenance=False)
    assert (report.retired, report.complete) == (OF_ANN, True)
    assert told == report
    assert_exact(files.home, server)
    gone = former - wanted(files.home)
    assert len(gone) == OF_ANN
    for one in (one for type in TYPES for one in server.current(type)):
        is_gone = one["identifier"][0]["value"] in gone
        assert int(one["meta"]["versionId"]) == 1 + is_gone
        if is_gone:
            assert not [part for part in one if part.startswith("value") or part in ("component", "note")]
            assert "hasMember" not in one
            assert complaints(_as_ours(one)) == []
    before = server.versions(*TYPES, "Provenance")
    assert outdated(files.home, connection, partitions(files.home)) == []
    assert export_all(files.home, connection).written == 0
    assert server.versions(*TYPES, "Provenance") == before


def _as_ours(resource: dict[str, Any]) -> dict[str, Any]:
    about = {name: {"reference": f"{name.title()}/x"} for name in ("device",) if name in resource}
    subject = {"subject": {"reference": "Patient/x"}} if "subject" in resource else {}
    return {**resource, "id": "x", **about, **subject}


def test_back_again_the_first_names_count_again(
    files: NightFiles, server: HostileServer, connection: FhirConnection
) -> None:
    """By way of a third organisation: always one set of names counts, and the first ones come back as they were."""
    export_all(files.home, connection)
    first = names(counting(server))
    for org in ("hospital", "practice"):
        files.transfer("ann", org)
        export_all(files.home, connection)
        assert_exact(files.home, server)
        assert not names(counting(server)) & (first - wanted(files.home))
    files.transfer("ann", "clinic")
    assert export_all(files.home, connection).complete
    assert names(counting(server)) == first
    assert {one.get("active") for one in counting(server)} == {None}
    assert export_all(files.home, connection).written == 0


def test_a_night_deleted_before_is_not_told_again(
    files: NightFiles, server: HostileServer, connection: FhirConnection
) -> None:
    """It was an error already under the former name, and is never heard of under the new one."""
    export_all(files.home, connection)
    files.want({"ann/2": 200, "bob/1": 300})
    export_all(files.home, connection)
    deleted = files.pseudonym("ann/1")
    files.transfer("ann", "hospital")
    report = export_all(files.home, connection)
    assert (report.retired, report.never_sent) == (3, 2)
    (found,) = server.found("Observation", deleted)
    assert (found["status"], found["meta"]["versionId"]) == ("entered-in-error", "2")
    assert server.found("Observation", files.pseudonym("ann/1")) == []
    assert export_all(files.home, connection).complete


def test_what_a_file_still_has_is_left_until_it_is_built(
    files: NightFiles, server: HostileServer, connection: FhirConnection
) -> None:
    """The date is behind: its night goes on counting under the former name, and is taken back later, told once."""
    export_all(files.home, connection)
    behind = (files.days["ann/1"], files.resources("ann/1"))
    files.stale.append(behind)
    files.days["ann/1"] += timedelta(days=10)
    files.transfer("ann", "hospital")
    report = export_all(files.home, connection)
    assert report.left["moving"] == 2
    assert "people" in outdated(files.home, connection, partitions(files.home))
    assert {one["id"] for one in behind[1]} <= names(counting(server))
    files.stale.clear()
    files.write()
    assert export_all(files.home, connection).complete
    assert_exact(files.home, server)
    assert max(server.versions().values()) == 2


@pytest.mark.parametrize(
    "point",
    [
        "export.delivered:4",
        *(
            pytest.param(f"export.{at}:{nth}", marks=pytest.mark.soak)
            for nth in range(1, 8)
            for at in ("marked", "delivered", "committed")
            if (at, nth) != ("delivered", 4)
        ),
    ],
)
def test_a_crash_in_the_middle_is_made_good(
    files: NightFiles, server: HostileServer, connection: FhirConnection, warm: Warm, point: str
) -> None:
    """Wherever it is killed: every former name is taken back in one version."""
    export_all(files.home, connection)
    files.transfer("ann", "hospital")
    assert warm.statuses(Task(files.home.root, server.address, files.home.clock(), point)) == [-9]
    assert export_all(files.home, connection).complete
    assert_exact(files.home, server)
    assert sorted(server.versions().values()) == [1] * (4 + OF_ANN) + [2] * OF_ANN


def test_a_refusal_to_take_one_back_is_in_quarantine(
    files: NightFiles, server: HostileServer, connection: FhirConnection
) -> None:
    """The rest is taken back; it is tried again on demand."""
    export_all(files.home, connection)
    poisoned = files.pseudonym("ann/1")
    server.world.switches.set({"poison": [poisoned]})
    files.transfer("ann", "hospital")
    assert export_all(files.home, connection).refused == 1
    assert names(counting(server)) == {*wanted(files.home), poisoned}
    server.world.switches.set({"poison": []})
    with files.home.state.write() as state:
        assert [one.reason for one in list_quarantined(state)] == ["refused_by_server"]
        forget_refusals(state)
    assert export_all(files.home, connection).complete
    assert_exact(files.home, server)
    with files.home.state.read() as state:
        assert list_quarantined(state) == []


def test_an_erased_person_is_erased_under_every_name(
    files: NightFiles, server: HostileServer, connection: FhirConnection
) -> None:
    """Also of organisations that nobody is of any more; and stays erased in whichever one comes next."""
    for org in ("hospital", "practice"):
        export_all(files.home, connection)
        files.transfer("ann", org)
    export_all(files.home, connection)
    bobs = names(server.found("Patient", files.person("bob/1")) + server.found("Observation", files.pseudonym("bob/1")))
    report = erase_one(files.home, connection, "user-ann")
    assert report.complete
    assert report.proven >= 3 * OF_ANN
    left = names([one for type in ("Patient", "Observation") for one in server.current(type)])
    assert left == {*bobs, files.pseudonym("bob/1", "hypnogram")}
    files.transfer("ann", "spa")
    later = export_all(files.home, connection)
    assert (later.written, later.erased) == (0, OF_ANN)
    assert preview(files.home, connection, partitions(files.home)).erased == OF_ANN


@pytest.mark.parametrize("server", ["by id"], indirect=True)
def test_the_whole_way_from_the_roster(home: Home, server: HostileServer, connection: FhirConnection) -> None:
    """Pulled, built, sent; the organisation gets another label, all is built and sent again: only new names count."""
    world = World(users=2, nights=2, api_key=KEY, now=NOW)
    with running(world) as url:
        before = {user.key: user for user in follow_everybody(home, world)}
        Puller(home, url).pull(NOW.date() - timedelta(days=7))
    drain(home)
    export_all(home, connection)
    assert_exact(home, server)
    former = wanted(home)
    moved = [replace(user, org_id="hospital") for user in before.values()]
    with home.state.write() as state:
        put_users(state, moved)
        mark_roster_dirty(state, before, moved)
    drain(home)
    assert len(wanted(home)) == len(former)
    assert not wanted(home) & former
    assert export_all(home, connection).retired == len(former)
    assert_exact(home, server)
    assert export_all(home, connection).written == 0
