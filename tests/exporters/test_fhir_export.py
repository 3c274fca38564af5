"""What an export to a FHIR server does about members, refusals, changes under its hands and settings that changed."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from assets.exports import fhir_run
from assets.exports.fhir_files import partitions, wanted_of
from assets.exports.fhir_server import OtherIdentities, OtherWriteForm, outdated, preview
from connectors.fhir_server.connection import FhirConnection
from connectors.fhir_server.sandbox import Fault
from connectors.fhir_server.sandbox import app as sandbox_app
from connectors.home import Home
from connectors.state.outbox import forget_refusals
from connectors.state.quarantine import Quarantined, list_quarantined
from schemas.fhir import complaints, ndjson
from tests.assets.homes import StandingClock, new_home
from tests.exporters.driving import Task, Warm, connection_to, export_all
from tests.exporters.fhir_exporter import NightFiles
from tests.exporters.fhir_servers import HostileServer, Stage

KILLED = [-9]


@pytest.fixture
def clock() -> StandingClock:
    """The clock of the home."""
    return StandingClock()


@pytest.fixture
def files(tmp_path: Path, clock: StandingClock) -> Iterator[NightFiles]:
    """A home that wants one night."""
    with new_home(tmp_path / "home", clock) as home:
        found = NightFiles(home)
        found.want({"ann/1": 100})
        yield found


@pytest.fixture(params=["by id", "conditional"])
def server(request: pytest.FixtureRequest, stage: Stage) -> HostileServer:
    """A server that checks references, shows them with its address, and adds a narrative."""
    by_id = request.param == "by id"
    return stage.show(update_create=by_id, check_references=True, absolute_references=True, adds_narrative=True)


@pytest.fixture
def connection(files: NightFiles, server: HostileServer) -> FhirConnection:
    """The way from the home to the server."""
    return connection_to(files.home, server.address)


def quarantined(home: Home) -> list[Quarantined]:
    """All that is in quarantine."""
    with home.state.read() as state:
        return list_quarantined(state)


def session_of(files: NightFiles, server: HostileServer, night: str = "ann/1") -> dict[str, Any]:
    """The session as the server has it."""
    (found,) = server.found("Observation", files.pseudonym(night))
    return found


def hypnogram_of(files: NightFiles, server: HostileServer, night: str = "ann/1") -> dict[str, Any]:
    """The hypnogram as the server has it."""
    (found,) = server.found("Observation", files.pseudonym(night, "hypnogram"))
    return found


def version_of(resource: dict[str, Any]) -> int:
    """The version that the server has."""
    return int(resource["meta"]["versionId"])


def test_a_member_that_its_night_has_no_more_is_an_error(
    files: NightFiles, server: HostileServer, connection: FhirConnection
) -> None:
    """It keeps who and when, and says nothing; told once; when the night has it again it counts again."""
    export_all(files.home, connection)
    files.want({"ann/1": 101}, without_hypnogram=True)
    report = export_all(files.home, connection)
    assert (report.retired, report.created) == (1, 1)  # what was created is a Provenance
    found = hypnogram_of(files, server)
    assert (found["status"], version_of(found)) == ("entered-in-error", 2)
    assert not [name for name in found if name.startswith("value") or name == "component"]
    assert found["subject"] == session_of(files, server)["subject"]
    assert (
        complaints({**found, "id": "h1", "subject": {"reference": "Patient/p1"}, "device": {"reference": "Device/d"}})
        == []
    )
    assert "hasMember" not in session_of(files, server)
    assert export_all(files.home, connection).written == 0
    files.want({"ann/1": 102})
    export_all(files.home, connection)
    assert (hypnogram_of(files, server)["status"], version_of(hypnogram_of(files, server))) == ("amended", 3)
    assert "hasMember" in session_of(files, server)


def test_a_night_deleted_after_it_lost_a_member_tells_the_member_nothing_new(
    files: NightFiles, server: HostileServer, connection: FhirConnection
) -> None:
    """It is an error already."""
    export_all(files.home, connection)
    files.want({"ann/1": 101}, without_hypnogram=True)
    export_all(files.home, connection)
    files.want({})
    export_all(files.home, connection)
    assert session_of(files, server)["status"] == "entered-in-error"
    assert version_of(hypnogram_of(files, server)) == 2


@pytest.mark.parametrize(
    "point",
    [
        "export.delivered",
        pytest.param("export.marked", marks=pytest.mark.soak),
        pytest.param("export.committed", marks=pytest.mark.soak),
    ],
)
def test_retiring_a_member_survives_a_crash(
    files: NightFiles, server: HostileServer, connection: FhirConnection, warm: Warm, point: str
) -> None:
    """Wherever it is killed, the member becomes an error in one version."""
    export_all(files.home, connection)
    files.want({"ann/1": 101}, without_hypnogram=True)
    assert warm.statuses(Task(files.home.root, server.address, files.home.clock(), point)) == KILLED
    export_all(files.home, connection)
    assert (hypnogram_of(files, server)["status"], version_of(hypnogram_of(files, server))) == ("entered-in-error", 2)
    assert version_of(session_of(files, server)) == 2


@pytest.mark.parametrize(("point", "is_there"), [("export.marked:4", False), ("export.delivered:4", True)])
def test_a_member_that_was_under_way_when_its_night_lost_it(
    files: NightFiles, server: HostileServer, connection: FhirConnection, warm: Warm, point: str, is_there: bool
) -> None:
    """A run died sending it for the first time: it is an error if it arrived, and never heard of if it did not."""
    assert warm.statuses(Task(files.home.root, server.address, files.home.clock(), point)) == KILLED
    files.want({"ann/1": 101}, without_hypnogram=True)
    assert export_all(files.home, connection).retired == is_there
    found = server.found("Observation", files.pseudonym("ann/1", "hypnogram"))
    assert [one["status"] for one in found] == ["entered-in-error"] * is_there
    assert session_of(files, server)["valueQuantity"]["value"] == 101


def test_a_refused_member_does_not_stop_its_night(
    files: NightFiles, server: HostileServer, connection: FhirConnection
) -> None:
    """The night is there without it, once, and names it as soon as the server takes it."""
    server.world.switches.set({"poison": [files.pseudonym("ann/1", "hypnogram")]})
    assert export_all(files.home, connection).refused == 1
    told = preview(files.home, connection, partitions(files.home))
    assert (told.refused, told.written) == (1, 0)
    assert export_all(files.home, connection).refused == 1
    assert "hasMember" not in session_of(files, server)
    assert version_of(session_of(files, server)) == 1
    session, hypnogram = files.resources("ann/1")
    another = {**hypnogram, "note": [{"text": "another"}]}
    files.home.fhir.replace(f"Observation/date={files.days['ann/1']}/sleep.ndjson", ndjson([session, another]))
    report = export_all(files.home, connection)
    assert (report.refused, report.written) == (1, 0), "refused in this version too, and nothing new of its night"
    (trouble,) = quarantined(files.home)
    assert trouble.reason == "refused_by_server"
    assert "422, business-rule, SAND-422" in trouble.explanation
    server.world.switches.set({"poison": []})
    with files.home.state.write() as state:
        forget_refusals(state)
    assert export_all(files.home, connection).complete
    assert version_of(session_of(files, server)) == 2
    (member,) = session_of(files, server)["hasMember"]
    assert member["reference"] == f"Observation/{hypnogram_of(files, server)['id']}"
    assert quarantined(files.home) == []


def test_a_night_deleted_with_a_member_that_was_refused_is_an_error_too(
    files: NightFiles, server: HostileServer, connection: FhirConnection
) -> None:
    """A server that checks references would refuse an error that names what it does not have, and keep the night."""
    server.world.switches.set({"poison": [files.pseudonym("ann/1", "hypnogram")]})
    export_all(files.home, connection)
    files.want({})
    report = export_all(files.home, connection)
    assert (report.never_sent, report.refused) == (1, 0)
    assert session_of(files, server)["status"] == "entered-in-error"


@pytest.mark.parametrize("server", ["by id"], indirect=True)
def test_what_is_not_valid_is_not_sent(files: NightFiles, server: HostileServer, connection: FhirConnection) -> None:
    """Quarantined with rules and paths, again at every look, until it is valid; its night goes without it."""
    files.spoiled = files.pseudonym("ann/1", "hypnogram")
    files.write()
    for _ in range(2):
        assert export_all(files.home, connection).invalid == 1
        (trouble,) = quarantined(files.home)
        assert trouble.reason == "invalid_resource"
        assert "Jane" not in trouble.explanation
        files.want({"ann/1": 101})
    assert "hasMember" not in session_of(files, server)
    files.spoiled = ""
    files.write()
    assert export_all(files.home, connection).complete
    assert quarantined(files.home) == []
    assert "hasMember" in session_of(files, server)


def test_nights_wait_for_a_person_that_is_refused(
    files: NightFiles, server: HostileServer, connection: FhirConnection
) -> None:
    """They would point to nobody; others do not wait; they follow by themselves once the person is there."""
    files.want({"ann/1": 100, "bob/1": 200})
    server.world.switches.set({"poison": [files.person("ann/1")]})
    report = export_all(files.home, connection)
    assert (report.refused, report.left) == (1, {"waiting": 2})
    assert server.found("Observation", files.pseudonym("ann/1")) == []
    assert session_of(files, server, "bob/1")["status"] == "final"
    assert f"date={files.days['ann/1']}" in outdated(files.home, connection, partitions(files.home))
    server.world.switches.set({"poison": []})
    with files.home.state.write() as state:
        forget_refusals(state)
    assert export_all(files.home, connection).complete
    assert session_of(files, server)["status"] == "final"


@pytest.mark.parametrize("server", ["by id"], indirect=True)
def test_a_provenance_is_the_same_when_it_is_sent_again(
    files: NightFiles, server: HostileServer, connection: FhirConnection, clock: StandingClock, warm: Warm
) -> None:
    """Killed when it had arrived: it is found there, and still says when the Bundle was first sent."""
    assert warm.statuses(Task(files.home.root, server.address, clock(), "export.delivered:3")) == KILLED
    (before,) = server.current("Provenance")
    clock.advance(hours=1)
    export_all(files.home, connection)
    recorded = {one["id"]: one["recorded"] for one in server.current("Provenance")}
    assert recorded[before["id"]] == before["recorded"] < max(recorded.values())
    assert set(server.versions("Provenance").values()) == {1}


@pytest.mark.parametrize("server", ["by id"], indirect=True)
def test_a_refused_provenance_is_in_quarantine(
    files: NightFiles, server: HostileServer, connection: FhirConnection
) -> None:
    """Until it is accepted."""
    written = export_all(files.home, connection, provenance=False).written
    files.want({"ann/1": 101, "bob/1": 200})
    server.faults.set([Fault("entry", times=1, skip=1, status=422)])  # after the new Patient
    assert export_all(files.home, connection).refused == 1
    (trouble,) = quarantined(files.home)
    assert (trouble.document, trouble.partition) == ("Provenance", "provenance")
    with files.home.state.write() as state:
        forget_refusals(state)
    assert export_all(files.home, connection).complete
    assert quarantined(files.home) == []
    assert written > 0


@pytest.mark.parametrize("server", ["conditional"], indirect=True)
def test_a_search_that_is_behind_doubles_and_loses_nothing(
    files: NightFiles, server: HostileServer, connection: FhirConnection
) -> None:
    """Nights wait until the server's id of their person can be found; a member is found by the id that is known."""
    server.world.switches.set({"stale_searches": 1000})
    assert export_all(files.home, connection).left == {"waiting": 3}  # the hypnogram, the session, the Provenance
    assert server.versions("Provenance", "Observation") == {}
    server.world.switches.set({"stale_searches": 0})
    assert export_all(files.home, connection).complete
    assert set(server.versions().values()) == {1}
    files.want({"ann/1": 101}, without_hypnogram=True)
    server.world.switches.set({"stale_searches": 1})
    assert export_all(files.home, connection).retired == 1
    assert hypnogram_of(files, server)["status"] == "entered-in-error"


