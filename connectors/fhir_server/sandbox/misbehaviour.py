"""How a fault looks on the wire: instead of the right answer, or after the work behind it was done."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import orjson
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from connectors.fhir_server.sandbox.faults import Fault
from connectors.fhir_server.sandbox.interactions import Refused

FHIR_JSON = "application/fhir+json"
WAIT_S = 2
"""Seconds that Retry-After asks for."""

_PAGE = "<!DOCTYPE html><html><head><title>{0}</title></head><body><h1>{0}</h1><hr>nginx</body></html>"
_XML = '<?xml version="1.0"?><Bundle xmlns="http://hl7.org/fhir"><type value="batch-response"/></Bundle>'


class Broken(Response):
    """An answer that promises more than it sends."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the beginning; the server closes the connection because the rest is missing."""
        headers = [(b"content-type", FHIR_JSON.encode()), (b"content-length", b"100000")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b'{"resourceType":"Bun', "more_body": True})


class Silent(Response):
    """No answer as long as the client waits for one."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Wait until it goes away."""
        while (await receive())["type"] != "http.disconnect":
            pass


def json_response(document: object, status: int = 200, **headers: str) -> Response:
    """An answer as it should be; without a body when there is no document."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    content = b"" if document is None else orjson.dumps(document)
    return Response(content, status, named, media_type=f"{FHIR_JSON}; charset=utf-8")


def spoiled(fault: Fault, work: Callable[[], Response]) -> Response:
    """What is answered under ``fault``; ``work`` makes the right answer and does what was asked."""
    match fault.kind:
        case "drop":
            if fault.after:
                work()
            return Broken()
        case "slow":
            work()
            return Silent()
        case "cut":
            right = work()
            return Response(bytes(right.body)[:-10] or b"{", right.status_code, media_type=FHIR_JSON)
        case "html":
            if fault.after:
                work()
            return Response(_PAGE.format(f"{fault.status} Oops"), fault.status, media_type="text/html")
        case "xml":
            work()
            return Response(_XML, 200, media_type="application/fhir+xml")
        case "status":
            if fault.after:
                work()
            outcome = Refused(fault.status, "transient", "not now: Jane Doe, born 1970-01-01").outcome
            return json_response(outcome, fault.status, **_retry_after(fault))
    return _with_other_entries(fault, work())


def _retry_after(fault: Fault) -> dict[str, str]:
    match fault.retry_after:
        case "seconds":
            return {"retry_after": str(WAIT_S)}
        case "date":
            return {"retry_after": format_datetime(datetime.now(UTC) + timedelta(seconds=WAIT_S), usegmt=True)}
    return {}


def _with_other_entries(fault: Fault, right: Response) -> Response:
    document = orjson.loads(right.body)
    entries = document.get("entry", [])
    match fault.kind:
        case "reordered":
            entries = entries[::-1]
        case "missing":
            entries = entries[: len(entries) // 2] + entries[len(entries) // 2 + 1 :]
        case "unlocated":
            entries = [{"response": {"status": entry["response"]["status"]}} for entry in entries]
    return json_response({**document, "entry": entries}, right.status_code)
