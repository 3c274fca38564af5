"""A month of a few people at a real FHIR server: exact counts, contents and versions, also after dozens of kills."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from random import Random

import pytest

from assets.exports.fhir_files import partitions, wanted_of
from connectors.asleep.sandbox import World, running
from connectors.fhir_server.content import same_content
from connectors.home import Home
from schemas.asleep import ASLEEP
from tests.assets.draining import drain
from tests.assets.homes import NOW, StandingClock, new_home
from tests.assets.raw.pulls import KEY, Puller, follow_everybody
from tests.exporters.driving import Task, Warm, connection_to, export_all
from tests.exporters.fhir_exporter import NightFiles
from tests.exporters.fhir_servers import TYPES, RealServer
from tests.fhir_server import RealFhirServer

KILLED = -9

Contents = dict[str, tuple[str, bool]]
"""By ``Type/id`` a hash of the resource, and whether it is entered in error."""


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """An empty home."""
    with new_home(tmp_path / "home", StandingClock()) as home:
        yield home


@pytest.fixture
def server(running_server: RealFhirServer) -> RealServer:
    """The real server; what was there before is not seen."""
    return RealServer(running_server)


def contents(home: Home) -> Contents:
    """What the home's files say."""
    wanted = [one for name in partitions(home) for one in wanted_of(home, name).values()]
    return {
        one.name: (one.content_hash, one.entered_in_error) for one in wanted if one.resource["resourceType"] in TYPES
    }


def versions_after(before: Contents, now: Contents) -> dict[str, int]:
    """How many versions there must be after exports of ``before`` and of ``now``; what was never sent has none."""
    versions = {name: 1 + (name in now and now[name] != content) for name, content in before.items()}
    return {**{name: 1 for name, (_, is_error) in now.items() if not is_error}, **versions}


def assert_exact(home: Home, server: RealServer, versions: Mapping[str, int]) -> None:
    """Everything wanted is there under its identifier, once, says what it should; versions are exactly these."""
    everything = (one for name in partitions(home) for one in wanted_of(home, name).values())
    never_sent = contents(home).keys() - versions.keys()
    wanted = {one.name: one.without_members(never_sent).resource for one in everything}
    current = [resource for type in TYPES for resource in server.current(type)]
    had = {}
    for resource in current:
        name = f"{resource['resourceType']}/{resource['identifier'][0]['value']}"
        had[name] = int(resource.pop("meta")["versionId"])
        assert resource == wanted[name] or same_content(wanted[name], resource)
    assert len(had) == len(current)
    assert had == versions
    for name in sorted(versions)[::97]:
        type, _, id = name.partition("/")
        assert len(server.found(type, id)) == 1
    provenances = server.current("Provenance")
    assert {target["reference"] for one in provenances for target in one["target"]} == set(versions)
    assert {one["meta"]["versionId"] for one in provenances} == {"1"}


def month(people: int, nights: int) -> dict[str, int]:
    """So many nights of so many people, each telling of other minutes."""
    return {f"p{person}/{night}": 100 + 31 * person + night for person in range(people) for night in range(nights)}


def changed(nights: Mapping[str, int], every: int) -> dict[str, int]:
    """Every so manieth night analysed again, one of two hundred deleted."""
    return {
        night: says + (number % every == 0) for number, (night, says) in enumerate(nights.items()) if number % 200 != 7
    }


@pytest.mark.parametrize(("people", "analysed"), [(6, 19), pytest.param(20, 63, marks=pytest.mark.soak)])
def test_a_month_of_several_people(home: Home, server: RealServer, people: int, analysed: int) -> None:
    """All found once; a second export writes nothing; a tenth analysed again makes exactly that many new versions."""
    files, connection = NightFiles(home, hypnograms_every=3), connection_to(home, server.address)
    nights = month(people, nights=30)
    files.want(nights)
    first = contents(home)
    report = export_all(home, connection)
    assert len(first) == people + 1 + people * 30 + people * 10
    assert (report.complete, report.created) == (True, report.written)
    assert_exact(home, server, dict.fromkeys(first, 1))
    assert export_all(home, connection).written == 0
    again = changed(nights, every=10)
    files.want(again)
    provenances = len(server.current("Provenance"))
    report = export_all(home, connection)
    sessions = {night for night, says in nights.items() if again.get(night) != says}
    assert len(sessions) == analysed
    provenances = len(server.current("Provenance")) - provenances
    versions = versions_after(first, contents(home))
    assert (report.written, report.created) == (sum(versions.values()) - len(first) + provenances, provenances)
    assert {f"Observation/{files.pseudonym(night)}" for night in sessions} == {
        name for name, count in versions.items() if count == 2 and name.startswith("Observation/s")
    }
    assert_exact(home, server, versions)
    for night in nights.keys() - again.keys():
        (session,) = server.found("Observation", files.pseudonym(night))
        assert session["status"] == "entered-in-error"


