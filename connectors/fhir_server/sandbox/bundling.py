"""Batches and transactions on a world: each entry through ``interactions``, with the faults that concern entries."""

from collections.abc import Callable
from http import HTTPStatus

from connectors.fhir_server.sandbox.faults import Fault
from connectors.fhir_server.sandbox.interactions import Answer, Asked, Interactions, Refused
from connectors.fhir_server.sandbox.store import Document
from connectors.fhir_server.sandbox.world import World

EntryFault = Callable[[int], Fault | None]
"""The fault that the entry at a position meets."""


def process(world: World, interactions: Interactions, bundle: object, base: str, fault_of: EntryFault) -> Document:
    """The answer to a Bundle. Raises Refused: it is none, or a transaction has failed."""
    match bundle:
        case {"resourceType": "Bundle", "type": "batch" | "transaction" as kind, "entry": list(entries)}:
            pass
        case _:
            raise Refused(400, "structure", "a Bundle of type batch or transaction is wanted")
    if not getattr(world.switches, kind):
        raise Refused(422, "not-supported", f"{kind} is not supported")
    if len(entries) > world.switches.most_entries:
        raise Refused(413, "too-costly", f"{len(entries)} entries are too many")
    asked = [_asked(entry) for entry in entries]
    if world.switches.strict:
        for one in asked:
            _check(one, world)
    if kind == "batch":
        answered = [_answered(interactions, one, base, fault_of(n)) for n, one in enumerate(asked)]
    else:
        _refuse_repeated(asked)
        with world.store.all_or_nothing():
            answered = [_carried_out(interactions, one, base, fault_of(n)) for n, one in enumerate(asked)]
    return {"resourceType": "Bundle", "type": f"{kind}-response", "entry": answered}


def _asked(entry: object) -> Asked:
    match entry:
        case {"request": {"method": str(method), "url": str(url)} as request}:
            body = entry.get("resource") if isinstance(entry, dict) else None
            conditions = {"if_match": request.get("ifMatch"), "if_none_exist": request.get("ifNoneExist")}
            return Asked.of(method, url, body, **conditions)
    raise Refused(400, "required", "every entry needs a request with method and url")


def _check(asked: Asked, world: World) -> None:
    body = asked.body if isinstance(asked.body, dict) else {}
    if {str(one.get("value")) for one in body.get("identifier", ())} & set(world.switches.poison):
        raise Refused(400, "structure", f"the Bundle cannot be read because of {body}")


def _refuse_repeated(asked: list[Asked]) -> None:
    targets = [(one.path, tuple(one.query.items())) for one in asked if one.method in ("PUT", "DELETE")]
    if len(targets) != len(set(targets)):
        raise Refused(400, "invalid", "a transaction must not change a resource twice")


def _answered(interactions: Interactions, asked: Asked, base: str, fault: Fault | None) -> Document:
    try:
        return _carried_out(interactions, asked, base, fault)
    except Refused as refused:
        return {"response": {"status": _line(refused.status), "outcome": refused.outcome}}


def _carried_out(interactions: Interactions, asked: Asked, base: str, fault: Fault | None) -> Document:
    if fault and not fault.after:
        raise Refused(fault.status, "transient", f"not now: {asked.body}")
    answer = interactions.carry_out(asked)
    if fault:
        raise Refused(fault.status, "exception", f"done, and still an error: {asked.body}")
    return _entry(answer, asked, base)


def _entry(answer: Answer, asked: Asked, base: str) -> Document:
    response: Document = {"status": _line(answer.status)}
    if answer.name and asked.method != "GET":
        response["location"] = f"{base}/{answer.name}/_history/{answer.version}"
    if answer.version:
        response["etag"] = f'W/"{answer.version}"'
    return {"response": response, **({"resource": answer.body} if asked.method == "GET" else {})}


def _line(status: int) -> str:
    return f"{status} {HTTPStatus(status).phrase}"
