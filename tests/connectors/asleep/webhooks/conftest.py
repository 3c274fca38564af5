"""A receiver for tests that only look at answers, and for each test that wants it one of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.connectors.asleep.webhooks.posting import Post, receiver


@pytest.fixture
def post(tmp_path: Path) -> Iterator[Post]:
    """A receiver with an empty inbox."""
    with receiver(tmp_path) as post:
        yield post


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Post]:
    """A receiver of all tests of a file."""
    with receiver(tmp_path_factory.mktemp("receiver")) as post:
        yield post
