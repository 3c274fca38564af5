"""The export at a server that misbehaves: whatever goes wrong, the end is exact in counts, contents and versions."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from assets.exports.fhir_files import partitions, wanted_of
from connectors.errors import NightshiftError
from connectors.fhir_server.auth import SmartClient
from connectors.fhir_server.connection import FhirConnection
from connectors.fhir_server.content import same_content
from connectors.fhir_server.sandbox import Fault, World, misbehaviour
from connectors.home import Home
from connectors.patience import BreakerTimes, Patience, Retry
from tests.assets.homes import StandingClock, new_home
from tests.connectors.fhir_server.test_auth import EC_KEY
from tests.exporters.driving import connection_to, export_all
from tests.exporters.fhir_exporter import NightFiles
from tests.exporters.fhir_servers import TYPES, HostileServer, Stage

NIGHTS = {"ann/1": 100, "ann/2": 200, "bob/1": 300, "bob/2": 400}

MOST_EXPORTS = 6
"""So often somebody starts an export again that ended with an error or left something."""

HURRIED = Patience(Retry(base_s=0, cap_s=0.02, jitter_s=0), answer_s=0.25, breaker=BreakerTimes(cool_s=0.05))


CASES = {
    "breaks off before the work": [Fault("drop", share=0.5)],
    "breaks off after the work": [Fault("drop", share=0.5, after=True)],
    "never answers": [Fault("slow", times=1, skip=1)],
    "works late": [Fault("late", share=0.4)],
    "cuts its JSON": [Fault("cut", share=0.5)],
    "a proxy's page before the work": [Fault("html", share=0.5, status=502)],
    "a proxy's page after the work": [Fault("html", share=0.5, status=504, after=True)],
    "a page that says OK": [Fault("html", share=0.5, status=200, after=True)],
    "XML": [Fault("xml", share=0.5)],
    "409": [Fault("status", share=0.5, status=409)],
    "412 after the work": [Fault("status", share=0.5, status=412, after=True)],
    "429": [Fault("status", share=0.5, status=429)],
    "429 with seconds": [Fault("status", share=0.5, status=429, retry_after="seconds")],
    "429 with a date": [Fault("status", share=0.5, status=429, retry_after="date")],
    "503 with seconds": [Fault("status", share=0.5, status=503, retry_after="seconds")],
    "500 after the work": [Fault("status", share=0.5, status=500, after=True)],
    "408 after the work": [Fault("status", share=0.5, status=408, after=True)],
    "entries fail with 503": [Fault("entry", share=0.4, status=503)],
    "entries fail with 500 after the work": [Fault("entry", share=0.4, status=500, after=True)],
    "entries conflict with 409": [Fault("entry", share=0.4, status=409)],
    "entries conflict with 412 after the work": [Fault("entry", share=0.4, status=412, after=True)],
    "entries are too many, 429": [Fault("entry", share=0.4, status=429)],
    "answers in another order": [Fault("reordered", share=0.6)],
    "an answer is missing": [Fault("missing", share=0.6)],
    "answers without a place": [Fault("unlocated", share=0.6)],
    "reads fail too": [
        Fault("drop", share=0.4, after=True),
        Fault("status", on="reads", share=0.4, status=503),
        Fault("reordered", on="reads", share=0.4),
    ],
    "everything at once": [
        *(Fault("drop", share=0.1, after=True), Fault("entry", share=0.2, status=503), Fault("reordered", share=0.2)),
        *(Fault("html", share=0.1, status=502), Fault("status", share=0.1, status=429), Fault("missing", share=0.2)),
        *(Fault("entry", share=0.2, status=412, after=True), Fault("cut", on="reads", share=0.1)),
    ],
}
"""What about half of all requests or entries meet."""

EVERY_TIME = {
    *("breaks off after the work", "works late", "a proxy's page after the work"),
    *("412 after the work", "429 with seconds", "429 with a date", "entries fail with 500 after the work"),
    *("an answer is missing", "everything at once"),
}
EVERY_TIME_CONDITIONAL = {"breaks off after the work", "everything at once"}
"""What is tried at every change; the rest is in the soak."""

BEYOND_R4 = {"works late"}
"""What R4 has no means against: a write that the server carries out after it was sent again.

