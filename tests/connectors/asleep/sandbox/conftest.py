"""Worlds with a fixed clock, and HTTP clients of sandboxes that really listen on loopback."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime

import httpx
import pytest

from connectors.asleep.sandbox import World, running

NOW = datetime(2026, 11, 22, 6, 0, 0, tzinfo=UTC)
NOBODY = "G-20200101000000-abcdefghijklmnopqrst"
"""A well-formed id no world gives out."""


@contextmanager
def vendor_of(world: World) -> Iterator[httpx.Client]:
    """A client with the right key for a sandbox that serves ``world``."""
    with (
        running(world) as base_url,
        httpx.Client(base_url=base_url, headers={"x-api-key": world.api_key}, trust_env=False) as client,
    ):
        yield client


@pytest.fixture(scope="package")
def world() -> World:
    """The default world at a fixed time, for tests that only read."""
    return World(now=NOW)


@pytest.fixture(scope="package")
def vendor(world: World) -> Iterator[httpx.Client]:
    """A client of the default world, for tests that only read."""
    with vendor_of(world) as client:
        yield client


@pytest.fixture
def serving() -> Iterator[Callable[[World], httpx.Client]]:
    """Serves a world of the test's own, which it may change."""
    with ExitStack() as stack:
        yield lambda world: stack.enter_context(vendor_of(world))
