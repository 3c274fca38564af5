"""The default world at a fixed time, served once for tests that read, and on demand for tests that change it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import httpx
import pytest

from connectors.asleep.sandbox import World
from tests.connectors.asleep.sandbox.clients import NOW, vendor_of


@pytest.fixture(scope="package")
def world() -> World:
    """The default world, for tests that only read."""
    return World(now=NOW)


@pytest.fixture(scope="package")
def vendor(world: World) -> Iterator[httpx.Client]:
    """A client of the default world, for tests that only read."""
    with vendor_of(world) as client:
        yield client


@pytest.fixture
def serve_world() -> Iterator[Callable[[World], httpx.Client]]:
    """Serves a world of the test's own, which it may change."""
    with ExitStack() as stack:
        yield lambda world: stack.enter_context(vendor_of(world))