@pytest.mark.parametrize("server", ["by id"], indirect=True)
def test_a_file_taken_back_while_it_is_read_is_no_error(
    files: NightFiles, server: HostileServer, connection: FhirConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A build has just found that there is nothing on that date: the file was listed, and then it is gone."""
    gone = files.home.root / "fhir" / "Observation" / f"date={files.days['ann/1']}" / "sleep.ndjson"
    read_bytes = Path.read_bytes

    def taken_back(path: Path) -> bytes:
        if path == gone:
            path.unlink(missing_ok=True)
        return read_bytes(path)

    monkeypatch.setattr(Path, "read_bytes", taken_back)
    assert export_all(files.home, connection).complete
    assert server.current("Observation") == []


@pytest.mark.parametrize("server", ["by id"], indirect=True)
def test_a_server_gets_only_what_it_takes(
    files: NightFiles, server: HostileServer, connection: FhirConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without Provenance and CodeSystem in its statement it is not sent any, and nothing is missing."""
    monkeypatch.setattr(sandbox_app, "TYPES", ("Patient", "Device", "Observation"))
    report = export_all(files.home, connection)
    assert (report.wanted, report.written, report.complete) == (4, 4, True)
    assert server.versions("Provenance", "CodeSystem") == {}
    assert outdated(files.home, connection, partitions(files.home)) == []


@pytest.mark.parametrize("server", ["by id"], indirect=True)
def test_a_file_replaced_while_it_is_exported_is_exported_again(
    files: NightFiles, server: HostileServer, connection: FhirConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was read was the old one: the date stays outdated, and the next export brings the new one."""
    day = f"date={files.days['ann/1']}"

    def read_and_replaced(home: Home, partition: str) -> Any:
        found = wanted_of(home, partition)
        if partition == day:
            files.want({"ann/1": 101})
        return found

    monkeypatch.setattr(fhir_run, "wanted_of", read_and_replaced)
    export_all(files.home, connection)
    monkeypatch.undo()
    assert session_of(files, server)["valueQuantity"]["value"] == 100
    assert outdated(files.home, connection, partitions(files.home)) == [day]
    export_all(files.home, connection)
    assert session_of(files, server)["valueQuantity"]["value"] == 101
    assert outdated(files.home, connection, partitions(files.home)) == []


@pytest.mark.parametrize("server", ["by id"], indirect=True)
def test_a_preview_tells_what_an_export_then_does(files: NightFiles, connection: FhirConnection) -> None:
    """First nights, changes and members retired; Provenances come with the Bundles and are nobody's wish."""
    for nights, options in (({"ann/1": 100}, {}), ({"ann/1": 101, "bob/1": 1}, {"without_hypnogram": True}), ({}, {})):
        files.want(nights, **options)
        told = preview(files.home, connection, partitions(files.home))
        done = export_all(files.home, connection, provenance=False)
        assert told == done


@pytest.mark.parametrize("server", ["by id"], indirect=True)
def test_what_was_in_quarantine_leaves_with_its_date(
    files: NightFiles, server: HostileServer, connection: FhirConnection
) -> None:
    """The night has moved to another date, and nothing is left of the old one."""
    server.world.switches.set({"poison": [files.pseudonym("ann/1")]})
    export_all(files.home, connection)
    server.world.switches.set({"poison": []})
    files.days["ann/1"] += timedelta(days=3)
    files.want({"ann/1": 101})
    assert export_all(files.home, connection).complete
    assert quarantined(files.home) == []
    assert session_of(files, server)["valueQuantity"]["value"] == 101


def test_another_key_or_base_does_not_double_everything(
    files: NightFiles, server: HostileServer, connection: FhirConnection
) -> None:
    """With another key every id is another; with another base every identifier, which matters where they count."""
    export_all(files.home, connection)
    before = server.versions()
    with pytest.raises(OtherIdentities, match="pseudonym key"):
        export_all(replace(files.home, pseudonym_key=b"quite another key"), connection)
    elsewhere = NightFiles(replace(files.home, fhir_base="https://elsewhere.test"))
    elsewhere.want({"ann/1": 100})
    if server.world.switches.update_create:
        export_all(elsewhere.home, connection)
        assert server.versions() == dict.fromkeys(before, 2)
    else:
        with pytest.raises(OtherIdentities, match="base of identifiers"):
            export_all(elsewhere.home, connection)
        assert server.versions() == before


def test_another_write_form_is_refused(files: NightFiles, server: HostileServer, connection: FhirConnection) -> None:
    """A server never sees both, whatever it says that it can do now."""
    export_all(files.home, connection)
    before = server.versions()
    server.world.switches.set({"update_create": not server.world.switches.update_create})
    with pytest.raises(OtherWriteForm, match="double"):
        export_all(files.home, connection)
    assert server.versions() == before
