"""A client of the real class whose answers come from a test: over loopback, or from a function in virtual time."""

import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import httpx

from connectors.asleep.client import AsleepClient
from connectors.patience import Patience, Retry
from connectors.rate_limit import RateLimit
from tests.connectors.virtual_time import run_virtually

T = TypeVar("T")

NOW = datetime(2026, 3, 1, 4, 0, tzinfo=UTC)
KEY = "the-key"


@asynccontextmanager
async def opened(base_url: str, *, key: str = KEY, **settings: Any) -> AsyncIterator[AsleepClient]:
    """A client with a budget that never binds, a stopped clock and retries without waiting."""
    with tempfile.TemporaryDirectory() as folder:
        budget = RateLimit(Path(folder) / "budget", 1e6)
        settings = {"patience": Patience(Retry(base_s=0, jitter_s=0))} | settings
        async with AsleepClient(base_url, key, rate_limit=budget, clock=lambda: NOW, **settings) as client:
            yield client


def ask(
    reply: Callable[[httpx.Request], httpx.Response],
    question: Callable[[AsleepClient], Coroutine[Any, Any, T]],
    **settings: Any,
) -> T:
    """Put one question to a client whose requests are answered by ``reply``."""

    async def main() -> T:
        async with opened("http://asleep.test", transport=httpx.MockTransport(reply), **settings) as client:
            return await question(client)

    return run_virtually(main)
