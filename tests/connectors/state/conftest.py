"""An empty state database, one a test, and one that the examples of a property share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.state.database import State


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    """A new database in a file of its own."""
    state = State(f"sqlite:///{tmp_path / 'state.db'}")
    yield state
    state.close()


@pytest.fixture(scope="module")
def shared_state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[State]:
    """A database for the examples of a property; each example clears what it needs empty."""
    state = State(f"sqlite:///{tmp_path_factory.mktemp('state') / 'state.db'}")
    yield state
    state.close()
