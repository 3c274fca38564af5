"""A home with one user of a bed on its roster."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.home import Home
from tests.assets.beds.documents import ANNA
from tests.assets.homes import StandingClock, follow, new_home


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """An empty home that follows Anna."""
    with new_home(tmp_path / "home", StandingClock()) as made:
        follow(made, ANNA)
        yield made
