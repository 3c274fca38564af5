"""One export to a FHIR server, partition by partition: what is news is sent, what a night no longer has is retired."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any

import orjson

from assets.exports.fhir_files import Wanted, hash_of, mark_of, wanted_of
from assets.exports.fhir_news import RETIRED, Known, known_of, news
from assets.exports.fhir_report import ALWAYS_VALIDATED
from assets.exports.fhir_sender import ASSET, PROVENANCES, Load, Sender
from assets.exports.troubles import INVALID, REFUSED, trouble
from connectors.fhir_server.bundles import Write
from connectors.fhir_server.found import Found
from connectors.state.outbox import Sent, put_exported_mark, put_sent, refused_bodies, unsent_bodies
from connectors.state.quarantine import replace_quarantined
from schemas.fhir import Resource, complaints


@dataclass
class FhirRun:
    """What an export does; ``sender`` tells where to and counts."""

    sender: Sender
    validated: int = 0
    names_elsewhere: dict[str, frozenset[str]] = field(default_factory=dict)
    provenances_tried: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Keep at hand what is asked for all the time."""
        self.home = self.sender.home
        self.report = self.sender.report
        self.destination = self.sender.destination

    async def export_partition(self, partition: str) -> None:
        """Send what the server lacks of a partition; if nothing is left to try again, it is not looked at any more.

        Raises: what ``FhirServer`` raises; what was accepted before is remembered.
        """
        # The mark comes first: what is replaced after this moment has another one, and is looked at again.
        mark, now, left_before = mark_of(self.home, partition), self.home.clock(), self.report.left.total()
        all_wanted = wanted_of(self.home, partition)
        wanted = {name: one for name, one in all_wanted.items() if self.sender.takes(one.resource["resourceType"])}
        with self.home.state.read() as state:
            known = known_of(state, self.destination, wanted)
        load = Load(partition, absent=known.absent)
        await self._settle(wanted, known, load)
        for one in news(wanted, known, self.report):
            if self._is_claimed_elsewhere(known.rows.get(one.name), partition):
                self.report.left["moving"] += 1
            else:
                self._add(load, one, known.rows.get(one.name))
        self.names_elsewhere.clear()
        await self.sender.send(load)
        as_before = [trouble(ASSET, row, REFUSED, [], now) for row in known.refused]
        replace_quarantined(self.home.state, ASSET, partition, [*load.troubles, *as_before])
        if self.report.left.total() == left_before:
            with self.home.state.write() as state:
                put_exported_mark(state, self.destination, partition, mark)

    async def send_provenances(self) -> None:
        """Send the Provenances of what was accepted, also by a run that died before; each is tried once a run.

        Raises: as ``export_partition``.
        """
        with self.home.state.read() as state:
            waiting = [row for row in unsent_bodies(state, self.destination) if row.name not in self.provenances_tried]
            refused = refused_bodies(state, self.destination)
        if not waiting or not self.sender.takes("Provenance"):
            return
        load, now = Load(PROVENANCES), self.home.clock()
        self.provenances_tried.update(row.name for row in waiting)
        for row in waiting:
            self.report.wanted += 1
            resource = orjson.loads(row.body or b"{}")
            self._load(load, resource, replace(row, sending_hash=hash_of(resource)), row)
        await self.sender.send(load)
        as_before = [trouble(ASSET, row, REFUSED, [], now) for row in refused]
        replace_quarantined(self.home.state, ASSET, PROVENANCES, [*load.troubles, *as_before])

    async def _settle(self, wanted: Mapping[str, Wanted], known: Known, load: Load) -> None:
        """Look up at the server what the outbox cannot tell; retire members that their nights no longer have.

        A run that died may have been sending what is an error now, which is told only to a server that has it.
        """
        unsure = [row for name, row in known.rows.items() if _is_unsure(row) and wanted[name].entered_in_error]
        found = await self.sender.find([*known.strays, *unsure])
        never = [
            replace(row, sent_hash=None, sending_hash=None) for row in (*known.strays, *unsure) if not found[row.name]
        ]
        if never:
            known.rows.update((row.name, row) for row in never)
            with self.home.state.write() as state:
                put_sent(state, never)
        for row in known.strays:
            if found[row.name]:
                self._retire(load, row, found[row.name], wanted[row.part_of or ""].resource)

    def _retire(self, load: Load, row: Sent, found: Sequence[Found], night: Resource) -> None:
        """Have a member marked as an error; what else it says is taken from the server, for it is nowhere else."""
        self.report.wanted += 1
        if len(found) > 1:
            self.report.left["conflict"] += 1
            return
        self.report.retired += 1
        resource = _retired(found[0].resource, row.name.partition("/")[2], night)
        load.add(Write(resource, found[0].version), replace(row, sending_hash=RETIRED))

    def _is_claimed_elsewhere(self, row: Sent | None, partition: str) -> bool:
        """Whether the files of the date it was sent from still have it: a session is moving, and they are behind."""
        if row is None or row.partition == partition:
            return False
        if row.partition not in self.names_elsewhere:
            self.names_elsewhere[row.partition] = frozenset(wanted_of(self.home, row.partition))
        return row.name in self.names_elsewhere[row.partition]

    def _add(self, load: Load, one: Wanted, before: Sent | None) -> None:
        row = before or Sent(self.destination, one.name, load.partition, self.home.clock())
        row = replace(row, partition=load.partition, patient=one.patient, part_of=one.part_of)
        self._load(load, one.resource, replace(row, sending_hash=one.content_hash), before)

    def _load(self, load: Load, resource: Resource, row: Sent, before: Sent | None) -> None:
        """Have a resource sent over the version that is known, unless it is not valid."""
        if wrong := self._complaints(resource):
            self.report.invalid += 1
            load.troubles.append(trouble(ASSET, row, INVALID, wrong, self.home.clock()))
            if row.sent_hash is None:
                load.absent.add(row.name)
        else:
            load.add(Write(resource, before.version if before and not before.sending_hash else None), row)

    def _complaints(self, resource: Resource) -> list[str]:
        self.validated += 1
        place = int(sha256(resource["id"].encode()).hexdigest()[:8], 16) / 0x1_0000_0000
        if self.validated > ALWAYS_VALIDATED and place >= self.sender.settings.validated_share:
            return []
        return complaints(resource)


def _is_unsure(row: Sent) -> bool:
    return row.sending_hash is not None and row.sent_hash is None


def _retired(found: Mapping[str, Any], pseudonym: str, night: Resource) -> dict[str, Any]:
    """A member as the server has it, entered in error and without what it said; its references are ours again."""
    content = ("meta", "text", "component", "dataAbsentReason", "note", "hasMember")
    kept = {key: part for key, part in found.items() if key not in content and not key.startswith("value")}
    ours = {name: night[name] for name in ("subject", "device")}
    return {**kept, **ours, "id": pseudonym, "status": "entered-in-error"}