def kill_and_resume(home: Home, address: str, warm: Warm, failpoints: list[str], entries: int) -> int:
    """Export in children that are killed one after the other, then in one that is not; how many were killed."""
    tasks = [Task(home.root, address, home.clock(), failpoint, entries) for failpoint in failpoints]
    statuses = [warm.statuses(task)[0] for task in tasks]
    assert set(statuses) <= {KILLED, 0}
    assert warm.statuses(Task(home.root, address, home.clock(), entries=entries)) == [0]
    return statuses.count(KILLED)


def test_a_dozen_kills_leave_counts_and_versions_exact(home: Home, server: RealServer, warm: Warm) -> None:
    """Before and after a Bundle is delivered, after it is committed, at the first, second and third of an export."""
    files, connection = NightFiles(home), connection_to(home, server.address)
    nights = month(people=5, nights=6)
    points = [f"export.{at}:{nth}" for nth in (1, 2, 3) for at in ("marked", "delivered", "committed")]
    files.want(nights)
    first = contents(home)
    assert kill_and_resume(home, server.address, warm, points, entries=10) == len(points)
    assert_exact(home, server, dict.fromkeys(first, 1))
    files.want(changed(nights, every=3))
    points = ["export.delivered:2", "export.marked:3", "export.delivered:1"]
    assert kill_and_resume(home, server.address, warm, points, entries=10) == len(points)
    assert_exact(home, server, versions_after(first, contents(home)))
    assert export_all(home, connection).written == 0


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(10))
def test_hundreds_of_kills_leave_counts_and_versions_exact(
    home: Home, server: RealServer, warm: Warm, seed: int
) -> None:
    """The same at places drawn by chance, forty times in each of ten months."""
    random, files = Random(seed), NightFiles(home)  # noqa: S311

    def points(count: int) -> list[str]:
        places = ("marked", "delivered", "committed")
        return [f"export.{random.choice(places)}:{random.randint(1, 3)}" for _ in range(count)]

    nights = month(people=6, nights=12)
    files.want(nights)
    first = contents(home)
    kills = kill_and_resume(home, server.address, warm, points(25), entries=7)
    assert_exact(home, server, dict.fromkeys(first, 1))
    files.want(changed(nights, every=2))
    kills += kill_and_resume(home, server.address, warm, points(15), entries=7)
    assert_exact(home, server, versions_after(first, contents(home)))
    assert kills >= 30


@pytest.mark.soak
@pytest.mark.parametrize(("people", "nights"), [(4, 5), (20, 30)])
def test_the_whole_way_from_the_vendor(home: Home, server: RealServer, people: int, nights: int) -> None:
    """Pulled, built and exported; analysed again and deleted at the vendor, and all of it once more."""
    world = World(users=people, nights=nights, api_key=KEY, now=NOW)
    connection = connection_to(home, server.address)
    with running(world) as url:
        puller = Puller(home, url)
        follow_everybody(home, world)
        puller.pull()
        drain(home)
        first = contents(home)
        assert export_all(home, connection).complete
        assert_exact(home, server, dict.fromkeys(first, 1))
        assert export_all(home, connection).written == 0
        again = _analyse_a_tenth_again(world)
        user = next(world.users())
        deleted = user.sessions[-2]
        world.delete_session(user, deleted)
        assert isinstance(home.clock, StandingClock)
        home.clock.advance(hours=1)
        puller.pull()
        drain(home)
    assert export_all(home, connection).complete
    assert_exact(home, server, versions_after(first, contents(home)))
    pseudonyms = NightFiles(home).context.pseudonyms
    touched = {f"Observation/{pseudonyms.of('session', 'clinic', ASLEEP, id)}" for id in [deleted.id, *again]}
    twice = {name for name, count in server.versions("Observation").items() if count == 2}
    assert twice
    assert {name for name in twice if name.startswith("Observation/s")} <= touched, "a pull may not see all of them"
    assert export_all(home, connection).written == 0


def _analyse_a_tenth_again(world: World) -> set[str]:
    """Have the vendor analyse every tenth session again; their ids."""
    sessions = [(user, session) for user in world.users() for session in user.sessions]
    again: set[str] = set()
    for user, session in sessions:
        if len(again) < len(sessions) / 10 and session.state(world.now) == "COMPLETE":
            try:
                world.reanalyse(user, session)
            except ValueError:
                continue
            again.add(session.id)
    return again
