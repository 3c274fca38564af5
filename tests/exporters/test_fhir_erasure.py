"""Erasing a user at a FHIR server: everything is gone and seen to be gone, nothing comes back, others keep theirs."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from assets.exports.erasure import ErasureReport
from assets.exports.fhir_files import partitions, wanted_of
from assets.exports.fhir_server import destination_of
from connectors.errors import NightshiftError, WrongUsage
from connectors.fhir_server.connection import FhirConnection
from connectors.fhir_server.sandbox import Fault
from connectors.home import Home
from connectors.state.outbox import count_sent
from connectors.state.quarantine import list_quarantined
from tests.assets.homes import StandingClock, follow, new_home, sleeper
from tests.exporters.driving import Task, Warm, connection_to, erase_one, export_all
from tests.exporters.fhir_exporter import NightFiles
from tests.exporters.fhir_servers import FhirDestination, HostileServer, RealServer, Stage

ANN, BOB = "user-ann", "user-bob"
NIGHTS = {"ann/1": 100, "ann/2": 200, "bob/1": 300}
OF_ANN = 1 + 2 * 2
"""Her Patient, and two nights with their hypnograms."""

MORE_POINTS = ("erase.marked", "export.marked", "export.committed", "erase.proven", "erase.proven:2", "erase.proven:4")


@dataclass
class Erasing:
    """A home that wants nights of ann and bob, both on the roster, and a server."""

    files: NightFiles
    server: FhirDestination

    @property
    def home(self) -> Home:
        """The home."""
        return self.files.home

    @property
    def connection(self) -> FhirConnection:
        """The way to the server; Bundles hold everybody's resources, so that Provenances speak of both."""
        return connection_to(self.home, self.server.address)

    def export(self) -> Any:
        """Export everything."""
        return export_all(self.home, self.connection)

    def erase(self, user_id: str = ANN) -> ErasureReport:
        """Erase a user."""
        return erase_one(self.home, self.connection, user_id)

    def ids(self, person: str) -> list[tuple[str, str]]:
        """Type and identifier of everything wanted about a person."""
        patient = f"Patient/{self.files.person(person + '/1')}"
        wanted = (one for name in partitions(self.home) for one in wanted_of(self.home, name).values())
        return [(one.resource["resourceType"], one.resource["id"]) for one in wanted if one.patient == patient]

    def there(self, person: str) -> list[dict[str, Any]]:
        """What the server has of a person."""
        return [found for type, id in self.ids(person) for found in self.server.found(type, id)]

    def assert_gone(self) -> None:
        """Nothing of ann is there, nobody speaks of her, everything of bob is as it was."""
        assert self.there("ann") == []
        assert sorted(int(one["meta"]["versionId"]) for one in self.there("bob")) == [1, 1, 1]
        assert len(self.server.current("Device")) == 1
        there = {
            f"{type}/{one['id']}" for type in ("Patient", "Device", "Observation") for one in self.server.current(type)
        }
        told = {target["reference"] for one in self.server.current("Provenance") for target in one["target"]}
        assert told == there


@pytest.fixture(params=["by id", "conditional", "real"])
def erasing(request: pytest.FixtureRequest, tmp_path: Path, stage: Stage) -> Iterator[Erasing]:
    """At a hostile server that checks references, in both forms, and at the real one; nothing is exported yet."""
    server: FhirDestination
    if request.param == "real":
        server = RealServer(request.getfixturevalue("running_server"))
    else:
        server = stage.show(update_create=request.param == "by id", check_references=True)
    with new_home(tmp_path / "home", StandingClock()) as home:
        follow(home, sleeper(ANN), sleeper(BOB))
        files = NightFiles(home)
        files.want(NIGHTS)
        yield Erasing(files, server)


def hostile(erasing: Erasing) -> HostileServer:
    """The server, if it can be made to misbehave; else a new one that has nothing yet."""
    assert isinstance(erasing.server, HostileServer)
    return erasing.server


def erased_if_possible(erasing: Erasing) -> ErasureReport | None:
    """The report of an erasure, or nothing if the server was in too much trouble."""
    try:
        return erasing.erase()
    except NightshiftError:
        return None


def test_everything_of_a_user_goes_and_stays_away(erasing: Erasing) -> None:
    """Each deletion is proven; nothing comes back with the next exports, not even what is new; twice is as once."""
    erasing.export()
    report = erasing.erase()
    provenances_of_hers, of_both = 2, 3  # of the two Bundles of her second date; of people, and her first date
    gone = OF_ANN + provenances_of_hers
    assert report == ErasureReport(known=gone, deleted=gone, proven=gone, rewritten=of_both)
    assert report.complete
    erasing.assert_gone()
    again = erasing.export()
    assert (again.written, again.erased) == (0, OF_ANN)
    erasing.files.want({**NIGHTS, "ann/1": 101, "ann/3": 500})
    assert (erasing.export().written, erasing.export().erased) == (0, OF_ANN + 2)
    erasing.assert_gone()
    before = erasing.server.versions("Patient", "Observation", "Device", "Provenance")
    once_more = erasing.erase()
    assert (once_more.deleted, once_more.proven, once_more.unproven) == (0, 0, 0)
    assert once_more.gone_before == once_more.known == report.known
    assert erasing.server.versions("Patient", "Observation", "Device", "Provenance") == before
    with erasing.home.state.read() as state:
        of_bob_and_all = count_sent(state, _destination(erasing))
    assert of_bob_and_all == 3 + 1 + len(erasing.server.current("Provenance")) + len(_code_systems(erasing.server))


