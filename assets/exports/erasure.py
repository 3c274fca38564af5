"""Erasing a user at a FHIR server: what it was sent about the person is deleted, and a read of each proves it.

First the outbox is told, so that no later export brings anything back, whenever this may be killed. What refers goes
before what it refers to, because servers that check references refuse to delete a target: Provenances, nights, their
members, the Patient. A Provenance speaks of everything that one Bundle brought, of other people too: it is rewritten
without the person's resources, so that it goes on telling where theirs come from, and deleted when nothing else is
left. The Device is everybody's and stays.
"""

from collections.abc import Sequence, Set
from dataclasses import dataclass, replace
from itertools import groupby

import orjson

from assets.exports.fhir_files import PEOPLE
from assets.exports.fhir_report import ExportSettings
from assets.exports.fhir_run import FhirRun
from assets.exports.fhir_sender import ASSET, PROVENANCES, Sender, at_once, destination_of
from assets.exports.fhir_server import sender_to
from assets.exports.names import patients_of
from connectors.errors import WrongUsage
from connectors.failpoints import failpoint
from connectors.fhir_server.connection import FhirConnection
from connectors.home import Home
from connectors.state.outbox import Sent, kept_bodies, put_sent, sent_about, unsent_bodies, write_form_of
from connectors.state.quarantine import list_quarantined, replace_quarantined
from connectors.state.roster import list_users

_AT_ONCE = 100
"""Resources that are looked up and deleted together; what is proven of them is kept then."""


@dataclass(slots=True)
class ErasureReport:
    """What an erasure came to, in resources; nobody is named.

    known = gone_before + deleted. ``deleted`` were there and the server was asked to delete them; ``proven`` of these
    were seen to be gone (404, 410), ``unproven`` are still there. ``rewritten`` are Provenances of other people too,
    not counted in the others; ``left`` are Provenances that the server does not take now.
    """

    known: int = 0
    gone_before: int = 0
    deleted: int = 0
    proven: int = 0
    unproven: int = 0
    rewritten: int = 0
    left: int = 0

    @property
    def complete(self) -> bool:
        """Whether nothing of the person is left at the server that it was sent by us."""
        return not self.unproven and not self.left

    def counts(self) -> dict[str, int]:
        """Every count by its name."""
        return {name: getattr(self, name) for name in self.__slots__}


async def erase(home: Home, connection: FhirConnection, user_id: str) -> ErasureReport:
    """Delete at the server all that it was sent about a user, of whichever source, and never send anything of it again.

    To be repeated after any failure: what is gone is only looked at. Raises: ``WrongUsage`` for a user of whom nothing
    is known; what ``FhirServer`` raises, ``OtherWriteForm``, ``OtherIdentities``.
    """
    with home.lock(ASSET):
        patients = _patients(home, connection, user_id)
        report = ErasureReport(rewritten=_mark_erased(home, connection, patients))
        failpoint("erase.marked")
        with home.state.read() as state:
            known = [row for patient in patients for row in sent_about(state, destination_of(connection), patient)]
            was_sent = write_form_of(state, destination_of(connection)) is not None
        if was_sent:
            async with connection.open() as server:
                sender = await sender_to(home, connection, server, ExportSettings(version="", provenance=False))
                await _Erasure(sender, report).carry_out(known)
            with home.state.read() as state:
                report.left = len(unsent_bodies(state, destination_of(connection)))
        _leave_quarantine(home, patients)
    return report


@dataclass
class _Erasure:
    sender: Sender
    report: ErasureReport

    def __post_init__(self) -> None:
        self.home = self.sender.home

    async def carry_out(self, known: Sequence[Sent]) -> None:
        """Delete what these rows of the outbox stand for, what refers before what it refers to."""
        await FhirRun(self.sender).send_provenances()
        for _, group in groupby(sorted(known, key=_turn), key=_turn):
            rows = list(group)
            for start in range(0, len(rows), _AT_ONCE):
                await self._delete(rows[start : start + _AT_ONCE])

    async def _delete(self, rows: Sequence[Sent]) -> None:
        found = await self.sender.find(rows)
        proven = [row for row in rows if not found[row.name]]
        self.report.known += len(rows)
        self.report.gone_before += len(proven)

        async def delete(row: Sent) -> None:
            proofs = [await self.sender.server.delete(there.type, there.id) for there in found[row.name]]
            self.report.deleted += 1
            if all(proofs):
                proven.append(row)
                self.report.proven += 1
            else:
                self.report.unproven += 1

        await at_once(delete(row) for row in rows if found[row.name])
        with self.home.state.write() as state:
            put_sent(state, [_tombstone(row) for row in proven])
        failpoint("erase.proven")


def _turn(row: Sent) -> int:
    """When it is deleted: Provenances, nights, their members, the Patient."""
    if row.partition == PROVENANCES:
        return 0
    return 3 if row.name == row.patient else 1 if row.part_of is None else 2


def _patients(home: Home, connection: FhirConnection, user_id: str) -> list[str]:
    """The names the user has, or had, at the destination: one for each organisation. Raises: WrongUsage."""
    destination = destination_of(connection)
    with home.state.read() as state:
        names = patients_of(home, state, user_id)
        rostered = {names[user.org_id] for user in list_users(state) if user.user_id == user_id}
        found = sorted(rostered | {name for name in names.values() if sent_about(state, destination, name)})
    if not found:
        raise WrongUsage("Nothing is known of this user, neither on the roster nor at the FHIR server: check the id.")
    return found


def _mark_erased(home: Home, connection: FhirConnection, patients: Sequence[str]) -> int:
    """Have nothing sent about them any more, and their resources taken out of Provenances; how many lost some."""
    destination, now = destination_of(connection), home.clock()
    with home.state.write() as state:
        rows = {patient: Sent(destination, patient, PEOPLE, now, patient=patient) for patient in patients}
        rows |= {row.name: row for patient in patients for row in sent_about(state, destination, patient)}
        put_sent(state, (replace(row, erased=True) for row in rows.values()))
        provenances = [
            changed
            for row in kept_bodies(state, destination)
            if (changed := _without_targets(row, rows.keys(), patients[0])) is not row
        ]
        put_sent(state, provenances)
    return sum(not row.erased for row in provenances)


def _without_targets(row: Sent, names: Set[str], patient: str) -> Sent:
    """The row of a Provenance of what is left of it; one that is left with nothing is the erased person's own."""
    resource = orjson.loads(row.body or b"{}")
    left = [target for target in resource["target"] if target["reference"] not in names]
    if len(left) == len(resource["target"]):
        return row
    if not left:
        as_found = {name: resource[name] for name in ("resourceType", "id", "meta")}
        return replace(row, body=orjson.dumps(as_found), patient=patient, erased=True)
    return replace(row, body=orjson.dumps({**resource, "target": left}), sent_hash=None)


def _tombstone(row: Sent) -> Sent:
    """What is kept of what is gone: that it is never to be sent again."""
    return Sent(row.destination, row.name, row.partition, row.changed_at, row.patient, row.part_of, erased=True)


def _leave_quarantine(home: Home, patients: Sequence[str]) -> None:
    with home.state.read() as state:
        troubles = [one for one in list_quarantined(state) if one.asset == ASSET]
    for partition in {one.partition for one in troubles if one.user_id in patients}:
        others = [one for one in troubles if one.partition == partition and one.user_id not in patients]
        replace_quarantined(home.state, ASSET, partition, others)
