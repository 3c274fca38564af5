"""Group commit: while one transaction waits for the disk, requests gather, and all of them go into the next one.

One thread writes; requests wait in their event loop until what they brought is durable.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from queue import SimpleQueue
from time import sleep
from types import TracebackType
from typing import Self

import structlog

from connectors.asleep.webhooks.inbox import Attempt, Inbox, InboxUnavailable, Outcome
from connectors.errors import NightshiftError

LARGEST_BATCH = 1_000
"""Requests in one transaction."""

GATHER_S = 0.002
"""Seconds for which the first request of a transaction waits for others: a sender does not notice, the disk does."""

_OWED = 10_000


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A request that waits; without an attempt it only wants to know whether the inbox can be written."""

    attempt: Attempt | None
    answer: "asyncio.Future[Outcome | None]"


class Writer:
    """The one who writes the inbox while a ``with`` lasts; at its end everything handed in is still committed.

    Requests come from one event loop.
    """

    def __init__(self, inbox: Inbox, log: structlog.typing.FilteringBoundLogger) -> None:
        self._inbox = inbox
        self._log = log
        self._queue: SimpleQueue[_Waiting | None] = SimpleQueue()
        # A full disk takes no audit either: what could not be noted is noted as soon as something can be.
        self._owed: deque[Attempt] = deque(maxlen=_OWED)
        self._thread = threading.Thread(target=self._write, name="webhook-writer", daemon=True)
        self._gate = threading.Lock()
        self._open = False
        self._healthy = True

    def __enter__(self) -> Self:
        """Open the inbox, so that a home that cannot be written is told before anything is accepted.

        Raises: InboxUnavailable.
        """
        self._inbox.record([])
        self._open = True
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take nothing more, finish what was handed in, close the inbox."""
        with self._gate:
            self._open = False
            self._queue.put(None)
        self._thread.join()
        self._inbox.close()

    async def record(self, attempt: Attempt) -> Outcome:
        """How the attempt ended, once it is durable.

        Raises: InboxUnavailable.
        """
        return await self._hand_in(attempt) or attempt.outcome

    async def is_ready(self) -> bool:
        """Whether the inbox takes what is handed in; after a failure this is tried."""
        if self._open and not self._healthy:
            with suppress(NightshiftError):
                await self._hand_in(None)
        return self._open and self._healthy

    async def _hand_in(self, attempt: Attempt | None) -> Outcome | None:
        waiting = _Waiting(attempt, asyncio.get_running_loop().create_future())
        with self._gate:
            if not self._open:
                raise InboxUnavailable("The receiver of webhooks is stopping.")
            self._queue.put(waiting)
        return await waiting.answer

    def _write(self) -> None:
        while self._write_batch():
            pass

    def _write_batch(self) -> bool:
        """Commit what waits, once there is something; False at the end. Nothing of it is held in memory afterwards."""
        batch, goes_on = _gather(self._queue)
        if batch:
            answers = self._commit([waiting.attempt for waiting in batch if waiting.attempt])
            with suppress(RuntimeError):  # the event loop is closed, nobody waits
                batch[0].answer.get_loop().call_soon_threadsafe(_tell, batch, answers)
        return goes_on

    def _commit(self, attempts: list[Attempt]) -> list[Outcome] | None:
        """How they ended; None if nothing could be committed."""
        owed = list(self._owed)
        try:
            ended = self._inbox.record([*owed, *attempts])
        except Exception as error:
            self._healthy = False
            self._owed.extend(_unkept(attempt) for attempt in attempts)
            with suppress(OSError):  # the log may lie on the same full disk
                self._log.error("webhooks.not_committed", error_kind=type(error).__name__, documents=len(attempts))
            return None
        self._healthy = True
        self._owed.clear()
        return ended[len(owed) :]


def _gather(queue: "SimpleQueue[_Waiting | None]") -> tuple[list[_Waiting], bool]:
    """Whatever waits, as soon as something does; False when there will be no more."""
    batch: list[_Waiting] = []
    while not batch or (len(batch) < LARGEST_BATCH and not queue.empty()):
        waiting = queue.get()
        if waiting is None:
            return batch, False
        if not batch:
            sleep(GATHER_S)
        batch.append(waiting)
    return batch, True


def _unkept(attempt: Attempt) -> Attempt:
    return replace(attempt, outcome=Outcome.NOT_COMMITTED, delivery=None) if attempt.delivery else attempt


def _tell(batch: Sequence[_Waiting], answers: list[Outcome] | None) -> None:
    """In the event loop: wake whoever still waits."""
    outcomes = iter(answers or [])
    for waiting in batch:
        outcome = next(outcomes, None) if waiting.attempt else None
        if waiting.answer.done():
            continue
        if answers is None:
            waiting.answer.set_exception(InboxUnavailable("The inbox of webhooks could not be written."))
        else:
            waiting.answer.set_result(outcome)
