"""The circuit breaker of a vendor: when many calls in a row have failed, nobody asks until one call succeeds again.

A small file holds its state, so that all processes of a home, and a run that is started again, share it. Which failures
count and what is asked does not live here.
"""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import msgspec
from msgspec.structs import replace

from connectors.errors import VendorDown
from connectors.patience import BreakerTimes
from connectors.shared_state import SharedState

PROBE_MARGIN_S = 5.0
"""Seconds beyond its time-out after which a probe counts as lost: whoever made it has died."""

FORGOTTEN_S = 600.0
"""Seconds after which a state that nobody has touched says nothing any more, and the breaker is closed."""

LONGEST_PROBE_S = 120.0
"""Seconds a probe may take at most; the file of a probe said to last longer is damaged."""

_LOOK_AGAIN_S = 0.5
_MARK_BYTES = 4
_MOST_KNOWN = 100


class Outage(msgspec.Struct, frozen=True, kw_only=True):
    """What the processes of a home share; times are wall-clock seconds, 0 means never.

    ``failed`` holds a mark of each distinct call that failed since the last good answer, made with ``salt`` and so
    short that it leads back to nobody; ``known`` those that have failed although the vendor proved to be alive, and
    count no more. Open means ``since`` is set.
    """

    failed: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    salt: str = ""
    since: float = 0.0
    cool_s: float = 0.0
    ask_at: float = 0.0
    probe_until: float = 0.0
    touched_at: float = 0.0


@dataclass(frozen=True)
class Entry:
    """Permission to ask; ``probe_until`` tells which probe it is, 0 that it is none."""

    probe_until: float = 0.0


_CLOSED = Outage()
_DECODER = msgspec.json.Decoder(Outage)


