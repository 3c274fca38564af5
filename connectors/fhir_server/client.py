"""A FHIR R4 server's REST API (https://hl7.org/fhir/R4/http.html) as typed async calls.

Retries, the budget and connections are in ``connectors.http``, logins in ``auth``, Bundles in ``bundles``, the reading
of answers in ``answers`` and ``refusals``. What is to be sent, and what was sent before, does not live here.
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import datetime
from functools import partial
from types import TracebackType
from typing import Any, Self

import httpx
import orjson

from connectors.breaker import Breaker
from connectors.errors import HostUnreachable, RateLimited, ServerFailed, UnreadableAnswer
from connectors.fhir_server.answers import CONFLICTS, EntryOutcome, outcome_codes, outcome_of_status, outcomes
from connectors.fhir_server.auth import BearerToken, Login, SmartClient, SmartTokens
from connectors.fhir_server.bundles import Bundle, Key, Write, WriteForm, search_url
from connectors.fhir_server.capability import Capability, capability_of
from connectors.fhir_server.found import Found, found_of, matches, reread_of
from connectors.fhir_server.refusals import FhirJudge, LoginExpired, document_of
from connectors.http import Call, Calls, Host, Reply
from connectors.patience import Patience
from connectors.rate_limit import RateLimit

FHIR_JSON = "application/fhir+json"

READ_AT_ONCE = 100
"""Resources of one batch of reads."""

_HEADERS = {"accept": FHIR_JSON, "prefer": "return=minimal"}
_BODY = {"content-type": f"{FHIR_JSON}; charset=utf-8"}
_FRESH = {"cache-control": "no-cache"}  # some servers answer a search with the results of a minute ago
_DIVISIBLE = frozenset({400, 404, 410, 413, 422})
_GONE = frozenset({404, 410})


class FhirServer:
    """A FHIR R4 server; an async context manager for one event loop.

    Every method raises ``HostUnreachable``, ``VendorDown``, ``KeyRefused``, ``Forbidden``, ``RateLimited``,
    ``ServerFailed``, ``InvalidRequest``, ``UnreadableAnswer`` or another ``VendorError`` that concerns the server as a
    whole; what a server says of single resources is a result. After an error that ``stops_everything`` every call
    raises that error. ``calls`` counts requests under ``metadata``, ``bundle``, ``reread``, ``read``, ``find``,
    ``count``, ``delete`` and ``smart``.
    """

    def __init__(
        self,
        base_url: str,
        login: Login,
        *,
        rate_limit: RateLimit,
        clock: Callable[[], datetime],
        concurrency: int = 4,
        patience: Patience | None = None,
        breaker: Breaker | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        on_call: Callable[[str], None] | None = None,
    ) -> None:
        """Raise ``WrongUsage`` when the address cannot be used at all; nothing is asked yet."""
        self._address = base_url.rstrip("/")
        self._patience = patience or Patience()
        bearer = {"authorization": f"Bearer {login.token}"} if isinstance(login, BearerToken) else {}
        make_host = partial(
            Host,
            setting="FHIR_BASE_URL",
            rate_limit=rate_limit,
            concurrency=concurrency,
            clock=clock,
            patience=self._patience,
            transport=transport,
            on_call=on_call,
        )
        self._host = make_host(
            self._address, {**_HEADERS, **bearer}, breaker=breaker, alive=Call("metadata", "GET", "/metadata")
        )
        self._tokens: SmartTokens | None = None
        if isinstance(login, SmartClient):
            self._tokens = SmartTokens(
                login,
                configuration=self._smart_configuration,
                open_host=lambda origin: make_host(origin, {}),
                secure=self._address.startswith("https:"),
                clock=clock,
                patience=self._patience,
            )
        self._opened = AsyncExitStack()

    def __repr__(self) -> str:
        return f"<FhirServer {self._host.origin}>"

    async def __aenter__(self) -> Self:
        await self._opened.enter_async_context(self._host)
        if self._tokens:
            await self._opened.enter_async_context(self._tokens)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._opened.aclose()

    @property
    def address(self) -> str:
        """The server's base address, without a slash at its end; it may be compared, not shown."""
        return self._address

    @property
    def patience(self) -> Patience:
        """How long this server is borne with."""
        return self._patience

    @property
    def calls(self) -> Calls:
        """Requests made so far, retries included; logins apart."""
        return self._host.calls

    async def capability(self) -> Capability:
        """GET /metadata, without a SMART login unless the server wants one for it. Raises also ``ServerUnfit``."""
        call, judge = Call("metadata", "GET", "/metadata"), FhirJudge("question what it can do", "CapabilityStatement")
        try:
            reply = await self._host.call(call, replace(judge, renewable=self._tokens is not None))
        except LoginExpired:
            reply = await self._asked(call, judge)
        return capability_of(document_of(reply))

    async def send(self, bundle: Bundle) -> list[EntryOutcome]:
        """POST a Bundle once; the outcome of every entry, in their order. Never sent again by itself.

        A Bundle that is refused as a whole for what is in it (400, 404, 410, 413, 422) is cut in halves until the
        entries at fault are alone. A conflict of the whole (409, 412) is one of every entry. When the answer is lost,
        unreadable or a failure that may come after the work (408, 5xx), every entry is ``lost``.
        """
        # Not repeatable: a server makes a new version of the same content.
        call = Call("bundle", "POST", self._address, headers=_BODY, body=bundle.body, repeatable=False)
        try:
            reply = await self._asked(call, FhirJudge("Bundle", "Bundle", passed_on=_DIVISIBLE | CONFLICTS))
        except HostUnreachable as error:
            if not error.may_have_run:
                raise
            return [EntryOutcome(entry.write, "lost") for entry in bundle.entries]
        except (ServerFailed, UnreadableAnswer) as error:
            wish_s = getattr(error, "retry_after_s", None)
            return [EntryOutcome(entry.write, "lost", retry_after_s=wish_s) for entry in bundle.entries]
        except RateLimited as error:
            if error.lasting:
                raise
            return [outcome_of_status(entry.write, 429, (), error.retry_after_s) for entry in bundle.entries]
        if reply.status < 300:
            return outcomes(bundle, document_of(reply))
        if len(bundle.entries) > 1 and reply.status in _DIVISIBLE:
            half = len(bundle.entries) // 2
            first = await self.send(bundle.only(bundle.entries[:half]))
            return first + await self.send(bundle.only(bundle.entries[half:]))
        codes = outcome_codes(document_of(reply))
        return [outcome_of_status(entry.write, reply.status, codes) for entry in bundle.entries]

    async def read(self, type: str, id: str) -> Found | None:
        """GET Type/id; None when the server says itself that it does not have it, or has it no more (404, 410)."""
        judge = FhirJudge("read", type, passed_on=_GONE, bare=frozenset({410}))
        reply = await self._asked(Call("read", "GET", f"/{type}/{id}"), judge)
        return None if reply.status in _GONE else found_of(document_of(reply))

    async def find(self, type: str, system: str, value: str) -> list[Found]:
        """GET Type?identifier=system|value; everything that has this identifier, at most ten."""
        return await self.find_key(type, Key("identifier", system, value))

    async def find_key(self, type: str, key: Key) -> list[Found]:
        """Everything of this type that has ``key``, at most ten; what is found was seen to have it."""
        params = {key.parameter: key.token, "_count": "10"}
        call = Call("find", "GET", f"/{type}", headers=_FRESH, params=params)
        return matches(document_of(await self._asked(call, FhirJudge("search", "Bundle"))), type, key)

    async def count(self, type: str) -> int:
        """GET Type?_summary=count: how many there are."""
        call = Call("count", "GET", f"/{type}", headers=_FRESH, params={"_summary": "count"})
        total = document_of(await self._asked(call, FhirJudge("count", "Bundle"))).get("total")
        if not isinstance(total, int):
            raise UnreadableAnswer("The FHIR server does not say how many resources it has: count them there.")
        return total

    async def delete(self, type: str, id: str) -> bool:
        """DELETE Type/id; whether a read then proved it gone. A second time it is gone already, which is as well.

        False when the server answered and still has it (409: others refer to it).
        """
        judge = FhirJudge("deletion", None, passed_on=_GONE | CONFLICTS, bare=_GONE)
        await self._asked(Call("delete", "DELETE", f"/{type}/{id}"), judge)
        return await self.read(type, id) is None

    async def reread(self, writes: Iterable[Write], form: WriteForm) -> list[tuple[Found, ...]]:
        """What the server has of each write now, in their order: nothing, one, or (conditional form) several.

        Read in batches of GETs, so that no id stands in an address; one by one where the batch gives no clear answer.
        """
        wanted = list(writes)
        found: list[tuple[Found, ...]] = []
        for start in range(0, len(wanted), READ_AT_ONCE):
            found += await self._reread(wanted[start : start + READ_AT_ONCE], form)
        return found

    async def ids_of(self, writes: Iterable[Write], form: WriteForm) -> dict[str, str]:
        """The server's id by our ``Type/id`` of every write that is there exactly once, seen by its identifier."""
        wanted = list(writes)
        found = await self.reread(wanted, form)
        return {write.name: there[0].id for write, there in zip(wanted, found, strict=True) if len(there) == 1}

    async def _reread(self, writes: list[Write], form: WriteForm) -> list[tuple[Found, ...]]:
        urls = [write.name if form == "by_id" else search_url(write.type, write.key) for write in writes]
        entries = [{"request": {"method": "GET", "url": url}} for url in urls]
        body = orjson.dumps({"resourceType": "Bundle", "type": "batch", "entry": entries})
        call = Call("reread", "POST", self._address, headers={**_BODY, **_FRESH}, body=body)
        reply = await self._asked(call, FhirJudge("batch of reads", "Bundle", passed_on=_DIVISIBLE))
        answered = document_of(reply).get("entry") if reply.status < 300 else None
        return [
            await self._read_alone(write, form) if there is None else there
            for write, there in zip(writes, reread_of(writes, form, answered), strict=True)
        ]

    async def _read_alone(self, write: Write, form: WriteForm) -> tuple[Found, ...]:
        if form == "conditional":
            return tuple(await self.find_key(write.type, write.key))
        found = await self.read(write.type, write.id)
        return (found,) if found else ()

    async def _smart_configuration(self) -> Mapping[str, Any]:
        call = Call("smart", "GET", "/.well-known/smart-configuration", headers={"accept": "application/json"})
        return document_of(await self._host.call(call, FhirJudge("question where to log in", None)))

    async def _asked(self, call: Call, judge: FhirJudge) -> Reply:
        """Ask with a login; with another one when the first has expired."""
        if self._tokens is None:
            return await self._host.call(call, judge)
        token = await self._tokens.current()
        try:
            return await self._host.call(_with_token(call, token), replace(judge, renewable=True))
        except LoginExpired:
            pass
        token = await self._tokens.after(token)
        return await self._host.call(_with_token(call, token), judge)


def _with_token(call: Call, token: str) -> Call:
    return replace(call, headers={**call.headers, "authorization": f"Bearer {token}"})