It makes one version more of a new resource, because R4 has no If-None-Match for updates; and of any in the conditional
form, which has no If-Match.
"""


@pytest.fixture
def files(tmp_path: Path) -> Iterator[NightFiles]:
    """A home that wants four nights of two people."""
    with new_home(tmp_path / "home", StandingClock()) as home:
        found = NightFiles(home)
        found.want(NIGHTS)
        yield found


def export_until_complete(home: Home, connection: FhirConnection) -> None:
    """Start the export again as long as it ends with an error or leaves something."""
    for _ in range(MOST_EXPORTS):
        try:
            if export_all(home, connection).complete:
                return
        except NightshiftError:
            pass
    raise AssertionError("the export never comes to an end")


def assert_exact(
    home: Home, server: HostileServer, versions: Mapping[str, int], *, more: int = 0, provenances: bool = True
) -> None:
    """Everything wanted is there once, says what it should, and has had ``versions`` by the kind of pseudonym.

    With ``more`` each may have had so many more. Everything is told of by Provenances, which never change.
    """
    wanted = [one.resource for name in partitions(home) for one in wanted_of(home, name).values()]
    wanted = [resource for resource in wanted if resource["resourceType"] in TYPES]
    ids = {resource["id"]: server.found(resource["resourceType"], resource["id"]) for resource in wanted}
    assert all(len(found) == 1 for found in ids.values())
    had = server.versions()
    assert len(had) == len(wanted)
    names = {resource["id"]: ids[resource["id"]][0]["id"] for resource in wanted}
    for resource in wanted:
        (found,) = ids[resource["id"]]
        pure = {name: part for name, part in found.items() if name not in ("id", "text")}
        assert same_content(_with_ids(resource, names), pure)
        expected = versions[resource["id"][0]]
        assert expected <= had[f"{resource['resourceType']}/{found['id']}"] <= expected + more
    if provenances:
        assert all(count <= 1 + more for count in server.versions("Provenance").values())
    told = [target["reference"] for one in server.current("Provenance") for target in one["target"]]
    assert set(told) == set(had)


def _with_ids(resource: dict[str, object], names: Mapping[str, str]) -> dict[str, object]:
    """A resource of ours as the server should hold it, without its id."""

    def rewritten(node: object) -> object:
        if isinstance(node, dict):
            return {key: _named(part, names) if key == "reference" else rewritten(part) for key, part in node.items()}
        return [rewritten(part) for part in node] if isinstance(node, list) else node

    return {key: rewritten(part) for key, part in resource.items() if key != "id"}


def _named(reference: object, names: Mapping[str, str]) -> str:
    kind, _, id = str(reference).partition("/")
    return f"{kind}/{names[id]}"


@pytest.mark.parametrize(
    ("update_create", "name"),
    [
        pytest.param(update_create, name, marks=[] if name in every_time else [pytest.mark.soak])
        for update_create, every_time in ((True, EVERY_TIME), (False, EVERY_TIME_CONDITIONAL))
        for name in CASES
    ],
)
def test_whatever_goes_wrong_the_end_is_exact(
    files: NightFiles, stage: Stage, monkeypatch: pytest.MonkeyPatch, update_create: bool, name: str
) -> None:
    """At the first export, and again when every night has changed: counts, contents, one version for each change."""
    monkeypatch.setattr(misbehaviour, "WAIT_S", 0)
    server = stage.show(*CASES[name], update_create=update_create, check_references=True, adds_narrative=True)
    connection = connection_to(files.home, server.address, entries=2, patience=HURRIED)
    export_until_complete(files.home, connection)
    assert sum(server.faults.fired.values()), "nothing went wrong"
    assert_exact(files.home, server, {"p": 1, "d": 1, "s": 1, "h": 1}, more=int(name in BEYOND_R4))
    before = server.versions()
    files.want({night: says + 1 for night, says in NIGHTS.items()})
    export_until_complete(files.home, connection)
    more = 2 * int(name in BEYOND_R4)
    assert_exact(files.home, server, {"p": 1, "d": 1, "s": 2, "h": 2}, more=more)
    if update_create:
        changed = {name: count - before[name] for name, count in server.versions("Observation").items()}
        assert set(changed.values()) == {1}, "with If-Match even what comes late counts once"


def test_a_change_that_arrives_after_the_next_attempt_does_nothing(files: NightFiles, stage: Stage) -> None:
    """It names the version that it was to replace, and that is no longer the newest: nothing old comes back."""
    server = stage.show(check_references=True)
    connection = connection_to(files.home, server.address, entries=2, patience=HURRIED)
    export_until_complete(files.home, connection)
    for versions in (2, 3):
        server.faults.set([Fault("late", share=0.4, after=True)] if versions == 2 else [])
        files.want({night: says + versions for night, says in NIGHTS.items()})
        export_until_complete(files.home, connection)
        assert_exact(files.home, server, {"p": 1, "d": 1, "s": versions, "h": versions}, provenances=False)


def test_expired_tokens_are_renewed(files: NightFiles, stage: Stage) -> None:
    """The server forgets every token again and again; each write is still made once."""
    world = World(files.home.clock, client_id="us", jwks=EC_KEY.public_jwks())
    server = stage.show(*(Fault("expired", times=1, skip=2 * number) for number in range(4)), world=world)
    login = SmartClient("us", EC_KEY)
    # One writer: a server that takes back the new token too, while it is on its way, would rightly be given up.
    connection = replace(connection_to(files.home, server.address, entries=2, login=login), concurrency=1)
    assert export_all(files.home, connection).complete
    assert sum(server.faults.fired.values()) == 4
    assert server.world.asked["token"] == 5
    assert_exact(files.home, server, {"p": 1, "d": 1, "s": 1, "h": 1})