@pytest.mark.parametrize(
    "point",
    [
        *("export.delivered", "erase.proven:3"),
        *(pytest.param(point, marks=pytest.mark.soak) for point in MORE_POINTS),
    ],
)
def test_a_killed_erasure_is_carried_on(erasing: Erasing, warm: Warm, point: str) -> None:
    """Wherever it dies, nothing comes back with an export, and the next erasure ends it."""
    erasing.export()
    task = Task(erasing.home.root, erasing.server.address, erasing.home.clock(), point, erase=ANN)
    assert warm.statuses(task) == [-9]
    report = erasing.export()
    assert report.erased == OF_ANN
    report = erasing.erase()
    assert report.complete
    erasing.assert_gone()
    assert erasing.export().written == 0


def test_what_was_under_way_is_erased_too(erasing: Erasing, warm: Warm) -> None:
    """A run died after the server had taken the nights, and before it was known."""
    task = Task(erasing.home.root, erasing.server.address, erasing.home.clock(), "export.delivered:6")
    assert warm.statuses(task) == [-9]
    assert erasing.there("ann")
    assert erasing.erase().complete
    assert erasing.there("ann") == []
    erasing.export()
    erasing.assert_gone()


def test_a_user_erased_before_the_first_export_is_never_sent(erasing: Erasing) -> None:
    """There is nothing to delete, and nothing is sent from then on."""
    assert erasing.erase() == ErasureReport()
    assert erasing.export().erased == OF_ANN
    assert erasing.there("ann") == []
    assert len(erasing.there("bob")) == 3


def test_both_can_be_erased(erasing: Erasing) -> None:
    """A Provenance of both is rewritten for the first and deleted for the second; the Device stays, told by its own."""
    erasing.export()
    erasing.erase()
    assert erasing.erase(BOB).complete
    assert erasing.server.current("Patient") == erasing.server.current("Observation") == []
    (people,) = erasing.server.current("Provenance")
    (device,) = erasing.server.current("Device")
    assert [target["reference"] for target in people["target"]] == [f"Device/{device['id']}"]


def test_a_user_of_whom_nothing_is_known_is_a_mistake(erasing: Erasing) -> None:
    """One sentence, which does not repeat the id."""
    with pytest.raises(WrongUsage, match="Nothing is known of this user") as raised:
        erasing.erase("user-zoe")
    assert "zoe" not in str(raised.value)


@pytest.mark.parametrize("erasing", ["by id", "conditional"], indirect=True)
def test_what_others_refer_to_is_told_to_be_left(erasing: Erasing) -> None:
    """The server keeps the Patient for somebody else's resource: not proven, until that one is gone."""
    server = hostile(erasing)
    erasing.export()
    (patient,) = server.found("Patient", erasing.files.person("ann/1"))
    about = {"resourceType": "Basic", "id": "theirs", "subject": {"reference": f"Patient/{patient['id']}"}}
    server.world.store.write(about, "PUT")
    report = erasing.erase()
    assert (report.unproven, report.complete) == (1, False)
    assert report.deleted == report.proven + 1
    assert erasing.export().written == 0
    server.world.store.delete("Basic", "theirs")
    report = erasing.erase()
    assert (report.deleted, report.proven, report.complete) == (1, 1, True)
    erasing.assert_gone()


@pytest.mark.parametrize("erasing", ["by id", "conditional"], indirect=True)
def test_a_server_in_trouble_does_not_spoil_an_erasure(erasing: Erasing) -> None:
    """Deletions that fail or whose answers are lost are asked again, if need be by the next erasure, and proven."""
    erasing.export()
    trouble = [Fault("drop", on="delete", share=0.3, after=True), Fault("status", on="delete", share=0.3, status=503)]
    hostile(erasing).faults.set([*trouble, Fault("drop", on="read", share=0.3), Fault("html", on="reads", times=1)])
    reports = [report for _ in range(5) if (report := erased_if_possible(erasing))]
    assert reports[-1].complete
    hostile(erasing).faults.set([])
    erasing.assert_gone()


@pytest.mark.parametrize("erasing", ["by id"], indirect=True)
def test_quarantine_forgets_the_erased(erasing: Erasing) -> None:
    """What was refused of ann is no trouble any more; what was refused of bob is."""
    poison = [erasing.files.pseudonym("ann/1"), erasing.files.pseudonym("bob/1")]
    hostile(erasing).world.switches.set({"poison": poison})
    erasing.export()
    assert erasing.erase().complete
    for _ in range(2):
        with erasing.home.state.read() as state:
            (left,) = list_quarantined(state)
        assert left.document_id == erasing.files.pseudonym("bob/1")
        erasing.export()


def _destination(erasing: Erasing) -> str:
    return destination_of(erasing.connection)


def _code_systems(server: FhirDestination) -> list[dict[str, Any]]:
    return server.current("CodeSystem") if isinstance(server, HostileServer) else []
