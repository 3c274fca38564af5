"""Sending until every outcome is known: a lost answer is looked up, what arrived is not written again.

A server makes a new version of content that it has already, so nothing is sent a second time before a re-read has
shown that it must be; and then with the version that was read, so that a first attempt that arrives late makes the
second one fail instead of both counting.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace

from connectors.fhir_server.answers import EntryOutcome
from connectors.fhir_server.bundles import Bundle, Entry, Write, entry_of
from connectors.fhir_server.client import FhirServer
from connectors.fhir_server.content import same_content
from connectors.fhir_server.found import Found

_NOT_EVEN_TRIED = (429, 503)


async def deliver(
    server: FhirServer,
    bundle: Bundle,
    *,
    doubtful: bool = False,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> list[EntryOutcome]:
    """Send ``bundle`` until each entry is accepted, unchanged or refused; their outcomes, in their order.

    ``doubtful`` says that it may have been sent before, by a run that died: it is looked up first. After as many rounds
    as the server's patience has attempts, what is still in trouble is left with the last outcome (retry, conflict,
    lost). Content that a re-read found in place is accepted, with the version found and ``created`` for the first.
    In the conditional form a resource that the server has more than once is refused as ``multiple-matches``.
    Raises what ``FhirServer`` raises.
    """
    retry = server.patience.retry
    latest = {entry.write.name: EntryOutcome(entry.write, "lost") for entry in bundle.entries}
    originals = {entry.write.name: entry.write for entry in bundle.entries}
    pending: Sequence[Entry] = bundle.entries
    if doubtful:
        pending = await _looked_up(server, bundle, pending, latest)
    for failures in range(1, retry.attempts + 1):
        if not pending:
            break
        for part in _parts(bundle, pending, latest):
            for outcome in await server.send(part):
                latest[outcome.write.name] = outcome
        pending = [entry for entry in pending if latest[entry.write.name].kind in ("retry", "conflict", "lost")]
        if not pending:
            break
        if failures < retry.attempts:
            wishes_s = [latest[entry.write.name].retry_after_s or 0.0 for entry in pending]
            await sleep(max(*wishes_s, 0.0) or retry.wait_s(failures))
        pending = await _looked_up(server, bundle, pending, latest)
    return [replace(outcome, write=originals[name]) for name, outcome in latest.items()]


def _parts(bundle: Bundle, pending: Sequence[Entry], latest: Mapping[str, EntryOutcome]) -> list[Bundle]:
    """What is pending, in one Bundle; one by one when the last answer did not make clear who failed."""
    if any(latest[entry.write.name].kind == "lost" and latest[entry.write.name].status for entry in pending):
        return [bundle.only([entry]) for entry in pending]
    return [bundle.only(pending)]


async def _looked_up(
    server: FhirServer, bundle: Bundle, pending: Sequence[Entry], latest: dict[str, EntryOutcome]
) -> list[Entry]:
    """Those of ``pending`` that have to be sent (again); outcomes that the re-read decided are in ``latest``."""
    doubtful = [entry for entry in pending if _is_doubtful(latest[entry.write.name])]
    there = await server.reread([entry.write for entry in doubtful], bundle.form)
    found = {entry.write.name: one for entry, one in zip(doubtful, there, strict=True)}
    again: list[Entry] = []
    for entry in pending:
        name = entry.write.name
        decided = _decided(entry, found[name], server.address) if name in found else None
        if decided:
            latest[name] = decided
        else:
            again.append(_over(entry, found[name], bundle) if name in found else entry)
    return again


def _is_doubtful(outcome: EntryOutcome) -> bool:
    """Whether the server may have the content although it did not say so."""
    return outcome.kind != "retry" or outcome.status not in _NOT_EVEN_TRIED


def _decided(entry: Entry, found: tuple[Found, ...], address: str) -> EntryOutcome | None:
    """What the re-read says became of the entry; None when it is to be sent."""
    if len(found) > 1:
        return EntryOutcome(entry.write, "refused", codes=("multiple-matches",))
    if not found or not same_content(entry.resource, found[0].resource, address):
        return None
    version = found[0].version
    return EntryOutcome(entry.write, "accepted", None, found[0].id, version, created=version == "1")


def _over(entry: Entry, found: tuple[Found, ...], bundle: Bundle) -> Entry:
    """The entry, to replace what was found."""
    if bundle.form == "conditional":
        return entry
    return entry_of(Write(entry.write.resource, found[0].version if found else None), "by_id", {})
