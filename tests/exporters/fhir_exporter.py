"""The export to a FHIR server as the conformance suite tests it: its home's files are written by the real mappings."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from assets.fhir.sleep_observations import fhir_context
from connectors.home import Home
from connectors.state.outbox import note_orgs
from connectors.state.quarantine import list_quarantined
from schemas.asleep import ASLEEP
from schemas.fhir import Kind, device, ndjson, patient, retracted_observations, session_observations
from tests.assets.homes import NOW, follow, sleeper
from tests.exporters.conformance import Held
from tests.exporters.driving import Task, Warm, connection_to, export_all
from tests.exporters.fhir_servers import FhirDestination, HostileServer
from tests.schemas.fhir.rows import epochs, night, user

FIRST = date(2026, 10, 1)
QUOTED = "Jane Doe"

SOME_POINTS = ("export.marked:2", "export.delivered:2", "export.committed")
EVERY_POINT = tuple(f"export.{at}:{nth}" for nth in (1, 2, 3) for at in ("marked", "delivered", "committed"))
"""Every passage that there is in an export of one changed night: its hypnogram, its session, the Provenance."""


class NightFiles:
    """Writes the FHIR files of a home from nights named ``person/number``.

    Those of each ``hypnograms_every``-th day of a month have a hypnogram. What has the pseudonym ``spoiled`` tells of
    a name instead of a number.
    """

    def __init__(self, home: Home, *, hypnograms_every: int = 1) -> None:
        self.home = home
        self._hypnograms_every = hypnograms_every
        self.context = fhir_context(home)
        self.orgs: dict[str, str] = defaultdict(lambda: "clinic")
        self.days: dict[str, date] = {}
        self.says: dict[str, int | None] = {}
        self.revisions: dict[str, int] = defaultdict(int)
        self.spoiled = ""
        self.stale: list[tuple[date, list[dict[str, Any]]]] = []
        self._without_hypnogram = False

    def want(self, nights: Mapping[str, int], *, without_hypnogram: bool = False) -> None:
        """Have exactly these nights, telling of so many minutes asleep; others that there were are deleted."""
        self._without_hypnogram = without_hypnogram
        for name in {**self.says, **nights}:
            says = nights.get(name)
            self.revisions[name] += name not in self.says or self.says[name] != says
            self.says[name] = says
            self.days.setdefault(name, FIRST + timedelta(days=int(name.partition("/")[2])))
        self.write()

    def move(self, night: str, days: int, says: int) -> None:
        """Have a night stand so many days later and tell of other minutes; the date it has left is not built again."""
        self.stale.append((self.days[night], self.resources(night)))
        self.days[night] += timedelta(days=days)
        self.want({**{name: told for name, told in self.says.items() if told is not None}, night: says})

    def transfer(self, person: str, org: str) -> None:
        """Have a person be of another organisation, in the roster and in all files."""
        self.orgs[f"user-{person}"] = org
        follow(self.home, sleeper(f"user-{person}", org))
        self.write()

    def write(self) -> None:
        """Write all files."""
        users = sorted(set(map(_user, self.says)))
        people = [patient(self.context, user(user_id=user_id, org_id=self.orgs[user_id])) for user_id in users]
        with self.home.state.write() as state:
            note_orgs(state, self.orgs.values())
        self.home.fhir.replace("Patient.ndjson", ndjson(people))
        self.home.fhir.replace("Device.ndjson", ndjson([device(self.context, ASLEEP)]))
        by_day: dict[date, list[dict[str, Any]]] = {day: [] for day in map(date.fromisoformat, self._folders())}
        for day, resources in (*((day, self.resources(name)) for name, day in self.days.items()), *self.stale):
            by_day.setdefault(day, []).extend(resources)
        for day, resources in by_day.items():
            self.home.fhir.replace(f"Observation/date={day}/sleep.ndjson", ndjson(resources))

    def resources(self, name: str) -> list[dict[str, Any]]:
        """The Observations of a night."""
        says, person = self.says[name], _user(name)
        fetched = NOW + timedelta(minutes=self.revisions[name])
        about = {"user_id": person, "session_id": f"session-{name}"}
        row = night(
            **about,
            org_id=self.orgs[person],
            revision=self.revisions[name],
            total_sleep_time_s=60 * (says or 0),
            fetched_at=fetched,
        )
        if says is None:
            return retracted_observations(self.context, row, fetched)
        is_bare = self._without_hypnogram or self.days[name].day % self._hypnograms_every
        hypnogram = None if is_bare else epochs(**about)
        found = session_observations(self.context, row, hypnogram)
        return [{**one, "valueQuantity": {"value": QUOTED}} if one["id"] == self.spoiled else one for one in found]

    def pseudonym(self, night: str, kind: Kind = "session") -> str:
        """The identifier of a night's session, or of its hypnogram."""
        return self.context.pseudonyms.of(kind, self.orgs[_user(night)], ASLEEP, f"session-{night}")

    def person(self, night: str) -> str:
        """The identifier of whose night it is."""
        return self.context.pseudonyms.of("patient", self.orgs[_user(night)], ASLEEP, _user(night))

    def _folders(self) -> list[str]:
        return [folder.partition("=")[2] for folder in self.home.fhir.folders()]


