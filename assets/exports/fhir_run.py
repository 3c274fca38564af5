"""One export to a FHIR server, partition by partition: what is news is sent, what a night no longer has is retired."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any

import orjson

from assets.exports.fhir_files import PEOPLE, Wanted, hash_of, mark_of, source_of, wanted_of
from assets.exports.fhir_news import RETIRED, Known, known_of, left_behind, news
from assets.exports.fhir_report import ALWAYS_VALIDATED
from assets.exports.fhir_sender import ASSET, PROVENANCES, Load, Sender
from assets.exports.names import erased_patients, former_patients
from assets.exports.troubles import INVALID, REFUSED, trouble
from connectors.fhir_server.bundles import Write
from connectors.fhir_server.found import Found
from connectors.state.outbox import Sent, put_exported_mark, put_sent, refused_bodies, unsent_bodies
from connectors.state.quarantine import Quarantined, replace_quarantined
from schemas.fhir import Resource, complaints


@dataclass
class FhirRun:
    """What an export does; ``sender`` tells where to and counts."""

    sender: Sender
    validated: int = 0
    names_elsewhere: dict[str, frozenset[str]] = field(default_factory=dict)
    erased: frozenset[str] = frozenset()
    provenances_tried: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Keep at hand what is asked for all the time."""
        self.home = self.sender.home
        self.report = self.sender.report
        self.destination = self.sender.destination
        with self.home.state.read() as state:
            self.erased = erased_patients(self.home, state, self.destination)

    async def export_partition(self, partition: str) -> None:
        """Send what the server lacks of a partition; if nothing is left to try again, it is not looked at any more.

        Raises: what ``FhirServer`` raises; what was accepted before is remembered.
        """
        # The mark comes first: what is replaced after this moment has another one, and is looked at again.
        mark, now, left_before = mark_of(self.home, partition), self.home.clock(), self.report.left.total()
        all_wanted = wanted_of(self.home, partition)
        wanted = {name: one for name, one in all_wanted.items() if self.sender.takes(one.resource["resourceType"])}
        with self.home.state.read() as state:
            known = known_of(state, self.destination, wanted, self.erased)
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
        of_former = await self._retire_former_names() if partition == PEOPLE else []
        replace_quarantined(self.home.state, ASSET, partition, [*load.troubles, *as_before, *of_former])
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
        found = await self._find([*known.strays, *unsure])
        known.rows.update((row.name, _never_came(row)) for row in (*known.strays, *unsure) if not found[row.name])
        self._retire(load, known.strays, found)

    async def _retire_former_names(self) -> list[Quarantined]:
        """Take back what people were sent under names of organisations that they are not of any more.

        What a file still has is left until it is built again; what the server refused, is returned.
        """
        troubles: list[Quarantined] = []
        claimed: dict[str, set[str | None]] = {}
        with self.home.state.read() as state:
            former = former_patients(self.home, state, self.destination)
        for patient in former:  # one at a time: years of nights may have to be read at the server
            with self.home.state.read() as state:
                rows = left_behind(state, self.destination, patient)
            for name in {row.partition for row in rows} - claimed.keys():
                claimed[name] = {one.patient for one in wanted_of(self.home, name).values()}.intersection(former)
            moving = [row for row in rows if patient in claimed[row.partition]]
            self.report.wanted += len(moving)
            self.report.left.update(["moving"] * len(moving))
            rows = [row for row in rows if patient not in claimed[row.partition]]
            load = Load(PEOPLE)
            self._retire(load, rows, await self._find(rows))
            await self.sender.send(load)
            troubles += load.troubles
        return troubles

    async def _find(self, rows: Sequence[Sent]) -> dict[str, tuple[Found, ...]]:
        """What the server has of these; what has never come there is not looked for again."""
        found = await self.sender.find(rows)
        never = [_never_came(row) for row in rows if not found[row.name]]
        if never:
            with self.home.state.write() as state:
                put_sent(state, never)
        return found

    def _retire(self, load: Load, rows: Sequence[Sent], found: Mapping[str, Sequence[Found]]) -> None:
        """Have what the server has of these marked as errors; what else they say is taken from the server."""
        for row in rows:
            if not found[row.name]:
                continue
            self.report.wanted += 1
            row = replace(row, partition=load.partition)
            resource = found[row.name][0].resource
            if len(found[row.name]) > 1:
                self.report.left["conflict"] += 1
            elif not row.sending_hash and resource.get("status") == "entered-in-error":
                self.report.unchanged += 1
                with self.home.state.write() as state:
                    put_sent(state, [replace(row, sent_hash=RETIRED)])
            else:
                self.report.retired += 1
                device = self.sender.context.device_reference(source_of(resource))
                write = Write(_retired(resource, row, device), found[row.name][0].version)
                load.add(write, replace(row, sending_hash=RETIRED))

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


def _never_came(row: Sent) -> Sent:
    return replace(row, sent_hash=None, sending_hash=None)


def _retired(found: Mapping[str, Any], row: Sent, device: Resource) -> Resource:
    """A resource as the server has it, entered in error and without what it said; its references are ours again.

    A Patient has no status, and nothing more is to come under its name: it is not active.
    """
    content = ("meta", "text", "component", "dataAbsentReason", "note", "hasMember")
    kept = {key: part for key, part in found.items() if key not in content and not key.startswith("value")}
    kept["id"] = row.name.partition("/")[2]
    if row.name == row.patient:
        return {**kept, "active": False}
    return {**kept, "subject": {"reference": row.patient}, "device": device, "status": "entered-in-error"}
