"""Export to a FHIR server: what the home's FHIR files say and the server was not sent yet, each version once.

What it takes to survive a kill anywhere is in ``fhir_sender``, what to send in ``fhir_news`` and ``fhir_run``.
"""

from collections.abc import Iterable, Sequence
from hashlib import sha256

from assets.exports.fhir_files import PEOPLE, mark_of, wanted_of
from assets.exports.fhir_files import partitions as partitions_of
from assets.exports.fhir_news import known_of, left_behind, news
from assets.exports.fhir_report import ExportReport, ExportSettings
from assets.exports.fhir_run import FhirRun
from assets.exports.fhir_sender import ASSET, PROVENANCES, TYPES, Sender, destination_of
from assets.exports.names import erased_patients, former_patients
from assets.fhir.sleep_observations import fhir_context
from connectors.errors import NightshiftError
from connectors.fhir_server.bundles import WriteForm
from connectors.fhir_server.capability import Capability
from connectors.fhir_server.client import FhirServer
from connectors.fhir_server.connection import FhirConnection
from connectors.home import Home
from connectors.state.outbox import exported_marks, put_exported_mark, put_write_form, write_form_of
from connectors.state.quarantine import list_quarantined, replace_quarantined
from schemas.asleep import ASLEEP

__all__ = ["ASSET", "OtherIdentities", "OtherWriteForm", "destination_of", "export", "outdated", "preview"]

_IDENTITIES = "identities"
"""Beside the marks of partitions: by what key and base everything at a destination is identified."""


class OtherWriteForm(NightshiftError):
    """The server cannot be written any more in the way it has been written so far."""


class OtherIdentities(NightshiftError):
    """Everything would be sent once more under other ids or identifiers."""


def outdated(home: Home, connection: FhirConnection, among: Iterable[str]) -> list[str]:
    """Those of the partitions that the server may lack something of."""
    with home.state.read() as state:
        marks = exported_marks(state, destination_of(connection))
    return [partition for partition in among if marks.get(partition) != mark_of(home, partition)]


async def export(
    home: Home, connection: FhirConnection, partitions: Sequence[str], settings: ExportSettings
) -> ExportReport:
    """Send what the server lacks of these partitions; one export of a home at a time.

    Raises: what ``FhirServer`` raises, ``ServerUnfit``, ``OtherWriteForm``, ``OtherIdentities``; what was accepted
    before is remembered.
    """
    with home.lock(ASSET):
        async with connection.open() as server:
            sender = await sender_to(home, connection, server, settings)
            run = FhirRun(sender)
            await run.send_provenances()
            for partition in partitions:
                await run.export_partition(partition)
                await run.send_provenances()
        _forget_troubles_of_nothing(home)
    return sender.report


async def sender_to(home: Home, connection: FhirConnection, server: FhirServer, settings: ExportSettings) -> Sender:
    """A sender that writes as the destination has been written before. Raises: as ``export``."""
    capability = await server.capability()
    form = _form(home, connection, capability)
    return Sender(home, connection, server, capability, form, settings, ExportReport())


def preview(home: Home, connection: FhirConnection, partitions: Iterable[str]) -> ExportReport:
    """What ``export`` would find to do, without a call: ``written`` are at most the resources it would send."""
    report, destination = ExportReport(), destination_of(connection)
    with home.state.read() as state:
        erased = erased_patients(home, state, destination)
    for partition in partitions:
        wanted = wanted_of(home, partition)
        with home.state.read() as state:
            known = known_of(state, destination, wanted, erased)
            strays = len(known.strays)
            if partition == PEOPLE:
                former = former_patients(home, state, destination)
                strays += sum(len(left_behind(state, destination, patient)) for patient in former)
        fresh = list(news(wanted, known, report))
        report.wanted += strays
        report.retired += strays
        report.written += len(fresh) + strays
        report.created += sum(not known.keeps(one.name) for one in fresh)
    return report


def _form(home: Home, connection: FhirConnection, capability: Capability) -> WriteForm:
    """By id or by condition: as before, for a destination must never see both, nor anything under two names."""
    destination, form = destination_of(connection), capability.write_form(TYPES)
    identities = _identities(home, form)
    with home.state.write() as state:
        before = write_form_of(state, destination)
        identities_before = exported_marks(state, destination).get(_IDENTITIES)
        if before is None:
            put_write_form(state, destination, form)
        if identities_before is None:
            put_exported_mark(state, destination, _IDENTITIES, identities)
    if before not in (None, form):
        raise OtherWriteForm(
            "The FHIR server now takes writes in another form than when it was first sent to, which would double "
            "everything there: switch its update-as-create back, or export to an empty server at another address."
        )
    if identities_before not in (None, identities):
        raise OtherIdentities(
            "The pseudonym key, or the base of identifiers, is another than when the FHIR server was first sent to, "
            "which would double everything there: put the former one back, or export to an empty server at another "
            "address."
        )
    return form


def _identities(home: Home, form: WriteForm) -> str:
    """What ids depend on and, where the server looks for identifiers, what these depend on too; no secret."""
    probe = fhir_context(home).pseudonyms.of("device", "", ASLEEP, ASLEEP)
    parts = [probe] if form == "by_id" else [probe, home.fhir_base]
    return sha256(" ".join(parts).encode()).hexdigest()[:16]


def _forget_troubles_of_nothing(home: Home) -> None:
    """Take out of quarantine what belongs to partitions that there are no files of any more."""
    there = {*partitions_of(home), PROVENANCES}
    with home.state.read() as state:
        troubled = {one.partition for one in list_quarantined(state) if one.asset == ASSET}
    for partition in troubled - there:
        replace_quarantined(home.state, ASSET, partition, [])
