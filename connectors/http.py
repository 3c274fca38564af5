"""What every vendor client shares: one host's calls, within its budget, with retries and a breaker, and counted.

No vendor lives here: which answers are errors is told by a ``Judge`` that the vendor's own client brings along. How
patient we are is in ``patience``, the way to the host in ``transport``.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType
from typing import Protocol, Self

import httpx

from connectors.breaker import Breaker, Entry
from connectors.call_tally import NO_ANSWER, CallTally, EndpointAndStatus, status_word
from connectors.errors import CutShort, HostUnreachable, RateLimited, ServerFailed, VendorDown, VendorError
from connectors.lake.publish import DiskUnavailable
from connectors.pace import Slot
from connectors.patience import Patience, Tries, retry_after_s
from connectors.stop import Stop
from connectors.transport import TRANSPORT_ERRORS, diagnosis, open_client, origin, parsed


@dataclass
class Calls:
    """What was asked of a host so far: requests by endpoint name (retries included), and how many were retries."""

    by_endpoint: Counter[str] = field(default_factory=Counter)
    retries: int = 0


@dataclass(frozen=True)
class Call:
    """One request; ``body`` is a JSON document. ``repeatable`` says that running it twice does no harm.

    ``path`` begins with a slash and lies below the host's address, or is a whole address.

    Only ``endpoint`` and ``method`` may be shown.
    """

    endpoint: str
    method: str
    path: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    params: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)
    repeatable: bool = True

    def identity(self) -> bytes:
        """What tells this call from every other one; not to be shown or kept."""
        parts = (self.method, self.path, sorted(self.headers.items()), sorted(self.params.items()), self.body)
        return repr(parts).encode()


@dataclass(frozen=True)
class Reply:
    """An answer in full. ``body`` as received; ``attempts`` counts this one; ``retry_after_s`` is the host's wish.

    ``headers`` finds a name in whatever case.
    """

    status: int
    body: bytes = field(repr=False)
    attempts: int
    received_at: datetime
    retry_after_s: float | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


Judge = Callable[[Reply], VendorError | None]
"""Tells the error an answer stands for, or None when it is good."""


class Allowance(Protocol):
    """What a host lets us ask, whatever its arithmetic: ``RateLimit`` is one. All raise ``DiskUnavailable``."""

    async def acquire(self) -> Slot:
        """Wait until one more call may leave."""
        ...

    async def refused(self, slot: Slot, wish_s: float | None, pauses_s: tuple[float, float]) -> float:
        """The host refused the call of ``slot``; the seconds for which it has accepted none."""
        ...

    async def accepted(self, slot: Slot) -> None:
        """The host accepted the call of ``slot``."""
        ...


@dataclass(frozen=True)
class _Permit:
    """What a request needs to leave: a slot of the budget, and entry through the breaker."""

    slot: Slot
    entry: Entry


class Host:
    """One vendor host; an async context manager, for use in one event loop.

    ``setting`` is the name of the setting that holds ``base_url``, for texts. At most ``concurrency`` requests are
    under way at once, each after a slot of ``rate_limit`` and, if there is one, let through by ``breaker``; ``on_call``
    is told each endpoint name as it is asked, ``tally`` at the end how all requests were answered. Once a call has
    ended with an error that ``stops_everything`` no request leaves any more: those on their way may finish, all other
    calls raise that error too.

    ``alive`` is a harmless call bound to nobody, asked once each time ``breaker`` is due to be probed: any answer below
    500 closes it, and the calls that wait go on and fail or succeed by themselves. Only when it fails is the vendor
    taken for down. Without it the next call that waits is the probe, whatever is wrong with that one.
    """

    def __init__(
        self,
        base_url: str,
        headers: Mapping[str, str],
        *,
        setting: str,
        rate_limit: Allowance,
        concurrency: int,
        clock: Callable[[], datetime],
        patience: Patience | None = None,
        breaker: Breaker | None = None,
        alive: Call | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        on_call: Callable[[str], None] | None = None,
        tally: CallTally | None = None,
    ) -> None:
        self._url = parsed(base_url, setting)
        # Whole addresses, because httpx takes longest over putting an address together from its parts.
        self._base_url = str(self._url).rstrip("/")
        self._headers = dict(headers)
        self._setting = setting
        self._rate_limit = rate_limit
        self._concurrency = concurrency
        self._clock = clock
        self._patience = patience or Patience()
        self._breaker = breaker
        self._alive = alive
        self._transport = transport
        self._on_call = on_call
        self._tally = tally
        self._places = asyncio.Semaphore(concurrency)
        self._turn = asyncio.Lock()
        self._stop = Stop()
        self.calls = Calls()
        self._answers: Counter[EndpointAndStatus] = Counter()

    @property
    def origin(self) -> str:
        """Scheme, host and port: the part of the address that may be shown."""
        return origin(self._url)

    async def __aenter__(self) -> Self:
        self._client = open_client(
            self._url, self._headers, self._concurrency, self._transport, answer_s=self._patience.answer_s
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()
        if self._tally and self._answers:
            with suppress(DiskUnavailable):  # for want of a count nothing fails
                await self._tally.add(self._answers)

    async def call(self, call: Call, judge: Judge) -> Reply:
        """Ask until the answer is good or the attempts are used up.

        Raises ``HostUnreachable``, ``VendorDown``, whatever error ``judge`` found in the last answer, or the error
        that has stopped everything.
        """
        tries = Tries(self._patience.retry, call.repeatable)
        while True:
            outcome = await self._ask(call, judge, tries.number)
            if isinstance(outcome, Reply):
                return outcome
            wait_s = tries.wait_s(outcome)
            if wait_s is None:
                self._stop.consider(outcome)
                raise outcome
            await self._stop.sleep(wait_s)

    async def _ask(self, call: Call, judge: Judge, attempt: int) -> Reply | VendorError:
        """One attempt: a good answer, or the error it came to."""
        async with self._places:
            permit = await self._permitted()
            while self._breaker and self._alive and permit.entry.probe_until:
                if down := await self._probed(self._breaker, self._alive, permit, judge):
                    return down
                permit = await self._permitted()
            self._count(call.endpoint, attempt)
            outcome: Reply | VendorError = await self._send(call, attempt)
            if isinstance(outcome, Reply) and (error := judge(outcome)):
                # Before anything is awaited: after an answer that concerns everybody no further request may leave.
                self._stop.consider(error)
                outcome = error
            return await self._told(permit, call, outcome)

    async def _permitted(self) -> _Permit:
        """Wait for a slot of the budget at a time when the breaker lets calls through."""
        async with self._stop.interrupting(), self._turn:
            while True:
                slot = await self._rate_limit.acquire()
                if self._breaker is None:
                    return _Permit(slot, Entry())
                if entry := await self._breaker.enter(self._patience.answer_s):
                    return _Permit(slot, entry)
                await self._breaker.wait()

    async def _probed(self, breaker: Breaker, alive: Call, permit: _Permit, judge: Judge) -> VendorDown | None:
        """Ask with ``alive`` whether the host is; the error that ends everything if it is to be given up."""
        self._count(alive.endpoint, 1)
        reply = await self._send(alive, 1)
        if isinstance(reply, HostUnreachable) or reply.status >= 500:
            return await breaker.failed(permit.entry, alive.identity(), counts=False)
        refusal = judge(reply)
        if isinstance(refusal, RateLimited):
            await self._refused(permit.slot, refusal)
        else:
            await self._rate_limit.accepted(permit.slot)
        await breaker.alive()
        return None

    def _count(self, endpoint: str, attempt: int) -> None:
        self.calls.by_endpoint[endpoint] += 1
        self.calls.retries += attempt > 1
        if self._on_call:
            self._on_call(endpoint)

    async def _send(self, call: Call, attempt: int) -> Reply | HostUnreachable:
        outcome = await self._sent(call, attempt)
        status = status_word(outcome.status) if isinstance(outcome, Reply) else NO_ANSWER
        self._answers[call.endpoint, status] += 1
        return outcome

    async def _sent(self, call: Call, attempt: int) -> Reply | HostUnreachable:
        kind = {} if call.body is None else {"content-type": "application/json"}
        try:
            async with asyncio.timeout(self._patience.answer_s):
                response = await self._client.request(
                    call.method,
                    self._base_url + call.path if call.path.startswith("/") else call.path,
                    headers={**kind, **call.headers},
                    params=call.params or None,
                    content=call.body,
                )
        except TRANSPORT_ERRORS as error:
            reason, may_have_run = diagnosis(error)
        else:
            now = self._clock()
            wish_s = retry_after_s(response.headers.get("retry-after"), now)
            return Reply(response.status_code, response.content, attempt, now, wish_s, response.headers)
        # Made out here because an error made in the handler would carry the library's one as its context.
        return self._unreachable(reason, may_have_run, attempt)

    def _unreachable(self, reason: str, may_have_run: bool, attempts: int) -> HostUnreachable:
        return HostUnreachable(
            f"No answer from {self.origin} after {attempts_text(attempts)} ({reason}): "
            f"check {self._setting} and the network.",
            may_have_run=may_have_run,
        )

    async def _told(self, permit: _Permit, call: Call, outcome: Reply | VendorError) -> Reply | VendorError:
        """The outcome, once budget and breaker know of it; in its place, what they conclude from it."""
        if isinstance(outcome, RateLimited):
            await self._refused(permit.slot, outcome)
            if self._breaker:
                await self._breaker.undecided(permit.entry)
        elif isinstance(outcome, HostUnreachable | ServerFailed | CutShort):
            if self._breaker:
                # A host that cannot be reached at all stops everything by itself, and sooner.
                sent = not isinstance(outcome, HostUnreachable) or outcome.may_have_run
                return await self._breaker.failed(permit.entry, call.identity(), counts=sent) or outcome
        else:
            await self._rate_limit.accepted(permit.slot)
            if self._breaker:
                await self._breaker.succeeded()
        return outcome

    async def _refused(self, slot: Slot, refusal: RateLimited) -> None:
        pauses_s = (self._patience.retry.base_s, self._patience.retry.cap_s)
        refused_s = await self._rate_limit.refused(slot, refusal.retry_after_s, pauses_s)
        refusal.lasting = refused_s > self._patience.refused_s


def attempts_text(attempts: int) -> str:
    """``1 attempt`` or ``5 attempts``, for error texts."""
    return f"{attempts} attempt" if attempts == 1 else f"{attempts} attempts"
