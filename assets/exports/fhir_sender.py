"""Sending what is new to a FHIR server and keeping what became of it, each version once.

The order that survives a kill anywhere: a row says what is being sent, the Bundle goes, the row says what was accepted.
A row that still says sending is looked up at the server before anything is sent again.
"""

import asyncio
from collections.abc import Coroutine, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any

import orjson

from assets.exports.fhir_files import SOURCES, hash_of, identified, name_of, without_members
from assets.exports.fhir_report import ExportReport, ExportSettings
from assets.exports.troubles import REFUSED, trouble
from assets.fhir.sleep_observations import fhir_context
from connectors.failpoints import failpoint
from connectors.fhir_server.answers import EntryOutcome
from connectors.fhir_server.bundles import Bundle, BundleKind, NotWritable, Write, WriteForm, bundles
from connectors.fhir_server.capability import Capability
from connectors.fhir_server.client import FhirServer
from connectors.fhir_server.connection import FhirConnection
from connectors.fhir_server.delivery import deliver
from connectors.fhir_server.found import Found
from connectors.fhir_server.plan import plan
from connectors.home import Home
from connectors.state.outbox import Sent, put_sent, sent_by_name
from connectors.state.quarantine import Quarantined
from schemas.fhir import FhirContext, Resource, provenance

ASSET = "fhir_server"
"""In quarantine, in Dagster, and the lock that keeps exports of one home apart."""

TYPES = ("Patient", "Device", "Observation")
"""What the server must take; the code system and Provenance only if it does."""

PROVENANCES = "provenance"
"""The partition of Provenances in the outbox."""

THERE = ("accepted", "unchanged")


def destination_of(connection: FhirConnection) -> str:
    """The name under which the outbox knows a server: made of its address, not the address."""
    return sha256(connection.base_url.rstrip("/").encode()).hexdigest()[:16]


@dataclass(slots=True)
class Load:
    """What is to be sent of one partition.

    ``rows`` say by name what the outbox is to know while it is under way; ``absent`` are resources that the server
    neither has nor is going to get; ``troubles`` what it refused now.
    """

    partition: str
    writes: list[Write] = field(default_factory=list)
    rows: dict[str, Sent] = field(default_factory=dict)
    absent: set[str] = field(default_factory=set)
    troubles: list[Quarantined] = field(default_factory=list)

    def add(self, write: Write, row: Sent) -> None:
        """Have a resource sent; ``row.sending_hash`` is its hash."""
        self.writes.append(write)
        self.rows[write.name] = row


