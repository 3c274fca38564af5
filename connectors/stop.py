"""The end of all calls of a host: one error that concerns everybody, told to whoever waits.

Which errors these are is in ``errors``. What is already on its way to the vendor is left to finish.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from copy import copy

from connectors.errors import VendorError, stops_everything


class Stop:
    """Remembers the first error that ``stops_everything``; for use in one event loop."""

    def __init__(self) -> None:
        self._error: VendorError | None = None
        self._waiting: set[asyncio.Timeout] = set()

    def consider(self, error: VendorError | None) -> None:
        """Stop everything if ``error`` is a reason to; who waits is woken, who comes later does not begin."""
        if self._error is None and error is not None and stops_everything(error):
            self._error = error
            for waiting in self._waiting:
                waiting.reschedule(asyncio.get_running_loop().time())

    @asynccontextmanager
    async def interrupting(self) -> AsyncIterator[None]:
        """Wait for something in here; left at once with the error when everything stops, before or meanwhile."""
        self._raise()
        try:
            async with asyncio.timeout(None) as waiting:
                self._waiting.add(waiting)
                try:
                    yield
                finally:
                    self._waiting.discard(waiting)
        except TimeoutError:
            if not waiting.expired():
                raise
        self._raise()

    async def sleep(self, seconds: float) -> None:
        """Wait so many seconds; raises the error when everything stops, before or meanwhile."""
        async with self.interrupting():
            await asyncio.sleep(seconds)

    def _raise(self) -> None:
        if self._error:
            raise copy(self._error)  # an exception of its own for each call, because each collects its own traceback