class FhirExporter:
    """An exporter under test, to ``server``; it is killed at each of ``crash_points``."""

    def __init__(
        self, home: Home, server: FhirDestination, warm: Warm, crash_points: Sequence[str] = SOME_POINTS
    ) -> None:
        self.crash_points = crash_points
        self.home = home
        self.server = server
        self.files = NightFiles(home)
        self._warm = warm
        self._connection = connection_to(home, server.address)

    def want(self, nights: Mapping[str, int]) -> None:
        """Have the home want exactly these nights."""
        self.files.want(nights)

    def move(self, night: str, partitions: int, says: int) -> None:
        """To another date."""
        self.files.move(night, partitions, says)

    def settle(self) -> None:
        """Build the dates that nights have left."""
        self.files.stale.clear()
        self.files.write()

    def export(self) -> int:
        """Export everything."""
        return export_all(self.home, self._connection).written

    def export_at_once(self, count: int) -> None:
        """In children."""
        assert self._warm.statuses(*[self._task()] * count) == [0] * count

    def crash(self, point: str) -> None:
        """In a child."""
        assert self._warm.statuses(self._task(point)) == [-9]

    def _task(self, failpoint: str = "") -> Task:
        return Task(self.home.root, self.server.address, self.home.clock(), failpoint)

    def held(self) -> dict[str, Held]:
        """By the identifiers of sessions."""
        held, versions = {}, self.server.versions("Observation")
        for name in self.files.says:
            found = self.server.found("Observation", self.files.pseudonym(name))
            assert len(found) <= 1, "a night is there twice"
            if found:
                held[name] = Held(versions[f"Observation/{found[0]['id']}"], _says(found[0]))
        return held

    def versions(self) -> dict[str, int]:
        """Of all but Provenances."""
        return self.server.versions()

    def reject(self, night: str) -> None:
        """By the hostile server's switch; the real one refuses what breaks FHIR."""
        if isinstance(self.server, HostileServer):
            self.server.world.switches.set({"poison": [self.files.pseudonym(night)]})
        else:
            self.files.spoiled = self.files.pseudonym(night)
            self.files.write()

    def accept(self) -> None:
        """Nothing is refused."""
        self.files.spoiled = ""
        if isinstance(self.server, HostileServer):
            self.server.world.switches.set({"poison": []})

    def quarantined(self) -> list[str]:
        """Every column of every entry."""
        with self.home.state.read() as state:
            return [" ".join(str(getattr(one, name)) for name in one.__slots__) for one in list_quarantined(state)]

    def secrets(self) -> list[str]:
        """Ids at the source, and what servers quote."""
        return [*self.files.says, *map(_user, self.files.says), "session-", QUOTED, "issued", "valueQuantity"]


def _user(night: str) -> str:
    return f"user-{night.partition('/')[0]}"


def _says(session: Mapping[str, Any]) -> int | None:
    if session["status"] == "entered-in-error":
        assert not [name for name in session if name.startswith("value") or name in ("component", "note")]
        return None
    return int(session["valueQuantity"]["value"])