class Breaker:
    """Closed until ``times.calls`` distinct calls in a row have failed (10), over all processes that name ``path``.

    Then it is open: nobody asks for ``times.cool_s`` seconds (5), after which one call probes. Its success closes the
    breaker, its failure opens it for twice as long, up to ``times.longest_cool_s`` (60 s). When a probe fails more than
    ``times.down_s`` seconds (120) after the breaker opened, the vendor is given up.

    One call counts once, however often it is repeated. A probe that only tells that the vendor is ``alive`` closes the
    breaker too, but does not clear the calls that had failed: they are in trouble of their own and count no more until
    a good answer has come. To open it again takes as many other calls as are known to be in trouble, 10 at least (100
    are known at most): ``f`` failures without a good answer among them open it at most ``5 + f / 100`` times.

    ``vendor`` is the name for texts; ``clock`` is wall-clock seconds, the one clock that all processes share. A damaged
    file, or one nobody has touched for 10 minutes, means closed. Every method raises ``DiskUnavailable`` when the file
    cannot be opened or written.
    """

    def __init__(
        self,
        path: Path,
        vendor: str,
        times: BreakerTimes | None = None,
        *,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._outage = SharedState(path, _decoded, sleep)
        self._vendor = vendor
        self._times = times or BreakerTimes()
        self._clock = clock
        self._sleep = sleep

    async def enter(self, answer_s: float) -> Entry | None:
        """Permission to ask now, for an answer within ``answer_s`` seconds; None while nobody may."""
        async with self._outage.held() as held:
            now = self._clock()
            held.value = outage = self._possible(held.value, now)
            if not outage.since:
                return Entry()
            if now < max(outage.ask_at, outage.probe_until):
                return None
            probe_until = now + min(answer_s + PROBE_MARGIN_S, LONGEST_PROBE_S)
            held.value = replace(outage, probe_until=probe_until, touched_at=now)
            return Entry(probe_until)

    async def wait(self) -> None:
        """Wait until it makes sense to ``enter`` again."""
        while (wait_s := await self._closed_in_s()) > 0:
            # A probe may end, or a late answer come, long before the time is over.
            await self._sleep(min(wait_s, _LOOK_AGAIN_S, self._times.cool_s))

    async def succeeded(self) -> None:
        """A good answer has come: the breaker is closed, and counting begins anew."""
        async with self._outage.held() as held:
            if held.value != _CLOSED:
                held.value = _CLOSED

    async def alive(self) -> None:
        """A probe bound to nobody has been answered: the breaker is closed, but no call has got its good answer."""
        async with self._outage.held() as held:
            outage = held.value
            if outage.since:
                known = (*outage.known, *outage.failed)[-_MOST_KNOWN:]
                held.value = Outage(known=known, salt=outage.salt, touched_at=self._clock())

    async def failed(self, entry: Entry, call: bytes, *, counts: bool = True) -> VendorDown | None:
        """An attempt at ``call`` has failed; the error that ends everything if the vendor is to be given up.

        A failure that does not count is one that only a probe can have.
        """
        async with self._outage.held() as held:
            now = self._clock()
            held.value = outage = self._possible(held.value, now)
            if outage.since and entry.probe_until and outage.probe_until == entry.probe_until:
                held.value = outage = self._opened_again(outage, now)
                down_s = now - outage.since
                return self._given_up(outage, down_s) if down_s > self._times.down_s else None
            if counts and not outage.since:
                held.value = self._counted(outage, call, now)
        return None

    async def undecided(self, entry: Entry) -> None:
        """The attempt told nothing about whether the vendor is well; if it was a probe, another one may follow."""
        if entry.probe_until:
            async with self._outage.held() as held:
                if held.value.probe_until == entry.probe_until:
                    held.value = replace(held.value, probe_until=0.0)

    async def _closed_in_s(self) -> float:
        async with self._outage.held() as held:
            now = self._clock()
            held.value = outage = self._possible(held.value, now)
            return max(outage.ask_at, outage.probe_until) - now if outage.since else 0.0

    def _possible(self, outage: Outage, now: float) -> Outage:
        """The state without what cannot be at ``now``: the clock was set back, or the file was damaged."""
        if now - outage.touched_at > FORGOTTEN_S:
            return _CLOSED
        if outage.touched_at > now:
            outage = replace(outage, since=min(outage.since, now), ask_at=now, probe_until=0.0, touched_at=now)
        if outage.since > now or outage.probe_until > now + LONGEST_PROBE_S:
            outage = replace(outage, since=min(outage.since, now), probe_until=0.0)
        if outage.since < 0 or outage.ask_at > now + self._times.longest_cool_s:
            outage = replace(outage, since=now, ask_at=now + self._times.cool_s, touched_at=now)
        return outage

    def _counted(self, outage: Outage, call: bytes, now: float) -> Outage:
        salt = outage.salt or secrets.token_hex(8)
        mark = blake2b(call, digest_size=_MARK_BYTES, key=salt.encode()).hexdigest()
        if mark in outage.known:
            return outage
        failed = outage.failed if mark in outage.failed else (*outage.failed, mark)
        outage = replace(outage, failed=failed, salt=salt, touched_at=now)
        if len(failed) < max(self._times.calls, len(outage.known)):
            return outage
        return replace(outage, since=now, cool_s=self._times.cool_s, ask_at=now + self._times.cool_s)

    def _opened_again(self, outage: Outage, now: float) -> Outage:
        cool_s = min(max(2 * outage.cool_s, self._times.cool_s), self._times.longest_cool_s)
        return replace(outage, cool_s=cool_s, ask_at=now + cool_s, probe_until=0.0, touched_at=now)

    def _given_up(self, outage: Outage, down_s: float) -> VendorDown:
        return VendorDown(
            f"{self._vendor} has failed {len(outage.failed)} calls in a row and for {_span(down_s)}: "
            "the run stopped, start it again later; nothing is lost."
        )


def _span(seconds: float) -> str:
    return f"{seconds / 60:.0f} minutes" if seconds >= 90 else f"{seconds:.0f} s"


def _decoded(text: bytes) -> Outage:
    try:
        return _DECODER.decode(text)
    except (ValueError, RecursionError):
        return _CLOSED
