"""A home of the test's own, with a clock that stands still until it is moved."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.home import Home
from tests.assets.homes import StandingClock, new_home


@pytest.fixture
def clock() -> StandingClock:
    """The clock of ``home``."""
    return StandingClock()


@pytest.fixture
def home(tmp_path: Path, clock: StandingClock) -> Iterator[Home]:
    """An empty home."""
    with new_home(tmp_path / "home", clock) as home:
        yield home