@dataclass
class Sender:
    """Writes to one server in one ``form``, for who holds the lock ``ASSET`` of the home; counts into ``report``.

    Every method raises what ``FhirServer`` raises; what was accepted before is remembered.
    """

    home: Home
    connection: FhirConnection
    server: FhirServer
    capability: Capability
    form: WriteForm
    settings: ExportSettings
    report: ExportReport

    def __post_init__(self) -> None:
        """Find the name of the destination, and what everything is called there."""
        self.destination = destination_of(self.connection)
        self.context: FhirContext = fhir_context(self.home)
        self._server_ids: dict[str, str] = {}

    def takes(self, type: str) -> bool:
        """Whether the server can be sent resources of this type in the form in which it is written."""
        can = self.capability.types.get(type)
        by_id = self.form == "by_id"
        return type in TYPES or (can is not None and (can.update_create if by_id else can.conditional_update))

    async def find(self, rows: Sequence[Sent]) -> dict[str, tuple[Found, ...]]:
        """What the server has now of these, by their names; several only in the conditional form."""
        found: dict[str, tuple[Found, ...]] = dict.fromkeys((row.name for row in rows), ())
        for source in SOURCES:
            lacking = [row for row in rows if not found[row.name]]
            writes = [Write(_found_by(row, self.context.base, source)) for row in lacking]
            there = await self.server.reread(writes, self.form)
            found |= zip((row.name for row in lacking), there, strict=True)
        for row in rows:
            if not found[row.name] and row.server_id:  # a search may be behind
                one = await self.server.read(row.name.partition("/")[0], row.server_id)
                found[row.name] = (one,) if one else ()
        return found

    async def send(self, load: Load) -> None:
        """Send all writes; what is left to try again is counted."""
        self._server_ids.clear()
        # A lane for less than a Bundle would only make the Bundles smaller.
        lanes = len(load.writes) // self.connection.limits.entries + 1
        planned = plan(load.writes, min(lanes, self.connection.concurrency))
        await self._send_wave(load, planned.first, self.capability.kind("transaction"))
        await at_once(self._send_lane(load, waves) for waves in planned.lanes)
        await self._send_lane(load, planned.last)

    async def _send_lane(self, load: Load, waves: Iterable[Sequence[Write]]) -> None:
        for wave in waves:
            await self._send_wave(load, wave, self.capability.kind("batch"))

    async def _send_wave(self, load: Load, wave: Sequence[Write], kind: BundleKind) -> None:
        if not wave:
            return
        names = {name for write in wave for name in (write.name, *write.targets)}
        with self.home.state.read() as state:
            rows = sent_by_name(state, self.destination, names)
        await self._learn_ids(rows)
        ready = list(self._ready(load, wave, rows))
        doubtful = [write for write in ready if write.name in rows and rows[write.name].sending_hash]
        sure = [write for write in ready if not (write.name in rows and rows[write.name].sending_hash)]
        for part, looked_up_first in ((doubtful, True), (sure, False)):
            for bundle in bundles(part, self.form, kind, ids=self._server_ids, limits=self.connection.limits):
                await self._send_bundle(load, bundle, looked_up_first)

    async def _learn_ids(self, rows: Mapping[str, Sent]) -> None:
        """In the conditional form, the server's ids of these; also of those that it was slow to find when they came."""
        if self.form == "by_id":
            return
        self._server_ids |= {name: row.server_id for name, row in rows.items() if row.server_id}
        untold = [row for row in rows.values() if row.sent_hash and not row.server_id and not row.body]
        if untold:
            found = await self.find(untold)
            learned = [replace(row, server_id=found[row.name][0].id) for row in untold if len(found[row.name]) == 1]
            with self.home.state.write() as state:
                put_sent(state, learned)
            self._server_ids |= {row.name: str(row.server_id) for row in learned}

    def _ready(self, load: Load, wave: Sequence[Write], rows: Mapping[str, Sent]) -> Iterator[Write]:
        """What of a wave can be sent: all that it refers to is there; members that never will be are left out."""
        for planned in wave:
            write = self._without_absent(load, planned)
            row = rows.get(write.name)
            if any(not self._is_there(rows.get(name)) for name in write.targets):
                self.report.left["waiting"] += 1
            elif write is not planned and row and _is_sent(row, load.rows[write.name].sending_hash):
                self.report.unchanged += 1
            elif self._has_key(write):
                yield write
            else:
                refusal = self._refused(load, EntryOutcome(write, "refused", codes=("not-writable",)))
                with self.home.state.write() as state:
                    put_sent(state, [refusal])

    def _without_absent(self, load: Load, write: Write) -> Write:
        resource = without_members(dict(write.resource), load.absent)
        if len(resource.get("hasMember", ())) == len(write.resource.get("hasMember", ())):
            return write
        load.rows[write.name] = replace(load.rows[write.name], sending_hash=hash_of(resource))
        return Write(resource, write.version)

    def _is_there(self, row: Sent | None) -> bool:
        if row is None or row.sent_hash is None or row.erased:
            return False
        return self.form == "by_id" or row.name in self._server_ids

    def _has_key(self, write: Write) -> bool:
        try:
            return self.form == "by_id" or bool(write.key)
        except NotWritable:
            return False

    async def _send_bundle(self, load: Load, bundle: Bundle, looked_up_first: bool) -> None:
        with self.home.state.write() as state:
            put_sent(state, (load.rows[entry.write.name] for entry in bundle.entries))
        failpoint("export.marked")
        outcomes = await deliver(self.server, bundle, doubtful=looked_up_first)
        failpoint("export.delivered")
        accepted = [outcome for outcome in outcomes if outcome.kind in THERE]
        refused = [outcome for outcome in outcomes if outcome.kind == "refused"]
        self.report.left.update(outcome.kind for outcome in outcomes if outcome.kind not in (*THERE, "refused"))
        ids = await self._ids_given(accepted)
        with self.home.state.write() as state:
            put_sent(state, [self._accepted(load, outcome, ids) for outcome in accepted])
            put_sent(state, [self._refused(load, outcome) for outcome in refused])
            put_sent(state, self._provenance([outcome.write.resource for outcome in accepted]))
        failpoint("export.committed")

    async def _ids_given(self, accepted: Sequence[EntryOutcome]) -> dict[str, str]:
        if self.form == "by_id":
            return {}
        return await self.server.ids_of([outcome.write for outcome in accepted], self.form)

    def _accepted(self, load: Load, outcome: EntryOutcome, ids: Mapping[str, str]) -> Sent:
        self.report.written += 1
        self.report.created += outcome.created
        row = load.rows[outcome.write.name]
        return replace(
            row,
            sent_hash=row.sending_hash,
            sending_hash=None,
            refused_hash=None,
            version=outcome.version if self.form == "by_id" else None,
            server_id=ids.get(row.name),
            changed_at=self.home.clock(),
        )

    def _refused(self, load: Load, outcome: EntryOutcome) -> Sent:
        self.report.refused += 1
        row, now = load.rows[outcome.write.name], self.home.clock()
        load.troubles.append(trouble(ASSET, row, REFUSED, [str(outcome.status or ""), *outcome.codes], now))
        if row.sent_hash is None:
            load.absent.add(row.name)
        return replace(row, sending_hash=None, refused_hash=row.sending_hash, changed_at=now)

    def _provenance(self, sent: Sequence[Mapping[str, Any]]) -> Iterator[Sent]:
        targets = [dict(resource) for resource in sent if resource["resourceType"] in TYPES]
        if targets and self.settings.provenance and self.takes("Provenance"):
            now = self.home.clock()
            resource = provenance(self.context, targets, now, self.settings.version)
            yield Sent(self.destination, name_of(resource), PROVENANCES, now, body=orjson.dumps(resource))


async def at_once(jobs: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Do all jobs at the same time; the first that fails ends the others, and its error is raised as it is."""
    try:
        async with asyncio.TaskGroup() as group:
            for job in jobs:
                group.create_task(job)
    except BaseExceptionGroup as failed:
        error = failed.exceptions[0]
    else:
        return
    raise error


def _found_by(row: Sent, base: str, source: str) -> Resource:
    """What finds the resource of a row; a Provenance has no identifier but a tag, which is in its body."""
    found: Resource = orjson.loads(row.body) if row.body else identified(row.name, base, source)
    return found


def _is_sent(row: Sent, content_hash: str | None) -> bool:
    return row.sent_hash == content_hash and row.sending_hash is None
